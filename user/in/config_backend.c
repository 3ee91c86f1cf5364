/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "in/config_read.h"

enum { KEY_NAME, KEY_ADDRESS, KEY_WEIGHT, KEY_SERVER_ID, KEY_LOCAL, BACKEND_KEYS };

static const struct value_key backend_keys[BACKEND_KEYS] = {
	[KEY_NAME] = {.name = "name", .needed = "unique in its pool"},
	[KEY_ADDRESS] = {.name = "address", .needed = "an IPv4 or IPv6 address"},
	[KEY_WEIGHT] = {.name = "weight"},
	[KEY_SERVER_ID] = {.name = "server_id"},
	[KEY_LOCAL] = {.name = "local"},
};

/* A backend while its pool is read; what was bad is NULL. */
struct entry {
	struct config_backend backend;
	const struct node *name, *address, *server_id;
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

static void read_backend(struct reading *reading, const struct node *node, const struct config_pool *pool, bool judge,
			 struct entry *entry)
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
	if (found[KEY_SERVER_ID] && server_id_read(reading, found[KEY_SERVER_ID]->value, pool, judge, backend))
		entry->server_id = found[KEY_SERVER_ID]->value;
	if (found[KEY_LOCAL])
		value_bool(reading->source, found[KEY_LOCAL]->value, &backend->local);
}

/* All orders put what is missing first and break ties by position, so that the later one is the duplicate. */
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

static int compare_server_id(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (!x->server_id || !y->server_id)
		return !!x->server_id - !!y->server_id;

	int order = (int)x->backend.server_id_length - (int)y->backend.server_id_length;

	if (!order)
		order = memcmp(x->backend.server_id, y->backend.server_id, sizeof(x->backend.server_id));
	return order ? order : compare_position(x->server_id, y->server_id);
}

static void check_server_ids(struct source *source, struct entry *entries, size_t count)
{
	qsort(entries, count, sizeof(*entries), compare_server_id);
	for (size_t i = 1, first = 0; i < count; i++) {
		const struct config_backend *one = &entries[first].backend, *other = &entries[i].backend;

		if (!entries[first].server_id || one->server_id_length != other->server_id_length ||
		    memcmp(one->server_id, other->server_id, sizeof(one->server_id)) != 0) {
			first = i;
			continue;
		}
		source_error(source, entries[i].server_id->offset, "duplicate server_id %s: it is already on line %zu",
			     entries[i].server_id->text, source_line(source, entries[first].server_id->offset));
	}
}

/* Leaves the entries sorted by name. */
static void check_duplicates(struct reading *reading, struct entry *entries, size_t count)
{
	struct source *source = reading->source;

	check_server_ids(source, entries, count);

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

void backends_read(struct reading *reading, const struct node *node, bool judge, struct config_pool *pool)
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
		read_backend(reading, child, pool, judge, &entries[count++]);
	}
	check_duplicates(reading, entries, count);

	pool->backend_count = count;
	pool->backends = arena_array(arena, count, sizeof(*pool->backends));
	for (size_t i = 0; i < count; i++) {
		pool->backends[i] = entries[i].backend;
		pool->backends[i].name = arena_strdup(arena, entries[i].name ? entries[i].backend.name : "");
	}
}
