/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <string.h>

#include "lib/text.h"
#include "model/health_inner.h"

#define RAMP_STEPS 10

/* The weight that it has in the table if it is in it. */
static __u32 wanted_weight(const struct health_backend *backend)
{
	return backend->override.weighted ? backend->override.weight : backend->configured;
}

bool health_backend_is_out(const struct health_backend *backend)
{
	return backend->override.state != STATE_UP || !wanted_weight(backend);
}

/* What it is if no operator says otherwise. */
static bool is_alive(const struct health_backend *backend, __u64 now)
{
	if (backend->verdict == VERDICT_NONE)
		return backend->assumed;
	return backend->verdict == VERDICT_UP && now >= backend->held_until;
}

static void fall(struct health_backend *backend, enum verdict was, __u64 now)
{
	if (was == VERDICT_UP && !health_backend_is_out(backend))
		health_hold_fall(backend, now);
	backend->fell = now;
	backend->ramp_from = 0;
}

static void rise(struct health_backend *backend, enum verdict was, __u64 now)
{
	backend->held_until = 0;
	backend->held_told = false;
	backend->forgiven = now;
	if (was != VERDICT_NONE || !backend->founder)
		backend->ramp_from = now;
}

static enum health_role role_of(const struct health_backend *backend)
{
	if (health_backend_is_out(backend))
		return ROLE_OUT;
	if (backend->alive)
		return ROLE_UP;
	if (backend->verdict == VERDICT_NONE)
		return ROLE_WAITING;
	return backend->fell ? ROLE_FALLEN : ROLE_FAILED;
}

void health_backend_assess(struct health *health, struct health_backend *backend, enum verdict was, __u64 now)
{
	bool alive = is_alive(backend, now);
	enum backend_state state = alive ? STATE_UP : STATE_DOWN;

	if (backend->alive && !alive)
		fall(backend, was, now);
	else if (!backend->alive && alive)
		rise(backend, was, now);
	backend->alive = alive;
	if (backend->override.state != STATE_UP)
		state = backend->override.state;
	if (state != backend->state) {
		if (backend->state == STATE_MAINT && state == STATE_UP)
			backend->ramp_from = now;
		backend->state = state;
		backend->since = now;
		backend->since_wall = health->clock ? health->clock(NULL) : 0;
	}
	health_pool_count(backend->pool, backend, role_of(backend));
}

static __u64 ramp_step(const struct health_backend *backend, __u64 now)
{
	__u32 ramp = backend->pool->judgement.ramp_ms;

	return ramp ? (now - backend->ramp_from) * RAMP_STEPS / ramp : RAMP_STEPS;
}

/* Rounded up to the moment at which the step has been reached. */
static __u64 ramp_next(const struct health_backend *backend, __u64 now)
{
	__u64 span = (ramp_step(backend, now) + 1) * backend->pool->judgement.ramp_ms;

	return backend->ramp_from + (span + RAMP_STEPS - 1) / RAMP_STEPS;
}

/* Held down, it still has its connections; drained, too, unless its probes say that it is dead. */
static bool is_serving(const struct health_backend *backend)
{
	if (backend->state == STATE_MAINT)
		return false;
	if (backend->state == STATE_DRAIN && backend->verdict != VERDICT_DOWN)
		return true;
	return backend->state == STATE_UP || backend->kept || backend->verdict == VERDICT_UP;
}

void health_backend_weigh(struct health *health, struct health_backend *backend, __u64 now)
{
	bool in = backend->state == STATE_UP || backend->kept, serves = is_serving(backend);
	__u32 weight = in ? wanted_weight(backend) : 0;

	if (backend->ramp_from && (backend->pool->kept || ramp_step(backend, now) >= RAMP_STEPS - 1))
		backend->ramp_from = 0;
	if (backend->ramp_from && weight) {
		weight = (__u32)((__u64)weight * (ramp_step(backend, now) + 1) / RAMP_STEPS);
		weight = weight ? weight : 1;
	}
	if (weight == backend->weight && serves == backend->serves)
		return;
	backend->weight = weight;
	backend->serves = serves;
	backend->pool->generation++;
	health->changed = true;
}

static __u64 earlier(__u64 a, __u64 b)
{
	return !a || (b && b < a) ? b : a;
}

void health_backend_schedule(struct health *health, struct health_backend *backend, __u64 now)
{
	__u64 next;

	health_hold_forgive(backend, now);
	next = earlier(backend->held_until, health_hold_forgives(backend));
	if (backend->override.state == STATE_DRAIN)
		next = earlier(next, backend->override.until);
	if (backend->ramp_from)
		next = earlier(next, ramp_next(backend, now));
	health_timers_set(&health->timers, backend, next);
}

static void tell_fall(struct health *health, const struct health_backend *backend, const char *text, __u64 now)
{
	enum event_kind kind = backend->kept ? EVENT_backend_kept : EVENT_backend_down;
	char hold[HEALTH_DURATION];

	if (backend->held_until > now)
		health_tell(health, kind, backend->pool, backend, EVENT_NOBODY, "%s; fall %u: held down for %s", text,
			    backend->falls, health_duration(backend->held_until - now, hold));
	else
		health_tell(health, kind, backend->pool, backend, EVENT_NOBODY, "%s", text);
}

/* Its verdict says nothing new where an operator has it anyway: only from those states is anything told. */
static void tell_verdict(struct health *health, struct health_backend *backend, enum verdict was, const char *text,
			 __u64 now)
{
	char left[HEALTH_DURATION];

	if (backend->verdict == VERDICT_UP && backend->held_until > now && !backend->held_told) {
		backend->held_told = true;
		health_tell(health, EVENT_backend_held, backend->pool, backend, EVENT_NOBODY,
			    "%s; fell %u times: stays out for %s more", text, backend->falls,
			    health_duration(backend->held_until - now, left));
	} else if (backend->verdict == VERDICT_DOWN && was == VERDICT_NONE) {
		tell_fall(health, backend, text, now);
	}
}

static void set_why(struct health_backend *backend, const char *text)
{
	text_clean(backend->why, sizeof(backend->why), text, strlen(text));
}

void health_backend_judge(struct health *health, struct health_backend *backend, enum verdict was, const char *text,
			  __u64 now)
{
	bool lived = backend->alive, kept = backend->kept, mine;

	health->changes++;
	health_backend_assess(health, backend, was, now);
	if (text && (backend->alive != lived || was == VERDICT_NONE))
		set_why(backend, text);
	mine = text && backend->override.state == STATE_UP;
	if (mine && backend->alive && !lived)
		health_tell(health, EVENT_backend_up, backend->pool, backend, EVENT_NOBODY, "%s", text);
	health_pool_keep(health, backend->pool, mine ? backend : NULL, now);
	health_backend_weigh(health, backend, now);
	if (mine && !backend->alive && (lived || kept != backend->kept))
		tell_fall(health, backend, lived ? text : backend->why, now);
	else if (mine && !backend->alive)
		tell_verdict(health, backend, was, text, now);
	health_pool_look(health, backend->pool);
	health_backend_schedule(health, backend, now);
}

static void end_hold(struct health *health, struct health_backend *backend, __u64 now)
{
	backend->held_until = 0;
	backend->held_told = false;
	health_backend_judge(health, backend, backend->verdict, "the hold-down is over, and the probes pass", now);
}

void health_backend_expire(struct health *health, struct health_backend *backend, __u64 now)
{
	health->changes++;
	if (backend->override.state == STATE_DRAIN && backend->override.until && backend->override.until <= now)
		health_drain_end(health, backend, now);
	if (backend->held_until && backend->held_until <= now)
		end_hold(health, backend, now);
	health_backend_weigh(health, backend, now);
	health_backend_schedule(health, backend, now);
}

const char *health_override_name(const struct health_override *override)
{
	if (override->state != STATE_UP)
		return state_names[override->state];
	return override->weighted ? "weight" : NULL;
}

void health_tell_override(struct health *health, struct health_backend *backend, const char *how, const char *name)
{
	static const enum event_kind kinds[] = {[STATE_UP] = EVENT_backend_weight,
						[STATE_DRAIN] = EVENT_backend_drain,
						[STATE_MAINT] = EVENT_backend_maint};
	const struct health_override *override = &backend->override;

	health_tell(health, kinds[override->state], backend->pool, backend, EVENT_NOBODY,
		    "%s %s: the override (%s) by uid %u goes on", how, name, health_override_name(override),
		    override->uid);
}
