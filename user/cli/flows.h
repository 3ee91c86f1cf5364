/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* sluice show flows: records of connections, summed up or one by one. */
#ifndef SLUICE_CLI_FLOWS_H
#define SLUICE_CLI_FLOWS_H

#include <stdbool.h>

#include "cli/cli.h"

/* The verb's arguments are "flows", and perhaps a pool. */
enum exit_code flows_show(const struct cli *cli);

/* Whether the flow map has hardly any room left. */
bool flows_are_many(long long records, long long capacity);

#endif
