/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The exact VIPs: the table of include/vip.h, in memory shared with the kernel. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/memory.h"
#include "model/vip_table.h"
#include "out/sync.h"

/* By key alone. */
static int key_order(const void *a, const void *b)
{
	const struct vip_entry *left = a, *right = b;

	if (left->tail != right->tail)
		return left->tail < right->tail ? -1 : 1;
	return memcmp(left->address, right->address, sizeof(left->address));
}

/* Writes what is not there yet. Returns how many found no room. */
static size_t write_entries(struct vip_table table, const struct vip_entry *entries, size_t count)
{
	size_t unfit = 0;

	for (size_t i = 0; i < count; i++) {
		const struct vip_entry *present = vip_table_find(table, &entries[i]);

		if (!present || memcmp(&present->service, &entries[i].service, sizeof(present->service)) != 0)
			unfit += vip_table_set(table, &entries[i]) != 0;
	}
	return unfit;
}

/* Removes what is not wanted; `entries` is sorted. */
static void remove_others(struct vip_table table, const struct vip_entry *entries, size_t count)
{
	for (size_t i = 0; i < VIP_BUCKETS(table.shift); i++) {
		for (int j = 0; j < VIP_BUCKET_ENTRIES; j++) {
			struct vip_entry *present = &table.buckets[i].entry[j];

			if (!present->tail)
				continue;
			/* nor what another build has put where this one does not look */
			if (!bsearch(present, entries, count, sizeof(*entries), key_order) ||
			    vip_table_find(table, present) != present)
				vip_table_remove(present);
		}
	}
}

int sync_vips(const struct maps *maps, const struct plan *plan, enum vips what)
{
	struct vip_entry *entries = memory_new(plan->vip_count, sizeof(*entries));
	size_t count = 0, unfit;

	for (size_t i = 0; i < plan->vip_count; i++) {
		const struct plan_vip *vip = &plan->vips[i];

		if (!plan_vip_is_exact(vip))
			continue;
		entries[count] = vip_key(&vip->address.address, vip->port, vip->protocol);
		entries[count++].service = vip->service;
	}
	qsort(entries, count, sizeof(*entries), key_order);
	unfit = write_entries(maps->vips, entries, count);
	if (what == VIPS_ALL)
		remove_others(maps->vips, entries, count);
	if (unfit) /* everything may have changed: now there is more room */
		unfit = what == VIPS_ALL ? write_entries(maps->vips, entries, count) : 0;
	if (unfit && maps->vips.shift <= VIP_SHIFT_LEAST)
		log_error("the VIP table has no room for %zu of %zu entries: use other addresses or fewer ports", unfit,
			  count);
	free(entries);
	return unfit ? -EXFULL : 0;
}
