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
	[KEY_TABLE_SIZE] = {.name = "table_size"},
	[KEY_TRANSITION] = {.name = "transition"},
	[KEY_PROBE] = {.name = "probe"},
	JUDGEMENT_KEY_LIST,
	[KEY_FALLBACK] = {.name = "fallback"},
	[KEY_BACKENDS] = {.name = "backends"},
};

enum { KEY_NAME, KEY_ADDRESS, KEY_WEIGHT, BACKEND_KEYS };

static const struct value_key backend_keys[BACKEND_KEYS] = {
	[KEY_NAME] = {.name = "name", .needed = "unique in its pool"},
	[KEY_ADDRESS] = {.name = "address", .needed = "an IPv4 or IPv6 address"},
	[KEY_WEIGHT] = {.name = "weight"},
};

/* A backend while its pool is read; what was bad is NULL. */
struct entry {
	struct config_backend backend;
	const struct node *name, *address;
};

static bool read_address(struct reading *reading, const struct node *node, struct address *out)
{
	struct prefix prefix = {0};
	const char *text;

	if (!value_text(reading->source, node, "an IPv4 or IPv6 address", &text))
		return false;
	if (address_parse(text, &prefix.address)) {
		source_error(reading->source, node->offset, "'%.64s' is not an IPv4 or IPv6 address", text);
		return false;
	}
	prefix.length = address_bits(&prefix.address);
	*out = prefix.address;
	return address_usable(reading, node, &prefix);
}

static void read_backend(struct reading *reading, const struct node *node, struct entry *entry)
{
	struct config_backend *backend = &entry->backend;
	const struct node *found[BACKEND_KEYS];

	*entry = (struct entry){.backend.weight = CONFIG_DEFAULT_WEIGHT};
	if (node->kind != NODE_MAP) {
		value_unexpected(reading->source, node, "a backend such as {name: web1, address: 10.0.0.11}");
		return;
	}
	if (!value_keys(reading->source, node, node->offset, "a backend", backend_keys, BACKEND_KEYS, found))
		return;
	if (found[KEY_NAME] && value_name(reading->source, found[KEY_NAME]->value, "backend", &backend->name))
		entry->name = found[KEY_NAME]->value;
	if (found[KEY_ADDRESS] && read_address(reading, found[KEY_ADDRESS]->value, &backend->address))
		entry->address = found[KEY_ADDRESS]->value;
	if (found[KEY_WEIGHT])
		value_number(reading->source, found[KEY_WEIGHT]->value, 0, CONFIG_MAX_WEIGHT, &backend->weight);
}

/* Both orders put what is missing first and break ties by position, so that the later one is the duplicate. */
static int compare_position(const struct node *a, const struct node *b)
{
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static int compare_address(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (!x->address || !y->address)
		return !!x->address - !!y->address;

	int order = memcmp(&x->backend.address, &y->backend.address, sizeof(x->backend.address));

	return order ? order : compare_position(x->address, y->address);
}

static int compare_name(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (!x->name || !y->name)
		return !!x->name - !!y->name;

	int order = strcmp(x->backend.name, y->backend.name);

	return order ? order : compare_position(x->name, y->name);
}

/* Leaves the entries sorted by name. */
static void check_duplicates(struct reading *reading, struct entry *entries, size_t count)
{
	struct source *source = reading->source;

	qsort(entries, count, sizeof(*entries), compare_address);
	for (size_t i = 1, first = 0; i < count; i++) {
		const struct entry *entry = &entries[i];

		if (!entries[first].address ||
		    !address_equal(&entries[first].backend.address, &entry->backend.address)) {
			first = i;
			continue;
		}
		source_error(source, entry->address->offset, "duplicate backend address %s: it is already on line %zu",
			     entry->address->text, source_line(source, entries[first].address->offset));
	}

	qsort(entries, count, sizeof(*entries), compare_name);
	for (size_t i = 1, first = 0; i < count; i++) {
		if (!entries[first].name || strcmp(entries[first].backend.name, entries[i].backend.name) != 0) {
			first = i;
			continue;
		}
		source_error(source, entries[i].name->offset, "duplicate backend name '%s': it is already on line %zu",
			     entries[i].backend.name, source_line(source, entries[first].name->offset));
	}
}

static void read_backends(struct reading *reading, const struct node *node, struct config_pool *pool)
{
	struct arena *arena = reading->config->arena;
	struct entry *entries;
	size_t count = 0;

	if (!value_is_list(reading->source, node, "a list of backends"))
		return;
	entries = arena_array(reading->source->arena, node->count, sizeof(*entries));
	for (const struct node *child = node->first; child; child = child->next) {
		if (++reading->backends == SLUICE_MAX_BACKENDS + 1)
			source_error(reading->source, child->offset, "more than %d backends in all pools",
				     SLUICE_MAX_BACKENDS);
		read_backend(reading, child, &entries[count++]);
	}
	check_duplicates(reading, entries, count);

	pool->backend_count = count;
	pool->backends = arena_array(arena, count, sizeof(*pool->backends));
	for (size_t i = 0; i < count; i++) {
		pool->backends[i] = entries[i].backend;
		pool->backends[i].name = arena_strdup(arena, entries[i].name ? entries[i].backend.name : "");
	}
}

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
}

/* *fallback becomes the pool's wish for one, or NULL. */
static void read_pool(struct reading *reading, const struct node *key, struct config_pool *pool,
		      const struct node **fallback)
{
	struct source *source = reading->source;
	const struct node *found[POOL_KEYS], *size = NULL;

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
	if (found[KEY_BACKENDS])
		read_backends(reading, found[KEY_BACKENDS]->value, pool);
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
