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
	free(plan);
}

/* The pool's backends as Maglev wants them; to be freed. */
static struct maglev_backend *pool_members(const struct state *state, const struct config_pool *pool)
{
	struct maglev_backend *members = memory_new(pool->backend_count, sizeof(*members));

	for (size_t i = 0; i < pool->backend_count; i++) {
		members[i].name = pool->backends[i].name;
		members[i].weight = pool->backends[i].weight;
		members[i].owner = ids_backend(state->ids, pool->name, pool->backends[i].name);
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

static struct table *plan_table(struct plan *plan, const struct state *state, const struct config_pool *pool)
{
	const __u8 *key = state->config->hash_key;
	struct maglev_backend *members = pool_members(state, pool);
	struct table *table = table_find(plan, pool->name);
	__u64 inputs = table_inputs(key, pool, members);

	table->first = ids_pool_first(state->ids, pool->name);
	if (!table->owner || table->inputs != inputs) {
		free(table->owner);
		table->owner = memory_new(pool->table_size, sizeof(*table->owner));
		table->size = pool->table_size;
		table->inputs = inputs;
		table->generation = ++plan->generation;
		/* the config is validated, so this cannot fail; an empty table would drop, with a reason */
		if (maglev_build(table->owner, table->size, members, pool->backend_count, key))
			log_error("pool %s: no table could be built", pool->name);
	}
	free(members);
	return table;
}

static void plan_tables(struct plan *plan, const struct state *state)
{
	const struct config *config = state->config;
	struct table *table, *next;

	free(plan->tables);
	plan->table_count = config->pool_count;
	plan->tables = memory_new(config->pool_count, sizeof(struct table *));
	for (size_t i = 0; i < config->pool_count; i++)
		plan->tables[i] = plan_table(plan, state, &config->pools[i]);
	HASH_ITER(hh, plan->cache, table, next)
		if (!config_pool_find(config, table->pool))
			table_free(plan, table);
}

static void plan_backends(struct plan *plan, const struct state *state)
{
	const struct config *config = state->config;

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
	const struct table *table = plan->tables[service->pool];
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

void plan_make(struct plan *plan, const struct state *state)
{
	memset(&plan->settings, 0, sizeof(plan->settings));
	flow_key_expand(&plan->settings.key, state->config->hash_key);
	plan->slots_used = ids_slots_used(state->ids);
	plan_tables(plan, state);
	plan_backends(plan, state);
	plan_vips(plan, state);
}
