/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Which map index belongs to which name: services and backends have an index,
 * pools a range of the slots array. An assignment lasts as long as its name is
 * in the configuration, over reloads and (through the snapshot) restarts, so
 * that counters keep their meaning and adoption changes nothing.
 *
 * A backend is its address within its pool, as for its health: one that is renamed keeps its index and so its
 * connections.
 *
 * Indices are given out in turn, and those that were freed and not yet retired are the last to be
 * taken: a packet that is under way with an old one, or a flow record that names it, never meets a new owner.
 */
#ifndef SLUICE_IDS_H
#define SLUICE_IDS_H

#include <jansson.h>
#include <linux/types.h>

#include "flow.h"
#include "model/config.h"

struct ids;

struct ids *ids_new(void);
void ids_free(struct ids *ids);

/*
 * Gives everything in `config` its assignment: names that have one keep it, a
 * pool whose table size changed gets a new range, names that are gone lose
 * theirs. 0, or -ENOSPC (no room for a range: see SLUICE_MAX_SLOTS) and then
 * nothing is changed.
 */
int ids_assign(struct ids *ids, const struct config *config);

/*
 * Services' tables and, while they move, former ones are no pool's in the next ids_assign(): services look into them,
 * though pools may not have them any more; or not yet know it, if an agent ended between giving a pool another range
 * and leading its services there. `moves`: SLUICE_MAX_SERVICES of them, as the kernel has them; NULL: none.
 */
void ids_reserve(struct ids *ids, const struct service_move *moves);

/* Every record that named a freed index is gone: those that were freed before the last ids_assign() are as good as new.
 */
void ids_retire_done(struct ids *ids);

/* Whether freed ones wait for that. */
bool ids_retiring(const struct ids *ids);

/* The service is called otherwise from now on, and keeps its index. Nothing if `from` has none, or `to` has one. */
void ids_rename_service(struct ids *ids, const char *from, const char *to);

/* Of what ids_assign() has seen. */
__u16 ids_service(const struct ids *ids, const char *service);
__u16 ids_backend(const struct ids *ids, const char *pool, const struct address *backend);
__u32 ids_pool_first(const struct ids *ids, const char *pool);

/* One past the highest slot that any range has, reserved ones included. */
__u32 ids_slots_used(const struct ids *ids);

/* Calls the functions for each index that the last ids_assign() gave out anew: its counters are somebody else's. NULL:
 * none. */
void ids_each_new(const struct ids *ids, void (*service)(void *, __u32), void (*backend)(void *, __u32),
		  void *argument);

/* How many indices of backends it gave out that were not retired yet, as there were no others: records may name them.
 */
size_t ids_reused(const struct ids *ids);

/*
 * To and from the snapshot. ids_restore() replaces all assignments; it refuses (-EINVAL)
 * whatever overlaps or exceeds a limit, and then there are none. Indices that only the former ones had are retiring.
 */
json_t *ids_save(const struct ids *ids);
int ids_restore(struct ids *ids, const json_t *saved);

#endif
