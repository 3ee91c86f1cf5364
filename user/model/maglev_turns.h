/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Whose turn it is to take a slot. Turns come in rounds. The heaviest backend has
 * one in every round; another earns its weight a round and pays the heaviest
 * weight for a turn. All start with half of that, which rounds shares to the
 * nearest slot. Backends of one weight then have their turns in the same rounds
 * whatever the heaviest weight is, so a change of it moves few slots. Within a
 * round come first those who are longest without a turn.
 */
#ifndef SLUICE_MAGLEV_TURNS_H
#define SLUICE_MAGLEV_TURNS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

struct turns_member;
struct turns_queue;

struct turns {
	__u32 heaviest;
	bool equal; /* all have one weight: every round is all of them, and no queue is needed */
	struct turns_member *members;
	struct turns_queue *rounds; /* those ahead: a ring as long as the longest wait for a turn */
	__u32 ring_size;
	__u32 round;  /* the current one's place in the ring */
	__u32 *order; /* who has a turn in it */
	size_t count, next;
};

/* For `count` members with weights from `lightest` (at least 1) to `heaviest` (at most 65535). */
void turns_init(struct turns *turns, size_t count, __u32 lightest, __u32 heaviest);
void turns_free(struct turns *turns);

/* To be called for each member once, in order. */
void turns_add(struct turns *turns, __u32 who, __u32 weight);

/*
 * The next turns: at least 1 and at most `most`, which is not 0. All are of one round,
 * so nobody has two of them. Returns how many; *who is valid until the next call.
 */
size_t turns_next(struct turns *turns, size_t most, const __u32 **who);

#endif
