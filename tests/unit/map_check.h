/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Compares every entry of the kernel's maps with a plan: what is wanted is there, and nothing else. */
#ifndef SLUICE_TEST_MAP_CHECK_H
#define SLUICE_TEST_MAP_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/plan.h"
#include "model/vip_table.h"
#include "out/maps.h"

/* A VIP or a prefix, whatever map it is in. */
struct map_vip {
	__u32 address[4];
	__u32 family, length;
	__u32 port, protocol;
	struct service service;
};

struct map_vips {
	struct map_vip *vips;
	size_t count, room;
};

static inline struct map_vip *map_vips_add(struct map_vips *all)
{
	if (all->count == all->room) {
		all->room = all->room ? all->room * 2 : 256;
		all->vips = realloc(all->vips, all->room * sizeof(*all->vips));
		assert_non_null(all->vips);
	}
	memset(&all->vips[all->count], 0, sizeof(*all->vips));
	return &all->vips[all->count++];
}

static inline int map_vip_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct map_vip));
}

static inline void map_vips_read_table(const struct maps *maps, struct map_vips *all)
{
	for (size_t i = 0; i < VIP_BUCKETS(maps->vips.shift) * VIP_BUCKET_ENTRIES; i++) {
		const struct vip_entry *entry =
			&maps->vips.buckets[i / VIP_BUCKET_ENTRIES].entry[i % VIP_BUCKET_ENTRIES];
		struct map_vip *vip;

		if (!entry->tail)
			continue;
		/* the look-up finds it, and no second one of this key */
		assert_ptr_equal(vip_table_find(maps->vips, entry), entry);
		vip = map_vips_add(all);
		memcpy(vip->address, entry->address, sizeof(vip->address));
		vip->family = (entry->tail & 0xff) == 4 ? AF_INET : AF_INET6;
		vip->length = vip->family == AF_INET ? 32 : 128;
		vip->port = ntohs((__be16)(entry->tail >> 16));
		vip->protocol = entry->tail >> 8 & 0xff;
		vip->service = entry->service;
	}
}

static inline void map_vips_read_prefixes(const struct maps *maps, enum map map, struct map_vips *all)
{
	struct prefix_key6 key = {0};
	void *previous = NULL;

	while (!bpf_map_get_next_key(maps->fd[map], previous, &key)) {
		struct map_vip *vip = map_vips_add(all);

		vip->family = map == MAP_prefixes4 ? AF_INET : AF_INET6;
		memcpy(vip->address, key.address, map == MAP_prefixes4 ? 4 : 16);
		vip->length = key.prefixlen - PREFIX_KEY_FIXED_BITS;
		vip->port = ntohs(key.port);
		vip->protocol = key.protocol;
		assert_int_equal(bpf_map_lookup_elem(maps->fd[map], &key, &vip->service), 0);
		previous = &key;
	}
}

static inline void map_vips_planned(const struct plan *plan, struct map_vips *all)
{
	for (size_t i = 0; i < plan->vip_count; i++) {
		const struct plan_vip *from = &plan->vips[i];
		struct map_vip *vip = map_vips_add(all);

		memcpy(vip->address, from->address.address.word, sizeof(vip->address));
		vip->family = from->address.address.family;
		vip->length = from->address.length;
		vip->port = from->port;
		vip->protocol = from->protocol;
		vip->service = from->service;
	}
}

static inline void check_vips(const struct maps *maps, const struct plan *plan)
{
	struct map_vips present = {0}, wanted = {0};

	map_vips_read_table(maps, &present);
	map_vips_read_prefixes(maps, MAP_prefixes4, &present);
	map_vips_read_prefixes(maps, MAP_prefixes6, &present);
	map_vips_planned(plan, &wanted);
	assert_int_equal(present.count, wanted.count);
	if (present.count) {
		qsort(present.vips, present.count, sizeof(*present.vips), map_vip_order);
		qsort(wanted.vips, wanted.count, sizeof(*wanted.vips), map_vip_order);
		assert_memory_equal(present.vips, wanted.vips, present.count * sizeof(*present.vips));
	}
	free(present.vips);
	free(wanted.vips);
}

/* Slots of the tables, and zeros in all others. */
static inline void check_slots(const struct maps *maps, const struct plan *plan)
{
	struct slot *wanted = calloc(maps->slot_capacity, sizeof(*wanted));

	assert_non_null(wanted);
	for (size_t i = 0; i < plan->table_count; i++) {
		const struct table *table = plan->tables[i];

		assert_in_range(table->first + table->size, 1, maps->slot_capacity);
		for (__u32 j = 0; j < table->size; j++)
			wanted[table->first + j].owner = table->owner[j];
	}
	assert_memory_equal(maps->slots, wanted, maps->slot_capacity * sizeof(*wanted));
	for (__u32 i = 0; i < maps->slot_capacity; i++)
		if (maps->owners[i] != wanted[i].owner)
			fail_msg("the owner of slot %u is 0x%x", i, maps->owners[i]);
	free(wanted);
}

static inline void check_maps(const struct maps *maps, const struct plan *plan)
{
	check_vips(maps, plan);
	check_slots(maps, plan);
	assert_memory_equal(maps->backends, plan->backends, (SLUICE_MAX_BACKENDS + 1) * sizeof(*plan->backends));
}

#endif
