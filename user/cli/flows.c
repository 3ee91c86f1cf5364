/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/flows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/events.h"
#include "cli/number.h"
#include "cli/subject.h"
#include "lib/memory.h"

#define RECORDS_SHOWN 1000 /* without --count and --all */
#define RECORDS_MAX   (1U << 27)
#define RECORDS_ASKED 100000 /* at once: the agent answers with much less */

/* Leaves the rows of one pool, and makes "records" theirs; NULL: all. */
static void select_pool(json_t *answer, const char *pool)
{
	json_t *flows = json_object_get(answer, "flows");
	long long records = 0;

	if (!pool)
		return;
	for (size_t i = json_array_size(flows); i-- > 0;) {
		const json_t *row = json_array_get(flows, i);

		if (strcmp(cli_text(row, "pool"), pool) != 0)
			json_array_remove(flows, i);
		else
			records += cli_number(row, "records");
	}
	json_object_set_new(answer, "records", json_integer(records));
}

/* Four fifths: the kernel keeps some places free. Where no pool has a window there is one place, which says nothing. */
bool flows_are_many(long long records, long long capacity)
{
	return capacity > 1 && records >= capacity - capacity / 5;
}

static void print_sums(const json_t *answer, const char *pool, bool many)
{
	const struct view view = {.all = true};
	const json_t *flows = json_object_get(answer, "flows");
	long long records = cli_number(answer, "records"), capacity = cli_number(answer, "capacity");
	char age[NUMBER_TEXT], room[NUMBER_TEXT];

	if (!json_is_integer(json_object_get(answer, "swept_s"))) {
		puts("not counted yet: the agent has just started");
		return;
	}
	if (json_array_size(flows)) {
		subject_print(&flow_sums, flows, &view);
		putchar('\n');
	}
	printf("%lld flow record%s%s%s, %s ago; ", records, records == 1 ? "" : "s", pool ? " of " : "",
	       pool ? pool : "", number_duration(cli_number(answer, "swept_s"), age));
	if (capacity == 1)
		puts("none is kept, for no pool has a window");
	else
		printf("there is room for %s\n", number_human((double)capacity, room));
	if (many)
		puts("The flow map is nearly full: records are replaced, and their connections may break. Raise "
		     "flow_records.");
}

static enum exit_code show_sums(const struct cli *cli, const char *pool)
{
	json_t *answer;
	enum exit_code code = cli_get(cli, "/v1/flows", &answer);
	bool many;

	if (code != EXIT_DONE)
		return code;
	many = flows_are_many(cli_number(answer, "records"), cli_number(answer, "capacity"));
	select_pool(answer, pool);
	if (cli->json)
		cli_print_json(answer);
	else
		print_sums(answer, pool, many);
	json_decref(answer);
	return EXIT_DONE;
}

/* The agent answers piece by piece, so that it is kept from nothing. */
static enum exit_code get_records(const struct cli *cli, const char *pool, size_t limit, json_t *records,
				  bool *complete)
{
	char *escaped = pool ? client_escape(pool) : NULL;
	enum exit_code code;
	long long from = 0;
	json_t *answer;

	do {
		size_t left = limit - json_array_size(records);
		char *path = memory_format("/v1/flows?records=1&limit=%zu&from=%lld%s%s",
					   left < RECORDS_ASKED ? left : RECORDS_ASKED, from, pool ? "&pool=" : "",
					   pool ? escaped : "");

		code = cli_get(cli, path, &answer);
		free(path);
		if (code != EXIT_DONE)
			break;
		json_array_extend(records, json_object_get(answer, "flows"));
		from = cli_number(answer, "next");
		*complete = json_is_true(json_object_get(answer, "complete"));
		json_decref(answer);
	} while (from && json_array_size(records) < limit);
	free(escaped);
	return code;
}

static enum exit_code show_records(const struct cli *cli, const char *pool)
{
	size_t limit = cli->count ? (size_t)cli->count : cli->given & OPTION_ALL ? RECORDS_MAX : RECORDS_SHOWN;
	const struct view view = {.all = true};
	json_t *records = json_array();
	bool complete = true;
	enum exit_code code = get_records(cli, pool, limit, records, &complete);

	if (code == EXIT_DONE && cli->json)
		cli_print_json(records);
	else if (code == EXIT_DONE && json_array_size(records))
		subject_print(&flow_records, records, &view);
	else if (code == EXIT_DONE)
		puts("no flow records");
	if (code == EXIT_DONE && !complete)
		cli_error("there are more: --count N shows so many, --all all of them");
	json_decref(records);
	return code;
}

enum exit_code flows_show(const struct cli *cli)
{
	const char *pool = cli->argument_count > 1 ? cli->arguments[1] : NULL;
	enum exit_code code = event_names_check(cli, pool, NULL);

	if (code != EXIT_DONE)
		return code;
	return cli->given & OPTION_RECORDS ? show_records(cli, pool) : show_sums(cli, pool);
}
