/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The judgement: what probes found and what operators want become each backend's
 * state and weight. This is the only place where a backend's state changes. Pure: no
 * system call, no clock; every time is monotonic, in milliseconds, given, and not 0.
 *
 *   probes' verdicts  + hold-down  + override  + min_healthy  ->  state and weight
 *
 * Verdict of a probe: the first pass ever makes it UP, `fall` failures in a row make it
 * DOWN; from then on `rise` passes or `fall` failures in a row change it. A finding that
 * is the agent's own trouble changes nothing, a run of passes or failures goes on after
 * it. It is told once, with the number of backends, when it has lasted a second,
 * and once more when every backend has had findings for five seconds again.
 *
 * Verdict of a backend: UP if all its probes' are (with any: true, if one is), known as
 * soon as those that have a verdict decide it; while they do not, it stays what it was. A
 * pool without probes has its backends UP.
 *
 * Start: a new backend waits outside the table for its first verdict (start: probe);
 * or is in it until that is DOWN (start: up); or waits until `rise` passes (start: down).
 *
 * Hold-down: a backend that falls again while earlier falls are remembered stays down
 * for hold_first from then, doubled with each further fall up to hold_max, however well its
 * probes pass; probes go on. A fall is a verdict that changes from UP to DOWN while
 * no operator has taken the backend out. Being up for hold_decay forgives one; `ready`
 * forgives all. More falls than lead to hold_max are not remembered: a bad night is not
 * paid for during a week.
 *
 * min_healthy, in percent (rounded up) or backends: while fewer than that are up, those that fell
 * last are kept in the table although they are down, as many as are missing; first those whose
 * probes pass again and that are only held down. When one recovers, the one that fell first among
 * the kept leaves. Percent are of the backends that have a verdict, whose weight is not 0 and
 * which no operator has taken out. What has not been up since it was configured is never kept.
 *
 * Ramp: a backend that comes up after it was down, and one that `ready` brings back from
 * maint, gets its weight in ten steps; a new pool's first verdicts do not count as coming up.
 * All backends of a pool that come up together do it alike, so that the first one does not
 * get everything. While failed backends are kept, nothing ramps: who is healthy is needed.
 *
 * A pool is degraded while fewer than min_healthy are up, empty while none has a weight.
 * Neither is said of a new pool as long as verdicts that could mend it are outstanding, nor, at first, of one that
 * has nobody with a weight: it is configured so.
 *
 * Fallback: of a pool and those that it falls back to, in their order, the first one with a backend that is up
 * serves; if there is none, the first one that keeps some; else the pool itself. So a pool whose backends
 * are all down gives way to its fallback, also while it keeps some of them.
 *
 * Overrides (drain, maint, a weight) stay over reloads until `ready`, or until a configuration has the
 * backend no longer. The weight of an override wins over a configured one. Who, when and why are those of a drain
 * or maint, as long as there is one, also if a weight is set meanwhile.
 *
 * Reload: a probe that is the same keeps its verdict and run, a changed or added one starts with the
 * backend's verdict, so that nothing is revived or dropped. Judgement and weights count at once.
 * Who a backend is, its address says, within its pool: one that is renamed keeps all, its override too, also
 * where names are exchanged or move on by one. A server in maint does not come back for being called otherwise.
 * An address that is new under an old name makes a new backend, under the override that the name had, unless
 * the former server took that along to another name.
 *
 * An empty pool drops everything for certain. So where a reload leaves nobody up or kept in a pool that was usable,
 * or in a new one that gets a service which was served until now, those that wait for their first verdict count as
 * up meanwhile, and one failure is enough for DOWN; not with start: down.
 *
 * Cost: a report that changes nothing takes constant time, another one hardly more: no pool is searched.
 */
#ifndef SLUICE_HEALTH_H
#define SLUICE_HEALTH_H

#include <jansson.h>
#include <linux/types.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>
#include <uthash.h>

#include "model/config.h"
#include "model/event.h"

enum finding {
	FINDING_PASSED,
	FINDING_FAILED,
	FINDING_TROUBLE, /* the agent could not probe: no descriptors, no route. Nothing is known */
};

enum verdict { VERDICT_NONE, VERDICT_UP, VERDICT_DOWN };

enum backend_state {
	STATE_UP,
	STATE_DRAIN,
	STATE_MAINT,
	STATE_DOWN, /* by its probes, or not probed yet, or held down */
};
extern const char *const state_names[]; /* "up", ... */

#define HEALTH_TEXT 200 /* room for what a probe says */

/* One probe of one backend. */
struct health_probe {
	enum verdict verdict;
	enum finding last;	/* that was not trouble */
	__u32 run;		/* passes or failures in a row, as `last` is */
	bool seen;		/* there was a finding since the agent started, or since a reload brought it */
	bool trouble;		/* the last finding was the agent's trouble */
	char text[HEALTH_TEXT]; /* of the last finding, trouble included; one line of UTF-8 */
	__u64 at;		/* of the last finding */
};

/* What an operator set; times of day are for display only. */
struct health_override {
	enum backend_state state; /* STATE_UP: none, STATE_DRAIN or STATE_MAINT */
	bool weighted;
	__u32 weight;
	uid_t uid;
	time_t when;	  /* wall clock; with uid and reason: of the state, or else of the weight */
	__u64 until;	  /* end of the drain, 0: none */
	bool drained;	  /* the sweep found no connection left: health_drain_swept() */
	char reason[120]; /* UTF-8, may be empty */
};

/* What a backend counts as in its pool. */
enum health_role {
	ROLE_OUT,     /* taken out by an operator, or of weight 0 */
	ROLE_WAITING, /* without a verdict, outside the table */
	ROLE_UP,
	ROLE_FALLEN, /* down, but has been up: min_healthy may keep it */
	ROLE_FAILED, /* down, and has never been up */
	HEALTH_ROLES
};

/* Stays in its place in memory as long as configurations have the backend; callers only read. */
struct health_backend {
	char name[CONFIG_NAME_MAX + 1];
	struct health_pool *pool;
	struct address address;
	__u32 configured; /* weight */
	enum backend_state state;
	bool kept;		     /* in the table although down: min_healthy */
	__u64 since;		     /* of the state */
	time_t since_wall;	     /* the same for display */
	enum verdict verdict;	     /* of its probes together, before hold-down */
	struct health_probe *probes; /* as many as its pool's */
	__u32 falls;		     /* remembered, for the hold-down */
	__u64 fell;		     /* when it was last up before it went down; 0: it has not yet */
	__u64 held_until;	     /* 0: not held down */
	__u64 forgiven;		     /* when the falls were last reckoned down */
	__u64 ramp_from;	     /* when it came up, 0: no ramp is under way */
	struct health_override override;
	bool trouble;	       /* the last finding of some probe was the agent's trouble */
	char why[HEALTH_TEXT]; /* what the probe said that last put it down or up: unlike its text, the cause of the
				  state */

	/* the judgement's own */
	__u32 weight;	/* in the table */
	bool serves;	/* see health_serves() */
	bool alive;	/* what it is without operators: up, and not held down */
	bool assumed;	/* counts as up as long as there is no verdict */
	bool hasty;	/* one failure is enough for the first verdict */
	bool founder;	/* as old as its pool */
	bool fresh;	/* the last configuration brought it */
	bool listed;	/* is named by the configuration being taken */
	bool held_told; /* that its probes pass during the hold-down */
	enum health_role role;
	bool passing;			      /* its verdict when it got its place among the fallen */
	struct health_backend *older, *newer; /* among the fallen */
	__u64 timer;			      /* when time alone changes something next */
	size_t timer_slot;		      /* in the heap, counted from 1; 0: no timer */
	UT_hash_handle hh;
	UT_hash_handle hh_address;
};

/* What a pool's own backends can do, the least first. */
enum health_standing { STANDING_NONE, STANDING_KEPT, STANDING_UP };

enum health_condition {
	CONDITION_SETTLING, /* nothing said yet: first verdicts are outstanding, or nobody is meant to serve */
	CONDITION_GOOD,
	CONDITION_DEGRADED,
	CONDITION_FALLBACK, /* another pool serves */
	CONDITION_EMPTY,
};

struct health_pool {
	char name[CONFIG_NAME_MAX + 1];
	struct config_judgement judgement;
	struct config_probe *probes; /* own copies, anew with every health_configure() */
	size_t probe_count;
	struct health_backend **backends; /* in the config's order */
	size_t backend_count;
	struct health_backend *by_name, *by_address;
	size_t up;	  /* that get packets because they are up */
	size_t kept;	  /* that get packets because of min_healthy */
	bool degraded;	  /* up < min_healthy */
	size_t fallback;  /* as config_pool.fallback */
	__u64 generation; /* grows when, and only when, health_weight() or health_serves() of a backend changes */

	/* the judgement's own */
	size_t index; /* in the configuration last taken */
	enum health_condition condition;
	enum health_standing standing;		/* as of the last look */
	const struct health_pool *server;	/* the pool that serves for it, as of the last look */
	size_t roles[HEALTH_ROLES];		/* how many backends count as what */
	struct health_backend *oldest, *newest; /* of the fallen */
	struct health_backend *first_passing;	/* it and all newer ones answer again, but are held down */
	struct health_backend *first_kept;	/* it and all newer ones are kept */
	bool keeping;				/* some are kept, as of the last look */
	size_t troubled;			/* backends */
	bool trouble_told;
	__u64 calm; /* since when none is troubled, while trouble_told */
	bool fresh, listed;
	bool serving; /* packets went through it before the last configuration */
	UT_hash_handle hh;
};

struct health;

/* Called for whatever an operator should know, from within the functions below; it must not call back. */
typedef void (*health_event_fn)(void *argument, const struct event_fact *fact);

/* `clock` gives the wall clock, for display only: time(2). */
struct health *health_new(health_event_fn event, void *argument, time_t (*clock)(time_t *));

/* NULL is fine. */
void health_free(struct health *health);

/*
 * Takes the configuration, in which a pool's addresses are unique, as its names are: what it had before keeps its
 * state, see above. `running`: packets are being forwarded by tables of an earlier run; then new backends that would
 * wait for a verdict (START_PROBE) count as up, and their first failure is enough for DOWN. The
 * config may be freed afterwards.
 */
void health_configure(struct health *health, const struct config *config, bool running, __u64 now);

/* By index in the configuration last taken. */
struct health_pool *health_pool(const struct health *health, size_t pool);

/* NULL if there is none of that name. */
struct health_backend *health_find(const struct health *health, const char *pool, const char *backend);

/* The same by address. */
struct health_backend *health_find_address(const struct health *health, const char *pool,
					   const struct address *address);

/*
 * A probe's result. `text` says in words what happened. Returns true exactly if some health_weight(),
 * health_serves() or health_effective_pool() changed, i.e. if there is something to plan anew; so do all below. All of
 * them also do what is due by `now`. Whatever they return, health_next() may have come nearer, and health_changes()
 * have grown.
 */
bool health_report(struct health *health, struct health_backend *backend, size_t probe, enum finding finding,
		   const char *text, __u64 now);

/* Whether a verdict is pending, so that fast_interval counts: there is none yet, or findings against it have begun. */
bool health_pending(const struct health_backend *backend, size_t probe);

/* An operator's wish. `until` 0: for ever. `reason` may be NULL. */
bool health_drain(struct health *health, struct health_backend *backend, uid_t uid, const char *reason, __u64 until,
		  __u64 now);
bool health_maint(struct health *health, struct health_backend *backend, uid_t uid, const char *reason, __u64 now);

/* `weight`: 0 to CONFIG_MAX_WEIGHT. 0 counts as taken out by an operator. */
bool health_set_weight(struct health *health, struct health_backend *backend, __u32 weight, uid_t uid,
		       const char *reason, __u64 now);

/* Ends the backend's overrides and hold-down and forgives its falls; it is then what its probes say. */
bool health_ready(struct health *health, struct health_backend *backend, uid_t uid, const char *reason, __u64 now);

/* What time alone changes: ends of drains and hold-downs, ramp steps, forgiven falls, news of trouble. */
bool health_tick(struct health *health, __u64 now);

/* When health_tick() is next needed; 0: never. Costs nothing. */
__u64 health_next(const struct health *health);

/*
 * Grows whenever health_save_text() may give something else but for times, other than by health_configure() and
 * health_restore(): verdicts count there that change neither a table nor are told, as during maint. Costs nothing.
 */
__u64 health_changes(const struct health *health);

/*
 * The weight that the backend has in its pool's table: 0 where it gets no new connections. It is that of the last
 * call of one of the functions above, whatever the time is now, so that plan and generation agree.
 */
__u32 health_weight(const struct health_backend *backend);

/*
 * Whether connections that it has can go on: it is no operator's maint, and its probes do not say that it is dead. True
 * of one that is held down or drains, for instance. As health_weight(), of the last call of a function above.
 */
bool health_serves(const struct health_backend *backend);

/*
 * The sweep's finding for a backend that drains (others: ignored): no connection of it was seen for so long that it may
 * be stopped. It is told once (EVENT_backend_drained), and drained is set; it goes on to drain, for who was silent all
 * the time. `certain`: there is none any more, so the drain ends, as at its time limit. One whose probes fail has lost
 * its connections: its drain ends, too, but it is not drained.
 */
bool health_drain_swept(struct health *health, struct health_backend *backend, bool certain, __u64 now);

/* min_healthy as a number of backends: how many of the pool should be up now. */
size_t health_min_healthy(const struct health_pool *pool);

/* Whether some backend of the pool has a weight in its table. */
bool health_usable(const struct health_pool *pool);

/*
 * The pool whose table serves for `pool`: itself or one of its fallbacks, see above. Changes only when some
 * health_report() or other function above returns true; a pool's generation says nothing of it.
 */
size_t health_effective_pool(const struct health *health, size_t pool);

/*
 * For restarts. Verdicts, falls and rests of hold-downs go to one document, which is made as text, to be freed, as a
 * tree of it would take several times as long:
 *
 *   {"clock_ms": NUMBER,
 *    "pools": {POOL: {"usable": BOOLEAN, "up": {BACKEND: "ADDRESS SINCE", ...},
 *                     "falls": {BACKEND: NUMBER, ...}, "calm_ms": {...}, "ramp_ms": {...},
 *                     "down": [{"name", "address", "falls", "held_ms", "fell_ms", "passing", "since", "text"}, ...]}}}
 *
 * where numbers that are 0 are left out and "down" begins with those that fell first; overrides to another, which is
 * to be written when one changes, and at the end for what is left of drains:
 *
 *   {"overrides": [{"pool", "backend", "address", "state", "weight", "uid", "when", "reason", "since",
 *                   "drained", "left_ms", "lasted_ms", "clock_ms"}, ...]}
 *
 * "since" is the wall clock's, of the state, for display; "clock_ms" is `now`; everything else that ends with "_ms"
 * is what was left, or had gone by, at that moment.
 *
 * Restoring is for backends that the last health_configure() brought, before any finding: overrides first, which
 * say who counts. `same_clock`: the clock that `now` is of has not begun anew since, as it does when the host starts;
 * then the time that has gone by since the document was written counts, for drains, hold-downs and ramps, and else
 * it does not. What is over by then ends, and is told, with the next tick.
 * It goes by address, as a reload does: names may have changed meanwhile; an override whose address
 * is not configured any more goes by the name.
 * Those that the document has as up are up, with the verdict UP; those that it has as down need `rise` passes,
 * or, if their probes passed and they were only held down, the end of that. A document that is whole
 * also ends what `running` assumed of backends that it does not have, unless it has the pool as usable and nobody
 * else would be left. What does not fit (wrong types, numbers out of range, what is not configured) is left
 * out, and counted in the result if it is damage (0: all was understood). Nothing is told of it: the operator knew it
 * before the restart.
 */
char *health_save_text(const struct health *health, __u64 now);
size_t health_restore(struct health *health, const json_t *saved, bool same_clock, __u64 now);
json_t *health_save_overrides(const struct health *health, __u64 now);
size_t health_restore_overrides(struct health *health, const json_t *saved, bool same_clock, __u64 now);

/*
 * Goes back to a configuration with what was saved while it ran, by the same clock: health_configure() and both ways
 * of restoring in one, so that only the difference is told, and not that pools are empty for a moment.
 */
void health_return(struct health *health, const struct config *config, const json_t *saved, const json_t *overrides,
		   __u64 now);

#endif
