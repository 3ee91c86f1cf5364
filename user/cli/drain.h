/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* sluice backend drain --wait: until the connections are gone. */
#ifndef SLUICE_CLI_DRAIN_H
#define SLUICE_CLI_DRAIN_H

#include "cli/cli.h"

/*
 * Waits until each of the backends (names[0] to names[count - 1]) is drained or its drain has ended, over restarts of
 * the agent. EXIT_DONE if all are drained; EXIT_FAILED, after a message for each, if one ended otherwise. Under --json
 * prints the backends as they are then.
 */
enum exit_code drain_wait(const struct cli *cli, const char *pool, const char **names, size_t count);

#endif
