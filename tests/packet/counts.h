/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the program counted, and what it should have. */
#ifndef SLUICE_TEST_COUNTS_H
#define SLUICE_TEST_COUNTS_H

#include <stddef.h>

#include "abi.h"
#include "reasons.h"

#define NO_SERVICE -1
#define NO_BACKEND 0

/* Every counter there is, summed over CPUs. */
struct counts {
	struct counters reasons[REASON_COUNT];
	struct counters services[SLUICE_MAX_SERVICES];
	struct counters backends[SLUICE_MAX_BACKENDS + 1];
	__u64 tracked[SLUICE_MAX_SERVICES];
};

/* One frame of `bytes` that ended so; NO_SERVICE and NO_BACKEND where none counts it. */
void counts_add(struct counts *counts, enum reason reason, int service, __u16 backend, size_t bytes);

/* Fails the running test, naming the counters that differ, unless all are as expected. */
void counts_assert_equal(const struct counts *expected, const struct counts *seen);

#endif
