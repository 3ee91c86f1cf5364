/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Weighted Maglev tables (Eisenbud et al., "Maglev: A Fast and Reliable Software
 * Network Load Balancer", NSDI 2016, section 3.4). Pure: the same names, weights
 * and key give the same table on every host, in any order of input.
 */
#ifndef SLUICE_MAGLEV_H
#define SLUICE_MAGLEV_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define MAGLEV_MIN_SIZE 2
#define MAGLEV_MAX_SIZE (1U << 24)

struct maglev_backend {
	const char *name; /* unique in the table */
	__u32 weight;	  /* 0 to 65535; 0: no slots */
	__u16 owner;	  /* what the table shall hold for it; not 0 */
};

bool maglev_is_prime(__u32 n);

/* The prime nearest to n within MAGLEV_MIN_SIZE to MAGLEV_MAX_SIZE (the lower one of two equally near). */
__u32 maglev_nearest_prime(__u32 n);

/*
 * Fills table[0..size) with owners; all 0 if no backend has a weight. Shares are
 * proportional to the weights, rounded to whole slots: a backend whose share is
 * less than one slot may get none, so `size` should be some 100 for each backend.
 * `key` seeds the permutations. 0; -EINVAL if size is not a prime from
 * MAGLEV_MIN_SIZE to MAGLEV_MAX_SIZE, a weight is above 65535 or two names are
 * the same: then the table is untouched.
 */
int maglev_build(__u16 *table, __u32 size, const struct maglev_backend *backends, size_t count, const __u8 key[16]);

/* The arguments of one maglev_build, and what it returned. Jobs must not share a table; they may share backends. */
struct maglev_job {
	__u16 *table;
	__u32 size;
	const struct maglev_backend *backends;
	size_t count;
	int result;
};

/*
 * Builds all of them with one key, on as many threads as there are jobs and CPUs
 * that this process may use, the caller among them; alone if no thread can be had.
 * Returns when all are done. To the rest of the program this is still one thread:
 * the others run nothing but maglev_build, which only reads its arguments and
 * writes its table, they take no signals, and they have ended on return.
 */
void maglev_build_all(struct maglev_job *jobs, size_t count, const __u8 key[16]);

#endif
