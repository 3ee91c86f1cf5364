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

/* "POOL/BACKEND", or a service's name: names hold no slash */
#define KEY_MAX (2 * (CONFIG_NAME_MAX + 1))

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

/*
 * The next index that is free. Those in old->by_value are being freed this moment,
 * and packets are under way with them: they are given out only if there is no other.
 */
static __u32 index_next(struct indices *indices, struct indices *old)
{
	for (__u32 tried = 0;; tried++) {
		__u32 value = indices->cursor;

		if (tried > indices->last - indices->first)
			memset(old->by_value, 0, sizeof(old->by_value));
		indices->cursor = value == indices->last ? indices->first : value + 1;
		if (!indices->by_value[value] && !old->by_value[value])
			return value;
	}
}

/*
 * Keeps what `keys` names, drops the rest, adds what is new. The config's limits
 * are the index ranges, so there always is a free one.
 */
static void indices_assign(struct indices *indices, char (*keys)[KEY_MAX], size_t count)
{
	struct indices *old = memory_new(1, sizeof(*old));

	*old = *indices;
	indices->by_key = NULL;
	memset(indices->by_value, 0, sizeof(indices->by_value));
	for (size_t i = 0; i < count; i++) {
		struct index *kept = index_find(old, keys[i]);

		if (kept)
			index_add(indices, keys[i], kept->value);
	}
	for (size_t i = 0; i < count; i++)
		if (!index_find(indices, keys[i]))
			index_add(indices, keys[i], index_next(indices, old))->fresh = true;
	indices_clear(old);
	free(old);
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

/* The lowest gap of `size` slots that meets neither the old nor the new ranges (both sorted). */
static int range_place(const struct range *old, const struct range *new, __u32 size, __u32 *first)
{
	__u64 at = 0;

	while (old || new) {
		const struct range *lower = !new || (old && old->first <= new->first) ? old : new;

		if (lower->first >= at + size)
			break;
		if ((__u64)lower->first + lower->size > at)
			at = (__u64)lower->first + lower->size;
		if (lower == old)
			old = old->hh.next;
		else
			new = new->hh.next;
	}
	if (at + size > SLUICE_MAX_SLOTS)
		return -ENOSPC;
	*first = (__u32)at;
	return 0;
}

static int ranges_assign(struct range **ranges, const struct config *config)
{
	struct range *assigned = NULL;

	for (size_t i = 0; i < config->pool_count; i++) {
		const struct config_pool *pool = &config->pools[i];
		struct range *kept = range_find(*ranges, pool->name);

		if (kept && kept->size == pool->table_size)
			range_add(&assigned, pool->name, kept->first, kept->size);
	}
	HASH_SORT(assigned, range_order);
	for (size_t i = 0; i < config->pool_count; i++) {
		const struct config_pool *pool = &config->pools[i];
		__u32 first;

		if (range_find(assigned, pool->name))
			continue;
		if (range_place(*ranges, assigned, pool->table_size, &first)) {
			ranges_clear(&assigned);
			return -ENOSPC;
		}
		range_add(&assigned, pool->name, first, pool->table_size);
		HASH_SORT(assigned, range_order);
	}
	ranges_clear(ranges);
	*ranges = assigned;
	return 0;
}

static void backend_key(char key[KEY_MAX], const char *pool, const char *backend)
{
	snprintf(key, KEY_MAX, "%s/%s", pool, backend);
}

int ids_assign(struct ids *ids, const struct config *config)
{
	size_t backends = 0, n = 0;
	char(*keys)[KEY_MAX];
	int err = ranges_assign(&ids->ranges, config);

	if (err)
		return err;

	for (size_t i = 0; i < config->pool_count; i++)
		backends += config->pools[i].backend_count;
	keys = memory_new(backends + config->service_count, KEY_MAX);
	for (size_t i = 0; i < config->pool_count; i++)
		for (size_t j = 0; j < config->pools[i].backend_count; j++)
			backend_key(keys[n++], config->pools[i].name, config->pools[i].backends[j].name);
	indices_assign(&ids->backends, keys, backends);
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

__u16 ids_backend(const struct ids *ids, const char *pool, const char *backend)
{
	char key[KEY_MAX];

	backend_key(key, pool, backend);
	return index_find(&ids->backends, key)->value;
}

__u32 ids_pool_first(const struct ids *ids, const char *pool)
{
	return range_find(ids->ranges, pool)->first;
}

__u32 ids_slots_used(const struct ids *ids)
{
	__u32 used = 0;

	for (const struct range *range = ids->ranges; range; range = range->hh.next)
		if (range->first + range->size > used)
			used = range->first + range->size;
	return used;
}

void ids_each_new(const struct ids *ids, void (*service)(void *, __u32), void (*backend)(void *, __u32), void *argument)
{
	const struct index *index;

	for (index = ids->services.by_key; index; index = index->hh.next)
		if (index->fresh)
			service(argument, index->value);
	for (index = ids->backends.by_key; index; index = index->hh.next)
		if (index->fresh)
			backend(argument, index->value);
}

static json_t *indices_save(const struct indices *indices)
{
	json_t *saved = json_object();

	for (const struct index *index = indices->by_key; index; index = index->hh.next)
		json_object_set_new(saved, index->key, json_integer(index->value));
	return saved;
}

json_t *ids_save(const struct ids *ids)
{
	json_t *pools = json_object();

	for (const struct range *range = ids->ranges; range; range = range->hh.next)
		json_object_set_new(
			pools, range->pool,
			json_pack("{sI sI}", "first", (json_int_t)range->first, "size", (json_int_t)range->size));
	return json_pack("{so so so sI sI}", "services", indices_save(&ids->services), "backends",
			 indices_save(&ids->backends), "pools", pools, "next_service", (json_int_t)ids->services.cursor,
			 "next_backend", (json_int_t)ids->backends.cursor);
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

int ids_restore(struct ids *ids, const json_t *saved)
{
	json_t *services, *backends, *pools;
	json_int_t next_service, next_backend;

	ids_clear(ids);
	if (json_unpack((json_t *)saved, "{so so so sI sI}", "services", &services, "backends", &backends, "pools",
			&pools, "next_service", &next_service, "next_backend", &next_backend))
		return -EINVAL;
	if (indices_restore(&ids->services, services, next_service) ||
	    indices_restore(&ids->backends, backends, next_backend) || ranges_restore(&ids->ranges, pools)) {
		ids_clear(ids);
		return -EINVAL;
	}
	return 0;
}
