/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "unit/sample.h"

#include <bpf/bpf.h>
#include <errno.h>

#include "model/flow_key.h"
#include "model/ids.h"
#include "model/plan.h"
#include "model/sweep.h"
#include "model/vip_table.h"
#include "out/flows.h"
#include "out/program.h"
#include "out/sync.h"
#include "packet/balancer_inner.h"

#define SLOTS	     4096
#define VIP_KEY_SIZE (sizeof(struct vip_entry) - offsetof(struct vip_entry, tail))
#define INDICES	     1024 /* of backends that there can be, as they are given out in turn */
#define FLOW_RECORDS 4096 /* so many more than flows that the kernel evicts none */

struct balancer *balancer_new(void)
{
	struct settings settings = {
		.features = FEATURE_TRANSITION | FEATURE_SECOND_HOP | FEATURE_PREFIX4,
		.slot_capacity = SLOTS,
		.source_capacity = 1,
		.fragment_capacity = 1,
		.flow_capacity = FLOW_RECORDS,
	};
	struct balancer *balancer = calloc(1, sizeof(*balancer));
	struct config *config = sample_config(0, 0);

	assert_non_null(balancer);
	maps_init(&balancer->maps);
	program_init(&balancer->program);
	flow_key_expand(&settings.key, config->hash_key);
	config_free(config);
	assert_int_equal(program_load(&balancer->program, &balancer->maps, &settings), 0);
	balancer->maps.flow_capacity = FLOW_RECORDS;
	assert_int_equal(maps_mmap(&balancer->maps), 0);
	sample_network(&balancer->state.network);
	for (__u32 host = 1; host < SCENE_HOSTS; host++)
		sample_route(&balancer->state.network, sample_host(host));
	for (unsigned int i = 0; i < SCENE_FLOWS; i++)
		balancer_make_client(&balancer->clients[i], i);
	return balancer;
}

/* What a process knows. */
static void forget(struct balancer *balancer)
{
	synced_free(&balancer->synced);
	plan_free(balancer->plan);
	ids_free(balancer->state.ids);
	health_free(balancer->state.health);
	config_free(balancer->state.config);
	sweep_free(&balancer->sweep);
	balancer->plan = NULL;
	balancer->state.ids = NULL;
	balancer->state.health = NULL;
	balancer->state.config = NULL;
	balancer->sweeping = false;
}

void balancer_free(struct balancer *balancer)
{
	forget(balancer);
	network_free(&balancer->state.network);
	program_close(&balancer->program);
	maps_close(&balancer->maps);
	free(balancer);
}

static void begin(struct balancer *balancer)
{
	balancer->state.ids = ids_new();
	balancer->state.health = health_new(sample_event, NULL, time);
	balancer->plan = plan_new();
	/* beyond INDICES no backend ever was: to compare all that there is room for takes half of the time */
	balancer->synced.backends = UINT64_MAX;
	balancer->synced.backend_end = INDICES;
}

static void remove_vips(struct balancer *balancer)
{
	for (size_t i = 0; i < balancer->vip_count; i++) {
		struct vip_entry *entry = vip_table_find(balancer->maps.vips, &balancer->vips[i]);

		if (entry)
			vip_table_remove(entry);
	}
	balancer->vip_count = 0;
}

/* sync_vips() looks through the whole table for what is gone, which takes longer than all the rest. */
static void write_vips(struct balancer *balancer)
{
	const struct plan *plan = balancer->plan;
	struct vip_entry former[VIPS];
	size_t count = balancer->vip_count;

	memcpy(former, balancer->vips, sizeof(former));
	balancer->vip_count = 0;
	for (size_t i = 0; i < plan->vip_count; i++) {
		const struct plan_vip *vip = &plan->vips[i];
		struct vip_entry *entry = &balancer->vips[balancer->vip_count];

		if (!plan_vip_is_exact(vip))
			continue;
		*entry = vip_key(&vip->address.address, vip->port, vip->protocol);
		entry->service = vip->service;
		assert_int_equal(vip_table_set(balancer->maps.vips, entry), 0);
		balancer->vip_count++;
	}
	for (size_t i = 0; i < count; i++) {
		bool kept = false;

		for (size_t j = 0; j < balancer->vip_count; j++)
			kept |= memcmp(&former[i].tail, &balancer->vips[j].tail, VIP_KEY_SIZE) == 0;
		if (!kept)
			vip_table_remove(vip_table_find(balancer->maps.vips, &former[i]));
	}
	assert_int_equal(sync_prefixes(&balancer->maps, plan, VIPS_ALL), 0);
	balancer->synced.vips = plan->vip_generation;
}

void balancer_cut(struct balancer *balancer, unsigned int steps)
{
	balancer->steps = steps;
}

bool balancer_was_cut(struct balancer *balancer)
{
	bool cut = balancer->cut;

	balancer->cut = false;
	return cut;
}

/* At the end of each of its steps: whether it was the last one. */
static bool step_is_last(struct balancer *balancer)
{
	if (!balancer->steps || --balancer->steps)
		return false;
	balancer->cut = true;
	return true;
}

/* As agent_commit() and dataplane_sync(). */
static void commit(struct balancer *balancer, enum plan_scope scope, __u32 now)
{
	struct plan *plan = balancer->plan;
	bool moved;

	plan->second = now;
	plan->former = balancer->maps.moves;
	plan_make(plan, &balancer->state, scope);
	moved = sync_tables(&balancer->maps, plan, &balancer->synced, false);
	if (step_is_last(balancer))
		return;
	sync_moves_begin(&balancer->maps, plan);
	if (step_is_last(balancer))
		return;
	if (balancer->synced.vips != plan->vip_generation)
		write_vips(balancer);
	if (step_is_last(balancer))
		return;
	sync_moves_end(&balancer->maps, plan);
	if (step_is_last(balancer))
		return;
	sync_clear(&balancer->maps, plan, &balancer->synced, moved);
}

void balancer_reset(struct balancer *balancer)
{
	struct maps *maps = &balancer->maps;

	balancer->steps = 0;
	balancer->cut = false;
	remove_vips(balancer);
	forget(balancer);
	memset(maps->slots, 0, SLOTS * sizeof(*maps->slots));
	memset(maps->owners, 0, SLOTS * sizeof(*maps->owners));
	memset(maps->moves, 0, SLUICE_MAX_SERVICES * sizeof(*maps->moves));
	memset(maps->backends, 0, INDICES * sizeof(*maps->backends));
	for (unsigned int i = 0; i < SCENE_FLOWS; i++) {
		bpf_map_delete_elem(maps->fd[MAP_flows], &balancer->clients[i].tuple);
		balancer->clients[i].sequence = 0;
	}
	memset(&balancer->scene, 0, sizeof(balancer->scene));
	begin(balancer);
}

static void configure_pool(struct config *config, const struct scene *scene, unsigned int number)
{
	const struct scene_pool *from = &scene->pools[number];
	struct config_pool *pool;

	pool = sample_pool(config, sample_name(config, "p%u", number), from->table_size, SCENE_BACKENDS);
	pool->second_hop = scene->second_hop;
	pool->forward = scene->second_hop ? FORWARD_GUE : FORWARD_IPIP;
	pool->transition =
		(struct config_transition){scene->window * 1000, scene->udp_window * 1000, scene->idle * 1000};
	pool->judgement.start = START_UP;
	pool->probes = arena_array(config->arena, 1, sizeof(*pool->probes));
	pool->probes[pool->probe_count++] = (struct config_probe){.type = PROBE_TCP, .rise = 1, .fall = 1};
	if (scene_falls_back(scene, number))
		pool->fallback = config->pool_count; /* the next one */
	for (unsigned int i = 0; i < SCENE_BACKENDS; i++)
		if (from->backends[i].host)
			sample_backend(pool, sample_name(config, "b%u%s", i, from->backends[i].renamed ? "x" : ""),
				       sample_host(from->backends[i].host));
}

static size_t pool_index(const struct config *config, unsigned int number)
{
	size_t i = 0;

	while (config->pools[i].name[1] != (char)('0' + number))
		assert_true(++i < config->pool_count);
	return i;
}

static struct config *configuration(const struct scene *scene)
{
	struct config *config = sample_config(SCENE_POOLS, SCENE_SERVICES);

	config->flow_records = FLOW_RECORDS;
	for (unsigned int i = 0; i < SCENE_POOLS; i++)
		if (scene->pools[i].there)
			configure_pool(config, scene, i);
	for (unsigned int i = 0; i < SCENE_SERVICES; i++) {
		struct config_service *service;

		if (!scene->services[i].there)
			continue;
		service = sample_service(config, sample_name(config, "s%u", i),
					 pool_index(config, scene->services[i].pool), 2, 2);
		service->hash = scene->services[i].by_source ? HASH_SOURCE : HASH_FLOW;
		if (i == PREFIX_SERVICE) {
			sample_vip(service, "192.0.2.128/25");
		} else {
			sample_vip(service, sample_name(config, "192.0.2.%u", 1 + i));
			sample_vip(service, sample_name(config, "2001:db8::%u", 1 + i));
		}
		sample_port(service, 443, IPPROTO_TCP);
		sample_port(service, 443, IPPROTO_UDP);
	}
	return config;
}

/* Whether another configuration is needed to go from one to the other. */
static bool needs_config(const struct scene *a, const struct scene *b)
{
	bool differs = memcmp(a->services, b->services, sizeof(a->services)) != 0 || a->window != b->window ||
		       a->udp_window != b->udp_window || a->idle != b->idle || a->second_hop != b->second_hop;

	for (size_t i = 0; i < SCENE_POOLS; i++) {
		differs |= a->pools[i].there != b->pools[i].there || a->pools[i].falls_back != b->pools[i].falls_back ||
			   a->pools[i].table_size != b->pools[i].table_size;
		for (size_t j = 0; j < SCENE_BACKENDS; j++)
			differs |= a->pools[i].backends[j].host != b->pools[i].backends[j].host ||
				   a->pools[i].backends[j].renamed != b->pools[i].backends[j].renamed;
	}
	return differs;
}

static void clear_service(void *balancer, __u32 index)
{
	((struct balancer *)balancer)->maps.moves[index] = (struct service_move){0};
}

static void clear_backend(void *unused, __u32 index)
{
	(void)unused;
	assert_in_range(index, 1, INDICES - 1);
}

/* As agent_assign(): tables that services still look into keep their slots, and the sweep begins anew. */
static void assign(struct balancer *balancer)
{
	ids_reserve(balancer->state.ids, balancer->maps.moves);
	assert_int_equal(ids_assign(balancer->state.ids, balancer->state.config), 0);
	assert_int_equal(ids_reused(balancer->state.ids), 0);
	ids_each_new(balancer->state.ids, clear_service, clear_backend, balancer);
	balancer->sweeping = false;
}

static void take_config(struct balancer *balancer, const struct scene *scene)
{
	struct config *config = configuration(scene);

	health_configure(balancer->state.health, config, true, scene->now * 1000ULL);
	config_free(balancer->state.config);
	balancer->state.config = config;
	assign(balancer);
}

/* Brings one backend to what the scene says of it. */
static bool take_facts(struct health *health, struct health_backend *backend, const struct scene_backend *fact,
		       __u64 now)
{
	enum backend_state override = fact->maint ? STATE_MAINT : fact->drained ? STATE_DRAIN : STATE_UP;
	__u32 weight = backend->override.weighted ? backend->override.weight : CONFIG_DEFAULT_WEIGHT;
	bool changed = false;

	if ((backend->verdict == VERDICT_DOWN) != fact->dead)
		changed |= health_report(health, backend, 0, fact->dead ? FINDING_FAILED : FINDING_PASSED, "", now);
	if (backend->override.state != override) {
		changed |= health_ready(health, backend, 0, NULL, now);
		weight = CONFIG_DEFAULT_WEIGHT;
		if (override == STATE_MAINT)
			changed |= health_maint(health, backend, 0, NULL, now);
		else if (override == STATE_DRAIN)
			changed |= health_drain(health, backend, 0, NULL, 0, now);
	}
	if (weight != fact->weight)
		changed |= health_set_weight(health, backend, fact->weight, 0, NULL, now);
	return changed;
}

static bool take_all_facts(struct balancer *balancer, const struct scene *scene)
{
	const struct config *config = balancer->state.config;
	bool changed = false;

	for (unsigned int i = 0; i < SCENE_POOLS; i++) {
		struct health_pool *pool;
		size_t n = 0;

		if (!scene->pools[i].there)
			continue;
		pool = health_pool(balancer->state.health, pool_index(config, i));
		for (size_t j = 0; j < SCENE_BACKENDS; j++)
			if (scene->pools[i].backends[j].host)
				changed |= take_facts(balancer->state.health, pool->backends[n++],
						      &scene->pools[i].backends[j], scene->now * 1000ULL);
	}
	return changed;
}

void balancer_take(struct balancer *balancer, const struct scene *scene)
{
	bool reload = !balancer->state.config || needs_config(&balancer->scene, scene);
	__u32 deadline = sync_deadline(balancer->plan, &balancer->synced);

	if (reload)
		take_config(balancer, scene);
	if (take_all_facts(balancer, scene) || reload || (deadline && deadline <= scene->now))
		commit(balancer, reload ? PLAN_ALL : PLAN_HEALTH, scene->now);
	balancer->scene = *scene;
}

void balancer_restart(struct balancer *balancer, __u32 now)
{
	json_t *ids = ids_save(balancer->state.ids);
	json_t *health = health_save(balancer->state.health, now * 1000ULL);
	json_t *overrides = health_save_overrides(balancer->state.health, now * 1000ULL);

	forget(balancer);
	begin(balancer);
	assert_int_equal(ids_restore(balancer->state.ids, ids), 0);
	take_config(balancer, &balancer->scene);
	health_restore_overrides(balancer->state.health, overrides, true, now * 1000ULL);
	health_restore(balancer->state.health, health, true, now * 1000ULL);
	balancer->scene = (struct scene){0};
	json_decref(ids);
	json_decref(health);
	json_decref(overrides);
}

static const struct service *service_of(const struct balancer *balancer, unsigned int flow, struct service *service)
{
	const struct service_move *move;
	unsigned int number;
	char name[8];
	bool udp;

	balancer_flow(flow, &number, &udp);
	snprintf(name, sizeof(name), "s%u", number);
	if (!config_service_find(balancer->state.config, name))
		return NULL;
	service->index = ids_service(balancer->state.ids, name);
	move = &balancer->maps.moves[service->index];
	service->slot_first = move->now.slot_first;
	service->slot_count = move->now.slot_count;
	service->flags = move->flags;
	return service;
}

static bool has_settled(const struct balancer *balancer, const struct table *table)
{
	const struct synced_table *one;

	HASH_FIND_STR(balancer->synced.tables, table->pool, one);
	return one && one->phases[PHASE_SETTLED];
}

static void sweep_start(struct balancer *balancer, __u32 now)
{
	const struct plan *plan = balancer->plan;
	const struct config *config = balancer->state.config;

	sweep_begin(&balancer->sweep, plan->slots_used, now);
	for (size_t i = 0; i < plan->table_count; i++)
		if (has_settled(balancer, plan->tables[i]))
			sweep_propose_slots(&balancer->sweep, balancer->maps.slots, plan->tables[i]->first,
					    plan->tables[i]->size);
	for (size_t i = 0; i < config->service_count; i++)
		sweep_propose_move(&balancer->sweep, balancer->maps.moves,
				   ids_service(balancer->state.ids, config->services[i].name));
	for (size_t i = 0; i < INDICES; i++)
		balancer->lives[i] =
			(struct sweep_life){balancer->scene.idle, balancer->scene.udp_window, balancer->scene.window};
	balancer->sweeping = true;
	balancer->swept = 0;
}

static void sweep_end(struct balancer *balancer, __u32 now)
{
	const struct plan *plan = balancer->plan;
	const struct config *config = balancer->state.config;
	bool rested = false;

	for (size_t i = 0; i < plan->table_count; i++)
		if (has_settled(balancer, plan->tables[i]))
			sync_rest_slots(&balancer->maps, plan, &balancer->synced, i, plan->tables[i]->first,
					plan->tables[i]->size, &balancer->sweep, now);
	for (size_t i = 0; i < config->service_count; i++) {
		__u16 service = ids_service(balancer->state.ids, config->services[i].name);

		rested |= sync_rest_move(&balancer->maps, plan, service, &plan->move_windows[service], &balancer->sweep,
					 now);
	}
	ids_retire_done(balancer->state.ids);
	balancer->sweeping = false;
	if (rested)
		commit(balancer, PLAN_ALL, now);
}

/* As the agent's sweep (user/agent/sweep.c), but that it looks for the flows that there can be. */
bool balancer_sweep(struct balancer *balancer, unsigned int flows, __u32 now,
		    void (*removed)(void *argument, unsigned int flow), void *argument)
{
	struct maps *maps = &balancer->maps;
	struct sweep_world world = {
		.key = &balancer->program.settings.key,
		.slots = maps->slots,
		.slot_capacity = SLOTS,
		.moves = maps->moves,
		.standing = balancer->plan->standing,
		.lives = balancer->lives,
		.second = now,
	};

	if (!balancer->sweeping)
		sweep_start(balancer, now);
	for (; flows && balancer->swept < SCENE_FLOWS; flows--, balancer->swept++) {
		const struct flow_tuple *tuple = &balancer->clients[balancer->swept].tuple;
		struct flow_record record;
		struct service service;

		if (bpf_map_lookup_elem(maps->fd[MAP_flows], tuple, &record) ||
		    sweep_take(&balancer->sweep, tuple, &record, service_of(balancer, balancer->swept, &service),
			       &world) == SWEEP_KEPT)
			continue;
		assert_true(flows_remove(maps->fd[MAP_flows], tuple, &record));
		removed(argument, balancer->swept);
	}
	if (balancer->swept < SCENE_FLOWS)
		return false;
	sweep_end(balancer, now);
	return true;
}
