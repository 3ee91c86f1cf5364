/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Rates from two samples of counters. */
#ifndef SLUICE_RATES_H
#define SLUICE_RATES_H

#include "cli/subject.h"

/*
 * Puts KEY_PACKET_RATE and KEY_BIT_RATE into every object of `now`, from the
 * objects of the same identity in `before` (NULL: none), which are `seconds`
 * older. Null where there is none, or where a counter went backwards: then the
 * maps were made anew in between, and their beginning is not known.
 */
void rates_add(const struct subject *subject, json_t *now, const json_t *before, double seconds);

#endif
