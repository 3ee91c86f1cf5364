/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/number.h"
#include "lib/memory.h"

static char *unknown(void)
{
	return memory_format("-");
}

static char *plain(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_string(value))
		return memory_format("%s", json_string_value(value));
	if (json_is_integer(value))
		return memory_format("%lld", (long long)json_integer_value(value));
	if (json_is_boolean(value))
		return memory_format("%s", json_is_true(value) ? "yes" : "no");
	return unknown();
}

static char *words(const json_t *object, const char *key)
{
	const json_t *list = json_object_get(object, key), *word;
	char *text = NULL;
	size_t length, i;
	FILE *out;

	if (!json_array_size(list))
		return unknown();
	out = open_memstream(&text, &length);
	if (!out)
		memory_exhausted();
	json_array_foreach(list, i, word)
		fprintf(out, "%s%s", i ? " " : "", json_string_value(word));
	fclose(out);
	return text;
}

static char *human(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	char text[NUMBER_TEXT];

	return json_is_number(value) ? memory_format("%s", number_human(json_number_value(value), text)) : unknown();
}

static char *percent(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? memory_format("%.1f%%", 100 * json_number_value(value)) : unknown();
}

/* Of a pool: backends, and how many of them can be reached if not all. */
static char *reachable(const json_t *object, const char *key)
{
	long long backends = (long long)json_integer_value(json_object_get(object, key));
	long long resolved = (long long)json_integer_value(json_object_get(object, "resolved"));

	if (resolved == backends)
		return memory_format("%lld", backends);
	return memory_format("%lld of %lld", resolved, backends);
}

/* clang-format off */
#define COUNTER_FIELDS                                                                                                 \
	{"PACKETS", "packets", human, GRID_RIGHT, FIELD_TOTAL},                                                        \
	{"BYTES", "bytes", human, GRID_RIGHT, FIELD_TOTAL},                                                            \
	{"PACKETS/S", KEY_PACKET_RATE, human, GRID_RIGHT, FIELD_RATE},                                                 \
	{"BITS/S", KEY_BIT_RATE, human, GRID_RIGHT, FIELD_RATE}

static const struct field service_fields[] = {
	{"NAME", "name", plain, 0, FIELD_ALWAYS},
	{"ADDRESSES", "addresses", words, GRID_WRAP, FIELD_ALWAYS},
	{"PORTS", "ports", words, GRID_WRAP, FIELD_ALWAYS},
	{"POOL", "pool", plain, 0, FIELD_ALWAYS},
	{"HASH", "hash", plain, 0, FIELD_ALWAYS},
	COUNTER_FIELDS,
};
/* clang-format on */

static const struct field pool_fields[] = {
	{"NAME", "name", plain, 0, FIELD_ALWAYS},
	{"FORWARD", "forward", plain, 0, FIELD_ALWAYS},
	{"SLOTS", "table_size", plain, GRID_RIGHT, FIELD_ALWAYS},
	{"BACKENDS", "backends", reachable, GRID_RIGHT, FIELD_ALWAYS},
	{"SERVICES", "services", words, GRID_WRAP, FIELD_ALWAYS},
	COUNTER_FIELDS,
};

static const struct field backend_fields[] = {
	{"POOL", "pool", plain, 0, FIELD_ALWAYS},
	{"NAME", "name", plain, 0, FIELD_ALWAYS},
	{"ADDRESS", "address", plain, 0, FIELD_ALWAYS},
	{"STATE", "state", plain, 0, FIELD_ALWAYS},
	{"WEIGHT", "weight", plain, GRID_RIGHT, FIELD_ALWAYS},
	{"SHARE", "share", percent, GRID_RIGHT, FIELD_ALWAYS},
	{"SLOTS", "slots", plain, GRID_RIGHT, FIELD_TOTAL},
	{"INTERFACE", "interface", plain, 0, FIELD_ALWAYS},
	{"NEXT HOP", "next_hop", plain, 0, FIELD_ALWAYS},
	COUNTER_FIELDS,
};

static const struct field neighbour_fields[] = {
	{"ADDRESS", "address", plain, 0, FIELD_ALWAYS},
	{"INTERFACE", "interface", plain, 0, FIELD_ALWAYS},
	{"MAC", "mac", plain, 0, FIELD_ALWAYS},
	{"STATE", "state", plain, 0, FIELD_ALWAYS},
	{"BACKENDS", "backends", plain, GRID_RIGHT, FIELD_ALWAYS},
};

static const struct field drop_fields[] = {
	{"REASON", "reason", plain, 0, FIELD_ALWAYS},
	{"ACTION", "action", plain, 0, FIELD_ALWAYS},
	COUNTER_FIELDS,
	{"MEANING", "help", plain, GRID_WRAP, FIELD_ALWAYS},
};

static const struct field map_fields[] = {
	{"MAP", "name", plain, 0, FIELD_ALWAYS},
	{"ID", "id", plain, GRID_RIGHT, FIELD_ALWAYS},
	{"TYPE", "type", plain, 0, FIELD_ALWAYS},
	{"KEY", "key_size", plain, GRID_RIGHT, FIELD_ALWAYS},
	{"VALUE", "value_size", plain, GRID_RIGHT, FIELD_ALWAYS},
	{"ENTRIES", "max_entries", plain, GRID_RIGHT, FIELD_ALWAYS},
};

static const struct field link_fields[] = {
	{"LINK OF", "interface", plain, 0, FIELD_ALWAYS},
	{"ID", "id", plain, GRID_RIGHT, FIELD_ALWAYS},
	{"PROGRAM", "program", plain, GRID_RIGHT, FIELD_ALWAYS},
};

#define FIELDS(of) .fields = of, .field_count = sizeof(of) / sizeof((of)[0])

const struct subject subjects[] = {
	{
		.name = "services",
		.path = "/v1/services",
		FIELDS(service_fields),
		.identity = {"name"},
		.filter = "name",
		.filter_noun = "service",
		.counters = true,
		.help = "VIPs and ports, the pool behind them, counters",
	},
	{
		.name = "pools",
		.path = "/v1/pools",
		FIELDS(pool_fields),
		.identity = {"name"},
		.filter = "name",
		.filter_noun = "pool",
		.counters = true,
		.help = "forwarding mode, table size, backends that can be reached, counters",
	},
	{
		.name = "backends",
		.path = "/v1/backends",
		FIELDS(backend_fields),
		.identity = {"pool", "name"},
		.filter = "pool",
		.filter_noun = "pool with backends",
		.counters = true,
		.help = "weight, share, slots, next hop or why there is none, counters; NAME: of one pool",
	},
	{
		.name = "neighbours",
		.path = "/v1/neighbours",
		FIELDS(neighbour_fields),
		.identity = {"address", "interface"},
		.filter = "address",
		.filter_noun = "neighbour",
		.help = "the next hops of backends and their MACs; NAME: one address",
	},
	{
		.name = "drops",
		.path = "/v1/drops",
		FIELDS(drop_fields),
		.identity = {"reason"},
		.filter = "reason",
		.filter_noun = "reason",
		.counters = true,
		.help = "what became of packets, by reason; without reasons that no packet had unless --all",
	},
	{
		.name = "bpf",
		.path = "/v1/bpf",
		.help = "the program, its maps and links in the kernel",
	},
};

const size_t subject_count = sizeof(subjects) / sizeof(subjects[0]);

void show_subjects(void)
{
	puts("\nsubjects, which may be abbreviated:");
	for (size_t i = 0; i < subject_count; i++)
		printf("  %-11s %s\n", subjects[i].name, subjects[i].help);
	puts("\nNAME leaves the object of that name alone.");
}

/* A row that needs the operator's eye. */
static const char *row_colour(const json_t *object)
{
	if (json_is_false(json_object_get(object, "resolved")) || json_is_false(json_object_get(object, "known")))
		return "red";
	return NULL;
}

static bool is_shown(const struct field *field, bool rates)
{
	return field->when == FIELD_ALWAYS || field->when == (rates ? FIELD_RATE : FIELD_TOTAL);
}

static void print_fields(const struct field *fields, size_t count, const json_t *objects, bool rates, bool all)
{
	struct grid *grid = grid_new(cli_has_colours());
	const json_t *object, *packets;
	size_t i;

	for (size_t j = 0; j < count; j++)
		if (is_shown(&fields[j], rates))
			grid_column(grid, fields[j].header, fields[j].flags);
	json_array_foreach(objects, i, object) {
		packets = json_object_get(object, "packets");
		if (!all && json_is_integer(packets) && !json_integer_value(packets))
			continue;
		grid_row(grid);
		for (size_t j = 0; j < count; j++) {
			char *text;

			if (!is_shown(&fields[j], rates))
				continue;
			text = fields[j].text(object, fields[j].key);
			grid_cell(grid, text, row_colour(object));
			free(text);
		}
	}
	grid_print(grid);
}

/* Below the table: reasons are too long for a column. */
static void print_unreachable(const json_t *backends)
{
	const bool colours = cli_has_colours();
	const json_t *backend;
	size_t i, printed = 0;

	json_array_foreach(backends, i, backend) {
		if (!json_is_false(json_object_get(backend, "resolved")))
			continue;
		printf("%s%s%s/%s cannot be reached: %s%s\n", printed++ ? "" : "\n", colours ? "\033[31m" : "",
		       cli_text(backend, "pool"), cli_text(backend, "name"), cli_text(backend, "why"),
		       colours ? "\033[0m" : "");
	}
}

void subject_print(const struct subject *subject, const json_t *objects, bool rates, bool all)
{
	/* only reasons are many and mostly unused */
	if (subject->fields != drop_fields)
		all = true;
	print_fields(subject->fields, subject->field_count, objects, rates, all);
	if (subject->fields == backend_fields)
		print_unreachable(objects);
}

void subject_print_bpf(const json_t *bpf)
{
	const json_t *program = json_object_get(bpf, "program");
	char *folder = plain(bpf, "folder"), *id = plain(program, "id"), *object = plain(program, "object");

	printf("pinned under %s\nprogram %s, object %s\n\n", folder, id, object);
	print_fields(map_fields, sizeof(map_fields) / sizeof(map_fields[0]), json_object_get(bpf, "maps"), false, true);
	if (json_array_size(json_object_get(bpf, "links"))) {
		putchar('\n');
		print_fields(link_fields, sizeof(link_fields) / sizeof(link_fields[0]), json_object_get(bpf, "links"),
			     false, true);
	}
	free(folder);
	free(id);
	free(object);
}
