/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A random sequence of what changes tables, and of packets: played to the balancer and to the reference at once. At its
 * end time goes by until all has settled: then the maps must hold the pure tables.
 */
#ifndef SLUICE_TEST_SEQUENCE_H
#define SLUICE_TEST_SEQUENCE_H

#include "packet/balancer.h"

#define SEQUENCE_STEPS 50

struct step {
	int act;
	__u32 a, b, c; /* raw: what they stand for depends on the scene, so that a shorter sequence is one, too */
};

struct sequence {
	__u64 seed; /* of the first scene */
	struct step steps[SEQUENCE_STEPS];
	size_t count;
};

void sequence_draw(struct sequence *sequence, __u64 seed);

/* Packets: all, those whose server had to stay the same, and those of them that had a record. */
struct sequence_tally {
	__u64 packets, promised, recorded;
};

/* NULL, or what went wrong. Adds to the tally, which may be NULL. `loud` tells each step and packet. */
const char *sequence_run(struct balancer *balancer, const struct sequence *sequence, struct sequence_tally *tally,
			 bool loud);

#endif
