/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Events: which ones are wanted, and how they are printed. */
#ifndef SLUICE_CLI_EVENTS_H
#define SLUICE_CLI_EVENTS_H

#include "cli/cli.h"

/* sluice show events: the verb's arguments are "events", and perhaps a pool and a backend. */
enum exit_code events_show(const struct cli *cli);

/* Whether the event is of that pool and backend; NULL: any. */
bool event_matches(const json_t *event, const char *pool, const char *backend);

/* Prints it as a line. */
void event_print(const json_t *event);

/*
 * EXIT_FAILED, after a message, if the agent has no such pool, or backend in it: who
 * mistypes a name would wait for its events for ever. NULL: any.
 */
enum exit_code event_names_check(const struct cli *cli, const char *pool, const char *backend);

#endif
