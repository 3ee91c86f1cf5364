/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The slots of a Maglev table, taken in turns: the part of maglev_build that costs time. */
#ifndef SLUICE_MAGLEV_FILL_H
#define SLUICE_MAGLEV_FILL_H

#include "model/maglev_turns.h"

#define WALK_WIDTH 4 /* slots that are probed together when little is vacant */

/* Where a backend is in its permutation. Small, for all of them should stay in the first-level cache. */
struct walk {
	__u32 next;		     /* the slot that it comes to next */
	__u32 steps[WALK_WIDTH + 1]; /* k: k times its skip, modulo the table's size */
	__u16 owner;
};

/* Sets the walk from a hash of the backend's name; the table's size is a prime, at most 2^24. */
void walk_init(struct walk *walk, __u64 hash, __u16 owner, __u32 size);

/* Fills table[0..size). `turns` are those of the walks, of which there is at least one; both are used up. */
void maglev_fill(__u16 *table, __u32 size, struct walk *walks, size_t count, struct turns *turns);

#endif
