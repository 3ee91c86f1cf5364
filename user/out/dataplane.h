/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The dataplane in the kernel: the loaded program, its maps, its pins and its
 * attachments. It outlives the agent; dataplane_open() adopts what runs.
 *
 *   DIR/prog            the XDP program
 *   DIR/maps/NAME       its maps
 *   DIR/links/IFNAME    the bpf_link of an interface (attach: exclusive)
 */
#ifndef SLUICE_DATAPLANE_H
#define SLUICE_DATAPLANE_H

#include <jansson.h>
#include <linux/types.h>
#include <stdbool.h>

#include "abi.h"
#include "model/config.h"
#include "model/plan.h"
#include "model/sweep.h"
#include "out/maps.h"
#include "reasons.h"

struct dataplane;

enum counted { COUNTED_SERVICES, COUNTED_BACKENDS, COUNTED_REASONS };

/*
 * Takes the folder (see pins_open()) and its lock.
 * -EBUSY if another agent has it. What went wrong is in the log.
 */
int dataplane_open(struct dataplane **out, const char *folder);

/* Lets go of everything in this process; what runs in the kernel goes on. */
void dataplane_close(struct dataplane *dataplane);

/*
 * Identifies the maps' contents: the kernel's id of the backends map that runs, 0 if
 * there is none. Indices in a snapshot are good only with the maps they were made for.
 */
__u32 dataplane_maps_id(const struct dataplane *dataplane);

/* Forgets the pinned maps, so that the next sync fills new ones: for a lost snapshot. */
void dataplane_disown_maps(struct dataplane *dataplane);

/*
 * Makes the kernel hold what the plan wants: only what differs is written, and
 * if the settings or this build's program differ from what runs, the program is loaded
 * anew and replaced atomically on every interface. Negative errno with the
 * reason in the log; what ran before goes on.
 */
int dataplane_sync(struct dataplane *dataplane, const struct plan *plan);

/*
 * Attaches to every interface of the config that exists and detaches from those
 * that are no longer wanted. Call it again when links come or go. An interface
 * that cannot be attached is logged once and shown; it does not stop the others.
 * Returns the number of interfaces without attachment.
 */
int dataplane_attach(struct dataplane *dataplane, const struct config *config, const struct network *network);

/*
 * Makes pins anew that somebody removed; to be called every second. Returns how many, or a negative
 * errno with the reason in the log; what failed is tried again a minute later.
 */
int dataplane_repair(struct dataplane *dataplane);

/* As sync_deny(): for what changes of the deny list that the last plan had. -ENOENT if there are no maps. */
int dataplane_deny(struct dataplane *dataplane, struct deny *deny);

/* The backends map, borrowed; -1 if there is none yet. */
int dataplane_backends_fd(const struct dataplane *dataplane);

/* Zeroes the counters of one index, which gets a new meaning. */
void dataplane_counters_clear(struct dataplane *dataplane, enum counted what, __u32 index);

/* The maps, borrowed until the next sync; what there is none of is NULL or -1. Only sync writes them. */
const struct maps *dataplane_maps(const struct dataplane *dataplane);

/* When time alone next changes a slot or a service's move, in seconds of CLOCK_MONOTONIC; 0: never. */
__u32 dataplane_deadline(const struct dataplane *dataplane, const struct plan *plan);

/* Removes the flow records that name a backend of the set, which is by index. Takes about a second for a million. */
void dataplane_forget_flows(struct dataplane *dataplane, const bool *backends);

/* A service index gets a new meaning: how the former one came to its table is forgotten. */
void dataplane_move_clear(struct dataplane *dataplane, __u32 service);

/* As sync_rest_slots() and sync_rest_move(). */
void dataplane_rest_slots(struct dataplane *dataplane, const struct plan *plan, size_t table, __u32 first, __u32 count,
			  const struct sweep *sweep, __u32 second);
bool dataplane_rest_move(struct dataplane *dataplane, const struct plan *plan, __u16 service,
			 const struct windows *windows, const struct sweep *sweep, __u32 second);

/* Sums over all CPUs of count_page.tracked, SLUICE_MAX_SERVICES of them. 0, or -ENOENT if there are no maps. */
int dataplane_tracked(const struct dataplane *dataplane, __u64 *out);

/* How many slots of the pool's table have which phase, as of the last sync. */
void dataplane_phases(const struct dataplane *dataplane, const char *pool, __u32 phases[static PHASE_SETTLED + 1]);

/* The header that the kernel's maps hold for a backend, NULL if there are no maps. Valid until the next sync. */
const struct backend *dataplane_backend(const struct dataplane *dataplane, __u32 index);

/* Sums over all CPUs of counters [first, first + count). 0, or -ENOENT if there are no maps. */
int dataplane_counters(struct dataplane *dataplane, enum counted what, __u32 first, __u32 count, struct counters *out);

/* For show: interfaces with mode and attachment; program, maps and links with ids and sizes. New references. */
json_t *dataplane_interfaces_json(const struct dataplane *dataplane);
json_t *dataplane_bpf_json(const struct dataplane *dataplane);

/*
 * Detaches and unpins everything of ours under `folder` and nothing else, and removes the way of probes to
 * VIPs (probe_path.h) that no agent has; also for when no agent runs. Returns 0, or the last error after
 * having tried everything; -ENOENT if there was nothing under `folder`; -EBUSY if an agent has it: then
 * nothing was done.
 */
int dataplane_remove(const char *folder);

#endif
