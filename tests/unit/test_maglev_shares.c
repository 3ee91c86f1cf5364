/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Each backend gets its share of the slots, and a change of one moves few of the others'. */
#include "unit/maglev_lab.h"

#include <math.h>

static void shares_equally(void **state)
{
	static const __u32 sizes[] = {SMALL, LARGE};
	struct pool pool = pool_make(MANY, 100);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		__u32 *count = build_shares(&pool, sizes[i]);

		assert_int_equal(count[0], 0);
		for (size_t owner = 1; owner <= MANY; owner++)
			assert_in_range(count[owner], sizes[i] / MANY, sizes[i] / MANY + 1);
		free(count);
	}
	pool_free(&pool);
}

static void shares_by_weight(void **state)
{
	static const __u32 weights[] = {1, 2, 5};
	/* three backends, and so many that a share is 25 slots */
	static const size_t counts[] = {3, 990};

	(void)state;
	for (size_t c = 0; c < 2; c++) {
		struct pool pool = pool_make(counts[c], 1);
		double slots[3] = {0};
		__u32 *count;

		for (size_t i = 0; i < pool.count; i++)
			pool.backends[i].weight = weights[i % 3];
		count = build_shares(&pool, SMALL);
		for (size_t i = 0; i < pool.count; i++) {
			double share = SMALL * weights[i % 3] / (8.0 * (double)(counts[c] / 3));

			assert_true(fabs(count[i + 1] - share) <= 1.5);
			slots[i % 3] += count[i + 1];
		}
		for (size_t i = 0; i < 3; i++)
			assert_true(fabs(slots[i] / SMALL * 8 / weights[i] - 1) < 0.01);
		free(count);
		pool_free(&pool);
	}
}

static void shares_by_extreme_weights(void **state)
{
	struct pool pool = pool_make(MANY, 65535);
	__u32 *count;

	(void)state;
	/* half of them weigh so little that their share is a five hundredth of a slot */
	for (size_t i = 0; i < MANY; i += 2)
		pool.backends[i].weight = 1;
	count = build_shares(&pool, SMALL);
	for (size_t i = 0; i < MANY; i++)
		if (i % 2)
			assert_in_range(count[i + 1], SMALL / 500, SMALL / 500 + 1);
		else
			assert_int_equal(count[i + 1], 0);
	free(count);
	pool_free(&pool);

	/* 0.9985 slots each: rounded to one */
	pool = pool_make(101, 1);
	pool.backends[50].weight = 65535;
	count = build_shares(&pool, SMALL);
	for (size_t i = 0; i < pool.count; i++)
		assert_int_equal(count[i + 1], i == 50 ? SMALL - 100 : 1);
	free(count);
	pool_free(&pool);
}

static void without_backends_is_empty(void **state)
{
	struct pool pool = pool_make(3, 0);
	__u16 table[7];

	(void)state;
	memset(table, 0xff, sizeof(table));
	assert_int_equal(maglev_build(table, 7, pool.backends, 3, test_key), 0);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(table[i], 0);
	memset(table, 0xff, sizeof(table));
	assert_int_equal(maglev_build(table, 7, NULL, 0, test_key), 0);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(table[i], 0);
	pool_free(&pool);
}

static void one_backend_has_all(void **state)
{
	struct pool pool = pool_make(3, 0);
	__u32 *count;

	(void)state;
	pool.backends[1].weight = 1;
	count = build_shares(&pool, SMALL);
	assert_int_equal(count[2], SMALL);
	free(count);
	pool_free(&pool);
}

static void more_backends_than_slots(void **state)
{
	struct pool pool = pool_make(1000, 100);
	__u32 *count = build_shares(&pool, 251);
	__u32 served = 0;

	(void)state;
	for (size_t owner = 1; owner <= pool.count; owner++) {
		assert_in_range(count[owner], 0, 1);
		served += count[owner];
	}
	assert_int_equal(served, 251);
	free(count);
	pool_free(&pool);
}

/* Mean percentages over some keys when `failed` of the backends fail. */
static void disruption(__u32 size, size_t failed, int keys, double *all, double *needless)
{
	*all = *needless = 0;
	for (int k = 0; k < keys; k++) {
		struct pool pool = pool_make(MANY, 100);
		__u8 key[16] = {(__u8)k, 0xa5};
		__u16 *before = build(&pool, size, key), *after;

		/* spread by a step that has no factor in common with 1,000 */
		for (size_t i = 0; i < failed; i++)
			pool.backends[((size_t)k * 37 + i * 331) % MANY].weight = 0;
		after = build(&pool, size, key);
		for (__u32 i = 0; i < size; i++) {
			if (before[i] == after[i])
				continue;
			*all += 100.0 / size / keys;
			if (pool.backends[before[i] - 1].weight)
				*needless += 100.0 / size / keys;
		}
		free(before);
		free(after);
		pool_free(&pool);
	}
}

/* Maglev's known disruption. The tolerance is some three standard deviations of the mean over the keys. */
static void changes_few_slots(void **state)
{
	static const struct {
		__u32 size;
		size_t failed;
		double all, needless; /* percent */
	} expected[] = {
		{SMALL, 1, 0.67, 0.57}, {SMALL, 10, 3.33, 2.33}, {SMALL, 30, 5.79, 2.79},
		{LARGE, 1, 0.43, 0.33}, {LARGE, 10, 1.58, 0.58}, {LARGE, 30, 3.79, 0.79},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
		double all, needless;

		disruption(expected[i].size, expected[i].failed, expected[i].size == SMALL ? 12 : 4, &all, &needless);
		print_message("%u slots, %zu failed: %.2f / %.2f %% changed (expected %.2f / %.2f)\n", expected[i].size,
			      expected[i].failed, all, needless, expected[i].all, expected[i].needless);
		assert_true(fabs(all - expected[i].all) < 0.15);
		assert_true(fabs(needless - expected[i].needless) < 0.15);
	}
}

/* One backend above all others must not reorder the turns of the rest. */
static void heaviest_weight_moves_few_slots(void **state)
{
	struct pool pool = pool_make(MANY, 100);
	__u16 *before = build(&pool, SMALL, test_key), *after;
	__u32 changed = 0;

	(void)state;
	pool.backends[500].weight = 200;
	after = build(&pool, SMALL, test_key);
	for (__u32 i = 0; i < SMALL; i++)
		changed += before[i] != after[i];
	assert_in_range(changed, 60, SMALL / 100);
	free(before);
	free(after);
	pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_equally),
		cmocka_unit_test(shares_by_weight),
		cmocka_unit_test(shares_by_extreme_weights),
		cmocka_unit_test(changes_few_slots),
		cmocka_unit_test(heaviest_weight_moves_few_slots),
		cmocka_unit_test(without_backends_is_empty),
		cmocka_unit_test(one_backend_has_all),
		cmocka_unit_test(more_backends_than_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
