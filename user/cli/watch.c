/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* sluice watch: events as they come, over restarts of the agent. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/events.h"
#include "lib/memory.h"

#define RETRY_MS 500

struct watching {
	const struct cli *cli;
	const char *pool, *backend; /* or NULL */
	json_int_t last;	    /* number of the last event seen */
	long printed;
};

static bool take_event(void *argument, const json_t *event)
{
	struct watching *watching = argument;
	const struct cli *cli = watching->cli;

	if (json_is_integer(json_object_get(event, "id")))
		watching->last = json_integer_value(json_object_get(event, "id"));
	if (!event_matches(event, watching->pool, watching->backend))
		return true;
	if (cli->json) {
		json_dumpf(event, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		event_print(event);
	}
	fflush(stdout);
	watching->printed++;
	return !ferror(stdout) && (!cli->count || watching->printed < cli->count);
}

/* The number of the agent's last event, 0 if there is none. As client_ask(). */
static enum exit_code ask_last(const struct cli *cli, json_int_t *last, char **error)
{
	struct request request = {.method = "GET", .path = "/v1/events?limit=1", .seconds = QUESTION_SECONDS};
	json_t *events;
	enum exit_code code = client_ask(cli->socket, &request, &events, error);

	if (code != EXIT_DONE)
		return code;
	*last = json_integer_value(json_object_get(json_array_get(events, json_array_size(events) - 1), "id"));
	json_decref(events);
	return EXIT_DONE;
}

static enum exit_code follow(struct watching *watching, char **error)
{
	char *path = memory_format("/v1/watch?since=%lld", (long long)watching->last);
	enum exit_code code = client_stream(watching->cli->socket, path, take_event, watching, error);

	free(path);
	return code;
}

/* Until the agent answers again, or nobody reads any more. As client_ask(). */
static enum exit_code wait_for_agent(struct watching *watching, char **error)
{
	enum exit_code code;
	json_int_t last;

	do {
		free(*error);
		*error = NULL;
		usleep(RETRY_MS * 1000);
		code = ask_last(watching->cli, &last, error);
	} while (code == EXIT_NO_AGENT && !cli_reader_is_gone());
	if (code != EXIT_DONE)
		return code;
	cli_error("the agent answers again");
	if (last < watching->last)
		watching->last = 0; /* it lost its events and numbers them anew: all are news */
	return EXIT_DONE;
}

enum exit_code do_watch(const struct cli *cli)
{
	struct watching watching = {
		.cli = cli,
		.pool = cli->argument_count > 0 ? cli->arguments[0] : NULL,
		.backend = cli->argument_count > 1 ? cli->arguments[1] : NULL,
	};
	char *error = NULL;
	enum exit_code code = ask_last(cli, &watching.last, &error);

	if (code != EXIT_DONE) {
		cli_print_refusal(cli, code, error);
		return code;
	}
	code = event_names_check(cli, watching.pool, watching.backend);
	if (code != EXIT_DONE)
		return code;
	code = follow(&watching, &error);
	while (code == EXIT_NO_AGENT) {
		cli_error("%s; waiting for it", error);
		code = wait_for_agent(&watching, &error);
		if (code == EXIT_DONE)
			code = follow(&watching, &error);
		else if (code == EXIT_NO_AGENT)
			break; /* nobody reads any more, so it does not matter */
	}
	if (code == EXIT_FAILED)
		cli_print_refusal(cli, code, error);
	else
		free(error);
	return code == EXIT_NO_AGENT ? EXIT_DONE : code;
}
