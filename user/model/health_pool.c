/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The fallen are a list: those whose probes fail by when they fell, then those whose
 * probes pass again, likewise. The kept are always its newest ones, from first_kept on, so
 * that who is kept and who is let go next is known without a search.
 */
#include <stdio.h>

#include "model/health_inner.h"

#define OUT_TEXT 96

static void fallen_insert(struct health_pool *pool, struct health_backend *backend)
{
	struct health_backend *older = pool->newest;

	if (!backend->passing && pool->first_passing)
		older = pool->first_passing->older;
	while (older && older->passing == backend->passing && older->fell > backend->fell)
		older = older->older;
	if (backend->passing && (!older || !older->passing))
		pool->first_passing = backend;
	backend->older = older;
	backend->newer = older ? older->newer : pool->oldest;
	*(older ? &older->newer : &pool->oldest) = backend;
	*(backend->newer ? &backend->newer->older : &pool->newest) = backend;
	backend->kept = older && older->kept;
	pool->kept += backend->kept;
}

static void fallen_remove(struct health_pool *pool, struct health_backend *backend)
{
	if (pool->first_kept == backend)
		pool->first_kept = backend->newer;
	if (pool->first_passing == backend)
		pool->first_passing = backend->newer;
	pool->kept -= backend->kept;
	backend->kept = false;
	*(backend->older ? &backend->older->newer : &pool->oldest) = backend->newer;
	*(backend->newer ? &backend->newer->older : &pool->newest) = backend->older;
	backend->older = backend->newer = NULL;
}

void health_pool_count(struct health_pool *pool, struct health_backend *backend, enum health_role role)
{
	bool passing = backend->verdict == VERDICT_UP;

	if (role == backend->role && (role != ROLE_FALLEN || passing == backend->passing))
		return;
	if (backend->role == ROLE_FALLEN)
		fallen_remove(pool, backend);
	pool->roles[backend->role]--;
	pool->roles[role]++;
	pool->up = pool->roles[ROLE_UP];
	backend->role = role;
	backend->passing = passing;
	if (role == ROLE_FALLEN)
		fallen_insert(pool, backend);
}

size_t health_min_healthy(const struct health_pool *pool)
{
	size_t judged = pool->up + pool->roles[ROLE_FALLEN] + pool->roles[ROLE_FAILED];

	if (!pool->judgement.min_healthy_percent)
		return pool->judgement.min_healthy;
	return (judged * pool->judgement.min_healthy + 99) / 100;
}

bool health_pool_empties(const struct health_pool *pool, size_t up)
{
	return !up && !(pool->roles[ROLE_FALLEN] && pool->judgement.min_healthy);
}

bool health_pool_has_help(const struct health *health, const struct health_pool *pool)
{
	return pool->fallback < health->pool_count &&
	       health_standing(health_server(health, health->pools[pool->fallback])) == STANDING_UP;
}

static void keep(struct health *health, struct health_backend *backend, bool tell, __u64 now)
{
	struct health_pool *pool = backend->pool;

	backend->kept = true;
	pool->kept++;
	pool->first_kept = backend;
	health_backend_weigh(health, backend, now);
	if (tell)
		health_tell(health, EVENT_backend_kept, pool, backend, EVENT_NOBODY,
			    "fewer than min_healthy are up; %s", backend->why);
}

static void let_go(struct health *health, struct health_backend *backend, bool tell, __u64 now)
{
	struct health_pool *pool = backend->pool;

	backend->kept = false;
	pool->kept--;
	pool->first_kept = backend->newer;
	health_backend_weigh(health, backend, now);
	if (tell)
		health_tell(health, EVENT_backend_down, pool, backend, EVENT_NOBODY,
			    "no longer kept by min_healthy; %s", backend->why);
}

void health_pool_keep(struct health *health, struct health_pool *pool, const struct health_backend *subject, __u64 now)
{
	size_t wanted = health_min_healthy(pool), missing = wanted > pool->up ? wanted - pool->up : 0;

	while (pool->kept > missing)
		let_go(health, pool->first_kept, pool->first_kept != subject, now);
	while (pool->kept < missing) {
		struct health_backend *next = pool->first_kept ? pool->first_kept->older : pool->newest;

		if (!next)
			break;
		keep(health, next, next != subject, now);
	}
	if (pool->kept && !pool->keeping) /* ends the ramps */
		for (size_t i = 0; i < pool->backend_count; i++)
			health_backend_weigh(health, pool->backends[i], now);
	pool->keeping = pool->kept > 0;
}

/* Who is not meant to serve now, " (2 taken out by operators, 1 of weight 0)", or nothing. */
static const char *describe_out(const struct health_pool *pool, char text[static OUT_TEXT])
{
	size_t taken = 0, light;

	for (size_t i = 0; i < pool->backend_count; i++) {
		const struct health_override *override = &pool->backends[i]->override;

		taken += override->state != STATE_UP || (override->weighted && !override->weight);
	}
	light = pool->roles[ROLE_OUT] - taken;
	*text = '\0';
	if (taken && light)
		snprintf(text, OUT_TEXT, " (%zu taken out by operators, %zu of weight 0)", taken, light);
	else if (taken)
		snprintf(text, OUT_TEXT, " (%zu taken out by operators)", taken);
	else if (light)
		snprintf(text, OUT_TEXT, " (%zu of weight 0)", light);
	return text;
}

static void tell_fallback(struct health *health, const struct health_pool *pool, const char *out)
{
	char kept[48] = "";

	if (pool->kept)
		snprintf(kept, sizeof(kept), ", %zu kept although down", pool->kept);
	health_tell(health, EVENT_pool_fallback, pool, NULL, EVENT_NOBODY,
		    "none of its %zu backends is up%s%s: its services use pool %s", pool->backend_count, out, kept,
		    pool->server->name);
}

static void tell_empty(struct health *health, const struct health_pool *pool, const char *out)
{
	const char *fallbacks = pool->fallback < health->pool_count ? ", nor any of its fallbacks'" : "";

	if (pool->backend_count)
		health_tell(health, EVENT_pool_empty, pool, NULL, EVENT_NOBODY,
			    "none of its %zu backends is usable%s%s", pool->backend_count, out, fallbacks);
	else
		health_tell(health, EVENT_pool_empty, pool, NULL, EVENT_NOBODY, "it has no backend%s",
			    *fallbacks ? ", and none of its fallbacks' is usable" : "");
}

static void tell_condition(struct health *health, const struct health_pool *pool)
{
	char out[OUT_TEXT];

	describe_out(pool, out);
	if (pool->condition == CONDITION_FALLBACK)
		tell_fallback(health, pool, out);
	else if (pool->condition == CONDITION_EMPTY)
		tell_empty(health, pool, out);
	else if (pool->condition == CONDITION_DEGRADED)
		health_tell(health, EVENT_pool_degraded, pool, NULL, EVENT_NOBODY,
			    "%zu of %zu backends up%s, %zu wanted by min_healthy %u%s; %zu kept although down",
			    pool->up, pool->backend_count, out, health_min_healthy(pool), pool->judgement.min_healthy,
			    pool->judgement.min_healthy_percent ? "%" : "", pool->kept);
	else
		health_tell(health, EVENT_pool_recovered, pool, NULL, EVENT_NOBODY, "%zu of %zu backends up%s",
			    pool->up, pool->backend_count, out);
}

enum health_standing health_standing(const struct health_pool *pool)
{
	if (pool->up)
		return STANDING_UP;
	return pool->kept ? STANDING_KEPT : STANDING_NONE;
}

static enum health_condition condition_of(const struct health_pool *pool)
{
	if (pool->server != pool)
		return CONDITION_FALLBACK;
	if (!health_usable(pool))
		return CONDITION_EMPTY;
	return pool->degraded ? CONDITION_DEGRADED : CONDITION_GOOD;
}

/* By configuration nobody is to serve. */
static bool is_idle(const struct health_pool *pool)
{
	size_t idle = 0;

	while (idle < pool->backend_count && !pool->backends[idle]->configured)
		idle++;
	return idle == pool->backend_count;
}

/* Whether there is nothing to say yet of a pool that does not serve: verdicts are outstanding, or it is meant so. */
static bool is_settling(const struct health_pool *pool)
{
	return pool->condition == CONDITION_SETTLING && (pool->roles[ROLE_WAITING] || is_idle(pool));
}

static void look(struct health *health, struct health_pool *pool)
{
	const struct health_pool *server = health_server(health, pool);
	size_t wanted = health_min_healthy(pool), waiting = pool->roles[ROLE_WAITING];
	enum health_condition condition, before = pool->condition;
	bool moved = server != pool->server;

	pool->degraded = pool->up < wanted && (pool->degraded || pool->kept || pool->up + waiting < wanted);
	pool->server = server;
	health->changed |= moved;
	condition = condition_of(pool);
	if (condition == before && !(moved && condition == CONDITION_FALLBACK))
		return;
	if (condition >= CONDITION_FALLBACK && is_settling(pool))
		return;
	pool->condition = condition;
	if (condition != CONDITION_GOOD || before != CONDITION_SETTLING)
		tell_condition(health, pool);
}

void health_pool_look(struct health *health, struct health_pool *pool)
{
	look(health, pool);
	if (health_standing(pool) == pool->standing)
		return;
	pool->standing = health_standing(pool);
	for (size_t i = 0; i < health->pool_count; i++)
		if (health->pools[i]->fallback < health->pool_count && health->pools[i] != pool)
			look(health, health->pools[i]);
}

static void settle(struct health *health, struct health_pool *pool, __u64 now)
{
	health_pool_keep(health, pool, NULL, now);
	for (size_t i = 0; i < pool->backend_count; i++) {
		health_backend_weigh(health, pool->backends[i], now);
		health_backend_schedule(health, pool->backends[i], now);
	}
	pool->standing = health_standing(pool);
}

void health_settle(struct health *health, bool known, __u64 now)
{
	for (size_t i = 0; i < health->pool_count; i++) {
		health->quiet = known && health->pools[i]->fresh;
		settle(health, health->pools[i], now);
	}
	/* then only, as they may fall back to each other */
	for (size_t i = 0; i < health->pool_count; i++) {
		health->quiet = known && health->pools[i]->fresh;
		look(health, health->pools[i]);
	}
	health->quiet = false;
}
