/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The only writer of the maps: brings their contents to the plan's, writing
 * nothing that is already right. The order keeps every packet whole:
 *
 *   1. sync_tables   headers of backends, then the slots that name them
 *   2. (if the caller replaces the program: as 3, but only VIPs that are new or changed; then the program)
 *   3. sync_options_begin   what services ask for: source rules and QUIC servers, then the options that need them
 *      sync_moves_begin   moves of services that begin
 *      sync_vips, sync_prefixes   VIPs that are new or changed, then those that are gone go
 *      sync_moves_end   moves that go back or are over, and which table each service has now
 *      sync_options_end   what no service asks for any more
 *   4. sync_clear    headers and slots that nothing leads to any more
 *
 * What a slot becomes, model/transition.h says: the wanted owner is the plan's, the rest what the slot is now.
 */
#ifndef SLUICE_SYNC_H
#define SLUICE_SYNC_H

#include <stdbool.h>

#include "model/plan.h"
#include "model/sweep.h"
#include "out/maps.h"

/* Which tables the maps hold already, so that an unchanged one is not even read. */
struct synced_table {
	char pool[CONFIG_NAME_MAX + 1];
	__u32 first, size;
	__u64 generation;
	__u32 phases[PHASE_SETTLED + 1]; /* slots of each phase */
	__u32 due;			 /* second of CLOCK_MONOTONIC at which time changes some slot; 0: never */
	UT_hash_handle hh;
};

/* What the maps hold, by the plan's generations; zeroed: nothing is known. */
struct synced {
	struct synced_table *tables;
	__u64 backends;
	__u32 backend_end; /* beyond it they hold none */
	__u64 vips;
	__u64 options;
	__u64 used_slots; /* hash of the ranges that something looks into */
};

/*
 * Returns whether any table came, went or moved: then slots may be left that no table has. `rehash`: the maps' slots
 * are by another hash key, so that they say nothing of connections.
 */
bool sync_tables(const struct maps *maps, const struct plan *plan, struct synced *synced, bool rehash);

void sync_moves_begin(const struct maps *maps, const struct plan *plan);
void sync_moves_end(const struct maps *maps, const struct plan *plan);

/* When time next changes a slot, or a move, in seconds of CLOCK_MONOTONIC; 0: never. */
__u32 sync_deadline(const struct plan *plan, const struct synced *synced);
__u32 sync_moves_deadline(const struct plan *plan);

/* VIPS_ADD writes what is new or changed, as far as there is room, and removes nothing. */
enum vips { VIPS_ALL, VIPS_ADD };

int sync_vips(const struct maps *maps, const struct plan *plan, enum vips what); /* exact addresses */
int sync_prefixes(const struct maps *maps, const struct plan *plan, enum vips what);

/*
 * sync_options.c. In the first what is new has to find room only if that is there; in the second all has to, so that
 * -ENOSPC says that there are more rules or QUIC servers than their maps hold.
 */
int sync_options_begin(const struct maps *maps, const struct plan *plan);
int sync_options_end(const struct maps *maps, const struct plan *plan);

/* Only after all of that succeeded: the VIPs that are there are the plan's. */
void sync_clear(const struct maps *maps, const struct plan *plan, struct synced *synced, bool tables_moved);

/*
 * sync_rest.c, at the end of a sweep's pass: what may rest of the slots [first, first + count) of a plan's table, and
 * of a service's move, becomes steady. `windows`: those of the table that the service has. True if the move does: then
 * its VIPs are marked in vain.
 */
void sync_rest_slots(const struct maps *maps, const struct plan *plan, struct synced *synced, size_t table, __u32 first,
		     __u32 count, const struct sweep *sweep, __u32 second);
bool sync_rest_move(const struct maps *maps, const struct plan *plan, __u16 service, const struct windows *windows,
		    const struct sweep *sweep, __u32 second);

/* Forgets what the maps hold. */
void synced_free(struct synced *synced);

#endif
