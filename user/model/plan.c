/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/memory.h"
#include "lib/siphash.h"
#include "model/flow_key.h"
#include "model/header.h"
#include "model/maglev.h"

struct plan *plan_new(void)
{
	struct plan *plan = memory_new(1, sizeof(*plan));

	plan->backends = memory_new(SLUICE_MAX_BACKENDS + 1, sizeof(*plan->backends));
	return plan;
}

static void table_free(struct plan *plan, struct table *table)
{
	HASH_DEL(plan->cache, table);
	free(table->owner);
	free(table);
}

void plan_free(struct plan *plan)
{
	struct table *table, *next;

	if (!plan)
		return;
	HASH_ITER(hh, plan->cache, table, next)
		table_free(plan, table);
	free(plan->tables);
	free(plan->vips);
	free(plan->backends);
	free(plan->effective);
	free(plan);
}

/* A table to be built, and what from. */
struct build {
	struct table *table;
	struct maglev_backend *members;
	size_t count;
};

/* The pool's backends as Maglev wants them; to be freed. */
static struct maglev_backend *pool_members(const struct state *state, size_t pool)
{
	const struct config_pool *config = &state->config->pools[pool];
	const struct health_pool *health = health_pool(state->health, pool);
	struct maglev_backend *members = memory_new(config->backend_count, sizeof(*members));

	for (size_t i = 0; i < config->backend_count; i++) {
		members[i].name = config->backends[i].name;
		members[i].weight = health_weight(health->backends[i]);
		members[i].owner = ids_backend(state->ids, config->name, config->backends[i].name);
	}
	return members;
}

/* Changes whenever anything that the table is built from does. */
static __u64 table_inputs(const __u8 key[16], const struct config_pool *pool, const struct maglev_backend *members)
{
	__u64 sum = siphash(key, &pool->table_size, sizeof(pool->table_size));

	for (size_t i = 0; i < pool->backend_count; i++) {
		__u64 one[3] = {sum, siphash(key, members[i].name, strlen(members[i].name)),
				(__u64)members[i].weight << 16 | members[i].owner};

		sum = siphash(key, one, sizeof(one));
	}
	return sum;
}

static struct table *table_find(struct plan *plan, const char *pool)
{
	struct table *table;

	HASH_FIND_STR(plan->cache, pool, table);
	if (!table) {
		table = memory_new(1, sizeof(*table));
		snprintf(table->pool, sizeof(table->pool), "%s", pool);
		HASH_ADD_STR(plan->cache, pool, table);
	}
	return table;
}

/* Whether the pool's table has to be built; then *build says what from. */
static bool plan_table(struct plan *plan, const struct state *state, size_t pool, struct build *build)
{
	const struct config_pool *config = &state->config->pools[pool];
	struct table *table = plan->tables[pool];
	struct maglev_backend *members = pool_members(state, pool);
	__u64 inputs = table_inputs(state->config->hash_key, config, members);

	table->health = health_pool(state->health, pool)->generation;
	if (table->owner && table->inputs == inputs) {
		free(members);
		return false;
	}
	if (table->size != config->table_size) { /* fresh memory would cost page faults */
		free(table->owner);
		table->owner = memory_new(config->table_size, sizeof(*table->owner));
	}
	table->size = config->table_size;
	table->inputs = inputs;
	table->generation = ++plan->generation;
	*build = (struct build){.table = table, .members = members, .count = config->backend_count};
	return true;
}

/* Many at once: a host that fails may have been in every pool. */
static void build_tables(struct build *builds, size_t count, const __u8 key[16])
{
	struct maglev_job *jobs = memory_new(count, sizeof(*jobs));

	for (size_t i = 0; i < count; i++)
		jobs[i] = (struct maglev_job){.table = builds[i].table->owner,
					      .size = builds[i].table->size,
					      .backends = builds[i].members,
					      .count = builds[i].count};
	maglev_build_all(jobs, count, key);
	for (size_t i = 0; i < count; i++) {
		/* the config is validated, so this cannot fail; an empty table would drop, with a reason */
		if (jobs[i].result)
			log_error("pool %s: no table could be built", builds[i].table->pool);
		free(builds[i].members);
	}
	free(jobs);
}

static void find_tables(struct plan *plan, const struct state *state)
{
	const struct config *config = state->config;
	struct table *table, *next;

	free(plan->tables);
	plan->table_count = config->pool_count;
	plan->tables = memory_new(config->pool_count, sizeof(struct table *));
	for (size_t i = 0; i < config->pool_count; i++) {
		plan->tables[i] = table_find(plan, config->pools[i].name);
		plan->tables[i]->first = ids_pool_first(state->ids, config->pools[i].name);
	}
	HASH_ITER(hh, plan->cache, table, next)
		if (!config_pool_find(config, table->pool))
			table_free(plan, table);
}

static void plan_tables(struct plan *plan, const struct state *state, enum plan_scope scope)
{
	struct build *builds = memory_new(state->config->pool_count, sizeof(*builds));
	size_t count = 0;

	for (size_t i = 0; i < plan->table_count; i++)
		if (scope == PLAN_ALL || plan->tables[i]->health != health_pool(state->health, i)->generation)
			count += plan_table(plan, state, i, &builds[count]);
	if (count)
		build_tables(builds, count, state->config->hash_key);
	free(builds);
}

/* Which pool serves for which. True if that differs from the last plan's. */
static bool plan_fallbacks(struct plan *plan, const struct state *state)
{
	size_t count = state->config->pool_count;
	size_t *effective = memory_new(count, sizeof(*effective));
	bool differs;

	for (size_t i = 0; i < count; i++)
		effective[i] = health_effective_pool(state->health, i);
	differs = !plan->effective || memcmp(plan->effective, effective, count * sizeof(*effective)) != 0;
	free(plan->effective);
	plan->effective = effective;
	return differs;
}

static void plan_backends(struct plan *plan, const struct state *state)
{
	const struct config *config = state->config;

	plan->backends_generation++;
	memset(plan->backends, 0, (SLUICE_MAX_BACKENDS + 1) * sizeof(*plan->backends));
	for (size_t i = 0; i < config->pool_count; i++) {
		const struct config_pool *pool = &config->pools[i];

		for (size_t j = 0; j < pool->backend_count; j++) {
			const struct config_backend *backend = &pool->backends[j];
			struct next_hop hop;

			network_next_hop(&state->network, &backend->address, &hop);
			header_build(&plan->backends[ids_backend(state->ids, pool->name, backend->name)], pool->forward,
				     pool->gue_port, &backend->address, &hop);
		}
	}
}

bool plan_vip_is_exact(const struct plan_vip *vip)
{
	return vip->address.length == address_bits(&vip->address.address);
}

static __u32 vip_features(const struct plan_vip *vip)
{
	__u32 features = vip->port ? 0 : FEATURE_ANY_PORT;

	if (!plan_vip_is_exact(vip))
		features |= vip->address.address.family == AF_INET ? FEATURE_PREFIX4 : FEATURE_PREFIX6;
	return features;
}

static void plan_service(struct plan *plan, const struct state *state, const struct config_service *service)
{
	const struct table *table = plan->tables[plan->effective[service->pool]];
	const struct service value = {
		.slot_first = table->first,
		.slot_count = table->size,
		.index = ids_service(state->ids, service->name),
		.flags = service->hash == HASH_SOURCE ? SERVICE_HASH_SOURCE : 0,
	};

	for (size_t i = 0; i < service->address_count; i++) {
		for (size_t j = 0; j < service->port_count; j++) {
			struct plan_vip *vip = &plan->vips[plan->vip_count++];

			vip->address = service->addresses[i];
			vip->port = service->ports[j].port;
			vip->protocol = service->ports[j].protocol;
			vip->service = value;
			plan->settings.features |= vip_features(vip);
		}
	}
}

static void plan_vips(struct plan *plan, const struct state *state)
{
	const struct config *config = state->config;
	struct plan_vip *former = plan->vips;
	size_t former_count = plan->vip_count, count = 0;

	for (size_t i = 0; i < config->service_count; i++)
		count += config->services[i].address_count * config->services[i].port_count;
	plan->vips = memory_new(count, sizeof(*plan->vips));
	plan->vip_count = 0;
	for (size_t i = 0; i < config->service_count; i++)
		plan_service(plan, state, &config->services[i]);
	if (!plan->vip_generation || count != former_count || memcmp(plan->vips, former, count * sizeof(*former)) != 0)
		plan->vip_generation++;
	free(former);
}

void plan_make(struct plan *plan, const struct state *state, enum plan_scope scope)
{
	if (scope == PLAN_ALL) {
		memset(&plan->settings, 0, sizeof(plan->settings));
		flow_key_expand(&plan->settings.key, state->config->hash_key);
		plan->slots_used = ids_slots_used(state->ids);
		free(plan->effective); /* of as many pools as there were: not to be compared with */
		plan->effective = NULL;
		find_tables(plan, state);
		plan_backends(plan, state);
	}
	plan_tables(plan, state, scope);
	if (plan_fallbacks(plan, state) || scope == PLAN_ALL)
		plan_vips(plan, state);
}
