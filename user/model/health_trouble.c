/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * When this host cannot probe, that often concerns thousands of backends at once. So
 * a pool's trouble is told a second after it began, for all pools that have some then, in
 * one event; and in one event that it is over, when it has been for five seconds.
 */
#include "model/health_inner.h"

#define TELL_MS 1000
#define CALM_MS 5000

static void due(struct health *health, __u64 at)
{
	if (!health->trouble_due || at < health->trouble_due)
		health->trouble_due = at;
}

static void set_trouble(struct health *health, struct health_backend *backend, bool trouble, __u64 now)
{
	struct health_pool *pool = backend->pool;

	if (trouble == backend->trouble)
		return;
	backend->trouble = trouble;
	if (trouble) {
		pool->troubled++;
		if (!pool->trouble_told)
			due(health, now + TELL_MS);
	} else if (!--pool->troubled && pool->trouble_told) {
		pool->calm = now;
		due(health, now + CALM_MS);
	}
}

void health_trouble_refresh(struct health *health, struct health_backend *backend, __u64 now)
{
	bool trouble = false;

	for (size_t i = 0; i < backend->pool->probe_count; i++)
		trouble |= backend->probes[i].trouble;
	set_trouble(health, backend, trouble, now);
}

void health_trouble_leave(struct health *health, struct health_backend *backend, __u64 now)
{
	set_trouble(health, backend, false, now);
}

void health_trouble_note(struct health *health, struct health_backend *backend, size_t probe, bool trouble, __u64 now)
{
	if (backend->probes[probe].trouble == trouble)
		return;
	backend->probes[probe].trouble = trouble;
	health_trouble_refresh(health, backend, now);
}

/* What one event tells of. */
struct tale {
	size_t pools, backends;
	const struct health_pool *pool; /* the first one */
};

static void tale_add(struct tale *tale, const struct health_pool *pool)
{
	if (!tale->pools++)
		tale->pool = pool;
	tale->backends += pool->troubled;
}

/* Of the first backend that has some. */
static const char *example(const struct health_pool *pool, const struct health_backend **of)
{
	for (size_t i = 0; i < pool->backend_count; i++)
		for (size_t j = 0; j < pool->probe_count; j++)
			if (pool->backends[i]->probes[j].trouble) {
				*of = pool->backends[i];
				return pool->backends[i]->probes[j].text;
			}
	return "";
}

static void tell_begun(struct health *health, const struct tale *tale)
{
	const struct health_backend *of = NULL;
	const char *text = example(tale->pool, &of);

	if (tale->pools == 1)
		health_tell(health, EVENT_probe_trouble, tale->pool, NULL, EVENT_NOBODY,
			    "%zu of %zu backends cannot be probed: %s: %s", tale->backends, tale->pool->backend_count,
			    of ? of->name : "", text);
	else
		health_tell(health, EVENT_probe_trouble, NULL, NULL, EVENT_NOBODY,
			    "%zu backends of %zu pools cannot be probed: %s/%s: %s", tale->backends, tale->pools,
			    tale->pool->name, of ? of->name : "", text);
}

static void tell_over(struct health *health, const struct tale *tale)
{
	if (tale->pools == 1)
		health_tell(health, EVENT_probe_trouble_over, tale->pool, NULL, EVENT_NOBODY,
			    "all backends can be probed again");
	else
		health_tell(health, EVENT_probe_trouble_over, NULL, NULL, EVENT_NOBODY,
			    "all backends of %zu pools can be probed again", tale->pools);
}

void health_trouble_look(struct health *health, __u64 now)
{
	struct tale begun = {0}, over = {0};

	health->trouble_due = 0;
	for (size_t i = 0; i < health->pool_count; i++) {
		struct health_pool *pool = health->pools[i];

		if (pool->troubled && !pool->trouble_told) {
			pool->trouble_told = true;
			tale_add(&begun, pool);
		} else if (!pool->troubled && pool->trouble_told && now - pool->calm < CALM_MS) {
			due(health, pool->calm + CALM_MS);
		} else if (!pool->troubled && pool->trouble_told) {
			pool->trouble_told = false;
			tale_add(&over, pool);
		}
	}
	if (begun.pools)
		tell_begun(health, &begun);
	if (over.pools)
		tell_over(health, &over);
}
