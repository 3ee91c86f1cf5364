/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Slots that a whole sweep found to be at rest become steady; moves do in sync_moves.c. */
#include "out/slot_store.h"
#include "out/sync.h"

static struct synced_table *find_table(struct synced *synced, const struct table *table)
{
	struct synced_table *one;

	HASH_FIND_STR(synced->tables, table->pool, one);
	return one && one->first == table->first && one->size == table->size ? one : NULL;
}

void sync_rest_slots(const struct maps *maps, const struct plan *plan, struct synced *synced, size_t table, __u32 first,
		     __u32 count, const struct sweep *sweep, __u32 second)
{
	const struct transition_now now = {
		.standing = plan->standing, .windows = plan->tables[table]->windows, .second = second};
	struct synced_table *one = find_table(synced, plan->tables[table]);

	if (!one)
		return;
	for (__u32 i = first; i < first + count && i < maps->slot_capacity; i++) {
		struct slot slot = slot_load(&maps->slots[i]);

		if (!sweep_slot_rests(sweep, i, &slot, &now))
			continue;
		slot_store(maps, i, (struct slot){.owner = slot.owner});
		one->phases[PHASE_SETTLED]--;
		one->phases[PHASE_STEADY]++;
	}
}
