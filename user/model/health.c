/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <stdlib.h>

#include "lib/arena.h"
#include "lib/memory.h"
#include "model/health_inner.h"

const char *const state_names[] = {
	[STATE_UP] = "up", [STATE_DRAIN] = "drain", [STATE_MAINT] = "maint", [STATE_DOWN] = "down"};

struct health *health_new(health_event_fn event, void *argument, time_t (*clock)(time_t *))
{
	struct health *health = memory_new(1, sizeof(*health));

	health->event = event;
	health->argument = argument;
	health->clock = clock;
	return health;
}

void health_free(struct health *health)
{
	const struct config nothing = {0};

	if (!health)
		return;
	health->quiet = true;
	health_configure(health, &nothing, false, 0);
	arena_free(health->arena);
	free(health->pools);
	free(health->timers.heap);
	free(health);
}

struct health_pool *health_pool(const struct health *health, size_t pool)
{
	return health->pools[pool];
}

struct health_backend *health_find(const struct health *health, const char *pool, const char *backend)
{
	struct health_backend *found = NULL;
	struct health_pool *in;

	HASH_FIND_STR(health->by_name, pool, in);
	if (in)
		HASH_FIND_STR(in->by_name, backend, found);
	return found;
}

struct health_backend *health_pool_find_address(const struct health_pool *pool, const struct address *address)
{
	struct health_backend *found;

	HASH_FIND(hh_address, pool->by_address, address, sizeof(*address), found);
	return found;
}

struct health_backend *health_find_address(const struct health *health, const char *pool, const struct address *address)
{
	struct health_pool *in;

	HASH_FIND_STR(health->by_name, pool, in);
	return in ? health_pool_find_address(in, address) : NULL;
}

__u64 health_next(const struct health *health)
{
	const struct health_backend *first = health_timers_first(&health->timers);
	__u64 next = first ? first->timer : 0;

	return health->trouble_due && (!next || health->trouble_due < next) ? health->trouble_due : next;
}

__u64 health_changes(const struct health *health)
{
	return health->changes;
}

void health_begin(struct health *health, __u64 now)
{
	struct health_backend *first;

	health->changed = false;
	while ((first = health_timers_first(&health->timers)) && first->timer <= now)
		health_backend_expire(health, first, now);
	if (health->trouble_due && health->trouble_due <= now)
		health_trouble_look(health, now);
}

bool health_tick(struct health *health, __u64 now)
{
	health_begin(health, now);
	return health->changed;
}

__u32 health_weight(const struct health_backend *backend)
{
	return backend->weight;
}

bool health_serves(const struct health_backend *backend)
{
	return backend->serves;
}

bool health_usable(const struct health_pool *pool)
{
	return pool->up + pool->kept > 0;
}

const struct health_pool *health_server(const struct health *health, const struct health_pool *pool)
{
	const struct health_pool *best = pool, *at = pool;

	/* no more steps than there are pools: fallbacks in a circle end too */
	for (size_t steps = 1; steps < health->pool_count && health_standing(best) != STANDING_UP; steps++) {
		if (at->fallback >= health->pool_count)
			break;
		at = health->pools[at->fallback];
		if (health_standing(at) > health_standing(best))
			best = at;
	}
	return best;
}

size_t health_effective_pool(const struct health *health, size_t pool)
{
	return health_server(health, health->pools[pool])->index;
}
