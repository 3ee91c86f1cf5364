/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * How fast probes are begun: no more at once than there are file descriptors for, and in
 * a turn of the loop only so many that what waits for the loop is not kept long. Those that are due
 * wait in a queue. While probes are under way it also notes when this process is held up.
 */
#ifndef SLUICE_PROBE_PACE_H
#define SLUICE_PROBE_PACE_H

#include <event2/event_struct.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

/* Embedded in what is to be begun. */
struct pace_entry {
	struct pace_entry *next, *prev;
	bool waiting;
};

struct pace {
	struct event_base *base;
	void (*begin)(struct pace_entry *entry); /* its turn has come; calls pace_begun() if it is under way then */
	struct pace_entry *queue;
	size_t waiting, limit, under_way;
	__u64 *held;		  /* grows by the microseconds for which the loop did not turn: probe_shared.held */
	__u64 ticked;		  /* monotonic, in microseconds: the last tick */
	struct event drain, tick; /* the queue's next turn; the watch over hold-ups */
};

void pace_init(struct pace *pace, struct event_base *base, void (*begin)(struct pace_entry *entry), __u64 *held);

/* Nothing may be waiting or under way. */
void pace_free(struct pace *pace);

/* Asks the kernel anew how many descriptors this process may have. */
void pace_refresh_limit(struct pace *pace);

/* Has begin() called for it, not before the end of the present turn. Once, however often it is called until then. */
void pace_want(struct pace *pace, struct pace_entry *entry);
void pace_forget(struct pace *pace, struct pace_entry *entry);

/* One more is under way, or one less. */
void pace_begun(struct pace *pace);
void pace_ended(struct pace *pace);

#endif
