/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Pools that name pools. */
#include <stdio.h>

#include "in/config_read.h"
#include "lib/suggest.h"

#define MAX_SUGGESTIONS 100 /* looking for a near name goes through all pools */
#define CYCLE_SHOWN	8
#define CYCLE_TEXT	(CYCLE_SHOWN * (64 + 4) + 1)

const struct config_pool *pool_named(struct reading *reading, const struct node *node, const char *name)
{
	const struct config *config = reading->config;
	const struct config_pool *pool = config_pool_find(config, name);
	struct suggestion suggestion = {0};

	if (pool)
		return pool;
	if (reading->missing_pools++ < MAX_SUGGESTIONS)
		for (size_t i = 0; i < config->pool_count; i++)
			suggest_consider(&suggestion, name, config->pools[i].name);
	if (suggestion.best)
		source_error(reading->source, node->offset, "there is no pool '%.64s': did you mean '%.64s'?", name,
			     suggestion.best);
	else
		source_error(reading->source, node->offset, "there is no pool '%.64s'", name);
	return NULL;
}

static void resolve(struct reading *reading, const struct fallback_wish *wish)
{
	struct config *config = reading->config;
	const struct config_pool *of = config_pool_find(config, wish->pool), *to;
	const char *name;

	if (!value_text(reading->source, wish->node, "the name of a pool", &name) || !reading->pools_known)
		return;
	to = pool_named(reading, wish->node, name);
	if (to == of)
		source_error(reading->source, wish->node->offset, "a pool cannot be its own fallback");
	else if (to)
		config->pools[of - config->pools].fallback = (size_t)(to - config->pools);
}

/* "web -> spare -> web", marking those pools. */
static void note_cycle(struct reading *reading, const struct node *node, size_t start, bool *told)
{
	const struct config_pool *pools = reading->config->pools;
	char text[CYCLE_TEXT];
	size_t i = start, shown = 0, used = 0;

	do {
		told[i] = true;
		if (shown++ < CYCLE_SHOWN)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%.64s -> ", pools[i].name);
		i = pools[i].fallback;
	} while (i != start);
	source_error(reading->source, node->offset, "the fallbacks go round in a circle: %s%s%.64s", text,
		     shown > CYCLE_SHOWN ? "... -> " : "", pools[start].name);
}

/* Whether the way along the fallbacks leads back to where it started. */
static bool comes_round(const struct config *config, size_t start)
{
	size_t i = config->pools[start].fallback;

	for (size_t steps = 0; i != CONFIG_NONE && i != start && steps < config->pool_count; steps++)
		i = config->pools[i].fallback;
	return i == start;
}

void fallbacks_read(struct reading *reading, const struct fallback_wish *wishes, size_t count)
{
	const struct config *config = reading->config;
	bool *told = arena_array(reading->source->arena, config->pool_count, sizeof(*told));

	for (size_t i = 0; i < count; i++)
		resolve(reading, &wishes[i]);
	for (size_t i = 0; i < count; i++) {
		size_t start = (size_t)(config_pool_find(config, wishes[i].pool) - config->pools);

		if (!told[start] && comes_round(config, start))
			note_cycle(reading, wishes[i].node, start, told);
	}
}
