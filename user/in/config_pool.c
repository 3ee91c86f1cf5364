/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "in/config_read.h"
#include "model/maglev.h"
#include "wire.h"

enum {
	KEY_FORWARD,
	KEY_GUE_PORT,
	KEY_SECOND_HOP,
	KEY_OUTER,
	KEY_QUIC,
	KEY_TABLE_SIZE,
	KEY_TRANSITION,
	KEY_PROBE,
	KEY_JUDGEMENT,
	KEY_FALLBACK = KEY_JUDGEMENT + JUDGEMENT_KEYS,
	KEY_BACKENDS,
	POOL_KEYS
};

static const struct value_key pool_keys[POOL_KEYS] = {
	[KEY_FORWARD] = {.name = "forward"},
	[KEY_GUE_PORT] = {.name = "gue_port"},
	[KEY_SECOND_HOP] = {.name = "second_hop"},
	[KEY_OUTER] = {.name = "outer"},
	[KEY_QUIC] = {.name = "quic"},
	[KEY_TABLE_SIZE] = {.name = "table_size"},
	[KEY_TRANSITION] = {.name = "transition"},
	[KEY_PROBE] = {.name = "probe"},
	JUDGEMENT_KEY_LIST,
	[KEY_FALLBACK] = {.name = "fallback"},
	[KEY_BACKENDS] = {.name = "backends"},
};

static bool read_table_size(struct reading *reading, const struct node *node, __u32 *out)
{
	struct source *source = reading->source;
	__u32 size;

	if (node->kind == NODE_SCALAR && !node->quoted &&
	    value_parse_number(node->text, strlen(node->text), -1U, &size) && size > MAGLEV_MAX_SIZE) {
		source_error(source, node->offset, "a table of %u slots is too large: the largest prime allowed is %u",
			     size, maglev_nearest_prime(MAGLEV_MAX_SIZE));
		return false;
	}
	if (!value_number(source, node, MAGLEV_MIN_SIZE, MAGLEV_MAX_SIZE, &size))
		return false;
	if (!maglev_is_prime(size)) {
		source_error(source, node->offset, "table_size %u is not a prime: the nearest prime is %u", size,
			     maglev_nearest_prime(size));
		return false;
	}
	*out = size;
	return true;
}

static void read_forward(struct reading *reading, const struct node *const *found, struct config_pool *pool)
{
	const struct node *gue_port = found[KEY_GUE_PORT], *second_hop = found[KEY_SECOND_HOP];
	int forward = FORWARD_IPIP;
	__u32 port = GUE_PORT;
	bool known = !found[KEY_FORWARD] ||
		     value_choice(reading->source, found[KEY_FORWARD]->value, forward_names, 3, &forward);

	if (gue_port)
		value_number(reading->source, gue_port->value, 1, 65535, &port);
	if (second_hop)
		value_bool(reading->source, second_hop->value, &pool->second_hop);
	for (size_t i = KEY_GUE_PORT; i <= KEY_SECOND_HOP; i++)
		if (found[i] && known && forward != FORWARD_GUE)
			source_error(reading->source, found[i]->offset,
				     "'%s' is for 'forward: gue', and this pool has 'forward: %s'", found[i]->text,
				     forward_names[forward]);
	pool->forward = (enum forward)forward;
	pool->gue_port = (__u16)port;
	outer_read(reading, found[KEY_OUTER], known, pool);
}

/* *fallback becomes the pool's wish for one, or NULL. */
static void read_pool(struct reading *reading, const struct node *key, struct config_pool *pool,
		      const struct node **fallback)
{
	struct source *source = reading->source;
	const struct node *found[POOL_KEYS], *size = NULL;
	bool quic_known;

	pool->table_size = CONFIG_DEFAULT_TABLE_SIZE;
	pool->gue_port = GUE_PORT;
	pool->fallback = CONFIG_NONE;
	*fallback = NULL;
	pool->line = source_line(source, key->offset);
	if (!value_keys(source, key->value, key->offset, "a pool", pool_keys, POOL_KEYS, found))
		return;
	read_forward(reading, found, pool);
	if (found[KEY_TABLE_SIZE] && read_table_size(reading, found[KEY_TABLE_SIZE]->value, &pool->table_size))
		size = found[KEY_TABLE_SIZE]->value;
	transition_read(reading, found[KEY_TRANSITION] ? found[KEY_TRANSITION]->value : NULL, pool);
	probes_read(reading, key, found[KEY_PROBE], pool);
	quic_known = !found[KEY_QUIC] || quic_read(reading, found[KEY_QUIC]->value, pool);
	if (found[KEY_BACKENDS])
		backends_read(reading, found[KEY_BACKENDS]->value, quic_known, pool);
	judgement_read(reading, &found[KEY_JUDGEMENT], pool);
	if (found[KEY_FALLBACK])
		*fallback = found[KEY_FALLBACK]->value;
	if (size && pool->table_size < pool->backend_count)
		source_error(source, size->offset,
			     "table_size %u is smaller than the pool's %zu backends: "
			     "a hundred times their number spreads well",
			     pool->table_size, pool->backend_count);

	__u64 before = reading->slots;

	reading->slots += pool->table_size;
	if (before <= SLUICE_MAX_SLOTS && reading->slots > SLUICE_MAX_SLOTS)
		source_error(source, size ? size->offset : key->offset, "more than %u slots in the tables of all pools",
			     SLUICE_MAX_SLOTS);
}

static int compare_pool(const void *a, const void *b)
{
	return strcmp(((const struct config_pool *)a)->name, ((const struct config_pool *)b)->name);
}

void pools_read(struct reading *reading, const struct node *node)
{
	struct config *config = reading->config;
	struct fallback_wish *wishes;
	const char *name;
	size_t wish_count = 0;

	if (!value_is_map(reading->source, node, "a map of pools, by name")) {
		reading->pools_known = false;
		return;
	}
	wishes = arena_array(reading->source->arena, node->count, sizeof(*wishes));
	config->pools = arena_array(config->arena, node->count, sizeof(*config->pools));
	for (const struct node *key = node->first; key; key = key->next) {
		struct config_pool *pool = &config->pools[config->pool_count];

		if (config->pool_count == SLUICE_MAX_POOLS) {
			source_error(reading->source, key->offset, "more than %d pools", SLUICE_MAX_POOLS);
			reading->pools_known = false;
			break;
		}
		if (!value_name(reading->source, key, "pool", &name))
			name = key->text; /* still the one that services mean */
		pool->name = arena_strdup(config->arena, name);
		config->pool_count++;
		read_pool(reading, key, pool, &wishes[wish_count].node);
		wishes[wish_count].pool = pool->name;
		wish_count += wishes[wish_count].node != NULL;
	}
	qsort(config->pools, config->pool_count, sizeof(*config->pools), compare_pool);
	fallbacks_read(reading, wishes, wish_count);
}
