/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Frames for the fuzzers: whole packets of all kinds, mostly of a world's clients to its VIPs, and the ways in which
 * they go wrong. All comes from the dice.
 */
#ifndef SLUICE_FUZZ_BPF_FRAME_H
#define SLUICE_FUZZ_BPF_FRAME_H

#include <linux/types.h>
#include <stdbool.h>

#define FUZZ_FRAME_MAX	4608
#define FUZZ_FRAME_MORE 128 /* bytes that the program may put before it */

struct fuzz_frame {
	__u32 length; /* at most FUZZ_FRAME_MAX before the program had it */
	__u8 data[FUZZ_FRAME_MAX + FUZZ_FRAME_MORE];
};

/* SplitMix64 (Steele, Lea, Flood, 2014). */
struct dice {
	__u64 state;
};

__u64 dice_next(struct dice *dice);

/* 0 to limit - 1. */
__u32 dice_below(struct dice *dice, __u32 limit);

/* A whole packet with right lengths and checksums. */
void frame_make(struct fuzz_frame *out, struct dice *dice);

/* What may come after a packet: further fragments of it, more of its connection, an error about its answer. */
void frame_follow(struct fuzz_frame *out, const struct fuzz_frame *before, struct dice *dice);

/* Does one thing to a frame that makes it another one, and often a damaged one. */
void frame_damage(struct fuzz_frame *frame, struct dice *dice);

/* Makes the frame's lengths and checksums right, as far as it has headers. */
void frame_mend(struct fuzz_frame *frame);

#endif
