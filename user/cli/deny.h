/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The deny list in the CLI. */
#ifndef SLUICE_CLI_DENY_H
#define SLUICE_CLI_DENY_H

#include "cli/cli.h"

/* sluice show deny: all of it, or with a NAME what denies that address or prefix. */
enum exit_code deny_show(const struct cli *cli);

#endif
