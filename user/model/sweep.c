/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/sweep.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

static void bit_set(__u64 *bits, __u32 bit)
{
	bits[bit / 64] |= 1ULL << bit % 64;
}

static void bit_clear(__u64 *bits, __u32 bit)
{
	bits[bit / 64] &= ~(1ULL << bit % 64);
}

static bool bit_get(const __u64 *bits, __u32 bit)
{
	return bits[bit / 64] >> bit % 64 & 1;
}

__u32 sweep_age(__u32 then, __u32 second)
{
	return (__s32)(second - then) > 0 ? second - then : 0;
}

bool sweep_is_live(const struct flow_tuple *tuple, const struct flow_record *record, const struct sweep_life *life,
		   __u32 second)
{
	__u32 silent = sweep_age(record->seen, second);

	if (record->flags & FLOW_DOUBTFUL)
		return silent <= life->doubtful;
	if (record->flags & FLOW_CLOSING)
		return silent <= FLOW_CLOSING_LIFE;
	return silent <= (tuple->protocol == IPPROTO_TCP ? life->tcp : life->udp);
}

__u32 sweep_slot(const struct flow_key *key, const struct flow_tuple *tuple, struct table_use table, __u16 flags)
{
	const bool source = flags & SERVICE_HASH_SOURCE;
	static const __be32 none[4];
	__u32 ports, hash;

	memcpy(&ports, &tuple->source_port, sizeof(ports));
	if (tuple->version == 4)
		hash = hash_flow4(key, tuple->source[0], source ? 0 : tuple->destination[0], source ? 0 : ports,
				  source ? 0 : tuple->protocol);
	else
		hash = hash_flow6(key, tuple->source, source ? none : tuple->destination, source ? 0 : ports,
				  source ? 0 : tuple->protocol);
	return table.slot_first + hash_slot(hash, table.slot_count);
}

__u8 sweep_phase(__u8 slot, __u8 move)
{
	static const __u8 rank[SWEEP_PHASES] = {
		[PHASE_STEADY] = 0, [PHASE_SETTLED] = 1, [PHASE_TCP] = 2, [PHASE_OPEN] = 3};

	slot %= SWEEP_PHASES; /* from memory that others may write */
	move %= SWEEP_PHASES;
	return rank[slot] >= rank[move] ? slot : move;
}

enum sweep_fate sweep_fate(const struct flow_record *record, __u16 owner, __u8 phase)
{
	if (phase_is_recording(phase))
		return SWEEP_KEPT;
	return phase == PHASE_SETTLED && record->backend != owner ? SWEEP_KEPT : SWEEP_REMOVED_REDUNDANT;
}

__u32 sweep_tally_backend(const struct sweep_tally *tally, __u16 backend)
{
	__u32 records = 0;

	for (int phase = 0; tally->count && phase < SWEEP_PHASES; phase++)
		records += tally->count[backend][phase].records;
	return records;
}

void sweep_begin(struct sweep *sweep, __u32 slots, __u32 second)
{
	const size_t words = slots / 64 + 1, counts = (SLUICE_MAX_BACKENDS + 1) * sizeof(*sweep->tally.count);

	if (slots != sweep->slots || !sweep->resting)
		sweep->resting = memory_resize(sweep->resting, words, sizeof(*sweep->resting));
	if (!sweep->tally.count)
		sweep->tally.count = memory_new(SLUICE_MAX_BACKENDS + 1, sizeof(*sweep->tally.count));
	memset(sweep->resting, 0, words * sizeof(*sweep->resting));
	memset(sweep->moves, 0, sizeof(sweep->moves));
	memset(sweep->tally.count, 0, counts);
	sweep->tally.records = sweep->tally.removed = 0;
	sweep->slots = slots;
	sweep->begun = second;
}

void sweep_propose_slots(struct sweep *sweep, const struct slot *slots, __u32 first, __u32 count)
{
	for (__u32 i = first; i < first + count && i < sweep->slots; i++)
		if (slots[i].phase == PHASE_SETTLED)
			bit_set(sweep->resting, i);
}

void sweep_propose_move(struct sweep *sweep, const struct service_move *moves, __u16 service)
{
	if (moves[service].phase == PHASE_SETTLED)
		bit_set(sweep->moves, service);
}

static void count(struct sweep_tally *tally, const struct flow_record *record, __u8 phase, __u32 second)
{
	struct sweep_count *one = &tally->count[record->backend][phase];
	__u32 age = sweep_age(record->born, second);

	if (!one->records || age > one->oldest)
		one->oldest = age;
	if (!one->records || age < one->newest)
		one->newest = age;
	one->records++;
	one->closing += record->flags & FLOW_CLOSING ? 1 : 0;
	tally->records++;
}

/* The fate of a live record; notes slot and move that cannot rest because of it. */
static enum sweep_fate judge(struct sweep *sweep, const struct flow_tuple *tuple, const struct flow_record *record,
			     const struct service *service, const struct sweep_world *world)
{
	const struct table_use table = {service->slot_first, service->slot_count};
	__u32 index = sweep_slot(world->key, tuple, table, service->flags);
	__u16 number = service->index % SLUICE_MAX_SERVICES;
	__u8 phase;
	enum sweep_fate fate;
	struct slot slot;

	if (index >= world->slot_capacity)
		return SWEEP_REMOVED_GONE;
	slot = world->slots[index];
	phase = sweep_phase(slot.phase, world->moves[number].phase); /* the flag of its VIPs comes a little later */
	fate = sweep_fate(record, slot.owner, phase);
	if (fate != SWEEP_KEPT)
		return fate;
	if (record->backend != slot.owner) {
		if (index < sweep->slots)
			bit_clear(sweep->resting, index);
		bit_clear(sweep->moves, number);
	}
	count(&sweep->tally, record, phase, world->second);
	return SWEEP_KEPT;
}

enum sweep_fate sweep_take(struct sweep *sweep, const struct flow_tuple *tuple, const struct flow_record *record,
			   const struct service *service, const struct sweep_world *world)
{
	enum sweep_fate fate;

	if (!service || !service->slot_count || record->backend > SLUICE_MAX_BACKENDS ||
	    world->standing[record->backend] == STANDS_GONE)
		fate = SWEEP_REMOVED_GONE;
	else if (!sweep_is_live(tuple, record, &world->lives[record->backend], world->second))
		fate = SWEEP_REMOVED_OVER;
	else
		fate = judge(sweep, tuple, record, service, world);
	sweep->tally.removed += fate != SWEEP_KEPT;
	return fate;
}

bool sweep_slot_rests(const struct sweep *sweep, __u32 index, const struct slot *slot, const struct transition_now *now)
{
	return index < sweep->slots && bit_get(sweep->resting, index) && slot_may_rest(slot, now) &&
	       slot_age(slot, now->second) > ((now->second - sweep->begun) & SINCE_MASK);
}

bool sweep_move_rests(const struct sweep *sweep, __u16 service, const struct service_move *move,
		      const struct transition_now *now)
{
	return bit_get(sweep->moves, service) && move_may_rest(move, now) &&
	       now->second - move->since > now->second - sweep->begun;
}

void sweep_free(struct sweep *sweep)
{
	free(sweep->resting);
	free(sweep->tally.count);
	*sweep = (struct sweep){0};
}
