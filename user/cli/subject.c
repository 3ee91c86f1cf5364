/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/grid.h"
#include "cli/notes.h"
#include "cli/standing.h"

/* clang-format off */
#define COUNTER_FIELDS                                                                                                 \
	{"PACKETS", "packets", field_human, GRID_RIGHT, FIELD_TOTAL},                                                        \
	{"BYTES", "bytes", field_human, GRID_RIGHT, FIELD_TOTAL},                                                            \
	{"PACKETS/S", KEY_PACKET_RATE, field_human, GRID_RIGHT, FIELD_RATE},                                                 \
	{"BITS/S", KEY_BIT_RATE, field_human, GRID_RIGHT, FIELD_RATE}

static const struct field service_fields[] = {
	{"NAME", "name", field_plain, 0, FIELD_ALWAYS},
	{"ADDRESSES", "addresses", field_words, GRID_WRAP, FIELD_ALWAYS},
	{"PORTS", "ports", field_words, GRID_WRAP, FIELD_ALWAYS},
	{"POOL", "pool", field_plain, 0, FIELD_ALWAYS},
	{"HASH", "hash", field_plain, 0, FIELD_ALWAYS},
	{"OPTIONS", NULL, field_service_configured, GRID_WRAP, FIELD_USED},
	COUNTER_FIELDS,
};
/* clang-format on */

static const struct field pool_fields[] = {
	{"NAME", "name", field_plain, 0, FIELD_ALWAYS},
	{"UP", "up", field_pool_up, GRID_RIGHT | FIELD_COLOURED, FIELD_ALWAYS},
	{"STATE", "state", field_pool_state, FIELD_COLOURED, FIELD_ALWAYS},
	{"FALLBACK", "fallback", field_plain, 0, FIELD_ALWAYS},
	{"FORWARD", "forward", field_plain, 0, FIELD_ALWAYS},
	{"SLOTS", "table_size", field_plain, GRID_RIGHT, FIELD_LONG},
	{"MIN HEALTHY", "min_healthy", field_plain, GRID_RIGHT, FIELD_LONG},
	{"OPEN", "slots_open", field_plain, GRID_RIGHT, FIELD_LONG},
	{"SETTLED", "slots_settled", field_plain, GRID_RIGHT, FIELD_LONG},
	{"MOVING", "moving", field_plain, GRID_RIGHT, FIELD_LONG},
	{"RECORDS", "records", field_plain, GRID_RIGHT, FIELD_LONG},
	{"TRACKED", "tracked_share", field_percent, GRID_RIGHT, FIELD_LONG},
	{"SERVICES", "services", field_words, GRID_WRAP, FIELD_ALWAYS},
	{"SOURCES OF", "source_services", field_words, GRID_WRAP, FIELD_USED},
	{"OPTIONS", NULL, field_pool_configured, GRID_WRAP, FIELD_USED},
	COUNTER_FIELDS,
};

static const struct field backend_fields[] = {
	{"POOL", "pool", field_plain, 0, FIELD_ALWAYS},
	{"NAME", "name", field_plain, 0, FIELD_ALWAYS},
	{"ADDRESS", "address", field_plain, 0, FIELD_ALWAYS},
	{"LOCAL", "local", field_plain, 0, FIELD_USED},
	{"SERVER ID", "server_id", field_plain, 0, FIELD_USED},
	{"STATE", NULL, field_backend_state, FIELD_COLOURED, FIELD_ALWAYS},
	{"SINCE", "state_since", field_age, GRID_RIGHT, FIELD_ALWAYS},
	{"WEIGHT", NULL, field_backend_weight, GRID_RIGHT, FIELD_ALWAYS},
	{"SHARE", "share", field_percent, GRID_RIGHT, FIELD_ALWAYS},
	{"SLOTS", "slots", field_plain, GRID_RIGHT, FIELD_LONG},
	{"RECORDS", "records", field_plain, GRID_RIGHT, FIELD_LONG},
	{"INTERFACE", "interface", field_plain, 0, FIELD_LONG},
	{"PARENT", "parent", field_plain, 0, FIELD_LONG},
	{"VLAN TAGS", "tags", field_plain, 0, FIELD_LONG},
	{"NEXT HOP", "next_hop", field_plain, 0, FIELD_LONG},
	{"MAC", "mac", field_plain, 0, FIELD_LONG},
	{"MTU", "mtu", field_plain, GRID_RIGHT, FIELD_LONG},
	COUNTER_FIELDS,
	{"PROBE", NULL, field_backend_probe, GRID_TRUNCATE, FIELD_ALWAYS},
};

static const struct field flow_sum_fields[] = {
	{"POOL", "pool", field_plain, 0, FIELD_ALWAYS},
	{"BACKEND", "backend", field_plain, 0, FIELD_ALWAYS},
	{"PHASE", "phase", field_plain, 0, FIELD_ALWAYS},
	{"RECORDS", "records", field_plain, GRID_RIGHT, FIELD_ALWAYS},
	{"CLOSING", "closing", field_plain, GRID_RIGHT, FIELD_ALWAYS},
	{"OLDEST", "oldest_s", field_seconds, GRID_RIGHT, FIELD_ALWAYS},
	{"NEWEST", "newest_s", field_seconds, GRID_RIGHT, FIELD_ALWAYS},
};

static const struct field flow_record_fields[] = {
	{"CLIENT", "client", field_plain, 0, FIELD_ALWAYS},
	{"VIP", "vip", field_plain, 0, FIELD_ALWAYS},
	{"PROTOCOL", "protocol", field_plain, 0, FIELD_ALWAYS},
	{"POOL", "pool", field_plain, 0, FIELD_ALWAYS},
	{"BACKEND", "backend", field_plain, 0, FIELD_ALWAYS},
	{"PHASE", "phase", field_plain, 0, FIELD_ALWAYS},
	{"AGE", "age_s", field_seconds, GRID_RIGHT, FIELD_ALWAYS},
	{"IDLE", "idle_s", field_seconds, GRID_RIGHT, FIELD_ALWAYS},
	{"CLOSING", "closing", field_plain, 0, FIELD_ALWAYS},
};

static const struct field neighbour_fields[] = {
	{"ADDRESS", "address", field_plain, 0, FIELD_ALWAYS},
	{"INTERFACE", "interface", field_plain, 0, FIELD_ALWAYS},
	{"PARENT", "parent", field_plain, 0, FIELD_ALWAYS},
	{"VLAN TAGS", "tags", field_plain, 0, FIELD_ALWAYS},
	{"MAC", "mac", field_plain, 0, FIELD_ALWAYS},
	{"STATE", "state", field_plain, 0, FIELD_ALWAYS},
	{"BACKENDS", "backends", field_plain, GRID_RIGHT, FIELD_ALWAYS},
};

static const struct field drop_fields[] = {
	{"REASON", "reason", field_plain, 0, FIELD_ALWAYS},
	{"ACTION", "action", field_plain, 0, FIELD_ALWAYS},
	COUNTER_FIELDS,
	{"MEANING", "help", field_plain, GRID_WRAP, FIELD_ALWAYS},
};

static const struct field map_fields[] = {
	{"MAP", "name", field_plain, 0, FIELD_ALWAYS},
	{"ID", "id", field_plain, GRID_RIGHT, FIELD_ALWAYS},
	{"TYPE", "type", field_plain, 0, FIELD_ALWAYS},
	{"KEY", "key_size", field_plain, GRID_RIGHT, FIELD_ALWAYS},
	{"VALUE", "value_size", field_plain, GRID_RIGHT, FIELD_ALWAYS},
	{"ENTRIES", "max_entries", field_plain, GRID_RIGHT, FIELD_ALWAYS},
};

static const struct field link_fields[] = {
	{"LINK OF", "interface", field_plain, 0, FIELD_ALWAYS},
	{"ID", "id", field_plain, GRID_RIGHT, FIELD_ALWAYS},
	{"PROGRAM", "program", field_plain, GRID_RIGHT, FIELD_ALWAYS},
};

#define FIELDS(of) .fields = of, .field_count = sizeof(of) / sizeof((of)[0])

const struct subject subjects[] = {
	{
		.name = "services",
		.path = "/v1/services",
		FIELDS(service_fields),
		.identity = {"name"},
		.filter = {"name"},
		.filter_noun = {"service"},
		.counters = true,
		.help = "VIPs and ports, the pool behind them, counters",
	},
	{
		.name = "pools",
		.path = "/v1/pools",
		FIELDS(pool_fields),
		.identity = {"name"},
		.filter = {"name"},
		.filter_noun = {"pool"},
		.colour = field_pool_colour,
		.counters = true,
		.help = "backends that are up, whether that is enough, the fallback, counters",
	},
	{
		.name = "backends",
		.path = "/v1/backends",
		FIELDS(backend_fields),
		.identity = {"pool", "name"},
		.filter = {"pool", "name"},
		.filter_noun = {"pool with backends", "backend"},
		.colour = standing_colour,
		.counters = true,
		.help = "state, weight, share, probes, what is wrong, counters; NAME: a pool",
	},
	{
		.name = "flows",
		.path = "/v1/flows",
		.filter = {"pool"},
		.filter_noun = {"pool"},
		.help = "connections that are kept where they are while a table changes; NAME: a pool",
	},
	{
		.name = "neighbours",
		.path = "/v1/neighbours",
		FIELDS(neighbour_fields),
		.identity = {"address", "interface"},
		.filter = {"address"},
		.filter_noun = {"neighbour"},
		.help = "the next hops of backends and their MACs; NAME: one address",
	},
	{
		.name = "drops",
		.path = "/v1/drops",
		FIELDS(drop_fields),
		.identity = {"reason"},
		.filter = {"reason"},
		.filter_noun = {"reason"},
		.counters = true,
		.help = "what became of packets, by reason; without reasons that no packet had unless --all",
	},
	{
		.name = "deny",
		.path = "/v1/deny",
		.filter = {"prefix"},
		.filter_noun = {"prefix"},
		.help = "prefixes from which services take no packets; NAME: an address, and what denies it",
	},
	{
		.name = "events",
		.path = "/v1/events",
		.filter = {"pool", "backend"},
		.filter_noun = {"pool", "backend"},
		.help = "what happened, the last 100 unless --count or --all; NAME: a pool",
	},
	{
		.name = "bpf",
		.path = "/v1/bpf",
		.help = "the program, its maps and links in the kernel",
	},
};

const struct subject flow_sums = {.name = "flows", FIELDS(flow_sum_fields)};
const struct subject flow_records = {.name = "flows", FIELDS(flow_record_fields)};

const size_t subject_count = sizeof(subjects) / sizeof(subjects[0]);

void show_subjects(void)
{
	puts("\nsubjects, which may be abbreviated:");
	for (size_t i = 0; i < subject_count; i++)
		printf("  %-11s %s\n", subjects[i].name, subjects[i].help);
	puts("\nWith NAME, only the objects of that name are shown.");
}

/* A row that needs the operator's eye. */
static const char *row_colour(const json_t *object)
{
	if (json_is_false(json_object_get(object, "resolved")) || json_is_false(json_object_get(object, "known")))
		return "red";
	return NULL;
}

/* Whether the column says anything of any of them. */
static bool is_used(const struct field *field, const json_t *objects)
{
	const json_t *object;
	bool used = false;
	size_t i;

	json_array_foreach(objects, i, object) {
		char *text = field->text(object, field->key);

		used |= strcmp(text, "-") != 0 && strcmp(text, "no") != 0;
		free(text);
	}
	return used;
}

static bool is_shown(const struct field *field, const struct view *view, const json_t *objects)
{
	switch (field->when) {
	case FIELD_TOTAL:
		return !view->rates;
	case FIELD_RATE:
		return view->rates;
	case FIELD_LONG:
		return view->detailed;
	case FIELD_USED:
		return is_used(field, objects);
	default:
		return true;
	}
}

/* Columns of objects, and how they are shown. */
struct layout {
	const struct field *fields;
	size_t count;
	const char *(*colour)(const json_t *object);
	const struct view *view;
	unsigned long shown; /* a bit for each of the fields */
};

static void print_row(struct grid *grid, const struct layout *layout, const json_t *object)
{
	const char *whole = row_colour(object), *part = layout->colour ? layout->colour(object) : NULL;

	grid_row(grid);
	for (size_t i = 0; i < layout->count; i++) {
		const struct field *field = &layout->fields[i];
		char *text;

		if (!(layout->shown & 1UL << i))
			continue;
		text = field->text(object, field->key);
		grid_cell(grid, text, whole ? whole : field->flags & FIELD_COLOURED ? part : NULL);
		free(text);
	}
}

static void print_fields(struct layout *layout, const json_t *objects)
{
	struct grid *grid = grid_new(cli_has_colours());
	const json_t *object, *packets;
	size_t i;

	for (size_t j = 0; j < layout->count; j++) {
		if (!is_shown(&layout->fields[j], layout->view, objects))
			continue;
		layout->shown |= 1UL << j;
		grid_column(grid, layout->fields[j].header, layout->fields[j].flags);
	}
	json_array_foreach(objects, i, object) {
		packets = json_object_get(object, "packets");
		if (layout->view->all || !json_is_integer(packets) || json_integer_value(packets))
			print_row(grid, layout, object);
	}
	grid_print(grid);
}

void subject_print(const struct subject *subject, const json_t *objects, const struct view *view)
{
	struct view own = *view;
	struct layout layout = {subject->fields, subject->field_count, subject->colour, &own, 0};

	/* only reasons are many and mostly unused */
	if (subject->fields != drop_fields)
		own.all = true;
	print_fields(&layout, objects);
	if (subject->fields == backend_fields)
		notes_print(objects, view->detailed);
}

void subject_print_bpf(const json_t *bpf)
{
	const struct view view = {.all = true};
	struct layout maps = {map_fields, sizeof(map_fields) / sizeof(map_fields[0]), NULL, &view, 0};
	struct layout links = {link_fields, sizeof(link_fields) / sizeof(link_fields[0]), NULL, &view, 0};
	const json_t *program = json_object_get(bpf, "program");
	char *folder = field_plain(bpf, "folder"), *id = field_plain(program, "id");
	char *object = field_plain(program, "object");

	printf("pinned under %s\nprogram %s, object %s\n\n", folder, id, object);
	print_fields(&maps, json_object_get(bpf, "maps"));
	if (json_array_size(json_object_get(bpf, "links"))) {
		putchar('\n');
		print_fields(&links, json_object_get(bpf, "links"));
	}
	free(folder);
	free(id);
	free(object);
}
