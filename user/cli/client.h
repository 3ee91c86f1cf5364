/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Asks the agent over its control socket. */
#ifndef SLUICE_CLIENT_H
#define SLUICE_CLIENT_H

#include "cli/cli.h"

#define QUESTION_SECONDS 5  /* for an answer to a question */
#define WISH_SECONDS	 60 /* for one that the agent must work for: a large configuration takes time */

/*
 * EXIT_DONE with the answer in *reply, a new reference. EXIT_FAILED if the agent
 * refused, EXIT_NO_AGENT if none answers: then *error is the text for the user,
 * to be freed, without "sluice: ".
 */
enum exit_code client_ask(const char *socket, const char *method, const char *path, long seconds, json_t **reply,
			  char **error);

/*
 * The same with the message printed: on standard error, or, of an agent's
 * refusal under --json, as {"error": TEXT} on standard output.
 */
enum exit_code cli_ask(const struct cli *cli, const char *method, const char *path, long seconds, json_t **reply);

/* Whether nobody listens at the socket, as opposed to an agent that hangs or may not be spoken to. */
bool client_is_absent(const char *socket);

#endif
