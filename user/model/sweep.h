/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The sweep's judgement: which flow records are needed no more, what those that are left tell, and which settled
 * slots and moves may be steady. Pure; include/flow.h has the invariants that it relies on.
 *
 * A pass looks at every record once. A slot or move becomes steady if it was settled when the pass began, still is
 * by the same transition when it ends, and the pass found no record that says otherwise: no new ones are written
 * meanwhile (invariant 2), so there is none.
 *
 *   no service has its destination, its backend is gone   → remove
 *   silent for longer than its kind may be                → remove
 *   its slot or its service's move records                → keep: without it the flow might go elsewhere
 *   one of them is settled                                → keep if it differs from the owner; else remove
 *   both steady                                           → remove
 */
#ifndef SLUICE_SWEEP_H
#define SLUICE_SWEEP_H

#include "abi.h"
#include "model/transition.h"

/* How long a flow may be silent, by its backend's pool, in seconds. */
struct sweep_life {
	__u32 tcp, udp;
	__u32 doubtful; /* after a FIN or RST that may be forged: the connection itself may have been silent for as long
			 */
};

enum sweep_fate {
	SWEEP_REMOVED_GONE,	 /* no service, or no backend */
	SWEEP_REMOVED_OVER,	 /* silent for too long */
	SWEEP_REMOVED_REDUNDANT, /* the flow goes there anyway */
	SWEEP_KEPT,
};

/* Seconds since then: 0 where the dataplane's clock is a little ahead of ours. */
__u32 sweep_age(__u32 then, __u32 second);

/* Whether a flow with this record is alive. `second` as all times here: CLOCK_MONOTONIC. */
bool sweep_is_live(const struct flow_tuple *tuple, const struct flow_record *record, const struct sweep_life *life,
		   __u32 second);

/* The slot that the flow has in a table; of `flags`, SERVICE_HASH_SOURCE counts. */
__u32 sweep_slot(const struct flow_key *key, const struct flow_tuple *tuple, struct table_use table, __u16 flags);

/* The further of both phases: recording before settled before steady. */
__u8 sweep_phase(__u8 slot, __u8 move);

/* What becomes of a live record; `phase` is that of sweep_phase(). */
enum sweep_fate sweep_fate(const struct flow_record *record, __u16 owner, __u8 phase);

/* Live records of one backend in slots of one phase. Ages in seconds, since the record was written. */
struct sweep_count {
	__u32 records, closing;
	__u32 oldest, newest;
};

#define SWEEP_PHASES 4 /* enum phase; no live record is left in a steady slot */

/* What a whole pass found. */
struct sweep_tally {
	__u32 records; /* that are left */
	__u32 removed;
	struct sweep_count (*count)[SWEEP_PHASES]; /* by backend index */
};

/* All live records of a backend. */
__u32 sweep_tally_backend(const struct sweep_tally *tally, __u16 backend);

/* A pass under way. Zeroed: none yet; its memory is kept from pass to pass. */
struct sweep {
	__u32 begun;			       /* second */
	__u32 slots;			       /* that there are bits for */
	__u64 *resting;			       /* a bit for each slot that may rest as far as is known */
	__u64 moves[SLUICE_MAX_SERVICES / 64]; /* the same for services */
	struct sweep_tally tally;
};

/* The last whole pass, for display. */
struct swept {
	bool known; /* there was one */
	struct sweep_tally tally;
	__u64 at_ms;	/* when it ended, of the monotonic clock */
	__u64 spent_us; /* that it took of the agent's time */
};

/* What the pass reads. */
struct sweep_world {
	const struct flow_key *key;
	const struct slot *slots; /* as many as there were at sweep_begin(), or more */
	__u32 slot_capacity;
	const struct service_move *moves;
	const __u8 *standing;		/* enum standing by backend index */
	const struct sweep_life *lives; /* by backend index */
	__u32 second;
};

/* Begins a pass over so many slots, none of which is to rest yet. */
void sweep_begin(struct sweep *sweep, __u32 slots, __u32 second);

/* Those of the slots, or the move of the service, that are settled may rest at the pass's end. */
void sweep_propose_slots(struct sweep *sweep, const struct slot *slots, __u32 first, __u32 count);
void sweep_propose_move(struct sweep *sweep, const struct service_move *moves, __u16 service);

/*
 * Judges a record and counts it. `service`: what the dataplane finds for its destination, NULL: nothing. Whoever calls
 * removes it unless it is kept.
 */
enum sweep_fate sweep_take(struct sweep *sweep, const struct flow_tuple *tuple, const struct flow_record *record,
			   const struct service *service, const struct sweep_world *world);

/* At the end: whether it may become steady. */
bool sweep_slot_rests(const struct sweep *sweep, __u32 index, const struct slot *slot,
		      const struct transition_now *now);
bool sweep_move_rests(const struct sweep *sweep, __u16 service, const struct service_move *move,
		      const struct transition_now *now);

/* Frees what it owns. */
void sweep_free(struct sweep *sweep);

#endif
