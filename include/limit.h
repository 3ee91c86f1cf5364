/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Token buckets, as the Generic Cell Rate Algorithm has them (ITU-T I.371, annex A): the state is one word, the
 * time at which the bucket will be full again, so that CPUs share it with one compare-and-swap.
 */
#ifndef SLUICE_LIMIT_H
#define SLUICE_LIMIT_H

#include <linux/types.h>

struct limit {
	__u64 interval;	 /* nanoseconds that one packet takes at the rate; 0: no limit */
	__u64 tolerance; /* nanoseconds: the interval times the burst less one */
};
_Static_assert(sizeof(struct limit) == 16, "limit");

/*
 * What the state becomes by a packet at `now` (nanoseconds of CLOCK_MONOTONIC); 0: the packet is over the limit and
 * the state stays.
 */
static inline __attribute__((always_inline)) __u64 limit_next(const struct limit *limit, __u64 state, __u64 now)
{
	if (state <= now)
		return now + limit->interval;
	if (state - now > limit->tolerance)
		return 0;
	return state + limit->interval;
}

/*
 * Whether the state is another limit's, that was changed since: further ahead than this one lets it come, even where
 * many CPUs charge it at once. Such a bucket counts as full.
 */
static inline __attribute__((always_inline)) int limit_is_stale(const struct limit *limit, __u64 state, __u64 now)
{
	return state > now && state - now > limit->tolerance + 64 * limit->interval;
}

#endif
