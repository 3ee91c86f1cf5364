/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What needs more words than a column has: printed below the table of backends. */
#ifndef SLUICE_NOTES_H
#define SLUICE_NOTES_H

#include <jansson.h>
#include <stdbool.h>

/*
 * A line for each backend that cannot be reached, is down or has an override: the
 * first 20 of them, or, `detailed`, all, and a line for each of their probes.
 */
void notes_print(const json_t *backends, bool detailed);

#endif
