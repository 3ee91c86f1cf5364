/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* sluice status: is everything as it should be? */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/grid.h"
#include "cli/number.h"
#include "lib/memory.h"

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

/* Takes the text over. */
static void add_line(struct grid *grid, const char *label, char *text, const char *colour)
{
	grid_row(grid);
	grid_cell(grid, label, NULL);
	grid_cell(grid, text, colour);
	free(text);
}

static char *backends_text(const json_t *status)
{
	long long backends = number_of(status, "backends"), unresolved = number_of(status, "backends_unresolved");

	if (!unresolved)
		return memory_format("%lld", backends);
	return memory_format("%lld, of which %lld cannot be reached: sluice show backends", backends, unresolved);
}

static char *forwarded_text(const json_t *status)
{
	char packets[NUMBER_TEXT], bytes[NUMBER_TEXT];

	if (!json_is_integer(json_object_get(status, "packets")))
		return memory_format("- (the counters cannot be read: see the agent's log)");
	return memory_format("%s packets, %s bytes", number_human((double)number_of(status, "packets"), packets),
			     number_human((double)number_of(status, "bytes"), bytes));
}

static void print_totals(const json_t *status)
{
	const json_t *config = json_object_get(status, "config");
	struct grid *grid = grid_new(cli_has_colours());
	char uptime[NUMBER_TEXT];

	grid_column(grid, NULL, 0);
	grid_column(grid, NULL, 0);
	add_line(grid, "agent",
		 memory_format("sluiced %s, process %lld, up %s", cli_text(status, "version"), number_of(status, "pid"),
			       number_duration(number_of(status, "uptime_s"), uptime)),
		 NULL);
	add_line(grid, "config",
		 memory_format("%s, loaded %s", cli_text(config, "file"), cli_text(config, "loaded_at")), NULL);
	add_line(grid, "services", memory_format("%lld", number_of(status, "services")), NULL);
	add_line(grid, "pools", memory_format("%lld", number_of(status, "pools")), NULL);
	add_line(grid, "backends", backends_text(status), number_of(status, "backends_unresolved") ? "red" : NULL);
	add_line(grid, "forwarded", forwarded_text(status), NULL);
	grid_print(grid);
}

static void print_interfaces(const json_t *interfaces)
{
	struct grid *grid = grid_new(cli_has_colours());
	const json_t *interface;
	size_t i;

	grid_column(grid, "INTERFACE", 0);
	grid_column(grid, "ATTACH", 0);
	grid_column(grid, "MODE", 0);
	grid_column(grid, "STATE", GRID_WRAP);
	json_array_foreach(interfaces, i, interface) {
		bool attached = json_is_true(json_object_get(interface, "attached"));
		const char *colour = attached ? NULL : "red";
		const char *why = cli_text(interface, "why"); /* also where it is attached otherwise than wanted */
		char *state = memory_format("%sattached%s%s", attached ? "" : "not ", *why ? ": " : "", why);

		grid_row(grid);
		grid_cell(grid, cli_text(interface, "name"), colour);
		grid_cell(grid, cli_text(interface, "attach"), colour);
		grid_cell(grid, attached ? cli_text(interface, "mode") : "-", colour);
		grid_cell(grid, state, colour);
		free(state);
	}
	grid_print(grid);
}

enum exit_code do_status(const struct cli *cli)
{
	json_t *status;
	enum exit_code code = cli_ask(cli, "GET", "/v1/status", QUESTION_SECONDS, &status);

	if (code != EXIT_DONE)
		return code;
	if (cli->json) {
		cli_print_json(status);
	} else {
		print_totals(status);
		putchar('\n');
		print_interfaces(json_object_get(status, "interfaces"));
		if (json_is_string(json_object_get(status, "last_error")))
			printf("\nThe last reload failed, and the configuration before it runs on:\n%s\n",
			       cli_text(status, "last_error"));
	}
	json_decref(status);
	return EXIT_DONE;
}
