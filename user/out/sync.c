/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/sync.h"

#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

/* Slots and backends are memory shared with the kernel, written in single 8-byte stores. */

static void slot_store(struct slot *slot, struct slot value)
{
	__u64 word;

	memcpy(&word, &value, sizeof(word));
	__atomic_store_n((__u64 *)slot, word, __ATOMIC_RELEASE);
}

static __u64 slot_word(const struct slot *slot)
{
	return __atomic_load_n((const __u64 *)slot, __ATOMIC_RELAXED);
}

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

static void sync_backends(const struct maps *maps, const struct plan *plan, bool clear)
{
	for (__u32 i = 1; i <= SLUICE_MAX_BACKENDS; i++)
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

/* Returns whether it lies elsewhere than before. */
static bool sync_table(const struct maps *maps, const struct table *table, struct synced *synced)
{
	struct synced_table *one = synced_find(synced, table->pool);
	bool moved = one->first != table->first || one->size != table->size;

	if (!moved && one->generation == table->generation)
		return false;
	for (__u32 i = 0; i < table->size; i++) {
		struct slot *slot = &maps->slots[table->first + i];

		if (slot->owner != table->owner[i])
			slot_store(slot, (struct slot){.owner = table->owner[i]});
	}
	one->generation = table->generation;
	one->first = table->first;
	one->size = table->size;
	return moved;
}

bool sync_tables(const struct maps *maps, const struct plan *plan, struct synced *synced)
{
	bool moved = false;

	if (synced->backends != plan->backends_generation)
		sync_backends(maps, plan, false);
	for (size_t i = 0; i < plan->table_count; i++)
		moved |= sync_table(maps, plan->tables[i], synced);
	return moved || HASH_COUNT(synced->tables) != plan->table_count;
}

static int table_order(const void *a, const void *b)
{
	const struct table *const *left = a, *const *right = b;

	return (*left)->first < (*right)->first ? -1 : (*left)->first > (*right)->first;
}

static void clear_slots(const struct maps *maps, __u32 first, __u32 end)
{
	for (__u32 i = first; i < end; i++)
		if (slot_word(&maps->slots[i]))
			slot_store(&maps->slots[i], (struct slot){0});
}

static void clear_unused_slots(const struct maps *maps, const struct plan *plan)
{
	struct table **sorted = memory_new(plan->table_count, sizeof(*sorted));
	__u32 end = 0;

	memcpy(sorted, plan->tables, plan->table_count * sizeof(*sorted));
	qsort(sorted, plan->table_count, sizeof(*sorted), table_order);
	for (size_t i = 0; i < plan->table_count; i++) {
		clear_slots(maps, end, sorted[i]->first);
		end = sorted[i]->first + sorted[i]->size;
	}
	clear_slots(maps, end, maps->slot_capacity);
	free(sorted);
}

void sync_clear(const struct maps *maps, const struct plan *plan, struct synced *synced, bool tables_moved)
{
	struct synced_table *one, *next;

	if (tables_moved)
		clear_unused_slots(maps, plan);
	HASH_ITER(hh, synced->tables, one, next) {
		struct table *table;

		HASH_FIND_STR(plan->cache, one->pool, table);
		if (!table) {
			HASH_DEL(synced->tables, one);
			free(one);
		}
	}
	if (synced->backends != plan->backends_generation)
		sync_backends(maps, plan, true);
	synced->backends = plan->backends_generation;
}
