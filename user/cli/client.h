/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Asks the agent over its control socket. */
#ifndef SLUICE_CLIENT_H
#define SLUICE_CLIENT_H

#include "cli/cli.h"

#define QUESTION_SECONDS 5  /* for an answer to a question */
#define WISH_SECONDS	 60 /* for one that the agent must work for: a large configuration takes time */

/* What is asked. A POST's body may be missing. */
struct request {
	const char *method, *path; /* the path with its query */
	long seconds;		   /* for the whole answer */
	const char *type;	   /* of the body: BODY_JSON or BODY_YAML */
	const void *body;
	size_t length;
};

#define BODY_JSON "application/json"
#define BODY_YAML "application/yaml"

/*
 * EXIT_DONE with the answer in *reply, a new reference. EXIT_FAILED if the agent
 * refused, EXIT_NO_AGENT if none answers: then *error is the text for the user,
 * to be freed, without "sluice: ".
 */
enum exit_code client_ask(const char *socket, const struct request *request, json_t **reply, char **error);

/* An object of a stream; borrowed. Returns whether to go on. */
typedef bool (*stream_object_fn)(void *argument, const json_t *object);

/*
 * Asks for a stream of JSON objects, one a line, and hands them over as they come.
 * EXIT_DONE if the function had enough or nobody reads standard output any more;
 * EXIT_NO_AGENT with *error if the connection failed or ended, EXIT_FAILED with *error if the
 * agent refused. Waits without limit for each object.
 */
enum exit_code client_stream(const char *socket, const char *path, stream_object_fn take, void *argument, char **error);

/*
 * client_ask() with the message printed: on standard error, or, of an agent's
 * refusal under --json, as {"error": TEXT} on standard output.
 */
enum exit_code cli_ask(const struct cli *cli, const struct request *request, json_t **reply);

/* What cli_ask() prints when it was not EXIT_DONE. `error` is freed. */
void cli_print_refusal(const struct cli *cli, enum exit_code code, char *error);

/* GET of a path, as cli_ask(). */
enum exit_code cli_get(const struct cli *cli, const char *path, json_t **reply);

/* The text as a value of a path's query; to be freed. */
char *client_escape(const char *text);

/* Whether nobody listens at the socket, as opposed to an agent that hangs or may not be spoken to. */
bool client_is_absent(const char *socket);

#endif
