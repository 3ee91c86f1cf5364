/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* sluice status: is everything as it should be? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/field.h"
#include "cli/flows.h"
#include "cli/grid.h"
#include "cli/moment.h"
#include "cli/number.h"
#include "cli/standing.h"
#include "lib/memory.h"

#define MAX_OVERRIDES 10 /* shown */

/* Takes the text over. */
static void add_line(struct grid *grid, const char *label, char *text, const char *colour)
{
	grid_row(grid);
	grid_cell(grid, label, NULL);
	grid_cell(grid, text, colour);
	free(text);
}

/* "3: 1 up, 1 drain, 1 down" */
static char *backends_text(const json_t *status)
{
	static const char *const states[] = {"up", "drain", "maint", "down"};
	const json_t *counts = json_object_get(status, "backend_states");
	const char *separator = ": ";
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		memory_exhausted();
	fprintf(out, "%lld", cli_number(status, "backends"));
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (!cli_number(counts, states[i]))
			continue;
		fprintf(out, "%s%lld %s", separator, cli_number(counts, states[i]), states[i]);
		separator = ", ";
	}
	if (cli_number(status, "backends_kept"))
		fprintf(out, " (%lld of them kept in the table by min_healthy)", cli_number(status, "backends_kept"));
	fclose(out);
	return text;
}

static const char *backends_colour(const json_t *status)
{
	const json_t *counts = json_object_get(status, "backend_states");

	if (cli_number(counts, "down"))
		return "red";
	return cli_number(counts, "drain") || cli_number(counts, "maint") ? "yellow" : NULL;
}

static void add_backends(struct grid *grid, const json_t *status)
{
	long long unresolved = cli_number(status, "backends_unresolved");

	add_line(grid, "backends", backends_text(status), backends_colour(status));
	if (unresolved)
		add_line(grid, "unreachable",
			 memory_format("%lld without a next hop: sluice show backends", unresolved), "red");
}

static char *age_text(const char *moment)
{
	char age[NUMBER_TEXT];
	long long seconds = moment_age(moment);

	return seconds < 0 ? memory_format("-") : memory_format("%s ago", number_duration(seconds, age));
}

/* Where the running configuration comes from, and whether it stays. */
static void add_config(struct grid *grid, const json_t *status)
{
	const json_t *config = json_object_get(status, "config");
	const char *applied = cli_text(config, "applied");
	char *age = age_text(cli_text(config, "loaded_at")), left[NUMBER_TEXT];

	if (*applied)
		add_line(grid, "config", memory_format("%s; 'sluice reload' goes back to the file", applied), "yellow");
	else
		add_line(grid, "config", memory_format("%s, loaded %s", cli_text(config, "file"), age), NULL);
	free(age);
	if (json_is_integer(json_object_get(config, "confirm_left_ms")))
		add_line(grid, "",
			 memory_format("not confirmed: in %s the former one comes back, unless 'sluice confirm'",
				       number_duration(cli_number(config, "confirm_left_ms") / 1000, left)),
			 "red");
}

static void add_unsaved(struct grid *grid, const json_t *status)
{
	if (json_is_false(json_object_get(status, "state_saved")))
		add_line(grid, "not saved",
			 memory_format("the state folder cannot be written: the log and 'sluice show events' say why"),
			 "red");
}

static void add_probes(struct grid *grid, const json_t *probing)
{
	long long waiting = cli_number(probing, "waiting"), late = cli_number(probing, "late");
	long long aside = cli_number(probing, "aside"), troubled = cli_number(probing, "troubled");
	char *target = aside ? memory_format(" (%lld of them to the backend's address, not through a VIP)", aside)
			     : memory_format("%s", "");
	char *queue =
		waiting ? memory_format(", %lld wait for one of %lld places", waiting, cli_number(probing, "limit"))
			: memory_format("%s", "");
	char *delay = late ? memory_format(", %lld of %lld begun late, the worst by %lld ms", late,
					   cli_number(probing, "begun"), cli_number(probing, "worst_late_ms"))
			   : memory_format("%s", "");

	if (cli_number(probing, "configured"))
		add_line(grid, "probes",
			 memory_format("%lld%s, %lld under way%s%s", cli_number(probing, "configured"), target,
				       cli_number(probing, "under_way"), queue, delay),
			 waiting ? "yellow" : NULL);
	if (troubled)
		add_line(grid, "",
			 memory_format("%lld backend%s cannot be probed now: 'sluice show backends' says why", troubled,
				       troubled == 1 ? "" : "s"),
			 "yellow");
	free(target);
	free(queue);
	free(delay);
}

/* A line for each pool that has not enough backends. */
static void add_pools(struct grid *grid, const json_t *pools)
{
	const json_t *pool;
	size_t i;

	json_array_foreach(pools, i, pool) {
		const char *colour = field_pool_colour(pool);
		char *state, *kept;

		/* of those that are yellow the other lines tell enough, but for one that serves nobody yet */
		if (!colour || (strcmp(colour, "red") != 0 && strcmp(cli_text(pool, "state"), "settling") != 0))
			continue;
		state = field_pool_state(pool, "state");
		kept = cli_number(pool, "kept") ? memory_format(", %lld kept", cli_number(pool, "kept"))
						: memory_format("%s", "");
		add_line(grid, "",
			 memory_format("%s: %s (%lld of %lld up%s)", cli_text(pool, "name"), state,
				       cli_number(pool, "up"), cli_number(pool, "backends"), kept),
			 colour);
		free(state);
		free(kept);
	}
}

/* A line for each override: somebody has set it, and may have forgotten it. */
static void add_overrides(struct grid *grid, const json_t *backends)
{
	const json_t *backend;
	size_t i, found = 0, shown = 0;

	json_array_foreach(backends, i, backend) {
		char *text = standing_override(backend);

		found += text != NULL;
		if (text && shown < MAX_OVERRIDES)
			add_line(grid, shown++ ? "" : "overrides",
				 memory_format("%s/%s %s", cli_text(backend, "pool"), cli_text(backend, "name"), text),
				 "yellow");
		free(text);
	}
	if (found > shown)
		add_line(grid, "", memory_format("and %zu more: sluice show backends --long", found - shown), "yellow");
}

static void add_flows(struct grid *grid, const json_t *status)
{
	long long records = cli_number(status, "flow_records"), capacity = cli_number(status, "flow_capacity");

	if (flows_are_many(records, capacity))
		add_line(grid, "flow map",
			 memory_format("nearly full, %lld of %lld: connections may break; raise flow_records", records,
				       capacity),
			 "red");
}

static char *forwarded_text(const json_t *status)
{
	char packets[NUMBER_TEXT], bytes[NUMBER_TEXT];

	if (!json_is_integer(json_object_get(status, "packets")))
		return memory_format("- (the counters cannot be read: see the agent's log)");
	return memory_format("%s packets, %s bytes", number_human((double)cli_number(status, "packets"), packets),
			     number_human((double)cli_number(status, "bytes"), bytes));
}

static void print_totals(const json_t *status, const json_t *pools, const json_t *backends)
{
	struct grid *grid = grid_new(cli_has_colours());
	char uptime[NUMBER_TEXT];

	grid_column(grid, NULL, 0);
	grid_column(grid, NULL, GRID_WRAP);
	add_line(grid, "agent",
		 memory_format("sluiced %s, process %lld, up %s", cli_text(status, "version"),
			       cli_number(status, "pid"), number_duration(cli_number(status, "uptime_s"), uptime)),
		 NULL);
	add_config(grid, status);
	add_unsaved(grid, status);
	add_line(grid, "services", memory_format("%lld", cli_number(status, "services")), NULL);
	add_line(grid, "pools", memory_format("%lld", cli_number(status, "pools")), NULL);
	add_pools(grid, pools);
	add_backends(grid, status);
	add_overrides(grid, backends);
	add_probes(grid, json_object_get(status, "probing"));
	add_flows(grid, status);
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
		const char *why = cli_text(interface, "why"); /* also where it is attached otherwise than wanted */
		const char *hint = cli_text(interface, "hint");
		const char *colour = !attached ? "red" : *hint ? "yellow" : NULL;
		char *state = memory_format("%sattached%s%s%s%s", attached ? "" : "not ", *why ? ": " : "", why,
					    *hint ? "; " : "", hint);

		grid_row(grid);
		grid_cell(grid, cli_text(interface, "name"), colour);
		grid_cell(grid, cli_text(interface, "attach"), colour);
		grid_cell(grid, attached ? cli_text(interface, "mode") : "-", colour);
		grid_cell(grid, state, colour);
		free(state);
	}
	grid_print(grid);
}

static enum exit_code print_status(const struct cli *cli, const json_t *status)
{
	json_t *pools = NULL, *backends = NULL;
	enum exit_code code = cli_get(cli, "/v1/pools", &pools);

	if (code == EXIT_DONE)
		code = cli_get(cli, "/v1/backends", &backends);
	if (code == EXIT_DONE) {
		print_totals(status, pools, backends);
		putchar('\n');
		print_interfaces(json_object_get(status, "interfaces"));
		if (json_is_string(json_object_get(status, "last_error")))
			printf("\nThe last configuration was refused, and the one before it runs on:\n%s\n",
			       cli_text(status, "last_error"));
	}
	json_decref(pools);
	json_decref(backends);
	return code;
}

enum exit_code do_status(const struct cli *cli)
{
	json_t *status;
	enum exit_code code = cli_get(cli, "/v1/status", &status);

	if (code != EXIT_DONE)
		return code;
	if (cli->json)
		cli_print_json(status);
	else
		code = print_status(cli, status);
	json_decref(status);
	return code;
}
