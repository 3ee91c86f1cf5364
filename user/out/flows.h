/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The flow map, read and thinned out by user space in batches. */
#ifndef SLUICE_FLOWS_H
#define SLUICE_FLOWS_H

#include <linux/types.h>
#include <stdbool.h>

#include "flow.h"

#define FLOWS_BATCH 1024

/* Where a walk through the map is. Zeroed: at its beginning. */
struct flows_walk {
	bool begun, ended;
	__u32 position; /* the kernel's */
	__u32 count;	/* of the batch that was read */
	struct flow_tuple tuple[FLOWS_BATCH];
	struct flow_record record[FLOWS_BATCH];
};

/*
 * Reads the next batch of records from the map `fd`; `ended` is set with the last one, which may be empty. Each record
 * that is there all the time is read once. 0 or a negative errno.
 */
int flows_next(int fd, struct flows_walk *walk);

/* Removes the record unless it has been seen or rewritten since it was read. Whether it was there as it was read. */
bool flows_remove(int fd, const struct flow_tuple *tuple, const struct flow_record *record);

/*
 * Removes records of which it is certain that nothing can make them needed meanwhile: a third of the time. The tuples
 * are as good as lost.
 */
void flows_remove_all(int fd, struct flow_tuple *tuples, __u32 count);

/*
 * Copies records from one map to another, as many as there is room for: those that were written, or whose flow ended,
 * in second `since` or later. `shared`: the dataplane writes to the other one already, so what is there is newer.
 * Takes about a second for a million, a third of that for those that are stepped over. A descriptor of -1: nothing.
 * Closes neither. Returns what `since` has to be for those that come from now on.
 */
__u32 flows_carry_over(int from, int to, __u32 since, bool shared);

/* Removes the records that name a backend of the set, which is by index. As long as for the above. */
void flows_forget(int fd, const bool *backends);

#endif
