/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Durations as they are typed: a whole number and a unit. */
#ifndef SLUICE_DURATION_H
#define SLUICE_DURATION_H

#include <stdbool.h>

/*
 * "10s", "5m", "2h", "7d" (and "1500ms") in milliseconds; false if it is none, or not from a second to `longest`
 * milliseconds.
 */
bool duration_parse(const char *text, long long longest, long long *milliseconds);

#endif
