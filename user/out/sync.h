/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The only writer of the maps: brings their contents to the plan's, writing
 * nothing that is already right. The order keeps every packet whole:
 *
 *   1. sync_tables   headers of backends, then the slots that name them
 *   2. (if the caller replaces the program: the VIPs that are new or changed, then the program)
 *   3. sync_vips, sync_prefixes   VIPs that are new or changed, then those that are gone go
 *   4. sync_clear    headers and slots that nothing leads to any more
 */
#ifndef SLUICE_SYNC_H
#define SLUICE_SYNC_H

#include <stdbool.h>

#include "model/plan.h"
#include "out/maps.h"

/* Which tables the maps hold already, so that an unchanged one is not even read. */
struct synced_table {
	char pool[CONFIG_NAME_MAX + 1];
	__u32 first, size;
	__u64 generation;
	UT_hash_handle hh;
};

/* What the maps hold, by the plan's generations; zeroed: nothing is known. */
struct synced {
	struct synced_table *tables;
	__u64 backends;
	__u64 vips;
};

/* Returns whether any table came, went or moved: then slots may be left that no table has. */
bool sync_tables(const struct maps *maps, const struct plan *plan, struct synced *synced);

/* VIPS_ADD writes what is new or changed, as far as there is room, and removes nothing. */
enum vips { VIPS_ALL, VIPS_ADD };

int sync_vips(const struct maps *maps, const struct plan *plan, enum vips what); /* exact addresses */
int sync_prefixes(const struct maps *maps, const struct plan *plan, enum vips what);

/* Only after all of that succeeded: the VIPs that are there are the plan's. */
void sync_clear(const struct maps *maps, const struct plan *plan, struct synced *synced, bool tables_moved);

/* Forgets what the maps hold. */
void synced_free(struct synced *synced);

#endif
