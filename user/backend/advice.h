/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What an operator should know about the host's settings, each in a sentence or two. */
#ifndef SLUICE_BACKEND_ADVICE_H
#define SLUICE_BACKEND_ADVICE_H

#include <jansson.h>

#include "backend/host.h"
#include "backend/state.h"

/* Appends strings to the JSON array. */
void advice_collect(json_t *array, const struct state *state, const struct host *host);

/* Appends one formatted string to the JSON array. */
void advice_add(json_t *array, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
