/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Pools to build tables of, and the shares that their backends get. */
#ifndef SLUICE_TEST_MAGLEV_LAB_H
#define SLUICE_TEST_MAGLEV_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/maglev.h"

#define SMALL 65537
#define LARGE 655373
#define MANY  1000

static const __u8 test_key[16] = {0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78,
				  0x87, 0x96, 0xa5, 0xb4, 0xc3, 0xd2, 0xe1, 0xf0};

struct pool {
	struct maglev_backend *backends;
	char (*names)[16];
	size_t count;
};

/* Backends backend-00000, ... with owners 1, 2, ... and the weight `weight`. */
static inline struct pool pool_make(size_t count, __u32 weight)
{
	struct pool pool = {calloc(count, sizeof(*pool.backends)), calloc(count, sizeof(*pool.names)), count};

	assert_true(pool.backends && pool.names);
	for (size_t i = 0; i < count; i++) {
		snprintf(pool.names[i], sizeof(pool.names[i]), "backend-%05zu", i % 100000);
		pool.backends[i] = (struct maglev_backend){pool.names[i], weight, (__u16)(i + 1)};
	}
	return pool;
}

static inline void pool_free(struct pool *pool)
{
	free(pool->backends);
	free(pool->names);
}

static inline __u16 *build(const struct pool *pool, __u32 size, const __u8 key[16])
{
	__u16 *table = malloc(size * sizeof(*table));

	assert_non_null(table);
	/* every slot must be written */
	memset(table, 0xff, size * sizeof(*table));
	assert_int_equal(maglev_build(table, size, pool->backends, pool->count, key), 0);
	return table;
}

/* Slots of each owner, indexed by it; the caller frees. */
static inline __u32 *shares(const __u16 *table, __u32 size, size_t owners)
{
	__u32 *count = calloc(owners + 1, sizeof(*count));

	assert_non_null(count);
	for (__u32 i = 0; i < size; i++) {
		assert_true(table[i] <= owners);
		count[table[i]]++;
	}
	return count;
}

static inline __u32 *build_shares(const struct pool *pool, __u32 size)
{
	__u16 *table = build(pool, size, test_key);
	__u32 *count = shares(table, size, pool->count);

	free(table);
	return count;
}

#endif
