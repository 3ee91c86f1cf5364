/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The commands. Each returns 0 or a negative errno, reported on standard error. */
#ifndef SLUICE_BACKEND_COMMANDS_H
#define SLUICE_BACKEND_COMMANDS_H

#include "backend/options.h"

int command_up(const struct options *options);
int command_down(const struct options *options);

/* Fails if the host is not up, or not as `up` left it. */
int command_status(const struct options *options);

#endif
