/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The sweep: passes over the flow map that make settled slots and moves steady, remove records that are needed no
 * more, find out which drains are over, and free retired indices. model/sweep.h judges; this is when and in which
 * order.
 *
 *   propose   which slots and moves are settled as the pass begins
 *   walk      all records
 *   hold      which backends some slot still leads to; only if a drain may be over
 *   rest      what the walk found no reason against becomes steady
 *
 * A pass goes in slices of a few milliseconds, one a turn of the loop. There is one about every second while there is
 * something that it could change, and none otherwise; but not more than a tenth of the time goes to passes.
 *
 * Of large maps a thread reads the records (out/flows_reader.h); what they mean is judged here all the same.
 *
 * Time alone ends windows: a commit that is due then is asked for here, too.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/memory.h"
#include "out/flow_service.h"
#include "out/flows_reader.h"

#define SLICE_US    4000
#define PAUSE_MS    1000
#define PAUSE_SHARE 10	  /* a pause is at least so many times as long as the pass took */
#define PIECE	    65536 /* slots that are looked at without looking at the clock */

enum stage { STAGE_NONE, STAGE_PROPOSE, STAGE_WALK, STAGE_HOLD, STAGE_REST, STAGE_DONE };

/* Records that there is room for from which on a thread reads them: 5 ms for one call on an empty map. */
#define LARGE (1U << 21)

struct sweeper {
	struct agent *agent;
	struct event *timer;
	struct flows_reader *reader; /* NULL while the map is not large */
	struct event *read;	     /* when that has a batch */
	bool reading;		     /* the walk is the reader's */
	bool batch;		     /* what it has read is to be judged */
	int read_error;
	struct swept swept;
	struct sweep sweep;
	struct flows_walk walk;
	struct flow_tuple redundant[FLOWS_BATCH]; /* to be removed, of the batch that was read */
	__u32 redundants;
	struct flow_service_cache services;
	struct sweep_life lives[SLUICE_MAX_BACKENDS + 1]; /* by backend index */
	bool held[SLUICE_MAX_BACKENDS + 1];		  /* the same: some slot leads to it */
	enum stage stage;
	__u32 maps;		 /* that the pass is of */
	__u64 vips;		 /* generation of the plan's as the hold began; 0: there was none */
	size_t table;		 /* where propose, hold and rest are */
	__u32 slot;		 /* in that */
	size_t service;		 /* where hold is, after the tables */
	__u64 began_ms, next_ms; /* this pass; the next one at the earliest */
	__u64 spent_us;		 /* in this pass */
	bool again;		 /* a whole pass is wanted, whatever there is to do */
	bool moved;		 /* a move has become steady */
	bool failed;		 /* the map could not be read, which was said */
};

static void read_event(evutil_socket_t fd, short what, void *argument);

static __u32 second_now(void)
{
	return (__u32)(clock_ms() / 1000);
}

static bool is_unsettled(const struct agent *agent)
{
	const struct plan *plan = agent->plan;
	const struct config *config = agent->state.config;
	__u32 phases[PHASE_SETTLED + 1];

	for (size_t i = 0; i < plan->table_count; i++) {
		dataplane_phases(agent->dataplane, plan->tables[i]->pool, phases);
		if (phases[PHASE_OPEN] || phases[PHASE_TCP] || phases[PHASE_SETTLED])
			return true;
	}
	for (size_t i = 0; i < config->service_count; i++)
		if (plan->moves[ids_service(agent->state.ids, config->services[i].name)].phase)
			return true;
	return false;
}

/* Calls for each backend that drains until one returns true; whether one did. */
static bool each_drain(struct sweeper *sweeper,
		       bool (*each)(struct sweeper *, const struct config_pool *, struct health_backend *, __u16 index))
{
	const struct state *state = &sweeper->agent->state;

	for (size_t i = 0; i < state->config->pool_count; i++) {
		const struct config_pool *pool = &state->config->pools[i];
		const struct health_pool *health = health_pool(state->health, i);

		for (size_t j = 0; j < health->backend_count; j++) {
			struct health_backend *backend = health->backends[j];

			if (backend->override.state == STATE_DRAIN &&
			    each(sweeper, pool, backend, ids_backend(state->ids, pool->name, &backend->address)))
				return true;
		}
	}
	return false;
}

static bool drains(struct sweeper *sweeper, const struct config_pool *pool, struct health_backend *backend, __u16 index)
{
	(void)sweeper;
	(void)pool;
	(void)backend;
	(void)index;
	return true;
}

/* Whether a pass may find something to do. */
static bool is_wanted(struct sweeper *sweeper)
{
	const struct sweep_tally *last = &sweeper->swept.tally;
	const struct agent *agent = sweeper->agent;

	return sweeper->again || last->records || last->removed || ids_retiring(agent->state.ids) ||
	       is_unsettled(agent) || each_drain(sweeper, drains);
}

static void take_lives(struct sweeper *sweeper)
{
	const struct state *state = &sweeper->agent->state;

	for (size_t i = 0; i < state->config->pool_count; i++) {
		const struct config_pool *pool = &state->config->pools[i];

		for (size_t j = 0; j < pool->backend_count; j++)
			sweeper->lives[ids_backend(state->ids, pool->name, &pool->backends[j].address)] =
				(struct sweep_life){.tcp = pool->transition.idle_ms / 1000,
						    .doubtful = pool->transition.window_ms / 1000,
						    .udp = pool->transition.udp_window_ms / 1000};
	}
}

static void enter(struct sweeper *sweeper, enum stage stage)
{
	sweeper->stage = stage;
	sweeper->table = 0;
	sweeper->slot = 0;
	sweeper->service = 0;
}

static void begin(struct sweeper *sweeper)
{
	const struct maps *maps = dataplane_maps(sweeper->agent->dataplane);

	sweeper->again = sweeper->moved = sweeper->batch = false;
	sweeper->began_ms = clock_ms();
	sweeper->spent_us = sweeper->vips = 0;
	sweeper->maps = dataplane_maps_id(sweeper->agent->dataplane);
	sweeper->walk.begun = sweeper->walk.ended = false;
	memset(sweeper->held, 0, sizeof(sweeper->held));
	take_lives(sweeper);
	sweep_begin(&sweeper->sweep, maps->slot_capacity, second_now());
	enter(sweeper, STAGE_PROPOSE);
}

/* The next piece of the plan's tables, of those alone that have settled slots if `settled`. False: there is none. */
static bool next_piece(struct sweeper *sweeper, bool settled, __u32 *first, __u32 *count)
{
	const struct plan *plan = sweeper->agent->plan;
	__u32 phases[PHASE_SETTLED + 1];

	for (; sweeper->table < plan->table_count; sweeper->table++, sweeper->slot = 0) {
		const struct table *table = plan->tables[sweeper->table];

		dataplane_phases(sweeper->agent->dataplane, table->pool, phases);
		if (sweeper->slot >= table->size || (settled && !phases[PHASE_SETTLED]))
			continue;
		*first = table->first + sweeper->slot;
		*count = table->size - sweeper->slot < PIECE ? table->size - sweeper->slot : PIECE;
		sweeper->slot += *count;
		return true;
	}
	return false;
}

static __u16 service_index(const struct agent *agent, size_t service)
{
	return ids_service(agent->state.ids, agent->state.config->services[service].name);
}

/* The stages: each call does a piece and returns whether it was the last one. */

static bool propose(struct sweeper *sweeper)
{
	const struct agent *agent = sweeper->agent;
	const struct maps *maps = dataplane_maps(agent->dataplane);
	__u32 first, count;

	if (next_piece(sweeper, true, &first, &count)) {
		sweep_propose_slots(&sweeper->sweep, maps->slots, first, count);
		return false;
	}
	for (size_t i = 0; i < agent->state.config->service_count; i++)
		sweep_propose_move(&sweeper->sweep, maps->moves, service_index(agent, i));
	return true;
}

static void walk_record(struct sweeper *sweeper, const struct sweep_world *world, const struct flow_tuple *tuple,
			const struct flow_record *record)
{
	const struct agent *agent = sweeper->agent;
	const struct maps *maps = dataplane_maps(agent->dataplane);
	const struct service *service = flow_service(maps, agent->plan->settings.features, &sweeper->services, tuple);

	switch (sweep_take(&sweeper->sweep, tuple, record, service, world)) {
	case SWEEP_KEPT:
		break;
	case SWEEP_REMOVED_REDUNDANT:
		if (!sweeper->reader) { /* read just now: whatever comes meanwhile, it is so until a slot is opened */
			sweeper->redundant[sweeper->redundants++] = *tuple;
			break;
		}
		/* fall through */
	default:
		flows_remove(maps->fd[MAP_flows], tuple, record);
	}
}

/* The map is large: a thread is there, or can be. */
static bool has_reader(struct sweeper *sweeper)
{
	if (sweeper->reader)
		return true;
	sweeper->reader = flows_reader_new();
	if (!sweeper->reader)
		return false;
	sweeper->read = event_new(sweeper->agent->base, flows_reader_fd(sweeper->reader), EV_READ | EV_PERSIST,
				  read_event, sweeper);
	event_add(sweeper->read, NULL);
	return true;
}

/* The next batch; or, with `reading` set, it is to be there later. 0 or a negative errno. */
static int read_batch(struct sweeper *sweeper, const struct maps *maps)
{
	int fd = maps->fd[MAP_flows], err;

	if (sweeper->batch) {
		sweeper->batch = false;
		return sweeper->read_error;
	}
	if (maps->flow_capacity <= LARGE || !has_reader(sweeper))
		return flows_next(fd, &sweeper->walk);
	err = flows_reader_begin(sweeper->reader, fd, &sweeper->walk);
	sweeper->reading = !err;
	return err;
}

static bool walk(struct sweeper *sweeper)
{
	const struct agent *agent = sweeper->agent;
	const struct maps *maps = dataplane_maps(agent->dataplane);
	const struct sweep_world world = {.key = &agent->plan->settings.key,
					  .slots = maps->slots,
					  .slot_capacity = maps->slot_capacity,
					  .moves = maps->moves,
					  .standing = agent->plan->standing,
					  .lives = sweeper->lives,
					  .second = second_now()};
	struct flows_walk *at = &sweeper->walk;
	int err = read_batch(sweeper, maps);

	if (sweeper->reading)
		return false;
	if (err && !sweeper->failed)
		log_error("the flow map cannot be read (%s): slots that have settled stay so", strerror(-err));
	sweeper->failed = err;
	if (err) {
		sweeper->stage = STAGE_NONE;
		sweeper->again = true;
		return false;
	}
	for (__u32 i = 0; i < at->count; i++)
		walk_record(sweeper, &world, &at->tuple[i], &at->record[i]);
	flows_remove_all(maps->fd[MAP_flows], sweeper->redundant, sweeper->redundants);
	sweeper->redundants = 0;
	return at->ended;
}

/*
 * How long whoever speaks at all may take to show. Where UDP has no window that says nothing of TCP, whose connections
 * need their time, too.
 */
static __u32 showing_ms(const struct config_transition *transition)
{
	const __u32 window = transition->window_ms, most = CONFIG_DEFAULT_UDP_WINDOW_MS;

	return transition->udp_window_ms ?: window < most ? window : most;
}

static bool has_server_id(const struct config_pool *pool, const struct health_backend *backend)
{
	const struct config_backend *one = config_backend_find(pool, backend->name);

	return one && one->server_id_length;
}

/* Whether its connections seem to be gone: no record, in a pass that began when everybody would have shown. */
static bool is_quiet(struct sweeper *sweeper, const struct config_pool *pool, struct health_backend *backend,
		     __u16 index)
{
	/* clients that QUIC's connection IDs lead there have no records */
	return !has_server_id(pool, backend) && !sweep_tally_backend(&sweeper->sweep.tally, index) &&
	       sweeper->began_ms >= backend->since + showing_ms(&pool->transition);
}

/* Who is still named by a table that the service had before. */
static void hold_move(struct sweeper *sweeper, __u16 service)
{
	const struct maps *maps = dataplane_maps(sweeper->agent->dataplane);
	const struct service_move *move = &maps->moves[service];

	for (__u32 i = 0; phase_is_recording(move->phase) && i < move->before.slot_count; i++) {
		const struct slot *slot = &maps->slots[move->before.slot_first + i];

		sweeper->held[slot_unrecorded(slot, true)] = true;
		sweeper->held[slot_unrecorded(slot, false)] = true;
	}
}

static void hold_slots(struct sweeper *sweeper, const struct slot *slots, __u32 count)
{
	for (__u32 i = 0; i < count; i++) {
		sweeper->held[slots[i].owner] = true;
		if (phase_is_recording(slots[i].phase))
			sweeper->held[slots[i].previous] = true;
	}
}

static bool hold(struct sweeper *sweeper)
{
	const struct agent *agent = sweeper->agent;
	__u32 first, count;

	if (!sweeper->vips) {
		if (!each_drain(sweeper, is_quiet))
			return true;
		sweeper->vips = agent->plan->vip_generation;
	}
	if (next_piece(sweeper, false, &first, &count)) {
		hold_slots(sweeper, dataplane_maps(agent->dataplane)->slots + first, count);
		return false;
	}
	if (sweeper->service >= agent->state.config->service_count)
		return true;
	hold_move(sweeper, service_index(agent, sweeper->service++));
	return false;
}

static bool rest(struct sweeper *sweeper)
{
	const struct agent *agent = sweeper->agent;
	const struct plan *plan = agent->plan;
	__u32 first, count;

	if (next_piece(sweeper, true, &first, &count)) {
		dataplane_rest_slots(agent->dataplane, plan, sweeper->table, first, count, &sweeper->sweep,
				     second_now());
		return false;
	}
	for (size_t i = 0; i < agent->state.config->service_count; i++) {
		__u16 index = service_index(agent, i);

		sweeper->moved |= dataplane_rest_move(agent->dataplane, plan, index, &plan->move_windows[index],
						      &sweeper->sweep, second_now());
	}
	return true;
}

/* Tells the judgement; never true, for all are to be told. */
static bool tell_drain(struct sweeper *sweeper, const struct config_pool *pool, struct health_backend *backend,
		       __u16 index)
{
	struct agent *agent = sweeper->agent;
	bool quiet = is_quiet(sweeper, pool, backend, index);
	/* tables that services went over to meanwhile were not all looked at */
	bool certain = quiet && !sweeper->held[index] && sweeper->vips == agent->plan->vip_generation;

	if (!quiet)
		return false;
	if (health_drain_swept(agent->state.health, backend, certain, clock_ms()) ||
	    agent->health_changes != health_changes(agent->state.health))
		probing_changed(agent, true);
	return false;
}

static void end(struct sweeper *sweeper)
{
	struct sweep_tally last = sweeper->swept.tally;
	struct agent *agent = sweeper->agent;
	__u64 now = clock_ms(), pause = sweeper->spent_us * PAUSE_SHARE / 1000;

	each_drain(sweeper, tell_drain);
	sweeper->swept = (struct swept){
		.known = true, .tally = sweeper->sweep.tally, .at_ms = now, .spent_us = sweeper->spent_us};
	sweeper->sweep.tally = last; /* its memory is for the next pass */
	sweeper->next_ms = now + (pause > PAUSE_MS ? pause : PAUSE_MS);
	sweeper->stage = STAGE_NONE;
	ids_retire_done(agent->state.ids);
	if (sweeper->moved)
		agent_changed(agent, PLAN_ALL); /* VIPs need not be marked any more */
}

static void run(struct sweeper *sweeper)
{
	static bool (*const stages[])(struct sweeper *) = {
		[STAGE_PROPOSE] = propose, [STAGE_WALK] = walk, [STAGE_HOLD] = hold, [STAGE_REST] = rest};
	__u64 from = clock_us();

	/* nobody writes maps during a slice */
	memset(&sweeper->services, 0, sizeof(sweeper->services));
	while (sweeper->stage != STAGE_NONE && sweeper->stage != STAGE_DONE && !sweeper->reading &&
	       clock_us() - from < SLICE_US)
		if (stages[sweeper->stage](sweeper))
			enter(sweeper, sweeper->stage + 1);
	sweeper->spent_us += clock_us() - from;
	if (sweeper->stage == STAGE_DONE)
		end(sweeper);
}

/* Windows that have ended by now. It is no change of the health, whose way to the tables is measured. */
static void look_at_time(struct agent *agent)
{
	__u32 due = dataplane_deadline(agent->dataplane, agent->plan);
	__u64 verdict = agent->verdict;

	if (!due || (__s32)(second_now() - due) < 0)
		return;
	agent_changed(agent, PLAN_HEALTH);
	agent->verdict = verdict;
}

static void sweep_event(evutil_socket_t fd, short what, void *argument)
{
	struct sweeper *sweeper = argument;
	struct agent *agent = sweeper->agent;
	struct timeval pause = clock_timeval(PAUSE_MS);
	bool ready;

	(void)fd;
	(void)what;
	if (!agent->dataplane)
		return;
	ready = !agent->behind && dataplane_maps(agent->dataplane)->slots;
	if (!ready || sweeper->maps != dataplane_maps_id(agent->dataplane))
		sweep_again(agent); /* slots and plan do not agree */
	if (ready) {
		look_at_time(agent);
		if (sweeper->stage == STAGE_NONE && !sweeper->reading && clock_ms() >= sweeper->next_ms &&
		    is_wanted(sweeper))
			begin(sweeper);
		run(sweeper);
	}
	if (sweeper->stage != STAGE_NONE && !sweeper->reading)
		pause = (struct timeval){0};
	evtimer_add(sweeper->timer, &pause);
}

/* The reader has a batch; of a pass that was given up it counts for nothing. */
static void read_event(evutil_socket_t fd, short what, void *argument)
{
	struct sweeper *sweeper = argument;

	(void)fd;
	(void)what;
	sweeper->read_error = flows_reader_end(sweeper->reader);
	sweeper->reading = false;
	sweeper->batch = sweeper->stage == STAGE_WALK;
	event_active(sweeper->timer, 0, 0);
}

void sweep_again(struct agent *agent)
{
	struct sweeper *sweeper = agent->sweeper;

	if (!sweeper)
		return;
	sweeper->stage = STAGE_NONE;
	sweeper->again = true;
	sweeper->maps = agent->dataplane ? dataplane_maps_id(agent->dataplane) : 0;
}

int sweep_open(struct agent *agent)
{
	struct sweeper *sweeper = memory_new(1, sizeof(*sweeper));
	const struct timeval now = {0};

	agent->sweeper = sweeper;
	sweeper->agent = agent;
	sweep_again(agent);
	agent->report.swept = &sweeper->swept;
	sweeper->timer = evtimer_new(agent->base, sweep_event, sweeper);
	return evtimer_add(sweeper->timer, &now);
}

void sweep_close(struct agent *agent)
{
	struct sweeper *sweeper = agent->sweeper;

	if (!sweeper)
		return;
	event_free(sweeper->timer);
	if (sweeper->read)
		event_free(sweeper->read);
	flows_reader_free(sweeper->reader);
	sweep_free(&sweeper->sweep);
	free(sweeper->swept.tally.count);
	free(sweeper);
	agent->sweeper = NULL;
}
