/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Maps as they were when the program was loaded, so that it needs to be loaded but once for many tests: the verifier
 * takes a hundred times longer than all that a test does.
 */
#ifndef SLUICE_TEST_FIXTURE_RESET_H
#define SLUICE_TEST_FIXTURE_RESET_H

#include "out/maps.h"

/* Empties all maps but the VIP table and the programs. What cannot be emptied fails the running test. */
void fixture_reset(const struct maps *maps);

#endif
