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

__u64 health_next(const struct health *health)
{
	const struct health_backend *first = health_timers_first(&health->timers);
	__u64 next = first ? first->timer : 0;

	return health->trouble_due && (!next || health->trouble_due < next) ? health->trouble_due : next;
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

bool health_usable(const struct health_pool *pool)
{
	return pool->up + pool->kept > 0;
}

size_t health_effective_pool(const struct health *health, size_t pool)
{
	size_t at = pool;

	/* as many steps as there are pools: fallbacks in a circle end too */
	for (size_t steps = 0; steps < health->pool_count; steps++) {
		if (health_usable(health->pools[at]))
			return at;
		at = health->pools[at]->fallback;
		if (at >= health->pool_count)
			break;
	}
	return pool;
}
