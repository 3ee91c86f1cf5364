/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/sync.h"

#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "lib/siphash.h"
#include "out/slot_store.h"

#define STEADY_RUN 16 /* slots */

/* Slots and backends are memory shared with the kernel, written in single 8-byte stores. */

/*
 * A changed MAC is one word. When more changes, a packet may meet a mixed header for
 * some nanoseconds; but none where there was or will be no next hop: the first word,
 * which says so, is written last, or first.
 */
static void backend_store(struct backend *backend, const struct backend *value)
{
	const size_t words = sizeof(*value) / sizeof(__u64);
	const __u64 *from = (const __u64 *)value;
	__u64 *to = (__u64 *)backend;

	for (size_t i = 0; i < words; i++) {
		size_t word = value->encap == ENCAP_NONE ? i : words - 1 - i;

		if (to[word] != from[word])
			__atomic_store_n(&to[word], from[word], __ATOMIC_RELEASE);
	}
}

static void sync_backends(const struct maps *maps, const struct plan *plan, const struct synced *synced, bool clear)
{
	__u32 end = synced->backends ? synced->backend_end : SLUICE_MAX_BACKENDS + 1;

	if (end < plan->backend_end)
		end = plan->backend_end;
	for (__u32 i = 1; i < end; i++)
		if ((plan->backends[i].encap == ENCAP_NONE) == clear)
			backend_store(&maps->backends[i], &plan->backends[i]);
}

static struct synced_table *synced_find(struct synced *synced, const char *pool)
{
	struct synced_table *one;

	HASH_FIND_STR(synced->tables, pool, one);
	if (!one) {
		one = memory_new(1, sizeof(*one));
		strcpy(one->pool, pool);
		HASH_ADD_STR(synced->tables, pool, one);
	}
	return one;
}

void synced_free(struct synced *synced)
{
	struct synced_table *one, *next;

	HASH_ITER(hh, synced->tables, one, next) {
		HASH_DEL(synced->tables, one);
		free(one);
	}
	*synced = (struct synced){0};
}

/* Of one that is gone nobody knows whose it was. */
static bool is_others(const struct plan *plan, size_t table, __u16 backend)
{
	return plan->standing[backend] != STANDS_GONE && plan->table_of[backend] != table;
}

/* What the slot may become goes by what it is, if that is this table's at all: another one may have had its place. */
static struct slot slot_present(const struct plan *plan, size_t table, const struct slot *slot, bool rehash)
{
	struct slot present = slot_load(slot);

	if (rehash || is_others(plan, table, present.owner))
		return (struct slot){0};
	if (is_others(plan, table, present.previous))
		present.previous = 0;
	return present;
}

/* So many slots have this one's phase and age: when does time change them next? */
static void note_slots(struct synced_table *one, const struct slot *slot, __u32 count, const struct transition_now *now)
{
	__u32 deadline = slot_deadline(slot, &now->windows), due;

	one->phases[slot->phase] += count;
	if (!deadline)
		return;
	due = now->second - slot_age(slot, now->second) + deadline;
	if (!one->due || due < one->due)
		one->due = due;
}

/*
 * How many of the slots, in whole runs, are steady and what is wanted: nearly all of a large table are. Only this
 * process writes them, so that the loop need not load them one by one.
 */
static __u32 steady_run(const struct slot *slots, const __u16 *owner, __u32 count)
{
	const __u64 *word = (const __u64 *)slots;
	__u32 steady = 0;

	while (steady + STEADY_RUN <= count) {
		__u64 differ = 0;

		for (__u32 i = steady; i < steady + STEADY_RUN; i++)
			differ |= word[i] ^ slot_steady_word(owner[i]);
		if (differ)
			break;
		steady += STEADY_RUN;
	}
	return steady;
}

/*
 * Slots that became the same one after the other, but for their owner. For a slot that keeps it, and for one that
 * nobody had, it makes no difference who that is: of a new table, or when a phase ends, that is every slot.
 */
struct alike {
	__u64 before, after; /* words, without the owner */
	bool kept;	     /* before, the owner was the wanted one too; else none */
	__u32 count;
};

static bool is_alike(const struct alike *alike, __u64 word, __u16 owner)
{
	return alike->count && word == (alike->before | (alike->kept ? slot_steady_word(owner) : 0));
}

static void note_alike(struct synced_table *one, const struct alike *alike, const struct transition_now *now)
{
	struct slot slot;

	memcpy(&slot, &alike->after, sizeof(slot));
	if (alike->count)
		note_slots(one, &slot, alike->count, now);
}

/* Notes what the slot became, and so what will become of others like it. */
static void note_slot(struct synced_table *one, struct slot before, struct slot after, __u16 wanted,
		      const struct transition_now *now, struct alike *alike)
{
	bool kept = before.owner == wanted, empty = !slot_as_word(before);

	if (!kept && !empty) {
		note_slots(one, &after, 1, now);
		return;
	}
	note_alike(one, alike, now);
	before.owner = after.owner = 0;
	*alike = (struct alike){.before = slot_as_word(before), .after = slot_as_word(after), .kept = kept, .count = 1};
}

static void store_word(const struct maps *maps, __u32 index, __u64 word)
{
	struct slot value;

	if (slot_word(&maps->slots[index]) == word)
		return;
	memcpy(&value, &word, sizeof(value));
	slot_store(maps, index, value);
}

static void sync_slots(const struct maps *maps, const struct plan *plan, size_t index, struct synced_table *one,
		       bool rehash)
{
	const struct table *table = plan->tables[index];
	const struct transition_now now = {
		.standing = plan->standing, .windows = table->windows, .second = plan->second};
	struct alike alike = {0};
	__u32 steady = 0;

	memset(one->phases, 0, sizeof(one->phases));
	one->due = 0;
	for (__u32 i = 0; i < table->size; i++) {
		struct slot *slot = &maps->slots[table->first + i], present, next;
		__u32 run = i % STEADY_RUN ? 0 : steady_run(slot, &table->owner[i], table->size - i);
		__u16 owner = table->owner[i];

		if (run || slot_word(slot) == slot_steady_word(owner)) {
			steady += run ?: 1;
			i += run ? run - 1 : 0;
			continue;
		}
		if (is_alike(&alike, slot_word(slot), owner)) {
			store_word(maps, table->first + i, alike.after | slot_steady_word(owner));
			alike.count++;
			continue;
		}
		present = slot_present(plan, index, slot, rehash);
		next = slot_next(present, owner, &now);
		note_slot(one, present, next, owner, &now, &alike);
		store_word(maps, table->first + i, slot_as_word(next));
	}
	note_alike(one, &alike, &now);
	one->phases[PHASE_STEADY] += steady;
}

/* Returns whether it lies elsewhere than before. */
static bool sync_table(const struct maps *maps, const struct plan *plan, size_t index, struct synced *synced,
		       bool rehash)
{
	const struct table *table = plan->tables[index];
	struct synced_table *one = synced_find(synced, table->pool);
	bool moved = one->first != table->first || one->size != table->size;
	bool differs = moved || one->generation != table->generation;

	if (!differs && (!one->due || one->due > plan->second))
		return false;
	if (differs) /* who serves and who does not */
		for (size_t i = 0; i < table->member_count; i++)
			backend_store(&maps->backends[table->members[i].owner],
				      &plan->backends[table->members[i].owner]);
	sync_slots(maps, plan, index, one, rehash);
	one->generation = table->generation;
	one->first = table->first;
	one->size = table->size;
	return moved;
}

bool sync_tables(const struct maps *maps, const struct plan *plan, struct synced *synced, bool rehash)
{
	bool moved = false;

	if (synced->backends != plan->backends_generation)
		sync_backends(maps, plan, synced, false);
	for (size_t i = 0; i < plan->table_count; i++)
		moved |= sync_table(maps, plan, i, synced, rehash);
	return moved || HASH_COUNT(synced->tables) != plan->table_count;
}

__u32 sync_deadline(const struct plan *plan, const struct synced *synced)
{
	__u32 due = sync_moves_deadline(plan);

	for (const struct synced_table *one = synced->tables; one; one = one->hh.next)
		if (one->due && (!due || one->due < due))
			due = one->due;
	return due;
}

static int use_order(const void *a, const void *b)
{
	const struct table_use *left = a, *right = b;

	return left->slot_first < right->slot_first ? -1 : left->slot_first > right->slot_first;
}

static void clear_slots(const struct maps *maps, __u32 first, __u32 end)
{
	for (__u32 i = first; i < end; i++)
		if (slot_word(&maps->slots[i]))
			slot_store(maps, i, (struct slot){0});
}

/* All ranges of slots that something looks into: tables, and those that services had before, once each or oftener. */
static struct table_use *used_slots(const struct plan *plan, size_t *count)
{
	struct table_use *uses = memory_new(plan->table_count + SLUICE_MAX_SERVICES, sizeof(*uses));

	*count = 0;
	for (size_t i = 0; i < plan->table_count; i++)
		uses[(*count)++] = (struct table_use){plan->tables[i]->first, plan->tables[i]->size};
	for (__u32 i = 0; i < SLUICE_MAX_SERVICES; i++)
		if (plan->moves[i].phase)
			uses[(*count)++] = plan->moves[i].before;
	qsort(uses, *count, sizeof(*uses), use_order);
	return uses;
}

static void clear_unused_slots(const struct maps *maps, const struct table_use *uses, size_t count)
{
	__u32 end = 0;

	for (size_t i = 0; i < count; i++) {
		clear_slots(maps, end, uses[i].slot_first);
		if (uses[i].slot_first + uses[i].slot_count > end)
			end = uses[i].slot_first + uses[i].slot_count;
	}
	clear_slots(maps, end, maps->slot_capacity);
}

/* Of tables that are no pool's any more: a backend that is gone must not be named when another one gets its index. */
static void forget_gone(const struct maps *maps, const struct plan *plan, struct table_use use)
{
	for (__u32 i = use.slot_first; i < use.slot_first + use.slot_count; i++) {
		struct slot slot = slot_load(&maps->slots[i]);

		if (slot.owner && plan->standing[slot.owner] == STANDS_GONE)
			slot.owner = 0;
		if (slot.previous && plan->standing[slot.previous] == STANDS_GONE)
			slot.previous = 0;
		if (slot_as_word(slot) != slot_word(&maps->slots[i]))
			slot_store(maps, i, slot);
	}
}

static bool is_table(const struct plan *plan, struct table_use use)
{
	for (size_t i = 0; i < plan->table_count; i++)
		if (plan->tables[i]->first == use.slot_first)
			return true;
	return false;
}

static void clear_slots_of_nobody(const struct maps *maps, const struct plan *plan, struct synced *synced, bool moved)
{
	static const __u8 key[16];
	size_t count;
	struct table_use *uses = used_slots(plan, &count);
	__u64 all = siphash(key, uses, count * sizeof(*uses));

	if (moved || synced->used_slots != all)
		clear_unused_slots(maps, uses, count);
	synced->used_slots = all;
	if (synced->backends != plan->backends_generation)
		for (size_t i = 0; i < count; i++)
			if (!is_table(plan, uses[i]) && (!i || use_order(&uses[i], &uses[i - 1])))
				forget_gone(maps, plan, uses[i]);
	free(uses);
}

void sync_clear(const struct maps *maps, const struct plan *plan, struct synced *synced, bool tables_moved)
{
	struct synced_table *one, *next;

	clear_slots_of_nobody(maps, plan, synced, tables_moved);
	HASH_ITER(hh, synced->tables, one, next) {
		struct table *table;

		HASH_FIND_STR(plan->cache, one->pool, table);
		if (!table) {
			HASH_DEL(synced->tables, one);
			free(one);
		}
	}
	if (synced->backends != plan->backends_generation)
		sync_backends(maps, plan, synced, true);
	synced->backends = plan->backends_generation;
	synced->backend_end = plan->backend_end;
}
