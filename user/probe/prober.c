/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Which probes there are: one schedule for each probe of each backend of each pool. A new
 * configuration leaves alone the schedules of what is the same: the backend by name and
 * address, the probe by all that it says, wherever it stands in the pool's list. The probes that
 * schedules go by are copies of the pool's own, as old as the configuration that first had them.
 */
#include "probe/prober.h"

#include <event2/util.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/arena.h"
#include "lib/memory.h"
#include "lib/process.h"
#include "probe/schedule.h"

#define EXEC_AT_ONCE 32 /* programs run by exec probes */

struct spec {
	struct arena *arena;
	struct config_probe probe;
};

struct prober_pool {
	char name[CONFIG_NAME_MAX + 1];
	struct spec *specs[CONFIG_MAX_PROBES];
	size_t spec_count;
	struct target *targets; /* by name */
	unsigned int generation;
	UT_hash_handle hh;
};

struct prober {
	struct schedule_world world;
	struct prober_pool *pools; /* by name */
	unsigned int generation;   /* of the configuration last taken */
	double phase;		   /* of the schedule last made */
};

static struct spec *spec_new(const struct config_probe *probe)
{
	struct spec *spec = memory_new(1, sizeof(*spec));

	spec->arena = arena_new();
	config_probe_copy(&spec->probe, probe, spec->arena);
	return spec;
}

static void spec_free(struct spec *spec)
{
	if (!spec)
		return;
	arena_free(spec->arena);
	free(spec);
}

/*
 * Steps of the golden ratio: however many schedules there are, and however many are added, they lie
 * evenly in the interval.
 */
static double next_phase(struct prober *prober)
{
	prober->phase += 0.61803398874989485;
	if (prober->phase >= 1)
		prober->phase -= 1;
	return prober->phase;
}

static void target_free(struct prober_pool *pool, struct target *target)
{
	for (size_t i = 0; i < CONFIG_MAX_PROBES; i++)
		schedule_free(target->schedules[i]);
	HASH_DEL(pool->targets, target);
	free(target);
}

static void pool_free(struct prober *prober, struct prober_pool *pool)
{
	struct target *target, *next;

	HASH_ITER(hh, pool->targets, target, next) {
		target_free(pool, target);
	}
	for (size_t i = 0; i < pool->spec_count; i++)
		spec_free(pool->specs[i]);
	HASH_DEL(prober->pools, pool);
	free(pool);
}

/* The target of this backend: the former one, with its schedules, if it is the same. */
static struct target *target_get(struct prober *prober, struct prober_pool *pool, const struct config_backend *backend)
{
	struct target *target;

	HASH_FIND_STR(pool->targets, backend->name, target);
	if (target && !address_equal(&target->address, &backend->address)) {
		target_free(pool, target);
		target = NULL;
	}
	if (!target) {
		target = memory_new(1, sizeof(*target));
		snprintf(target->pool_name, sizeof(target->pool_name), "%s", pool->name);
		snprintf(target->name, sizeof(target->name), "%s", backend->name);
		target->address = backend->address;
		HASH_ADD_STR(pool->targets, name, target);
	}
	target->weight = backend->weight;
	target->generation = prober->generation;
	return target;
}

/* Gives the target the pool's probes. former[i] is where probe i stood before, CONFIG_NONE if it is new. */
static void target_schedule(struct prober *prober, const struct prober_pool *pool, struct target *target,
			    const size_t former[static CONFIG_MAX_PROBES])
{
	struct schedule *schedules[CONFIG_MAX_PROBES] = {0};

	for (size_t i = 0; i < pool->spec_count && target->health; i++) {
		const struct config_probe *probe = &pool->specs[i]->probe;

		if (former[i] != CONFIG_NONE && target->schedules[former[i]]) {
			schedules[i] = target->schedules[former[i]];
			target->schedules[former[i]] = NULL;
			schedules[i]->index = i;
		} else if (probe_types[probe->type]) {
			schedules[i] = schedule_new(&prober->world, target, probe, i, next_phase(prober));
		}
	}
	for (size_t i = 0; i < CONFIG_MAX_PROBES; i++) {
		schedule_free(target->schedules[i]);
		target->schedules[i] = schedules[i];
	}
}

/* Takes over what is the same from the former specs, which are left with what is not wanted any more. */
static void renew_specs(struct spec *specs[static CONFIG_MAX_PROBES], struct prober_pool *pool,
			const struct config_pool *config, size_t former[static CONFIG_MAX_PROBES])
{
	for (size_t i = 0; i < config->probe_count; i++) {
		former[i] = CONFIG_NONE;
		for (size_t j = 0; j < pool->spec_count && former[i] == CONFIG_NONE; j++)
			if (pool->specs[j] && config_probe_equal(&pool->specs[j]->probe, &config->probes[i]))
				former[i] = j;
		specs[i] = former[i] == CONFIG_NONE ? spec_new(&config->probes[i]) : pool->specs[former[i]];
		if (former[i] != CONFIG_NONE)
			pool->specs[former[i]] = NULL;
	}
}

static void pool_configure(struct prober *prober, struct prober_pool *pool, const struct config_pool *config,
			   size_t index)
{
	struct spec *specs[CONFIG_MAX_PROBES] = {0}, *dropped[CONFIG_MAX_PROBES];
	size_t former[CONFIG_MAX_PROBES];
	struct target *target, *next;

	renew_specs(specs, pool, config, former);
	for (size_t i = 0; i < CONFIG_MAX_PROBES; i++) {
		dropped[i] = pool->specs[i];
		pool->specs[i] = specs[i];
	}
	pool->spec_count = config->probe_count;
	for (size_t i = 0; i < config->backend_count; i++) {
		target = target_get(prober, pool, &config->backends[i]);
		target->pool = index;
		target->backend = i;
		target->health = health_find(prober->world.health, config->name, config->backends[i].name);
		target_schedule(prober, pool, target, former);
	}
	HASH_ITER(hh, pool->targets, target, next) {
		if (target->generation != prober->generation)
			target_free(pool, target);
	}
	/* only now: schedules went by them */
	for (size_t i = 0; i < CONFIG_MAX_PROBES; i++)
		spec_free(dropped[i]);
	pool->generation = prober->generation;
}

void prober_configure(struct prober *prober, const struct config *config)
{
	struct prober_pool *pool, *next;

	prober->generation++;
	pace_refresh_limit(&prober->world.pace);
	for (size_t i = 0; i < config->pool_count; i++) {
		HASH_FIND_STR(prober->pools, config->pools[i].name, pool);
		if (!pool) {
			pool = memory_new(1, sizeof(*pool));
			snprintf(pool->name, sizeof(pool->name), "%s", config->pools[i].name);
			HASH_ADD_STR(prober->pools, name, pool);
		}
		pool_configure(prober, pool, &config->pools[i], i);
	}
	HASH_ITER(hh, prober->pools, pool, next) {
		if (pool->generation != prober->generation)
			pool_free(prober, pool);
	}
}

void prober_pause(struct prober *prober)
{
	for (struct prober_pool *pool = prober->pools; pool; pool = pool->hh.next)
		for (struct target *target = pool->targets; target; target = target->hh.next)
			target->health = NULL;
}

static struct target *target_of(const struct prober *prober, const struct health_backend *backend)
{
	struct prober_pool *pool;
	struct target *target;

	HASH_FIND_STR(prober->pools, backend->pool->name, pool);
	if (!pool)
		return NULL;
	HASH_FIND_STR(pool->targets, backend->name, target);
	return target;
}

void prober_hurry(struct prober *prober, const struct health_backend *backend)
{
	struct target *target = target_of(prober, backend);

	for (size_t i = 0; target && i < CONFIG_MAX_PROBES; i++)
		if (target->schedules[i])
			schedule_hurry(target->schedules[i]);
}

bool prober_aim(const struct prober *prober, const struct health_backend *backend, size_t probe, struct prober_aim *aim)
{
	struct target *target = target_of(prober, backend);
	const struct schedule *schedule = target && probe < CONFIG_MAX_PROBES ? target->schedules[probe] : NULL;
	struct probe_job job;

	if (!schedule || !schedule->aim.address.family)
		return false;
	job = schedule->job;
	job.address = schedule->aim.address;
	job.port = schedule->aim.port;
	probe_target(&job, aim->to);
	aim->via = via_names[schedule->aim.via];
	aim->why = schedule->aim.why;
	return true;
}

/* Probes that might go through a VIP, and went to the backend's own address last. */
static size_t count_aside(const struct prober *prober)
{
	size_t aside = 0;

	for (struct prober_pool *pool = prober->pools; pool; pool = pool->hh.next)
		for (struct target *target = pool->targets; target; target = target->hh.next)
			for (size_t i = 0; i < pool->spec_count; i++)
				aside += target->schedules[i] && *target->schedules[i]->aim.why;
	return aside;
}

json_t *prober_json(const struct prober *prober)
{
	const struct schedule_world *world = &prober->world;

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "configured", (json_int_t)world->configured,
			 "under_way", (json_int_t)world->pace.under_way, "waiting", (json_int_t)world->pace.waiting,
			 "limit", (json_int_t)world->pace.limit, "begun", (json_int_t)world->begun, "late",
			 (json_int_t)world->late, "worst_late_ms", (json_int_t)world->worst_late_ms, "held_up_ms",
			 (json_int_t)(world->shared.held / 1000), "aside", (json_int_t)count_aside(prober));
}

struct prober *prober_new(struct event_base *base, struct health *health, const struct prober_ask *ask)
{
	struct prober *prober = memory_new(1, sizeof(*prober));
	struct schedule_world *world = &prober->world;
	__u16 random;

	world->base = base;
	world->health = health;
	world->ask = *ask;
	world->shared.base = base;
	world->shared.http = probe_http_open(base);
	world->shared.processes = process_pool_new(base, EXEC_AT_ONCE);
	pace_init(&world->pace, base, schedule_begin, &world->shared.held);
	/* another for each agent: they are not to probe the same backends at the same time */
	evutil_secure_rng_get_bytes(&random, sizeof(random));
	prober->phase = random / 65536.0;
	return prober;
}

void prober_free(struct prober *prober)
{
	struct prober_pool *pool, *next;

	if (!prober)
		return;
	HASH_ITER(hh, prober->pools, pool, next) {
		pool_free(prober, pool);
	}
	pace_free(&prober->world.pace);
	probe_http_close(prober->world.shared.http);
	process_pool_free(prober->world.shared.processes);
	free(prober);
}
