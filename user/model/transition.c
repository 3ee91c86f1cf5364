/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/transition.h"

#include <string.h>

static bool serves(const struct transition_now *now, __u16 backend)
{
	return backend && now->standing[backend] >= STANDS_LEAVING;
}

/* Both ends of an age are cut to whole seconds: a window that is one second short would break its promise. */
static __u32 deadline(__u32 window)
{
	return window ? window + 1 : 0;
}

/* The phase that the age makes of an earlier one. */
static __u8 phase_at(__u8 phase, __u32 age, const struct windows *windows)
{
	if (phase == PHASE_OPEN && age >= deadline(windows->udp_window))
		phase = PHASE_TCP;
	if (phase == PHASE_TCP && age >= deadline(windows->window))
		phase = PHASE_SETTLED;
	return phase;
}

__u32 phase_deadline(__u8 phase, const struct windows *windows)
{
	switch (phase) {
	case PHASE_OPEN:
		return deadline(windows->udp_window);
	case PHASE_TCP:
		return deadline(windows->window);
	default:
		return 0;
	}
}

/* A slot without a previous owner is young, or is going to settle at once. */
static struct windows slot_windows(const struct slot *slot, const struct windows *windows)
{
	struct windows young = *windows;

	if (slot->previous)
		return *windows;
	if (young.window > TRANSITION_BURST)
		young.window = TRANSITION_BURST;
	young.udp_window = 0;
	return young;
}

__u32 slot_deadline(const struct slot *slot, const struct windows *windows)
{
	const struct windows own = slot_windows(slot, windows);

	return phase_deadline(slot->phase, &own);
}

static struct slot slot_open(__u16 owner, __u16 previous, __u8 phase, const struct transition_now *now)
{
	__u32 second = now->second;

	return (struct slot){
		.owner = owner,
		.previous = previous,
		.phase = phase_at(phase, 0, &now->windows),
		.since = {(__u8)second, (__u8)(second >> 8), (__u8)(second >> 16)},
	};
}

/* An open slot whose owner may not stay. */
static struct slot slot_hand_over(struct slot slot, __u16 wanted)
{
	__u16 owner = slot.owner;

	slot.owner = wanted;
	if (slot.previous == wanted) { /* who has no record is with it already */
		slot.phase = PHASE_SETTLED;
		slot.previous = owner;
	}
	return slot;
}

/* A slot whose owner's connections are lost: only records that name others remain. */
static struct slot slot_take(struct slot slot, __u16 wanted, const struct transition_now *now)
{
	if (wanted && now->windows.window)
		return slot_open(wanted, 0, PHASE_TCP, now);
	slot.owner = wanted;
	return slot;
}

/* Whether an open slot need not wait. */
static bool may_hand_over(const struct slot *slot, __u16 wanted, const struct transition_now *now)
{
	return !now->windows.two || wanted == slot->previous || !serves(now, slot->owner) ||
	       now->standing[slot->owner] == STANDS_LEAVING || slot_age(slot, now->second) < TRANSITION_BURST;
}

struct slot slot_next(struct slot slot, __u16 wanted, const struct transition_now *now)
{
	const struct windows windows = slot_windows(&slot, &now->windows);

	slot.phase = phase_at(slot.phase, slot_age(&slot, now->second), &windows);
	if (slot.previous && !serves(now, slot.previous)) {
		slot.previous = 0;
		slot.phase = PHASE_SETTLED;
	}
	if (slot.owner == wanted)
		return slot;
	if (!serves(now, slot.owner) && !phase_is_recording(slot.phase))
		return slot_take(slot, wanted, now);
	if (phase_is_recording(slot.phase) && !slot.previous && serves(now, slot.owner))
		return slot_open(wanted, slot.owner, PHASE_TCP, now); /* young: UDP has records already */
	if (phase_is_recording(slot.phase) && may_hand_over(&slot, wanted, now)) {
		slot = slot_hand_over(slot, wanted);
		if (slot.previous && !serves(now, slot.previous))
			slot.previous = 0;
		return slot;
	}
	if (phase_is_recording(slot.phase))
		return slot;
	if (!now->windows.window)
		return (struct slot){.owner = wanted};
	return slot_open(wanted, slot.owner, PHASE_OPEN, now);
}

static bool is_equal(struct table_use a, struct table_use b)
{
	return a.slot_first == b.slot_first && a.slot_count == b.slot_count;
}

static struct service_move move_open(const struct service_move *move, struct table_use wanted, __u16 flags,
				     const struct transition_now *now)
{
	struct service_move next = {.now = wanted, .flags = flags};

	if (!now->windows.window)
		return next;
	next.before = move->now;
	next.flags_before = move->flags;
	next.phase = phase_at(PHASE_OPEN, 0, &now->windows);
	next.since = now->second;
	return next;
}

/* Who came since the move began has a record, so the table may change again; the one before stays. */
static struct service_move move_again(const struct service_move *move, struct table_use wanted, __u16 flags)
{
	struct service_move next = *move;

	next.now = wanted;
	next.flags = flags;
	if (is_equal(move->before, wanted) && move->flags_before == flags) {
		next.phase = PHASE_SETTLED;
		next.before = move->now;
		next.flags_before = move->flags;
	}
	return next;
}

/*
 * An agent has ended between preparing the move and leading the service to its new table (user/out/sync_moves.c). Who
 * has no record is with the former one all the same, whenever that was.
 */
static bool is_unfinished(const struct service_move *move)
{
	return phase_is_recording(move->phase) && is_equal(move->now, move->before) &&
	       move->flags == move->flags_before;
}

struct service_move move_next(const struct service_move *move, struct table_use wanted, __u16 flags,
			      const struct transition_now *now)
{
	struct service_move next = *move;

	next.phase =
		is_unfinished(move) ? PHASE_SETTLED : phase_at(next.phase, now->second - next.since, &now->windows);
	if (!next.now.slot_count)
		return (struct service_move){.now = wanted, .flags = flags};
	if (is_equal(next.now, wanted) && next.flags == flags)
		return next;
	if (phase_is_recording(next.phase))
		return move_again(&next, wanted, flags);
	return move_open(&next, wanted, flags, now);
}

bool slot_may_rest(const struct slot *slot, const struct transition_now *now)
{
	return slot->phase == PHASE_SETTLED && (!slot->previous || slot_age(slot, now->second) >= now->windows.hold);
}

bool move_may_rest(const struct service_move *move, const struct transition_now *now)
{
	return move->phase == PHASE_SETTLED && now->second - move->since >= now->windows.hold;
}
