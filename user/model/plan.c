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
#include "model/plan_inner.h"

struct plan *plan_new(void)
{
	struct plan *plan = memory_new(1, sizeof(*plan));

	plan->backends = memory_new(SLUICE_MAX_BACKENDS + 1, sizeof(*plan->backends));
	plan->standing = memory_new(SLUICE_MAX_BACKENDS + 1, sizeof(*plan->standing));
	plan->stood = memory_new(SLUICE_MAX_BACKENDS + 1, sizeof(*plan->stood));
	plan->table_of = memory_new(SLUICE_MAX_BACKENDS + 1, sizeof(*plan->table_of));
	plan->moves = memory_new(SLUICE_MAX_SERVICES, sizeof(*plan->moves));
	plan->move_windows = memory_new(SLUICE_MAX_SERVICES, sizeof(*plan->move_windows));
	plan->options = memory_new(SLUICE_MAX_SERVICES, sizeof(*plan->options));
	return plan;
}

static void table_free(struct plan *plan, struct table *table)
{
	HASH_DEL(plan->cache, table);
	free(table->members);
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
	free(plan->standing);
	free(plan->stood);
	free(plan->table_of);
	free(plan->moves);
	free(plan->move_windows);
	free(plan->effective);
	free(plan->options);
	free(plan->rules);
	free(plan->quic);
	free(plan);
}

static struct windows pool_windows(const struct config_pool *pool)
{
	__u32 window = pool->transition.window_ms / 1000;

	return (struct windows){
		.window = window,
		.udp_window = pool->transition.udp_window_ms / 1000,
		.hold = pool->second_hop ? 2 * window : 0,
		.two = pool->second_hop,
	};
}

/* Takes the pool's backends as Maglev wants them, but for their weights. */
static void table_name(struct table *table, const struct state *state, const struct config_pool *pool)
{
	const __u8 *key = state->config->hash_key;

	free(table->members);
	table->members = memory_new(pool->backend_count, sizeof(*table->members));
	table->member_count = pool->backend_count;
	table->first = ids_pool_first(state->ids, pool->name);
	table->names = siphash(key, &pool->table_size, sizeof(pool->table_size));
	for (size_t i = 0; i < pool->backend_count; i++) {
		const char *name = pool->backends[i].name;
		__u16 owner = ids_backend(state->ids, pool->name, &pool->backends[i].address);
		const __u64 one[3] = {table->names, siphash(key, name, strlen(name)), owner};

		table->members[i].name = name;
		table->members[i].owner = owner;
		table->names = siphash(key, one, sizeof(one));
	}
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

/* Whether the table has to be built: something that it is built from changed since it was. */
static bool table_differs(struct table *table, const struct config_pool *pool, const struct health_pool *health,
			  const __u8 key[16])
{
	__u64 inputs = table->names;
	bool differs;

	for (size_t i = 0; i < table->member_count; i++) {
		const __u64 one[2] = {inputs, health_weight(health->backends[i])};

		table->members[i].weight = (__u32)one[1];
		inputs = siphash(key, one, sizeof(one));
	}
	table->health = health->generation;
	differs = !table->owner || table->inputs != inputs;
	table->inputs = inputs;
	if (differs && table->size != pool->table_size) { /* fresh memory would cost page faults */
		free(table->owner);
		table->owner = memory_new(pool->table_size, sizeof(*table->owner));
		table->size = pool->table_size;
	}
	return differs;
}

/* Many at once: a host that fails may have been in every pool. */
static void build_tables(struct plan *plan, struct table **tables, size_t count, const __u8 key[16])
{
	struct maglev_job *jobs = memory_new(count, sizeof(*jobs));

	for (size_t i = 0; i < count; i++) {
		tables[i]->generation = ++plan->generation;
		jobs[i] = (struct maglev_job){.table = tables[i]->owner,
					      .size = tables[i]->size,
					      .backends = tables[i]->members,
					      .count = tables[i]->member_count};
	}
	maglev_build_all(jobs, count, key);
	for (size_t i = 0; i < count; i++)
		/* the config is validated, so this cannot fail; an empty table would drop, with a reason */
		if (jobs[i].result)
			log_error("pool %s: no table could be built", tables[i]->pool);
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
		table_name(plan->tables[i], state, &config->pools[i]);
	}
	HASH_ITER(hh, plan->cache, table, next)
		if (!config_pool_find(config, table->pool))
			table_free(plan, table);
}

static enum standing standing_of(const struct health_backend *backend)
{
	if (!health_serves(backend))
		return STANDS_DEAD;
	return health_weight(backend) ? STANDS_GOOD : STANDS_LEAVING;
}

/* Whether the windows changed: slots may have to go on at another time. */
static bool plan_windows(struct table *table, const struct config_pool *pool)
{
	const struct windows windows = pool_windows(pool);
	bool differs = memcmp(&windows, &table->windows, sizeof(windows)) != 0;

	table->windows = windows;
	return differs;
}

/* Whether what some backend of the table stands for changed. */
static bool plan_standing(struct plan *plan, size_t index, const struct config_pool *pool,
			  const struct health_pool *health)
{
	const struct table *table = plan->tables[index];
	bool differs = false;

	for (size_t i = 0; i < table->member_count; i++) {
		__u16 owner = table->members[i].owner;
		__u8 standing = standing_of(health->backends[i]);

		differs |= plan->stood[owner] != standing;
		plan->standing[owner] = standing;
		plan->table_of[owner] = (__u16)index;
		plan->backends[owner].flags =
			(standing >= STANDS_LEAVING ? BACKEND_SERVES : 0) | (pool->second_hop ? BACKEND_SECOND_HOP : 0);
	}
	return differs;
}

static void plan_tables(struct plan *plan, const struct state *state, enum plan_scope scope)
{
	const struct config *config = state->config;
	struct table **differ = memory_new(config->pool_count, sizeof(struct table *));
	size_t count = 0;

	for (size_t i = 0; i < plan->table_count; i++) {
		const struct health_pool *health = health_pool(state->health, i);
		struct table *table = plan->tables[i];
		bool differs;

		if (scope != PLAN_ALL && table->health == health->generation)
			continue;
		differs = plan_windows(table, &config->pools[i]);
		differs |= plan_standing(plan, i, &config->pools[i], health);
		if (differs)
			table->generation = ++plan->generation;
		if (table_differs(table, &config->pools[i], health, config->hash_key))
			differ[count++] = table;
	}
	if (count)
		build_tables(plan, differ, count, config->hash_key);
	free(differ);
}

/* Which pool serves for which. Whether that changed. */
static bool plan_fallbacks(struct plan *plan, const struct state *state)
{
	size_t count = state->config->pool_count;
	bool differs = !plan->effective;

	if (!plan->effective)
		plan->effective = memory_new(count, sizeof(*plan->effective));
	for (size_t i = 0; i < count; i++) {
		size_t effective = health_effective_pool(state->health, i);

		differs |= plan->effective[i] != effective;
		plan->effective[i] = effective;
	}
	return differs;
}

/* The way to the backend; its flags stay. Whether it differs. */
static bool plan_backend(struct backend *planned, const struct state *state, const struct config_pool *pool,
			 const struct config_backend *backend)
{
	struct next_hop hop;
	struct backend value;

	network_next_hop(&state->network, &backend->address, &hop);
	if (hop.local && backend->local)
		header_local(&value);
	else
		header_build(&value, pool, &backend->address, &hop);
	value.flags = planned->flags;
	if (memcmp(planned, &value, sizeof(value)) == 0)
		return false;
	*planned = value;
	return true;
}

static void plan_backends(struct plan *plan, const struct state *state, enum plan_scope scope)
{
	const struct config *config = state->config;
	bool differs = scope == PLAN_ALL;

	if (scope == PLAN_ALL) {
		memset(plan->backends, 0, plan->backend_end * sizeof(*plan->backends));
		plan->backend_end = 0;
	}
	for (size_t i = 0; i < config->pool_count; i++) {
		const struct config_pool *pool = &config->pools[i];

		for (size_t j = 0; j < pool->backend_count; j++) {
			__u16 owner = plan->tables[i]->members[j].owner;

			differs |= plan_backend(&plan->backends[owner], state, pool, &pool->backends[j]);
			if (owner >= plan->backend_end)
				plan->backend_end = owner + 1U;
		}
	}
	plan->backends_generation += differs;
}

bool plan_vip_is_exact(const struct plan_vip *vip)
{
	return vip->address.length == address_bits(&vip->address.address);
}

static __u32 vip_features(const struct plan_vip *vip)
{
	__u32 features = vip->port || !vip->protocol ? 0 : FEATURE_ANY_PORT;

	if (!plan_vip_is_exact(vip))
		features |= vip->address.address.family == AF_INET ? FEATURE_PREFIX4 : FEATURE_PREFIX6;
	return features;
}

/* Those of its pool, and while a fallback serves those of that one where they are longer. */
static struct windows move_windows(const struct plan *plan, size_t pool)
{
	const struct windows *own = &plan->tables[pool]->windows;
	struct windows windows = plan->tables[plan->effective[pool]]->windows;

	if (windows.window < own->window)
		windows = *own;
	return windows;
}

/* Its service's move, as the kernel has it, goes on, or another one begins. True if its VIPs change by that. */
static bool plan_move(struct plan *plan, const struct state *state, const struct config_service *service)
{
	const struct table *table = plan->tables[plan->effective[service->pool]];
	const struct table_use use = {.slot_first = table->first, .slot_count = table->size};
	const struct transition_now now = {
		.standing = plan->standing, .windows = move_windows(plan, service->pool), .second = plan->second};
	__u16 index = ids_service(state->ids, service->name);
	struct service_move *move = &plan->moves[index],
			    next = plan->former ? plan->former[index] : (struct service_move){0};
	bool differs;

	next = move_next(&next, use, service->hash == HASH_SOURCE ? SERVICE_HASH_SOURCE : 0, &now);
	differs = memcmp(&next.now, &move->now, sizeof(next.now)) != 0 || next.flags != move->flags ||
		  !next.phase != !move->phase;
	*move = next;
	plan->move_windows[index] = now.windows;
	return differs;
}

static bool plan_moves(struct plan *plan, const struct state *state, enum plan_scope scope)
{
	bool differs = scope == PLAN_ALL;

	if (scope == PLAN_ALL)
		memset(plan->moves, 0, SLUICE_MAX_SERVICES * sizeof(*plan->moves));
	for (size_t i = 0; i < state->config->service_count; i++)
		differs |= plan_move(plan, state, &state->config->services[i]);
	return differs;
}

struct service plan_service_value(const struct plan *plan, __u16 index)
{
	const struct service_move *move = &plan->moves[index];

	return (struct service){
		.slot_first = move->now.slot_first,
		.slot_count = move->now.slot_count,
		.index = index,
		.flags = move->flags | (move->phase ? SERVICE_MOVING : 0),
	};
}

static void plan_service(struct plan *plan, const struct state *state, const struct config_service *service)
{
	__u16 index = ids_service(state->ids, service->name);
	const struct service value = plan_service_value(plan, index);

	for (size_t i = 0; i < service->address_count; i++) {
		for (size_t j = 0; j < service->port_count; j++) {
			struct plan_vip *vip = &plan->vips[plan->vip_count++];

			vip->address = service->addresses[i];
			vip->port = service->ports[j].port;
			vip->protocol = service->ports[j].protocol;
			vip->service = value;
			vip->service.flags |= plan_slow_flag(&plan->options[index], vip->protocol);
		}
	}
}

/* An entry for each address and port of a service, and one for each address. */
static void plan_vips(struct plan *plan, const struct state *state)
{
	const struct config *config = state->config;
	struct plan_vip *former = plan->vips;
	size_t former_count = plan->vip_count, most = 0;

	for (size_t i = 0; i < config->service_count; i++)
		most += config->services[i].address_count * (config->services[i].port_count + 1);
	plan->vips = memory_new(most, sizeof(*plan->vips));
	plan->vip_count = 0;
	for (size_t i = 0; i < config->service_count; i++)
		plan_service(plan, state, &config->services[i]);
	plan_addresses(plan, state);
	for (size_t i = 0; i < plan->vip_count; i++)
		plan->settings.features |= vip_features(&plan->vips[i]);
	if (!plan->vip_generation || plan->vip_count != former_count ||
	    memcmp(plan->vips, former, former_count * sizeof(*former)) != 0)
		plan->vip_generation++;
	free(former);
}

static bool is_shared(const struct config *config)
{
	for (size_t i = 0; i < config->interface_count; i++)
		if (config->interfaces[i].attach == ATTACH_SHARED)
			return true;
	return false;
}

static void plan_settings(struct plan *plan, const struct state *state)
{
	const struct config *config = state->config;
	struct settings *settings = &plan->settings;

	memset(settings, 0, sizeof(*settings));
	flow_key_expand(&settings->key, config->hash_key);
	settings->flow_capacity = 1;
	for (size_t i = 0; i < config->pool_count; i++) {
		settings->features |= config->pools[i].transition.window_ms ? FEATURE_TRANSITION : 0;
		settings->features |= config->pools[i].second_hop ? FEATURE_SECOND_HOP : 0;
	}
	plan->shared = is_shared(config);
	plan->deny = state->deny;
	settings->features |= state->deny ? deny_features(state->deny) : 0;
	if (settings->features & FEATURE_TRANSITION)
		settings->flow_capacity = config->flow_records;
	plan_option_settings(settings, config);
}

void plan_make(struct plan *plan, const struct state *state, enum plan_scope scope)
{
	memcpy(plan->stood, plan->standing, SLUICE_MAX_BACKENDS + 1);
	if (scope == PLAN_ALL) {
		memset(plan->standing, STANDS_GONE, SLUICE_MAX_BACKENDS + 1);
		plan_settings(plan, state);
		plan->slots_used = ids_slots_used(state->ids);
		free(plan->effective); /* of as many pools as there were */
		plan->effective = NULL;
		find_tables(plan, state);
	}
	if (scope >= PLAN_NETWORK)
		plan_backends(plan, state, scope);
	plan_tables(plan, state, scope);
	if (plan_fallbacks(plan, state) || scope == PLAN_ALL)
		plan_options(plan, state);
	if (plan_moves(plan, state, scope))
		plan_vips(plan, state);
}
