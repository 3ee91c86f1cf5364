/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/memory.h"
#include "model/health_inner.h"

/* Of each new probe the number of the former one that it is the same as, or CONFIG_NONE; to be freed. */
static size_t *match_probes(const struct health_pool *pool, const struct config_pool *config)
{
	size_t *same = memory_new(config->probe_count, sizeof(*same));
	bool *used = memory_new(pool->probe_count, sizeof(*used));

	for (size_t i = 0; i < config->probe_count; i++) {
		same[i] = CONFIG_NONE;
		for (size_t j = 0; j < pool->probe_count && same[i] == CONFIG_NONE; j++)
			if (!used[j] && config_probe_equal(&config->probes[i], &pool->probes[j])) {
				used[j] = true;
				same[i] = j;
			}
	}
	free(used);
	return same;
}

/* `same` NULL: all are new. Those that are new have the backend's verdict. */
static void carry_probes(struct health_backend *backend, const struct config_pool *config, const size_t *same)
{
	struct health_probe *probes = memory_new(config->probe_count, sizeof(*probes));

	for (size_t i = 0; i < config->probe_count; i++) {
		if (same && same[i] != CONFIG_NONE)
			probes[i] = backend->probes[same[i]];
		else
			probes[i].verdict = config->probes[i].type == PROBE_NONE ? VERDICT_UP : backend->verdict;
	}
	free(backend->probes);
	backend->probes = probes;
}

/* As one of which nothing is known; but who set what of it stays. */
static void forget_findings(struct health_backend *backend)
{
	backend->verdict = VERDICT_NONE;
	backend->alive = backend->assumed = backend->hasty = backend->held_told = false;
	backend->falls = 0;
	backend->fell = backend->held_until = backend->forgiven = backend->ramp_from = 0;
	*backend->why = '\0';
	backend->fresh = true;
	backend->founder = backend->pool->fresh;
}

static struct health_backend *backend_add(struct health *health, struct health_pool *pool,
					  const struct config_backend *config, __u64 now)
{
	struct health_backend *backend = memory_new(1, sizeof(*backend));

	snprintf(backend->name, sizeof(backend->name), "%s", config->name);
	backend->pool = pool;
	backend->state = STATE_DOWN;
	backend->since = now;
	backend->since_wall = health->clock ? health->clock(NULL) : 0;
	pool->roles[ROLE_OUT]++;
	HASH_ADD_STR(pool->by_name, name, backend);
	return backend;
}

static void set_address(struct health_backend *backend, const struct address *address)
{
	struct health_pool *pool = backend->pool;

	if (backend->address.family)
		HASH_DELETE(hh_address, pool->by_address, backend);
	backend->address = *address;
	if (backend->address.family)
		HASH_ADD(hh_address, pool->by_address, address, sizeof(backend->address), backend);
}

static void backend_remove(struct health *health, struct health_backend *backend, __u64 now)
{
	const char *override = health_override_name(&backend->override);
	struct health_pool *pool = backend->pool;
	char address[ADDRESS_TEXT];

	if (override)
		health_tell(health, EVENT_backend_ready, pool, backend, EVENT_NOBODY,
			    "%s is not in the pool any more: the override (%s) by uid %u is gone with it",
			    address_format(&backend->address, address), override, backend->override.uid);
	health_pool_count(pool, backend, ROLE_OUT);
	pool->roles[ROLE_OUT]--;
	health_trouble_leave(health, backend, now);
	pool->generation += backend->weight != 0;
	health_timers_set(&health->timers, backend, 0);
	HASH_DEL(pool->by_name, backend);
	set_address(backend, &(struct address){0});
	free(backend->probes);
	free(backend);
}

/* Whether its backends are UP whatever their probes find: `type: none` always passes. */
static bool is_certain(const struct health_pool *pool)
{
	size_t none = 0;

	for (size_t i = 0; i < pool->probe_count; i++)
		none += pool->probes[i].type == PROBE_NONE;
	return none == pool->probe_count || (none && pool->judgement.any);
}

static void apply_judgement(struct health_backend *backend, bool running, __u64 now)
{
	const struct config_judgement *judgement = &backend->pool->judgement;
	bool certain = is_certain(backend->pool);

	if (backend->verdict == VERDICT_NONE && judgement->start == START_UP)
		backend->assumed = true;
	if (backend->fresh && running && judgement->start == START_PROBE)
		backend->assumed = backend->hasty = true;
	if (!judgement->hold_first_ms || certain)
		backend->held_until = 0;
	else if (backend->held_until > now + judgement->hold_max_ms)
		backend->held_until = now + judgement->hold_max_ms;
	if (certain)
		backend->falls = 0;
}

/* A backend is one of the new configuration's only once. */
static struct health_backend *claim(struct health_backend *backend)
{
	if (!backend || backend->listed)
		return NULL;
	backend->listed = true;
	return backend;
}

/*
 * Of each configured backend the former one that it is, NULL if it is new: the one of its address, whatever
 * its name was, or else the one of its name.
 */
static struct health_backend **match_backends(struct health_pool *pool, const struct config_pool *config)
{
	struct health_backend **matches = memory_new(config->backend_count, sizeof(*matches));
	struct health_backend *backend, *next;

	HASH_ITER(hh, pool->by_name, backend, next)
		backend->listed = false;
	for (size_t i = 0; i < config->backend_count; i++)
		matches[i] = claim(health_pool_find_address(pool, &config->backends[i].address));
	for (size_t i = 0; i < config->backend_count; i++) {
		if (matches[i])
			continue;
		HASH_FIND_STR(pool->by_name, config->backends[i].name, backend);
		matches[i] = claim(backend);
	}
	return matches;
}

static void backend_rename(struct health *health, struct health_backend *backend, const char *name)
{
	char was[sizeof(backend->name)];

	strcpy(was, backend->name);
	snprintf(backend->name, sizeof(backend->name), "%s", name);
	HASH_ADD_STR(backend->pool->by_name, name, backend);
	if (health_override_name(&backend->override))
		health_tell_override(health, backend, "renamed from", was);
}

/* They may have exchanged names: all that change are taken away before one is given. */
static void rename_backends(struct health *health, struct health_pool *pool, const struct config_pool *config)
{
	struct health_backend **backends = pool->backends;

#define IS_RENAMED(i) (backends[i] && strcmp(backends[i]->name, config->backends[i].name) != 0)
	for (size_t i = 0; i < config->backend_count; i++)
		if (IS_RENAMED(i))
			HASH_DEL(pool->by_name, backends[i]);
	for (size_t i = 0; i < config->backend_count; i++)
		if (IS_RENAMED(i))
			backend_rename(health, backends[i], config->backends[i].name);
#undef IS_RENAMED
}

/* The backend (NULL: a new one) with its new configuration; `same`: which of its probes are the former ones. */
static struct health_backend *backend_take(struct health *health, struct health_backend *backend,
					   struct health_pool *pool, const struct config_backend *config,
					   const struct config_pool *in, const size_t *same, __u64 now)
{
	if (!backend)
		backend = backend_add(health, pool, config, now);
	backend->fresh = false;
	backend->configured = config->weight;
	if (!address_equal(&backend->address, &config->address)) {
		health_pool_count(pool, backend, ROLE_OUT);
		forget_findings(backend);
		set_address(backend, &config->address);
		same = NULL;
	}
	carry_probes(backend, in, same);
	return backend;
}

/* What the new probes and judgement make of the backend. */
static void backend_rejudge(struct health *health, struct health_backend *backend, bool running, __u64 now)
{
	enum verdict was = backend->verdict;
	bool lived = backend->alive;

	apply_judgement(backend, running, now);
	backend->verdict = health_combine(backend);
	health_trouble_refresh(health, backend, now);
	health_backend_assess(health, backend, was, now);
	if (!backend->fresh && backend->alive != lived && backend->override.state == STATE_UP)
		health_tell(health, lived ? EVENT_backend_down : EVENT_backend_up, backend->pool, backend, EVENT_NOBODY,
			    "by the new configuration");
}

static void pool_take(struct health *health, struct health_pool *pool, const struct config_pool *config, __u64 now)
{
	struct config_probe *probes = arena_array(health->arena, config->probe_count, sizeof(*probes));
	struct health_backend **backends = match_backends(pool, config), *backend, *next;
	size_t *same = match_probes(pool, config);

	free(pool->backends);
	pool->backends = backends;
	pool->backend_count = config->backend_count;
	HASH_ITER(hh, pool->by_name, backend, next)
		if (!backend->listed)
			backend_remove(health, backend, now);
	rename_backends(health, pool, config);
	for (size_t i = 0; i < config->backend_count; i++)
		backends[i] = backend_take(health, backends[i], pool, &config->backends[i], config, same, now);
	for (size_t i = 0; i < config->probe_count; i++)
		config_probe_copy(&probes[i], &config->probes[i], health->arena);
	pool->probes = probes;
	pool->probe_count = config->probe_count;
	pool->judgement = config->judgement;
	pool->fallback = config->fallback;
	free(same);
}

static struct health_pool *pool_find_or_add(struct health *health, const char *name)
{
	struct health_pool *pool;

	HASH_FIND_STR(health->by_name, name, pool);
	if (pool) {
		pool->fresh = false;
	} else {
		pool = memory_new(1, sizeof(*pool));
		snprintf(pool->name, sizeof(pool->name), "%s", name);
		pool->fresh = true;
		HASH_ADD_STR(health->by_name, name, pool);
	}
	pool->listed = true;
	return pool;
}

static void pools_remove_unlisted(struct health *health, __u64 now)
{
	struct health_pool *pool, *next;

	for (size_t i = 0; i < health->pool_count; i++)
		if (health->pools[i]->server && !health->pools[i]->server->listed)
			health->pools[i]->server = NULL;
	HASH_ITER(hh, health->by_name, pool, next) {
		if (pool->listed)
			continue;
		for (size_t i = 0; i < pool->backend_count; i++)
			backend_remove(health, pool->backends[i], now);
		HASH_DEL(health->by_name, pool);
		free(pool->backends);
		free(pool);
	}
}

/*
 * A pool that packets went through, and that the new configuration leaves without anybody to send them to, would
 * drop them all for certain: those that wait for a verdict count as up meanwhile.
 */
static void pool_assume(struct health *health, struct health_pool *pool, __u64 now)
{
	if (!pool->serving || pool->judgement.start != START_PROBE || !health_pool_empties(pool, pool->up) ||
	    health_pool_has_help(health, pool))
		return;
	for (size_t i = 0; i < pool->backend_count; i++) {
		struct health_backend *backend = pool->backends[i];

		if (backend->role != ROLE_WAITING)
			continue;
		backend->assumed = backend->hasty = backend->founder = true;
		health_backend_assess(health, backend, VERDICT_NONE, now);
	}
}

static int service_order(const void *name, const void *service)
{
	return strcmp(name, ((const struct health_service *)service)->name);
}

/* The service's own pool, and those that its source rules lead to. */
static void mark_pools(const struct config_service *service, bool *pools)
{
	pools[service->pool] = true;
	for (size_t i = 0; i < service->rule_count; i++)
		if (service->rules[i].action == RULE_POOL)
			pools[service->rules[i].pool] = true;
}

/* Of each pool whether packets went to one of its services until now, by whatever pool; to be freed. */
static bool *find_serving(const struct health *health, const struct config *config)
{
	bool *serving = memory_new(config->pool_count, sizeof(*serving));

	for (size_t i = 0; i < config->service_count && health->service_count; i++) {
		const struct config_service *service = &config->services[i];
		const struct health_service *former =
			bsearch(service->name, health->services, health->service_count, sizeof(*former), service_order);

		if (former && health_usable(health->pools[health_effective_pool(health, former->pool)]))
			mark_pools(service, serving);
	}
	return serving;
}

static void services_take(struct health *health, const struct config *config)
{
	health->services = arena_array(health->arena, config->service_count, sizeof(*health->services));
	health->service_count = config->service_count;
	for (size_t i = 0; i < config->service_count; i++) {
		health->services[i].name = arena_strdup(health->arena, config->services[i].name);
		health->services[i].pool = config->services[i].pool;
	}
}

static void pools_take(struct health *health, const struct config *config, __u64 now)
{
	bool *serving = find_serving(health, config);
	struct health_pool *pool, *next;

	HASH_ITER(hh, health->by_name, pool, next) {
		pool->listed = false;
		pool->serving = health_usable(pool) && pool->server == pool;
	}
	free(health->pools);
	health->pools = memory_new(config->pool_count, sizeof(struct health_pool *));
	health->pool_count = config->pool_count;
	for (size_t i = 0; i < config->pool_count; i++) {
		pool = health->pools[i] = pool_find_or_add(health, config->pools[i].name);
		pool->index = i;
		pool->serving |= pool->fresh && serving[i];
		pool_take(health, pool, &config->pools[i], now);
	}
	pools_remove_unlisted(health, now);
	free(serving);
}

void health_configure_unsettled(struct health *health, const struct config *config, bool running, __u64 now)
{
	struct arena *former = health->arena;

	health_begin(health, now);
	health->arena = arena_new();
	pools_take(health, config, now);
	services_take(health, config);
	arena_free(former);
	for (size_t i = 0; i < config->pool_count; i++) {
		struct health_pool *pool = health->pools[i];

		for (size_t j = 0; j < pool->backend_count; j++)
			backend_rejudge(health, pool->backends[j], running, now);
	}
	for (size_t i = 0; i < config->pool_count; i++) /* now that it is known which fallbacks have somebody */
		pool_assume(health, health->pools[i], now);
}

void health_configure(struct health *health, const struct config *config, bool running, __u64 now)
{
	health_configure_unsettled(health, config, running, now);
	health_settle(health, false, now);
}
