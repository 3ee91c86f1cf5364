/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The fallen are a list: those whose probes fail by when they fell, then those whose
 * probes pass again, likewise. The kept are always its newest ones, from first_kept on, so
 * that who is kept and who is let go next is known without a search.
 */
#include <stdio.h>

#include "model/health_inner.h"

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

static void tell_empty(struct health *health, const struct health_pool *pool)
{
	const struct health_pool *fallback = pool->fallback < health->pool_count ? health->pools[pool->fallback] : NULL;
	size_t out = pool->roles[ROLE_OUT];
	char why[112];

	if (!pool->backend_count)
		snprintf(why, sizeof(why), "it has no backend");
	else if (out)
		snprintf(why, sizeof(why), "none of its %zu backends is usable, %zu by an operator's wish or weight",
			 pool->backend_count, out);
	else
		snprintf(why, sizeof(why), "none of its %zu backends is usable", pool->backend_count);
	if (fallback)
		health_tell(health, EVENT_pool_fallback, pool, NULL, EVENT_NOBODY, "%s: its services use pool %s%s",
			    why, fallback->name, health_usable(fallback) ? "" : ", which has none now either");
	else
		health_tell(health, EVENT_pool_empty, pool, NULL, EVENT_NOBODY, "%s", why);
}

static void tell_condition(struct health *health, const struct health_pool *pool)
{
	size_t share = pool->backend_count - pool->roles[ROLE_OUT];

	if (pool->condition == CONDITION_EMPTY)
		tell_empty(health, pool);
	else if (pool->condition == CONDITION_DEGRADED)
		health_tell(health, EVENT_pool_degraded, pool, NULL, EVENT_NOBODY,
			    "%zu of %zu backends up, %zu wanted by min_healthy %u%s; %zu kept although down", pool->up,
			    share, health_min_healthy(pool), pool->judgement.min_healthy,
			    pool->judgement.min_healthy_percent ? "%" : "", pool->kept);
	else
		health_tell(health, EVENT_pool_recovered, pool, NULL, EVENT_NOBODY, "%zu of %zu backends up", pool->up,
			    share);
}

void health_pool_look(struct health *health, struct health_pool *pool)
{
	size_t wanted = health_min_healthy(pool), waiting = pool->roles[ROLE_WAITING];
	enum health_condition condition = CONDITION_GOOD, before = pool->condition;

	pool->degraded = pool->up < wanted && (pool->degraded || pool->kept || pool->up + waiting < wanted);
	if (!health_usable(pool))
		condition = CONDITION_EMPTY;
	else if (pool->degraded)
		condition = CONDITION_DEGRADED;
	if (condition == before || (condition == CONDITION_EMPTY && before == CONDITION_SETTLING && waiting))
		return;
	pool->condition = condition;
	if (condition != CONDITION_GOOD || before != CONDITION_SETTLING)
		tell_condition(health, pool);
}

void health_pool_settle(struct health *health, struct health_pool *pool, __u64 now)
{
	health_pool_keep(health, pool, NULL, now);
	for (size_t i = 0; i < pool->backend_count; i++) {
		health_backend_weigh(health, pool->backends[i], now);
		health_backend_schedule(health, pool->backends[i], now);
	}
	health_pool_look(health, pool);
}
