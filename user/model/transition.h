/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Transitions: what a slot, or a service's table, becomes next. Pure. The phases and the invariants that this
 * keeps are in include/flow.h.
 *
 * The wanted table is the pure Maglev table. A slot that is not what it says
 *
 *   - whose owner does not serve any more (dead, gone, none) gets the wanted one at once, without a previous owner. Its
 *     own flows are lost, so that all live ones begin now: for TRANSITION_BURST it is young, which is phase tcp without
 *     a previous owner, and they get records. When it changes meanwhile, no window of UDP is needed: backends that
 *     come up one after the other share a pool evenly from the first second on, and nothing breaks by it;
 *   - that is steady or settled is opened: its owner becomes the previous one;
 *   - that is open and whose wanted owner is its previous one goes back at once: who has no record is there, the others
 *     have one, so it has settled;
 *   - that is open gets another owner at once, too: who came since it was opened has a record. Its previous owner and
 *     window stay. To wait would leave half of a pool to whichever backend came up first, for a whole window;
 *   - with a second hop, which can look for a connection in two places alone, an open slot does wait until it has
 *     settled, unless its owner is leaving (it is to get no new connections) or it was opened within TRANSITION_BURST:
 *     backends that come up one after the other make one change.
 *
 * A previous owner that does not serve any more is forgotten: the slot has then settled. A settled slot becomes steady
 * when a whole sweep has found no record that differs from its owner, and, for the second hop, not before twice the
 * window has gone by. A window of 0 means that nothing is opened: a change is at once.
 *
 * Every slot whose window is over and whose records are gone is what the wanted table says, whatever its history.
 */
#ifndef SLUICE_TRANSITION_H
#define SLUICE_TRANSITION_H

#include <linux/types.h>
#include <stdbool.h>

#include "flow.h"

#define TRANSITION_BURST 3 /* seconds */

/* What a backend index stands for. */
enum standing {
	STANDS_GONE, /* for none that is configured */
	STANDS_DEAD,
	STANDS_LEAVING, /* serves its connections and gets no new ones */
	STANDS_GOOD,
};

/* `transition` of a pool, in seconds. */
struct windows {
	__u32 window, udp_window;
	__u32 hold; /* a settled slot stays so until this age at least: for the second hop */
	__u32 two;  /* 1: no more than two backends may have the connections of an open slot: for the second hop, too */
};

struct transition_now {
	const __u8 *standing; /* by backend index */
	struct windows windows;
	__u32 second; /* CLOCK_MONOTONIC */
};

/* What the slot becomes. Is the slot itself if there is nothing to do. */
struct slot slot_next(struct slot slot, __u16 wanted, const struct transition_now *now);

/*
 * The same for a service's table. `wanted.slot_count` is never 0. A service that is moved again does not
 * wait: who came since has a record. A move that does not lead anywhere yet has settled.
 */
struct service_move move_next(const struct service_move *move, struct table_use wanted, __u16 flags,
			      const struct transition_now *now);

/* Whether a slot is settled, and long enough for steady; the caller knows whether records remain. */
bool slot_may_rest(const struct slot *slot, const struct transition_now *now);
bool move_may_rest(const struct service_move *move, const struct transition_now *now);

/* The age at which time alone next changes something of this phase; 0: never. */
__u32 phase_deadline(__u8 phase, const struct windows *windows);
__u32 slot_deadline(const struct slot *slot, const struct windows *windows);

#endif
