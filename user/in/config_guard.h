/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Keeps from the YAML library what it cannot be trusted with. */
#ifndef SLUICE_CONFIG_GUARD_H
#define SLUICE_CONFIG_GUARD_H

#include "in/config_source.h"

/* True if the text can be parsed; else the error is noted. */
bool guard_admits(struct source *source);

#endif
