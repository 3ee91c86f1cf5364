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

#endif
