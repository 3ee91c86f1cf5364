/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The table is what its definition says, however and by whomever it is built. */
#include "unit/maglev_lab.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "lib/siphash.h"

#define LARGEST 16777213 /* the largest prime below MAGLEV_MAX_SIZE */

/*
 * The definition, taken literally and slowly: in every round all backends, those
 * longest without a turn first, earn their weight; who has the heaviest weight
 * pays it for the first free slot of its permutation.
 */
static void build_literally(__u16 *table, __u32 size, const struct pool *sorted, const __u8 key[16])
{
	size_t count = sorted->count;
	__u32 heaviest = 0, left = size, *order = calloc(count * 3, sizeof(*order)), *had = order + count,
	      *had_not = had + count;
	__u64 *credit = calloc(count * 3, sizeof(*credit)), *turns = credit + count, *hash = turns + count;

	memset(table, 0, size * sizeof(*table));
	for (size_t i = 0; i < count; i++) {
		order[i] = (__u32)i;
		heaviest = sorted->backends[i].weight > heaviest ? sorted->backends[i].weight : heaviest;
	}
	for (size_t i = 0; i < count; i++) {
		credit[i] = heaviest / 2;
		hash[i] = siphash(key, sorted->backends[i].name, strlen(sorted->backends[i].name));
	}
	while (left && heaviest) {
		size_t waiting = 0, served = 0;

		for (size_t i = 0; i < count; i++) {
			const struct maglev_backend *backend = &sorted->backends[order[i]];
			__u64 slot, skip;

			credit[order[i]] += backend->weight;
			if (credit[order[i]] < heaviest) {
				had_not[waiting++] = order[i];
				continue;
			}
			if (!left)
				break;
			credit[order[i]] -= heaviest;
			skip = hash[order[i]] / size % (size - 1) + 1;
			do
				slot = (hash[order[i]] % size + turns[order[i]]++ * skip) % size;
			while (table[slot]);
			table[slot] = backend->owner;
			left--;
			had[served++] = order[i];
		}
		memcpy(order, had_not, waiting * sizeof(*order));
		memcpy(order + waiting, had, served * sizeof(*order));
	}
	free(order);
	free(credit);
}

static void follows_its_definition(void **state)
{
	static const struct {
		__u32 size;
		size_t count;
		__u32 weights[3]; /* given in turn */
	} cases[] = {
		{2, 1, {1, 1, 1}},	  {3, 5, {1, 1, 1}},	      {127, 10, {1, 1, 1}},
		{131, 10, {5, 1, 2}},	  {251, 300, {1, 2, 3}},      {4099, 40, {1, 7, 1000}},
		{4099, 40, {3, 100, 64}}, {65537, 100, {100, 99, 1}}, {997, 2, {65535, 1, 1}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pool pool = pool_make(cases[i].count, 1);
		__u16 *expected = malloc(cases[i].size * sizeof(*expected)), *table;

		for (size_t j = 0; j < pool.count; j++)
			pool.backends[j].weight = cases[i].weights[j % 3];
		table = build(&pool, cases[i].size, test_key);
		build_literally(expected, cases[i].size, &pool, test_key);
		assert_memory_equal(table, expected, cases[i].size * sizeof(*table));
		free(table);
		free(expected);
		pool_free(&pool);
	}
}

static __u32 random_up_to(__u32 most)
{
	return (__u32)random() % (most + 1);
}

/* Weights that are alike, mixed, extreme or zero. */
static __u32 random_weight(int kind, size_t i)
{
	switch (kind) {
	case 0:
		return random_up_to(65535);
	case 1:
		return random_up_to(1) ? 65535 : 1;
	case 2:
		return i ? 1 : 65535;
	case 3:
		return random_up_to(3);
	case 4:
		return random_up_to(20) ? 100 : 0;
	case 5:
		return 1U << random_up_to(15);
	default:
		return 100;
	}
}

/* Backends of random names, in order of name. */
static struct pool pool_random(size_t count)
{
	struct pool pool = pool_make(count, 0);
	int kind = (int)random_up_to(7);

	for (size_t i = 0; i < count; i++)
		snprintf(pool.names[i], sizeof(pool.names[i]), "%08x%05zu", (__u32)random(), i % 100000);
	qsort(pool.names, count, sizeof(*pool.names), (int (*)(const void *, const void *))strcmp);
	for (size_t i = 0; i < count; i++)
		pool.backends[i].weight = random_weight(kind, i);
	return pool;
}

/* MAGLEV_SEED repeats a run. */
static void follows_its_definition_whatever_the_input(void **state)
{
	const char *given = getenv("MAGLEV_SEED");
	unsigned int seed = given ? (unsigned int)strtoul(given, NULL, 0) : (unsigned int)time(NULL);

	(void)state;
	print_message("MAGLEV_SEED=%u\n", seed);
	srandom(seed);
	for (int i = 0; i < 300; i++) {
		__u32 size = i % 60 ? maglev_nearest_prime(random_up_to(i % 3 ? 4000 : 100)) : SMALL;
		struct pool pool = pool_random(1 + random_up_to(i % 5 ? 400 : 9));
		__u16 *expected = malloc(size * sizeof(*expected)), *table;
		__u8 key[16];

		for (size_t k = 0; k < sizeof(key); k++)
			key[k] = (__u8)random();
		build_literally(expected, size, &pool, key);
		table = build(&pool, size, key);
		if (memcmp(table, expected, size * sizeof(*table)))
			fail_msg("case %d: %u slots, %zu backends", i, size, pool.count);
		free(table);
		free(expected);
		pool_free(&pool);
	}
}

static __u64 checksum(const __u16 *table, __u32 size)
{
	__u8 *bytes = malloc(size * 2UL);
	__u64 sum;

	for (__u32 i = 0; i < size; i++) {
		bytes[2 * i] = (__u8)table[i];
		bytes[2 * i + 1] = (__u8)(table[i] >> 8);
	}
	sum = siphash(test_key, bytes, size * 2UL);
	free(bytes);
	return sum;
}

/*
 * All balancers of a pool must build the same table, older and newer versions
 * side by side. If this fails, the change breaks connections in every upgrade.
 */
static void never_changes(void **state)
{
	struct pool pool = pool_make(MANY, 100);
	__u16 *table = build(&pool, SMALL, test_key);

	(void)state;
	assert_int_equal(checksum(table, SMALL), 0xb03fed52352e416d);
	free(table);
	for (size_t i = 0; i < MANY; i++)
		pool.backends[i].weight = (__u32)(i % 101);
	table = build(&pool, SMALL, test_key);
	assert_int_equal(checksum(table, SMALL), 0xefc5a8cde753dc98);
	free(table);
	table = build(&pool, LARGE, test_key);
	assert_int_equal(checksum(table, LARGE), 0x10df829c1309e196);
	free(table);
	pool_free(&pool);
}

/* Where its numbers are as large as they can be. */
static void never_changes_at_its_largest(void **state)
{
	struct pool pool = pool_make(200, 0);
	__u16 *table;

	(void)state;
	for (size_t i = 0; i < pool.count; i++) {
		pool.backends[i].weight = 65535 - (__u32)(i % 50 * 1300);
		pool.backends[i].owner = (__u16)(65535 - i);
	}
	table = build(&pool, LARGEST, test_key);
	assert_int_equal(checksum(table, LARGEST), 0xab3a550d149da7cf);
	free(table);
	pool_free(&pool);
}

static void ignores_order_of_input(void **state)
{
	struct pool pool = pool_make(100, 100);
	__u16 *sorted, *shuffled;

	(void)state;
	for (size_t i = 0; i < pool.count; i++)
		pool.backends[i].weight = 1 + (__u32)i % 7;
	sorted = build(&pool, SMALL, test_key);
	for (size_t i = 0; i < pool.count; i++) {
		size_t j = (i * 37 + 11) % pool.count;
		struct maglev_backend other = pool.backends[j];

		pool.backends[j] = pool.backends[i];
		pool.backends[i] = other;
	}
	assert_string_not_equal(pool.backends[0].name, pool.names[0]);
	shuffled = build(&pool, SMALL, test_key);
	assert_memory_equal(sorted, shuffled, SMALL * sizeof(*sorted));
	free(sorted);
	free(shuffled);
	pool_free(&pool);
}

static void depends_on_key(void **state)
{
	static const __u8 other_key[16] = {1};
	struct pool pool = pool_make(100, 100);
	__u16 *one = build(&pool, SMALL, test_key), *other = build(&pool, SMALL, other_key);
	__u32 same = 0;

	(void)state;
	for (__u32 i = 0; i < SMALL; i++)
		same += one[i] == other[i];
	/* by chance one slot in 100 */
	assert_in_range(same, SMALL / 200, SMALL / 50);
	free(one);
	free(other);
	pool_free(&pool);
}

static void refuses_wrong_input(void **state)
{
	static const __u32 wrong_sizes[] = {0, 1, 4, 65536, 65539 * 3, 16777259 /* a prime, but too large */};
	struct pool pool = pool_make(3, 100);
	__u16 table[2] = {7, 7};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong_sizes) / sizeof(*wrong_sizes); i++)
		assert_int_equal(maglev_build(table, wrong_sizes[i], pool.backends, 3, test_key), -EINVAL);
	pool.backends[2].name = pool.backends[0].name;
	assert_int_equal(maglev_build(table, 2, pool.backends, 3, test_key), -EINVAL);
	pool.backends[2].name = "another";
	pool.backends[2].weight = 65536;
	assert_int_equal(maglev_build(table, 2, pool.backends, 3, test_key), -EINVAL);
	assert_int_equal(table[0], 7);
	assert_int_equal(table[1], 7);
	pool_free(&pool);
}

static size_t threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	size_t count = 0;

	assert_non_null(tasks);
	for (struct dirent *entry; (entry = readdir(tasks));)
		count += entry->d_name[0] != '.';
	closedir(tasks);
	return count;
}

/* Builds `count` tables of different sizes and backends, the one before the last of a wrong size. */
static void check_build_all(size_t count)
{
	struct maglev_job *jobs = calloc(count + 1, sizeof(*jobs));
	struct pool pool = pool_make(100, 100);
	sigset_t before, after;

	assert_non_null(jobs);
	for (size_t i = 0; i < count; i++) {
		jobs[i].size = i + 2 == count ? 4096 : maglev_nearest_prime((__u32)(50 + 997 * i));
		jobs[i].table = calloc(jobs[i].size, sizeof(*jobs[i].table));
		jobs[i].backends = pool.backends;
		jobs[i].count = 1 + i * 37 % pool.count;
		jobs[i].result = 1;
	}
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	maglev_build_all(jobs, count, test_key);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (int signal = 1; signal < SIGRTMAX; signal++)
		assert_int_equal(sigismember(&before, signal), sigismember(&after, signal));
	for (size_t i = 0; i < count; i++) {
		struct pool some = {pool.backends, NULL, jobs[i].count};
		__u16 *alone;

		if (i + 2 == count) {
			assert_int_equal(jobs[i].result, -EINVAL);
		} else {
			assert_int_equal(jobs[i].result, 0);
			alone = build(&some, jobs[i].size, test_key);
			assert_memory_equal(jobs[i].table, alone, jobs[i].size * sizeof(*alone));
			free(alone);
		}
		free(jobs[i].table);
	}
	pool_free(&pool);
	free(jobs);
}

static void builds_all_as_one_by_one(void **state)
{
	static const size_t counts[] = {0, 1, 2, 3, 40};

	size_t before;

	(void)state;
	/* once before counting: sanitizers start a thread of their own with the first one */
	check_build_all(3);
	before = threads();
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		check_build_all(counts[i]);
	/* a joined thread may be listed for a moment longer */
	for (int wait = 0; threads() > before && wait < 5000; wait++)
		usleep(1000);
	assert_true(threads() <= before);
}

static void builds_all_without_threads(void **state)
{
	pthread_attr_t usual, huge;

	(void)state;
	assert_int_equal(pthread_getattr_default_np(&usual), 0);
	assert_int_equal(pthread_attr_init(&huge), 0);
	/* there is no room for such a stack */
	assert_int_equal(pthread_attr_setstacksize(&huge, 1UL << 50), 0);
	assert_int_equal(pthread_setattr_default_np(&huge), 0);
	check_build_all(20);
	assert_int_equal(pthread_setattr_default_np(&usual), 0);
	pthread_attr_destroy(&huge);
	pthread_attr_destroy(&usual);
}

static void builds_all_on_one_cpu(void **state)
{
	cpu_set_t usual, one;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(usual), &usual), 0);
	CPU_ZERO(&one);
	for (int cpu = 0; !CPU_COUNT(&one); cpu++)
		if (CPU_ISSET(cpu, &usual))
			CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	check_build_all(20);
	assert_int_equal(sched_setaffinity(0, sizeof(usual), &usual), 0);
}

static void knows_primes(void **state)
{
	static const __u32 primes[] = {2, 3, 5, 7, 251, SMALL, LARGE, 16777213, 4294967291};
	static const __u32 composites[] = {0,	  1,	     4,	       9,	   25,	      65535,
					   65536, 65539 * 3, 16777215, 4294967295, 4293001441 /* 65521 squared */};

	(void)state;
	for (size_t i = 0; i < sizeof(primes) / sizeof(*primes); i++)
		assert_true(maglev_is_prime(primes[i]));
	for (size_t i = 0; i < sizeof(composites) / sizeof(*composites); i++)
		assert_false(maglev_is_prime(composites[i]));
	assert_int_equal(maglev_nearest_prime(0), 2);
	assert_int_equal(maglev_nearest_prime(2), 2);
	assert_int_equal(maglev_nearest_prime(4), 3);
	assert_int_equal(maglev_nearest_prime(65536), 65537);
	assert_int_equal(maglev_nearest_prime(655360), 655357);
	assert_int_equal(maglev_nearest_prime(16777216), 16777213);
	assert_int_equal(maglev_nearest_prime(4294967295), 16777213);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_its_definition),
		cmocka_unit_test(follows_its_definition_whatever_the_input),
		cmocka_unit_test(never_changes),
		cmocka_unit_test(never_changes_at_its_largest),
		cmocka_unit_test(ignores_order_of_input),
		cmocka_unit_test(depends_on_key),
		cmocka_unit_test(refuses_wrong_input),
		cmocka_unit_test(builds_all_as_one_by_one),
		cmocka_unit_test(builds_all_without_threads),
		cmocka_unit_test(builds_all_on_one_cpu),
		cmocka_unit_test(knows_primes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
