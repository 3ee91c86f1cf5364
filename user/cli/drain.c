/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/drain.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "lib/memory.h"

#define LOOK_MS 1000

struct waiting {
	const struct cli *cli;
	const char *pool, **names;
	size_t count;
	long long *left; /* connections, by name, as last seen; -1: not known */
	bool *over;	 /* by name */
	bool lost;	 /* the agent does not answer at present */
	enum exit_code code;
	json_t *done; /* the backends as they are then, for --json */
};

static const json_t *find(const struct waiting *waiting, const json_t *backends, const char *name)
{
	const json_t *backend;
	size_t i;

	json_array_foreach(backends, i, backend)
		if (strcmp(cli_text(backend, "pool"), waiting->pool) == 0 &&
		    strcmp(cli_text(backend, "name"), name) == 0)
			return backend;
	return NULL;
}

static bool is_state(const json_t *backend, const char *state)
{
	return strcmp(cli_text(backend, "state"), state) == 0;
}

/* Its drain is over, but not for want of connections. */
static void fail(struct waiting *waiting, size_t i, const json_t *backend)
{
	const char *pool = waiting->pool, *name = waiting->names[i];

	waiting->code = EXIT_FAILED;
	if (!backend)
		cli_error("%s/%s: the configuration has it no more", pool, name);
	else if (!is_state(backend, "maint"))
		cli_error("%s/%s: somebody ended the drain: it is %s", pool, name, cli_text(backend, "state"));
	else if (waiting->left[i] > 0)
		cli_error("%s/%s: the drain has ended with %lld connections left: they were cut", pool, name,
			  waiting->left[i]);
	else
		cli_error("%s/%s: the drain has ended, and it is not known that no connection was left: 'sluice show "
			  "events %s %s' says why",
			  pool, name, pool, name);
}

static void look_at(struct waiting *waiting, size_t i, const json_t *backends)
{
	const json_t *backend = find(waiting, backends, waiting->names[i]);
	const json_t *records = json_object_get(backend, "records");
	bool drained = json_is_true(json_object_get(backend, "drained"));

	if (backend && is_state(backend, "drain") && !drained) {
		waiting->left[i] = json_is_integer(records) ? (long long)json_integer_value(records) : -1;
		return;
	}
	waiting->over[i] = true;
	if (!drained)
		fail(waiting, i, backend);
	else if (!waiting->cli->json)
		printf("%s/%s: drained\n", waiting->pool, waiting->names[i]);
	if (backend)
		json_array_append(waiting->done, (json_t *)backend);
	fflush(stdout);
}

/* An agent that does not answer may be restarting: the drain goes on over that. Whether to go on. */
static bool look(struct waiting *waiting)
{
	struct request request = {.method = "GET", .path = "/v1/backends", .seconds = QUESTION_SECONDS};
	enum exit_code code;
	char *error = NULL;
	json_t *backends;
	size_t over = 0;

	code = client_ask(waiting->cli->socket, &request, &backends, &error);
	if (code == EXIT_FAILED) {
		cli_print_refusal(waiting->cli, code, error);
		waiting->code = code;
		return false;
	}
	if (code != EXIT_DONE && !waiting->lost)
		cli_error("%s; waiting for it", error);
	waiting->lost = code != EXIT_DONE;
	free(error);
	if (code != EXIT_DONE)
		return true;
	for (size_t i = 0; i < waiting->count; i++) {
		if (!waiting->over[i])
			look_at(waiting, i, backends);
		over += waiting->over[i];
	}
	json_decref(backends);
	return over < waiting->count;
}

enum exit_code drain_wait(const struct cli *cli, const char *pool, const char **names, size_t count)
{
	struct waiting waiting = {
		.cli = cli,
		.pool = pool,
		.names = names,
		.count = count,
		.left = memory_new(count, sizeof(*waiting.left)),
		.over = memory_new(count, sizeof(*waiting.over)),
		.done = json_array(),
	};

	while (look(&waiting))
		usleep(LOOK_MS * 1000);
	if (cli->json && json_array_size(waiting.done))
		cli_print_json(waiting.done);
	free(waiting.left);
	free(waiting.over);
	json_decref(waiting.done);
	return waiting.code;
}
