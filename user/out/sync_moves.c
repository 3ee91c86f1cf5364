/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Moves of services between tables. A move is four words of memory that packets read meanwhile; the order of the
 * stores, also against those of the VIPs, keeps a packet from asking a former table that is not one:
 * what begins is written before its VIPs are, and the former table before the phase that leads to it; what goes back
 * or is over is written after its VIPs, and the phase first.
 *
 * Which table the service has is written after its VIPs in any case. Who finds that it is still the former one knows
 * that they may lead there, so that nobody was recorded, and that the window has yet to begin.
 */
#include <string.h>

#include "out/sync.h"

#define MOVE_WORDS (sizeof(struct service_move) / sizeof(__u64))

static void move_store(struct service_move *to, const struct service_move *value)
{
	bool begins = phase_is_recording(value->phase);
	const __u64 *from = (const __u64 *)value;
	__u64 *words = (__u64 *)to;

	for (size_t i = 0; i < MOVE_WORDS; i++) {
		size_t word = begins ? i : MOVE_WORDS - 1 - i;

		if (words[word] != from[word])
			__atomic_store_n(&words[word], from[word], __ATOMIC_RELEASE);
	}
}

void sync_moves_begin(const struct maps *maps, const struct plan *plan)
{
	for (__u32 i = 0; i < SLUICE_MAX_SERVICES; i++) {
		struct service_move move = plan->moves[i];

		move.now = maps->moves[i].now;
		move.flags = maps->moves[i].flags;
		if (phase_is_recording(move.phase))
			move_store(&maps->moves[i], &move);
	}
}

void sync_moves_end(const struct maps *maps, const struct plan *plan)
{
	for (__u32 i = 0; i < SLUICE_MAX_SERVICES; i++)
		move_store(&maps->moves[i], &plan->moves[i]);
}

__u32 sync_moves_deadline(const struct plan *plan)
{
	__u32 first = 0;

	for (__u32 i = 0; i < SLUICE_MAX_SERVICES; i++) {
		const struct service_move *move = &plan->moves[i];
		__u32 due = 0;

		if (phase_is_recording(move->phase))
			due = move->since + phase_deadline(move->phase, &plan->move_windows[i]);
		if (due && (!first || due < first))
			first = due;
	}
	return first;
}

bool sync_rest_move(const struct maps *maps, const struct plan *plan, __u16 service, const struct windows *windows,
		    const struct sweep *sweep, __u32 second)
{
	const struct transition_now now = {.standing = plan->standing, .windows = *windows, .second = second};
	struct service_move *move = &maps->moves[service];

	if (!sweep_move_rests(sweep, service, move, &now))
		return false;
	move_store(move, &(const struct service_move){.now = move->now, .flags = move->flags});
	return true;
}
