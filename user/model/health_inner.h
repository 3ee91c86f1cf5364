/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the files of the judgement share; nobody else includes it.
 *
 *   health.c            the whole: pools, look-ups, time
 *   health_finding.c    from findings to verdicts
 *   health_backend.c    from verdict, hold-down and override to state and weight
 *   health_hold.c       falls and hold-down
 *   health_pool.c       min_healthy, fallbacks, and how the pool does as a whole
 *   health_operator.c   overrides
 *   health_drain.c      what the sweep finds of drains, and their end
 *   health_trouble.c    when this host cannot probe
 *   health_timers.c     who is next when only time passes
 *   health_configure.c  a new configuration
 *   health_save.c, health_restore.c
 */
#ifndef SLUICE_HEALTH_INNER_H
#define SLUICE_HEALTH_INNER_H

#include "model/health.h"

/* A binary heap of backends, the earliest timer first. */
struct health_timers {
	struct health_backend **heap; /* [0] is unused */
	size_t count, room;
};

/* A service of the configuration last taken. */
struct health_service {
	const char *name;
	size_t pool;
};

struct health {
	health_event_fn event;
	void *argument;
	time_t (*clock)(time_t *);
	struct arena *arena;		 /* of all pools' probes, and of services */
	struct health_service *services; /* sorted by name */
	size_t service_count;
	struct health_pool **pools;
	size_t pool_count;
	struct health_pool *by_name;
	struct health_timers timers;
	__u64 trouble_due; /* when trouble is to be looked at next, 0: never */
	__u64 changes;	   /* as health_changes() */
	bool changed;	   /* some weight, since the function that was called from outside began */
	bool quiet;	   /* what happens now is no news */
};

/* health.c: begins what is called from outside, with what is due by now. */
void health_begin(struct health *health, __u64 now);

/* The pool's backend that has this address, NULL if there is none. */
struct health_backend *health_pool_find_address(const struct health_pool *pool, const struct address *address);

/* The pool whose table serves for this one. */
const struct health_pool *health_server(const struct health *health, const struct health_pool *pool);

/* health_configure.c: all of health_configure() but what health_settle() does. */
void health_configure_unsettled(struct health *health, const struct config *config, bool running, __u64 now);

/* health_event.c: `backend` and `pool` may be NULL. */
void health_tell(struct health *health, enum event_kind kind, const struct health_pool *pool,
		 const struct health_backend *backend, uid_t uid, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

#define HEALTH_DURATION 24

/* As a person would say it: "350 ms", "12.5 s", "3.2 min", "5.0 h". */
char *health_duration(__u64 milliseconds, char text[static HEALTH_DURATION]);

/* health_finding.c: of its probes together; what it was while they do not decide it. */
enum verdict health_combine(const struct health_backend *backend);

/* health_timers.c: `at` 0: no timer. */
void health_timers_set(struct health_timers *timers, struct health_backend *backend, __u64 at);

/* The backend whose timer is the earliest, NULL if there is none. */
struct health_backend *health_timers_first(const struct health_timers *timers);

/* Falls that are remembered at most: with so many, a hold-down of 1 ms has grown beyond any hold_max. */
#define HEALTH_FALLS_MAX 34

/* health_hold.c: the backend has fallen; its hold-down begins. To be called while it still counts as alive. */
void health_hold_fall(struct health_backend *backend, __u64 now);

/* Reckons down the falls for the time that it has been up. */
void health_hold_forgive(struct health_backend *backend, __u64 now);

/* When the next fall will be forgiven; 0: never. */
__u64 health_hold_forgives(const struct health_backend *backend);

/* health_backend.c: whether an operator has taken it out. */
bool health_backend_is_out(const struct health_backend *backend);

/* Follows verdict (`was`: the former one), hold-down and override: state and role, but neither pool nor weight. */
void health_backend_assess(struct health *health, struct health_backend *backend, enum verdict was, __u64 now);

/* Gives it the weight that it should have now. */
void health_backend_weigh(struct health *health, struct health_backend *backend, __u64 now);

/* Sets its timer for the next thing that time alone changes. */
void health_backend_schedule(struct health *health, struct health_backend *backend, __u64 now);

/* All of this, the pool too. `text`: what the probe said; NULL: there is nothing to tell of the backend itself. */
void health_backend_judge(struct health *health, struct health_backend *backend, enum verdict was, const char *text,
			  __u64 now);

/* health_drain.c: the drain is over, and becomes maint. */
void health_drain_end(struct health *health, struct health_backend *backend, __u64 now);

/* health_backend.c: its timer has run out. */
void health_backend_expire(struct health *health, struct health_backend *backend, __u64 now);

/* health_pool.c: counts the backend as `role`; among the fallen it gets its place. */
void health_pool_count(struct health_pool *pool, struct health_backend *backend, enum health_role role);

/* Keeps as many of the fallen as are missing, and tells of all but `subject`, which may be NULL. */
void health_pool_keep(struct health *health, struct health_pool *pool, const struct health_backend *subject, __u64 now);

/* Tells how the pool does as a whole, and those that fall back to it, if that has changed. */
void health_pool_look(struct health *health, struct health_pool *pool);

/* What its own backends can do. */
enum health_standing health_standing(const struct health_pool *pool);

/* "maint", ...; NULL: there is none. */
const char *health_override_name(const struct health_override *override);

/* An event: its override goes on, `how` with regard to `name` ("renamed from" "a"). */
void health_tell_override(struct health *health, struct health_backend *backend, const char *how, const char *name);

/* Whether it would be empty if so many were up: some of the fallen may be kept. */
bool health_pool_empties(const struct health_pool *pool, size_t up);

/* Whether a pool along its fallbacks has a backend that is up, and so would serve for it. */
bool health_pool_has_help(const struct health *health, const struct health_pool *pool);

/*
 * After changes to many backends, which have been assessed: everything else, for all pools. `known`: what is new came
 * back from an earlier time, and is no news.
 */
void health_settle(struct health *health, bool known, __u64 now);

/* health_trouble.c: whether a finding of this probe was trouble. */
void health_trouble_note(struct health *health, struct health_backend *backend, size_t probe, bool trouble, __u64 now);

/* Follows probe->trouble of all its probes. */
void health_trouble_refresh(struct health *health, struct health_backend *backend, __u64 now);

/* The backend is removed. */
void health_trouble_leave(struct health *health, struct health_backend *backend, __u64 now);

/* Tells what has begun and what is over, when trouble_due has come. */
void health_trouble_look(struct health *health, __u64 now);

#endif
