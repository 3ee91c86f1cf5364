/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/ids.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "abi.h"
#include "lib/memory.h"

/* "POOL/ADDRESS", or a service's name: names hold no slash */
#define KEY_MAX (CONFIG_NAME_MAX + 1 + ADDRESS_TEXT)

struct index {
	char key[KEY_MAX];
	__u16 value;
	bool fresh; /* given out by the last ids_assign() */
	UT_hash_handle hh;
};

/* A set of indices first to last, each with the name that has it. */
struct indices {
	struct index *by_key;
	struct index *by_value[SLUICE_MAX_BACKENDS + 1];
	bool retiring[SLUICE_MAX_BACKENDS + 1]; /* freed, and records may still name it */
	size_t reused;				/* of these, by the last ids_assign() */
	__u32 first, last;
	__u32 cursor; /* the next one to try */
};

struct range {
	char pool[CONFIG_NAME_MAX + 1];
	__u32 first, size;
	UT_hash_handle hh;
};

struct ids {
	struct indices services;
	struct indices backends;
	struct range *ranges; /* sorted by first */
	struct range *reserved;
};

struct ids *ids_new(void)
{
	struct ids *ids = memory_new(1, sizeof(*ids));

	ids->services.last = SLUICE_MAX_SERVICES - 1;
	ids->backends.first = 1;
	ids->backends.cursor = 1;
	ids->backends.last = SLUICE_MAX_BACKENDS;
	return ids;
}

static void indices_clear(struct indices *indices)
{
	struct index *index, *next;

	HASH_ITER(hh, indices->by_key, index, next) {
		HASH_DEL(indices->by_key, index);
		free(index);
	}
	memset(indices->by_value, 0, sizeof(indices->by_value));
	memset(indices->retiring, 0, sizeof(indices->retiring));
	indices->cursor = indices->first;
}

static void ranges_clear(struct range **ranges)
{
	struct range *range, *next;

	HASH_ITER(hh, *ranges, range, next) {
		HASH_DEL(*ranges, range);
		free(range);
	}
}

static void ids_clear(struct ids *ids)
{
	indices_clear(&ids->services);
	indices_clear(&ids->backends);
	ranges_clear(&ids->ranges);
	ranges_clear(&ids->reserved);
}

void ids_free(struct ids *ids)
{
	if (!ids)
		return;
	ids_clear(ids);
	free(ids);
}

static struct index *index_find(const struct indices *indices, const char *key)
{
	struct index *index;

	HASH_FIND_STR(indices->by_key, key, index);
	return index;
}

static struct index *index_add(struct indices *indices, const char *key, __u32 value)
{
	struct index *index = memory_new(1, sizeof(*index));

	snprintf(index->key, sizeof(index->key), "%s", key);
	index->value = (__u16)value;
	HASH_ADD_STR(indices->by_key, key, index);
	indices->by_value[value] = index;
	return index;
}

/* The next index that is free; of those that are retiring only if there is no other. */
static __u32 index_next(struct indices *indices)
{
	for (__u32 tried = 0;; tried++) {
		__u32 value = indices->cursor;
		bool any = tried > indices->last - indices->first;

		indices->cursor = value == indices->last ? indices->first : value + 1;
		if (indices->by_value[value] || (indices->retiring[value] && !any))
			continue;
		indices->reused += indices->retiring[value];
		indices->retiring[value] = false;
		return value;
	}
}

/*
 * Keeps what `keys` names, drops the rest, adds what is new. The config's limits
 * are the index ranges, so there always is a free one.
 */
static void indices_assign(struct indices *indices, char (*keys)[KEY_MAX], size_t count)
{
	struct index *old = indices->by_key, *one, *next;

	indices->by_key = NULL;
	indices->reused = 0;
	for (size_t i = 0; i < count; i++) {
		HASH_FIND_STR(old, keys[i], one);
		if (!one)
			continue;
		HASH_DEL(old, one);
		one->fresh = false;
		HASH_ADD_STR(indices->by_key, key, one);
	}
	HASH_ITER(hh, old, one, next) {
		HASH_DEL(old, one);
		indices->by_value[one->value] = NULL;
		indices->retiring[one->value] = true;
		free(one);
	}
	for (size_t i = 0; i < count; i++)
		if (!index_find(indices, keys[i]))
			index_add(indices, keys[i], index_next(indices))->fresh = true;
}

static int range_order(const struct range *a, const struct range *b)
{
	return a->first < b->first ? -1 : a->first > b->first;
}

static struct range *range_find(struct range *ranges, const char *pool)
{
	struct range *range;

	HASH_FIND_STR(ranges, pool, range);
	return range;
}

static void range_add(struct range **ranges, const char *pool, __u32 first, __u32 size)
{
	struct range *range = memory_new(1, sizeof(*range));

	snprintf(range->pool, sizeof(range->pool), "%s", pool);
	range->first = first;
	range->size = size;
	HASH_ADD_STR(*ranges, pool, range);
}

/* Of the first ones of sorted lists the lowest range, which is taken off its list. */
static const struct range *range_lowest(const struct range *lists[], size_t count)
{
	const struct range **lowest = NULL, *range;

	for (size_t i = 0; i < count; i++)
		if (lists[i] && (!lowest || lists[i]->first < (*lowest)->first))
			lowest = &lists[i];
	if (!lowest)
		return NULL;
	range = *lowest;
	*lowest = range->hh.next;
	return range;
}

/* The lowest gap of `size` slots that meets neither the old nor the new nor the reserved ranges (all sorted). */
static int range_place(const struct ids *ids, const struct range *new, __u32 size, __u32 *first)
{
	const struct range *lists[] = {ids->ranges, new, ids->reserved}, *lower;
	__u64 at = 0;

	while ((lower = range_lowest(lists, 3)) && lower->first < at + size)
		if ((__u64)lower->first + lower->size > at)
			at = (__u64)lower->first + lower->size;
	if (at + size > SLUICE_MAX_SLOTS)
		return -ENOSPC;
	*first = (__u32)at;
	return 0;
}

static int ranges_assign(struct ids *ids, const struct config *config)
{
	struct range *assigned = NULL;

	for (size_t i = 0; i < config->pool_count; i++) {
		const struct config_pool *pool = &config->pools[i];
		struct range *kept = range_find(ids->ranges, pool->name);

		if (kept && kept->size == pool->table_size)
			range_add(&assigned, pool->name, kept->first, kept->size);
	}
	HASH_SORT(assigned, range_order);
	for (size_t i = 0; i < config->pool_count; i++) {
		const struct config_pool *pool = &config->pools[i];
		__u32 first;

		if (range_find(assigned, pool->name))
			continue;
		if (range_place(ids, assigned, pool->table_size, &first)) {
			ranges_clear(&assigned);
			return -ENOSPC;
		}
		range_add(&assigned, pool->name, first, pool->table_size);
		HASH_SORT(assigned, range_order);
	}
	ranges_clear(&ids->ranges);
	ids->ranges = assigned;
	return 0;
}

static void range_reserve(struct ids *ids, struct table_use use)
{
	char name[CONFIG_NAME_MAX + 1];

	snprintf(name, sizeof(name), "%u+%u", use.slot_first, use.slot_count);
	if (!range_find(ids->reserved, name))
		range_add(&ids->reserved, name, use.slot_first, use.slot_count);
}

void ids_reserve(struct ids *ids, const struct service_move *moves)
{
	ranges_clear(&ids->reserved);
	for (__u32 i = 0; moves && i < SLUICE_MAX_SERVICES; i++) {
		if (moves[i].now.slot_count)
			range_reserve(ids, moves[i].now);
		if (moves[i].phase)
			range_reserve(ids, moves[i].before);
	}
	HASH_SORT(ids->reserved, range_order);
}

static void backend_key(char key[KEY_MAX], const char *pool, const struct address *backend)
{
	char *end = stpncpy(key, pool, CONFIG_NAME_MAX);

	*end++ = '/';
	address_format(backend, end);
}

int ids_assign(struct ids *ids, const struct config *config)
{
	size_t backends = 0, n = 0;
	char(*keys)[KEY_MAX];
	int err = ranges_assign(ids, config);

	if (err)
		return err;

	for (size_t i = 0; i < config->pool_count; i++)
		backends += config->pools[i].backend_count;
	keys = memory_new(backends + config->service_count, KEY_MAX);
	for (size_t i = 0; i < config->pool_count; i++)
		for (size_t j = 0; j < config->pools[i].backend_count; j++)
			backend_key(keys[n++], config->pools[i].name, &config->pools[i].backends[j].address);
	indices_assign(&ids->backends, keys, backends);
	memset(ids->services.retiring, 0, sizeof(ids->services.retiring)); /* no record names a service */
	for (size_t i = 0; i < config->service_count; i++)
		snprintf(keys[i], KEY_MAX, "%s", config->services[i].name);
	indices_assign(&ids->services, keys, config->service_count);
	free(keys);
	return 0;
}

__u16 ids_service(const struct ids *ids, const char *service)
{
	return index_find(&ids->services, service)->value;
}

__u16 ids_backend(const struct ids *ids, const char *pool, const struct address *backend)
{
	char key[KEY_MAX];

	backend_key(key, pool, backend);
	return index_find(&ids->backends, key)->value;
}

__u32 ids_pool_first(const struct ids *ids, const char *pool)
{
	return range_find(ids->ranges, pool)->first;
}

void ids_rename_service(struct ids *ids, const char *from, const char *to)
{
	struct index *index = index_find(&ids->services, from);

	if (!index || index_find(&ids->services, to))
		return;
	HASH_DEL(ids->services.by_key, index);
	snprintf(index->key, sizeof(index->key), "%s", to);
	HASH_ADD_STR(ids->services.by_key, key, index);
}

static __u32 ranges_end(const struct range *range)
{
	__u32 end = 0;

	for (; range; range = range->hh.next)
		if (range->first + range->size > end)
			end = range->first + range->size;
	return end;
}

__u32 ids_slots_used(const struct ids *ids)
{
	__u32 ranges = ranges_end(ids->ranges), reserved = ranges_end(ids->reserved);

	return ranges > reserved ? ranges : reserved;
}

void ids_retire_done(struct ids *ids)
{
	memset(ids->backends.retiring, 0, sizeof(ids->backends.retiring));
}

bool ids_retiring(const struct ids *ids)
{
	return memchr(ids->backends.retiring, true, sizeof(ids->backends.retiring));
}

size_t ids_reused(const struct ids *ids)
{
	return ids->backends.reused;
}

void ids_each_new(const struct ids *ids, void (*service)(void *, __u32), void (*backend)(void *, __u32), void *argument)
{
	const struct index *index;

	for (index = ids->services.by_key; index; index = index->hh.next)
		if (index->fresh && service)
			service(argument, index->value);
	for (index = ids->backends.by_key; index; index = index->hh.next)
		if (index->fresh && backend)
			backend(argument, index->value);
}

static json_t *indices_save(const struct indices *indices)
{
	json_t *saved = json_object();

	for (const struct index *index = indices->by_key; index; index = index->hh.next)
		json_object_set_new(saved, index->key, json_integer(index->value));
	return saved;
}

static json_t *retiring_save(const struct indices *indices)
{
	json_t *saved = json_array();

	for (__u32 i = indices->first; i <= indices->last; i++)
		if (indices->retiring[i])
			json_array_append_new(saved, json_integer(i));
	return saved;
}

json_t *ids_save(const struct ids *ids)
{
	json_t *pools = json_object();

	for (const struct range *range = ids->ranges; range; range = range->hh.next)
		json_object_set_new(
			pools, range->pool,
			json_pack("{sI sI}", "first", (json_int_t)range->first, "size", (json_int_t)range->size));
	return json_pack("{so so so so sI sI}", "services", indices_save(&ids->services), "backends",
			 indices_save(&ids->backends), "retiring", retiring_save(&ids->backends), "pools", pools,
			 "next_service", (json_int_t)ids->services.cursor, "next_backend",
			 (json_int_t)ids->backends.cursor);
}

static int indices_restore(struct indices *indices, json_t *saved, json_int_t cursor)
{
	const char *key;
	json_t *value;

	if (!json_is_object(saved) || cursor < indices->first || cursor > indices->last)
		return -EINVAL;
	indices->cursor = (__u32)cursor;
	json_object_foreach(saved, key, value) {
		json_int_t index = json_is_integer(value) ? json_integer_value(value) : -1;

		if (strlen(key) >= KEY_MAX || index < indices->first || index > indices->last ||
		    indices->by_value[index])
			return -EINVAL;
		index_add(indices, key, (__u32)index);
	}
	return 0;
}

static int ranges_restore(struct range **ranges, json_t *saved)
{
	const char *pool;
	json_t *value;
	__u64 end = 0;

	if (!json_is_object(saved))
		return -EINVAL;
	json_object_foreach(saved, pool, value) {
		json_int_t first, size;

		if (strlen(pool) > CONFIG_NAME_MAX || json_unpack(value, "{sI sI}", "first", &first, "size", &size) ||
		    first < 0 || size < 1 || first > SLUICE_MAX_SLOTS || size > SLUICE_MAX_SLOTS)
			return -EINVAL;
		range_add(ranges, pool, (__u32)first, (__u32)size);
	}
	HASH_SORT(*ranges, range_order);
	for (const struct range *range = *ranges; range; range = range->hh.next) {
		if (range->first < end)
			return -EINVAL;
		end = (__u64)range->first + range->size;
	}
	return end > SLUICE_MAX_SLOTS ? -EINVAL : 0;
}

static int retiring_restore(struct indices *indices, const json_t *saved)
{
	const json_t *value;
	size_t i;

	if (!json_is_array(saved))
		return -EINVAL;
	json_array_foreach(saved, i, value) {
		json_int_t index = json_integer_value(value);

		if (index < indices->first || index > indices->last || indices->by_value[index])
			return -EINVAL;
		indices->retiring[index] = true;
	}
	return 0;
}

static int all_restore(struct ids *ids, const json_t *saved)
{
	json_t *services, *backends, *retiring, *pools;
	json_int_t next_service, next_backend;

	if (json_unpack((json_t *)saved, "{so so so so sI sI}", "services", &services, "backends", &backends,
			"retiring", &retiring, "pools", &pools, "next_service", &next_service, "next_backend",
			&next_backend))
		return -EINVAL;
	if (indices_restore(&ids->services, services, next_service) ||
	    indices_restore(&ids->backends, backends, next_backend) || retiring_restore(&ids->backends, retiring))
		return -EINVAL;
	return ranges_restore(&ids->ranges, pools);
}

int ids_restore(struct ids *ids, const json_t *saved)
{
	struct indices *backends = &ids->backends;
	bool *used = memory_new(SLUICE_MAX_BACKENDS + 1, sizeof(*used));
	int err;

	for (__u32 i = backends->first; i <= backends->last; i++)
		used[i] = backends->by_value[i] || backends->retiring[i];
	ids_clear(ids);
	err = all_restore(ids, saved);
	if (err)
		ids_clear(ids);
	for (__u32 i = backends->first; i <= backends->last; i++)
		backends->retiring[i] |= used[i] && !backends->by_value[i];
	free(used);
	return err;
}
