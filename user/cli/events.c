/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pwd.h>

#include "cli/client.h"
#include "cli/grid.h"
#include "cli/moment.h"
#include "lib/memory.h"
#include "lib/suggest.h"

#define ALL_EVENTS    10000 /* that an agent keeps */
#define RECENT_EVENTS 100

bool event_matches(const json_t *event, const char *pool, const char *backend)
{
	return (!pool || strcmp(pool, cli_text(event, "pool")) == 0) &&
	       (!backend || strcmp(backend, cli_text(event, "backend")) == 0);
}

static const char *severity_colour(const json_t *event)
{
	const char *severity = cli_text(event, "severity");

	return strcmp(severity, "error") == 0 ? "red" : strcmp(severity, "warning") == 0 ? "yellow" : NULL;
}

/* "web/web1", "web" or "-". */
static char *place(const json_t *event)
{
	const char *pool = cli_text(event, "pool"), *backend = cli_text(event, "backend");

	if (!*pool)
		return memory_format("-");
	return memory_format("%s%s%s", pool, *backend ? "/" : "", backend);
}

/* What happened, and who asked for it. */
static char *account(const json_t *event)
{
	const char *text = cli_text(event, "text");
	const struct passwd *user;

	if (!json_is_integer(json_object_get(event, "uid")))
		return memory_format("%s", text);
	user = getpwuid((uid_t)cli_number(event, "uid"));
	if (user)
		return memory_format("%s (by %s)", text, user->pw_name);
	return memory_format("%s (by uid %lld)", text, cli_number(event, "uid"));
}

void event_print(const json_t *event)
{
	char when[MOMENT_TEXT], *where = place(event), *text = account(event);

	printf("%s  %s%-7s  %-18s%s  %-16s  ", moment_short(cli_text(event, "time"), when),
	       cli_colour(severity_colour(event)), cli_text(event, "severity"), cli_text(event, "event"),
	       cli_colour(NULL), where);
	cli_print_text(stdout, text);
	putchar('\n');
	free(where);
	free(text);
}

static void print_table(const json_t *events)
{
	struct grid *grid = grid_new(cli_has_colours());
	const json_t *event;
	size_t i;

	grid_column(grid, "TIME", 0);
	grid_column(grid, "SEVERITY", 0);
	grid_column(grid, "EVENT", 0);
	grid_column(grid, "WHERE", 0);
	grid_column(grid, "TEXT", GRID_WRAP);
	json_array_foreach(events, i, event) {
		const char *colour = severity_colour(event);
		char when[MOMENT_TEXT], *where = place(event), *text = account(event);

		grid_row(grid);
		grid_cell(grid, moment_short(cli_text(event, "time"), when), NULL);
		grid_cell(grid, cli_text(event, "severity"), colour);
		grid_cell(grid, cli_text(event, "event"), colour);
		grid_cell(grid, where, NULL);
		grid_cell(grid, text, NULL);
		free(where);
		free(text);
	}
	grid_print(grid);
}

/* Whether some object has that value under the key, and, if `pool`, that pool; otherwise says what it has. */
static enum exit_code find_name(const json_t *objects, const char *key, const char *name, const char *pool)
{
	struct suggestion suggestion = {0};
	const json_t *object;
	size_t i;

	json_array_foreach(objects, i, object) {
		if (pool && strcmp(pool, cli_text(object, "pool")) != 0)
			continue;
		if (strcmp(name, cli_text(object, key)) == 0)
			return EXIT_DONE;
		suggest_consider(&suggestion, name, cli_text(object, key));
	}
	if (suggestion.best)
		cli_error("there is no %s '%s': did you mean '%s'?", pool ? "backend" : "pool", name, suggestion.best);
	else
		cli_error("there is no %s '%s': see 'sluice show %s'", pool ? "backend" : "pool", name,
			  pool ? "backends" : "pools");
	return EXIT_FAILED;
}

enum exit_code event_names_check(const struct cli *cli, const char *pool, const char *backend)
{
	enum exit_code code = EXIT_DONE;
	json_t *objects;

	if (pool) {
		code = cli_get(cli, "/v1/pools", &objects);
		if (code != EXIT_DONE)
			return code;
		code = find_name(objects, "name", pool, NULL);
		json_decref(objects);
	}
	if (code == EXIT_DONE && backend) {
		code = cli_get(cli, "/v1/backends", &objects);
		if (code != EXIT_DONE)
			return code;
		code = find_name(objects, "name", backend, pool);
		json_decref(objects);
	}
	return code;
}

/* Leaves the last `count` of those that match. */
static void select_events(json_t *events, const char *pool, const char *backend, size_t count)
{
	json_t *event;
	size_t i, kept = 0;

	/* an array of the matching ones is made beside it: removing one by one would move the rest each time */
	json_t *matching = json_array();

	json_array_foreach(events, i, event)
		if (event_matches(event, pool, backend))
			json_array_append(matching, event);
	json_array_clear(events);
	kept = json_array_size(matching);
	for (i = kept > count ? kept - count : 0; i < kept; i++)
		json_array_append(events, json_array_get(matching, i));
	json_decref(matching);
}

enum exit_code events_show(const struct cli *cli)
{
	const char *pool = cli->argument_count > 1 ? cli->arguments[1] : NULL;
	const char *backend = cli->argument_count > 2 ? cli->arguments[2] : NULL;
	size_t count = cli->given & OPTION_ALL ? ALL_EVENTS : cli->count ? (size_t)cli->count : RECENT_EVENTS;
	char *path;
	enum exit_code code;
	json_t *events;

	if (count > ALL_EVENTS)
		count = ALL_EVENTS;
	path = memory_format("/v1/events?limit=%zu", pool ? (size_t)ALL_EVENTS : count);
	code = cli_get(cli, path, &events);
	free(path);
	if (code != EXIT_DONE)
		return code;
	select_events(events, pool, backend, count);
	/* a name that was configured once may still have events; one that never was is a mistake */
	if (pool && !json_array_size(events))
		code = event_names_check(cli, pool, backend);
	if (code == EXIT_DONE && cli->json)
		cli_print_json(events);
	else if (code == EXIT_DONE && json_array_size(events))
		print_table(events);
	else if (code == EXIT_DONE)
		puts("no events");
	json_decref(events);
	return code;
}
