/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One probe of one backend, again and again: when it is next begun, the run
 * under way, and the report of what it found.
 *
 *   asleep --(timer)--> due --(its turn, see pace.h)--> under way --(done)--> asleep
 *
 * The next start is the last planned one and an interval: delays do not add up. Where the run took
 * longer than that, it is begun as soon as the run has ended.
 */
#ifndef SLUICE_PROBE_SCHEDULE_H
#define SLUICE_PROBE_SCHEDULE_H

#include <event2/event_struct.h>
#include <uthash.h>

#include "probe/aim.h"
#include "probe/pace.h"
#include "probe/probe.h"
#include "probe/prober.h"

/* What all schedules have in common. */
struct schedule_world {
	struct event_base *base;
	struct health *health;
	struct prober_ask ask;
	struct probe_shared shared;
	struct pace pace;
	size_t configured;
	__u64 begun, late, worst_late_ms; /* late: by more than a tenth of the interval */
};

/* One backend of one pool. */
struct target {
	char pool_name[CONFIG_NAME_MAX + 1], name[CONFIG_NAME_MAX + 1];
	struct health_backend *health; /* NULL between prober_pause() and prober_configure() */
	size_t pool, backend;	       /* indices in the configuration last taken */
	struct address address;
	__u32 weight;
	struct schedule *schedules[CONFIG_MAX_PROBES]; /* by probe; NULL for those of type none */
	unsigned int generation;		       /* of the configuration that named it last */
	UT_hash_handle hh;
};

struct schedule {
	struct schedule_world *world;
	struct target *target;
	const struct config_probe *probe; /* of the pool's own copies: prober.c */
	size_t index;			  /* of the probe in its pool */
	struct pace_entry entry;
	struct event timer;
	__u64 planned;	 /* monotonic, in ms: the start that is next or was last */
	__u32 first_gap; /* ms from a first start to a second at the usual pace, 0 once that is planned */
	struct aim aim;	 /* of the last start */
	struct probe_job job;
	void *run; /* or NULL */
};

/*
 * `phase`, from 0 up to but not 1: where in the interval its starts are to lie, and also
 * where in the first second the first one does. World, target and probe have to outlive it.
 */
struct schedule *schedule_new(struct schedule_world *world, struct target *target, const struct config_probe *probe,
			      size_t index, double phase);

/* Cancels the run. NULL is fine. */
void schedule_free(struct schedule *schedule);

/* Begins now, unless a run is under way. */
void schedule_hurry(struct schedule *schedule);

/* pace.begin */
void schedule_begin(struct pace_entry *entry);

#endif
