/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Sends a configuration file to the agent. */
#ifndef SLUICE_UPLOAD_H
#define SLUICE_UPLOAD_H

#include "cli/cli.h"

/*
 * POSTs the file's bytes ("-": of standard input) to `path` with ?name=FILE, by which the
 * agent's errors call it, and `more` ("&KEY=VALUE" or ""). As cli_ask().
 */
enum exit_code upload(const struct cli *cli, const char *path, const char *file, const char *more, json_t **reply);

/* The same of an open file called `name`, within so many seconds and without a message, as client_ask(). */
enum exit_code upload_fd(const struct cli *cli, const char *path, int fd, const char *name, const char *more,
			 long seconds, json_t **reply, char **error);

#endif
