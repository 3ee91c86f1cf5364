/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a configuration changes: printed by diff, reload, apply and rollback. */
#ifndef SLUICE_CHANGES_H
#define SLUICE_CHANGES_H

#include "cli/cli.h"

/* A line for each of the reply's "changes", or `none` if there are none. */
void changes_print(const json_t *reply, const char *none);

/* The reply's "warnings", on standard error. */
void changes_warn(const json_t *reply);

/* Posts a wish without a body, and prints what it has changed, or `none` if that is nothing. */
enum exit_code changes_ask(const struct cli *cli, const char *path, const char *none);

#endif
