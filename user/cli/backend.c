/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* sluice backend: what an operator wants of a backend, and what is so then. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/changes.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/drain.h"
#include "cli/standing.h"
#include "cli/word.h"
#include "lib/memory.h"
#include "model/config.h"

static const struct action {
	const char *name;
	bool weighs; /* takes a weight at the end */
	bool ends;   /* takes --for */
	const char *help;
} actions[] = {
	{"drain", false, true, "no new connections; becomes maint when none is left, or after --for (15 minutes)"},
	{"maint", false, false, "out of the table at once, until 'ready'"},
	{"ready", false, false, "ends drain, maint, weight and hold-down: the probes decide again"},
	{"weight", true, false, "this weight instead of the configured one, until 'ready'"},
};

#define LONGEST_DRAIN (7 * 86400000LL) /* ms */

#define ACTIONS (sizeof(actions) / sizeof(actions[0]))

void backend_actions(void)
{
	puts("\nactions, which may be abbreviated:");
	for (size_t i = 0; i < ACTIONS; i++)
		printf("  %-8s %s\n", actions[i].name, actions[i].help);
	puts("\nwhat is set stays over reloads and restarts: 'sluice show backends' marks it with *");
}

static bool parse_weight(const char *text, long *weight)
{
	char *end;

	errno = 0;
	*weight = strtol(text, &end, 10);
	return isdigit((unsigned char)*text) && !*end && !errno && *weight <= CONFIG_MAX_WEIGHT;
}

static enum exit_code check_usage(const struct cli *cli, const struct action *action, long *weight)
{
	const char *last = cli->arguments[cli->argument_count - 1];

	if (action->weighs && cli->argument_count < 4)
		cli_error("'backend weight' needs a pool, backends and a weight: sluice backend weight POOL BACKEND N");
	else if (action->weighs && !parse_weight(last, weight))
		cli_error("weight '%s': give a number from 0 to %d", last, CONFIG_MAX_WEIGHT);
	else if ((cli->given & OPTION_FOR) && !action->ends)
		cli_error("'backend %s' takes no --for: only a drain ends by itself", action->name);
	else if (cli->for_ms > LONGEST_DRAIN)
		cli_error("a drain lasts 7 days at most: give --for a duration from 1s to 7d");
	else if ((cli->given & OPTION_WAIT) && !action->ends)
		cli_error("'backend %s' takes no --wait: it is done at once", action->name);
	else
		return EXIT_DONE;
	return EXIT_WRONG_USAGE;
}

/* The body, to be freed; NULL, after a message, if a name is no text. */
static char *make_wish(const struct cli *cli, const struct action *action, const char *backend, long weight)
{
	json_t *wish =
		json_pack("{s:s, s:s, s:s}", "action", action->name, "pool", cli->arguments[1], "backend", backend);
	char *body;

	if (!wish) {
		cli_error("'%s/%s' is not UTF-8, so it names no backend", cli->arguments[1], backend);
		return NULL;
	}
	if (action->weighs)
		json_object_set_new(wish, "weight", json_integer(weight));
	if (cli->given & OPTION_FOR)
		json_object_set_new(wish, "for_ms", json_integer(cli->for_ms));
	if (cli->reason)
		json_object_set_new(wish, "reason", json_string(cli->reason));
	body = json_dumps(wish, JSON_COMPACT);
	json_decref(wish);
	if (!body)
		memory_exhausted();
	return body;
}

/* "web/web1: drain*, weight 0/100, 0.0% of the pool; drain by root since ..., 15 min left: disk swap" */
static void print_backend(const json_t *backend)
{
	char *state = standing_state(backend), *weight = standing_weight(backend);
	char *override = standing_override(backend), *fault = standing_fault(backend);

	printf("%s/%s: %s%s%s, weight %s, %.1f%% of the pool", cli_text(backend, "pool"), cli_text(backend, "name"),
	       cli_colour(standing_colour(backend)), state, cli_colour(NULL), weight,
	       100 * json_number_value(json_object_get(backend, "share")));
	if (override) {
		fputs("; ", stdout);
		cli_print_text(stdout, override);
	}
	putchar('\n');
	if (standing_is_down(backend)) {
		fputs("  down", stdout);
		cli_print_text(stdout, fault);
		putchar('\n');
	}
	fflush(stdout);
	free(state);
	free(weight);
	free(override);
	free(fault);
}

/* Has it done to one backend; appends the backend as it is then to `done`. */
static enum exit_code act(const struct cli *cli, const struct action *action, const char *name, long weight,
			  json_t *done, char **error)
{
	struct request request = {.method = "POST", .path = "/v1/backend", .seconds = WISH_SECONDS, .type = BODY_JSON};
	char *body = make_wish(cli, action, name, weight);
	const json_t *backend;
	enum exit_code code;
	json_t *reply;

	if (!body)
		return EXIT_WRONG_USAGE;
	request.body = body;
	request.length = strlen(body);
	code = client_ask(cli->socket, &request, &reply, error);
	free(body);
	if (code != EXIT_DONE)
		return code;
	backend = json_object_get(reply, "backend");
	if (!json_is_object(backend)) {
		*error = memory_format("the agent's answer does not tell how %s/%s is now", cli->arguments[1], name);
		code = EXIT_FAILED;
	} else if (!cli->json) {
		print_backend(backend);
	}
	changes_warn(reply);
	json_array_append(done, (json_t *)backend);
	json_decref(reply);
	return code;
}

/* As cli_print_refusal(), and with --json what had been done before the refusal. */
static void print_refusal(const struct cli *cli, enum exit_code code, char *error, const json_t *done)
{
	json_t *json;

	if (!cli->json || code != EXIT_FAILED) {
		cli_print_refusal(cli, code, error);
		return;
	}
	json = json_pack("{s:s, s:O}", "error", error, "done", done);
	cli_print_json(json);
	json_decref(json);
	free(error);
}

enum exit_code do_backend(const struct cli *cli)
{
	int found = word_find("action", cli->arguments[0], actions, ACTIONS, sizeof(actions[0]));
	const struct action *action;
	json_t *done;
	char *error = NULL;
	enum exit_code code;
	long weight = 0;

	if (found < 0)
		return EXIT_WRONG_USAGE;
	action = &actions[found];
	code = check_usage(cli, action, &weight);
	if (code != EXIT_DONE)
		return code;
	done = json_array();
	for (size_t i = 2; i < cli->argument_count - action->weighs && code == EXIT_DONE; i++)
		code = act(cli, action, cli->arguments[i], weight, done, &error);
	if (code == EXIT_DONE && (cli->given & OPTION_WAIT))
		code = drain_wait(cli, cli->arguments[1], cli->arguments + 2, cli->argument_count - 2);
	else if (code == EXIT_DONE && cli->json)
		cli_print_json(done);
	else if (error)
		print_refusal(cli, code, error, done);
	json_decref(done);
	return code;
}
