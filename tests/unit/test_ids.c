/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Indices and ranges last as long as their names, and no stranger gets one too soon. */
#include "unit/ids_lab.h"

#include <errno.h>

static void test_reload_keeps_assignments(void **unused)
{
	struct ids *ids = ids_new();
	struct config *config = sample_config(3, 3);
	struct config_pool *pool = sample_pool(config, "m", 13, 2);
	__u16 service, one, two;

	(void)unused;
	sample_backend(pool, "one", sample_host(1));
	sample_backend(pool, "two", sample_host(2));
	sample_service(config, "m", 0, 0, 0);
	assign(ids, config);
	service = ids_service(ids, "m");
	one = host_index(ids, "m", 1);
	two = host_index(ids, "m", 2);
	assert_int_not_equal(one, two);

	/* names before, between and after the former ones; one is renamed; in another pool it is another one */
	config = sample_config(3, 3);
	pool = sample_pool(config, "a", 7, 1);
	sample_backend(pool, "one", sample_host(1));
	pool = sample_pool(config, "m", 13, 4);
	sample_backend(pool, "a", sample_host(3));
	sample_backend(pool, "one", sample_host(9));
	sample_backend(pool, "p", sample_host(1));
	sample_backend(pool, "two", sample_host(2))->weight = 0;
	sample_pool(config, "z", 5, 0);
	sample_service(config, "a", 0, 0, 0);
	sample_service(config, "m", 2, 0, 0);
	sample_service(config, "z", 0, 0, 0);
	assign(ids, config);
	assert_int_equal(ids_service(ids, "m"), service);
	assert_int_equal(host_index(ids, "m", 1), one);
	assert_int_equal(host_index(ids, "m", 2), two);
	assert_int_equal(ids_pool_first(ids, "m"), 0);
	assert_int_not_equal(host_index(ids, "a", 1), one);
	assert_int_equal(ids_slots_used(ids), 13 + 7 + 5);
	ids_free(ids);
}

static void test_new_ones_are_reported_once(void **unused)
{
	struct reported *reported = calloc(1, sizeof(*reported));
	struct ids *ids = ids_new();

	(void)unused;
	assert_int_equal(report(ids, reported), 0);
	assign(ids, numbered(0, 2, 3));
	assert_int_equal(report(ids, reported), 5);
	for (unsigned int i = 0; i < 2; i++) {
		char name[16];

		sprintf(name, "s%06u", i);
		assert_int_equal(reported->services[ids_service(ids, name)], 1);
	}
	assign(ids, numbered(0, 2, 3));
	assert_int_equal(report(ids, reported), 0);
	assign(ids, numbered(1, 2, 3));
	assert_int_equal(report(ids, reported), 2);
	assert_int_equal(reported->services[ids_service(ids, "s000002")], 1);
	assert_int_equal(reported->backends[host_index(ids, "pool", 3)], 1);
	/* who comes back finds that others may have had its counters */
	assign(ids, numbered(0, 2, 3));
	assert_int_equal(report(ids, reported), 2);
	assert_int_equal(reported->services[ids_service(ids, "s000000")], 1);
	ids_free(ids);
	free(reported);
}

static void test_freed_indices_are_taken_again_last(void **unused)
{
	struct ids *ids = ids_new();
	__u16 service, backend;
	unsigned int next = 1;

	(void)unused;
	assign(ids, numbered(0, 1, 1));
	service = ids_service(ids, "s000000");
	backend = host_index(ids, "pool", 0);
	for (unsigned int used = 1; used + 63 <= SLUICE_MAX_SERVICES; used += 63, next += 63) {
		assign(ids, numbered(next, 63, 63));
		for (unsigned int i = 0; i < 63; i++) {
			char name[16];

			sprintf(name, "s%06u", next + i);
			assert_int_not_equal(ids_service(ids, name), service);
			assert_int_not_equal(host_index(ids, "pool", next + i), backend);
		}
	}
	ids_free(ids);
}

/* A packet that is under way with a slot's old contents would meet the stranger. */
static void test_nobody_gets_what_is_freed_this_moment(void **unused)
{
	struct ids *ids = ids_new();
	struct config *config;
	__u16 first;

	(void)unused;
	assign(ids, numbered(0, SLUICE_MAX_SERVICES, 0)); /* now index 0's turn would be next */
	first = ids_service(ids, "s000000");
	config = numbered(0, SLUICE_MAX_SERVICES, 0);
	config->service_count--; /* the last one leaves its index */
	assign(ids, config);

	config = numbered(1, SLUICE_MAX_SERVICES, 0);
	config->services[SLUICE_MAX_SERVICES - 2].name = "t"; /* in place of the last one */
	config->service_count--;
	assign(ids, config);
	assert_int_not_equal(ids_service(ids, "t"), first);

	/* unless there is no other: it goes round */
	config = numbered(2, SLUICE_MAX_SERVICES, 0);
	config->service_count--;
	config->services[SLUICE_MAX_SERVICES - 2].name = "u";
	config->services[SLUICE_MAX_SERVICES - 3].name = "t";
	assign(ids, config);
	ids_free(ids);
}

/* Records may name an index long after it was freed. */
static void test_retiring_indices_are_taken_again_when_done(void **unused)
{
	struct ids *ids = ids_new(), *after = ids_new();
	unsigned int half = SLUICE_MAX_BACKENDS / 2, next = half;
	__u16 freed;
	json_t *saved;

	(void)unused;
	assign(ids, numbered(0, 0, half));
	assert_false(ids_retiring(ids));
	assign(ids, numbered(1, 0, half - 1));
	assert_true(ids_retiring(ids));
	saved = ids_save(ids); /* also over a restart */
	assert_int_equal(ids_restore(after, saved), 0);
	assert_true(ids_retiring(after));

	/* round and round, all but the freed one */
	assign(ids, numbered(next, 0, SLUICE_MAX_BACKENDS - half));
	for (int i = 0; i < 3; i++) {
		ids_retire_done(ids);
		assign(ids, numbered(0, 0, 0));
		assign(ids, numbered(next, 0, 1));
		next += 1000;
	}
	assert_int_equal(ids_reused(ids), 0);

	/* there is no other: said, as records that name it have to go first */
	assign(after, numbered(0, 0, SLUICE_MAX_BACKENDS));
	assert_int_equal(ids_reused(after), 1);
	assert_false(ids_retiring(after));
	json_decref(saved);

	/* going back to what was saved: those of the meantime are retiring */
	saved = ids_save(ids);
	assign(ids, numbered(50000, 0, 3));
	freed = host_index(ids, "pool", 50001);
	ids_retire_done(ids);
	assert_int_equal(ids_restore(ids, saved), 0);
	assert_true(ids_retiring(ids));
	assign(ids, numbered(0, 0, 1000));
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_not_equal(host_index(ids, "pool", i), freed);
	json_decref(saved);
	ids_free(ids);
	ids_free(after);
}

static void test_a_renamed_service_keeps_its_index(void **unused)
{
	struct reported *reported = calloc(1, sizeof(*reported));
	struct ids *ids = ids_new();
	struct config *config = numbered(0, 2, 0);
	__u16 index;

	(void)unused;
	assign(ids, numbered(0, 2, 0));
	index = ids_service(ids, "s000001");
	ids_rename_service(ids, "s000001", "t");
	ids_rename_service(ids, "nobody", "u");
	ids_rename_service(ids, "s000000", "t"); /* is there already */
	config->services[1].name = "t";
	assign(ids, config);
	assert_int_equal(ids_service(ids, "t"), index);
	assert_int_equal(report(ids, reported), 0);
	ids_free(ids);
	free(reported);
}

static void test_reserved_ranges_are_nobodys(void **unused)
{
	struct service_move *moves = calloc(SLUICE_MAX_SERVICES, sizeof(*moves));
	struct ids *ids = ids_new();
	struct config *config = sample_config(3, 0);

	(void)unused;
	moves[0] = (struct service_move){.now = {40, 10}};
	moves[7] = (struct service_move){.now = {8, 3}, .before = {40, 10}, .phase = PHASE_SETTLED};
	ids_reserve(ids, moves);
	sample_pool(config, "a", 7, 0);
	sample_pool(config, "b", 29, 0);
	sample_pool(config, "c", 31, 0);
	assign(ids, config);
	assert_int_equal(ids_pool_first(ids, "a"), 0);
	assert_int_equal(ids_pool_first(ids, "b"), 11);
	assert_int_equal(ids_pool_first(ids, "c"), 50);
	assert_int_equal(ids_slots_used(ids), 81);
	ids_reserve(ids, NULL);
	free(moves);
	config = sample_config(1, 0);
	sample_pool(config, "a", 3, 0);
	assign(ids, config);
	assert_int_equal(ids_pool_first(ids, "a"), 7); /* the lowest that is not its former one either */
	ids_free(ids);
}

static void assert_all_different(const struct ids *ids, unsigned int from, size_t services, size_t backends)
{
	__u8 *seen = calloc(SLUICE_MAX_BACKENDS + 1, 1);
	char name[16];

	for (unsigned int i = 0; i < services; i++) {
		sprintf(name, "s%06u", from + i);
		assert_in_range(ids_service(ids, name), 0, SLUICE_MAX_SERVICES - 1);
		assert_int_equal(seen[ids_service(ids, name)]++, 0);
	}
	memset(seen, 0, SLUICE_MAX_BACKENDS + 1);
	for (unsigned int i = 0; i < backends; i++) {
		__u16 index = host_index(ids, "pool", from + i);

		assert_in_range(index, 1, SLUICE_MAX_BACKENDS);
		assert_int_equal(seen[index]++, 0);
	}
	free(seen);
}

static void test_all_indices_can_be_used(void **unused)
{
	struct ids *ids = ids_new();

	(void)unused;
	assign(ids, numbered(0, SLUICE_MAX_SERVICES, SLUICE_MAX_BACKENDS));
	assert_all_different(ids, 0, SLUICE_MAX_SERVICES, SLUICE_MAX_BACKENDS);
	/* all but some replaced, all replaced, and all at once after none */
	assign(ids, numbered(SLUICE_MAX_SERVICES - 10, SLUICE_MAX_SERVICES, SLUICE_MAX_BACKENDS));
	assert_all_different(ids, SLUICE_MAX_SERVICES - 10, SLUICE_MAX_SERVICES, SLUICE_MAX_BACKENDS);
	assign(ids, numbered(100000, SLUICE_MAX_SERVICES, SLUICE_MAX_BACKENDS));
	assert_all_different(ids, 100000, SLUICE_MAX_SERVICES, SLUICE_MAX_BACKENDS);
	assign(ids, numbered(0, 0, 0));
	assign(ids, numbered(0, SLUICE_MAX_SERVICES, SLUICE_MAX_BACKENDS));
	assert_all_different(ids, 0, SLUICE_MAX_SERVICES, SLUICE_MAX_BACKENDS);
	ids_free(ids);
}

/* Pools and their ranges, as the test expects them. */
#define POOLS 12

struct layout {
	__u32 first[POOLS], size[POOLS]; /* size 0: no such pool */
};

static struct config *layout_config(const struct layout *layout)
{
	struct config *config = sample_config(POOLS, 0);

	for (unsigned int i = 0; i < POOLS; i++)
		if (layout->size[i])
			sample_pool(config, sample_name(config, "p%02u", i), layout->size[i], 0);
	return config;
}

static bool is_free(const struct layout *layout, __u64 first, __u32 size)
{
	for (unsigned int i = 0; i < POOLS; i++)
		if (layout->size[i] && first < (__u64)layout->first[i] + layout->size[i] &&
		    layout->first[i] < first + size)
			return false;
	return first + size <= SLUICE_MAX_SLOTS;
}

/* The lowest place that is free in both; a place right after a range or at 0 is the lowest. */
static bool lowest_place(const struct layout *old, const struct layout *new, __u32 size, __u32 *first)
{
	bool found = false;

	for (unsigned int i = 0; i < 1 + 2 * POOLS; i++) {
		const struct layout *layout = i <= POOLS ? old : new;
		unsigned int pool = (i - 1) % POOLS;
		__u64 at = i ? (__u64)layout->first[pool] + layout->size[pool] : 0;

		if ((i && !layout->size[pool]) || !is_free(old, at, size) || !is_free(new, at, size))
			continue;
		if (!found || at < *first)
			*first = (__u32)at;
		found = true;
	}
	return found;
}

/* Fills in where the pools' ranges should be; false if there is no room. */
static bool expect_layout(const struct layout *old, struct layout *new)
{
	struct layout placed = {0};

	for (unsigned int i = 0; i < POOLS; i++) {
		if (!new->size[i] || new->size[i] != old->size[i])
			continue;
		placed.first[i] = old->first[i];
		placed.size[i] = old->size[i];
	}
	for (unsigned int i = 0; i < POOLS; i++) {
		if (placed.size[i] || !new->size[i])
			continue;
		if (!lowest_place(old, &placed, new->size[i], &placed.first[i]))
			return false;
		placed.size[i] = new->size[i];
	}
	*new = placed;
	return true;
}

static void assert_layout(const struct ids *ids, const struct layout *layout)
{
	__u32 used = 0;

	for (unsigned int i = 0; i < POOLS; i++) {
		char name[16];

		if (!layout->size[i])
			continue;
		sprintf(name, "p%02u", i);
		assert_int_equal(ids_pool_first(ids, name), layout->first[i]);
		used = layout->first[i] + layout->size[i] > used ? layout->first[i] + layout->size[i] : used;
	}
	assert_int_equal(ids_slots_used(ids), used);
}

/* Returns how often there was no room. */
static unsigned int change_pools(__u64 seed, unsigned int steps, __u32 largest)
{
	struct ids *ids = ids_new();
	struct layout now = {0};
	unsigned int refused = 0;

	for (unsigned int step = 0; step < steps; step++) {
		struct layout next = now;
		struct config *config;
		bool fits;

		for (__u32 changes = 1 + sample_random(&seed, 3); changes; changes--)
			next.size[sample_random(&seed, POOLS)] =
				sample_random(&seed, 3) ? 2 + sample_random(&seed, largest - 1) : 0;
		config = layout_config(&next);
		fits = expect_layout(&now, &next);
		assert_int_equal(ids_assign(ids, config), fits ? 0 : -ENOSPC);
		config_free(config);
		if (fits)
			now = next;
		refused += !fits;
		assert_layout(ids, &now);
	}
	ids_free(ids);
	return refused;
}

static void test_ranges_meet_neither_old_nor_new_ones(void **unused)
{
	(void)unused;
	for (__u64 seed = 0; seed < 20; seed++)
		assert_int_equal(change_pools(seed, 200, 50), 0);
}

static void test_ranges_at_the_limit(void **unused)
{
	unsigned int refused = 0;

	(void)unused;
	for (__u64 seed = 100; seed < 120; seed++)
		refused += change_pools(seed, 200, 1U << 24);
	assert_in_range(refused, 100, 20 * 200 - 100);
}

static void test_no_room_changes_nothing(void **unused)
{
	struct reported *reported = calloc(1, sizeof(*reported));
	struct ids *ids = ids_new();
	struct config *config;
	json_t *before, *after;

	(void)unused;
	config = numbered(0, 3, 3);
	config->pools[0].table_size = SLUICE_MAX_SLOTS;
	assign(ids, config);
	before = ids_save(ids);
	assert_int_equal(ids_slots_used(ids), SLUICE_MAX_SLOTS);

	config = numbered(5, 3, 3);
	assert_int_equal(ids_assign(ids, config), -ENOSPC); /* the old range has all slots until it is gone */
	config_free(config);
	after = ids_save(ids);
	assert_true(json_equal(before, after));
	json_decref(after);
	config = numbered(0, 3, 3);
	config->pools[0].table_size = SLUICE_MAX_SLOTS;
	assign(ids, config);
	assert_int_equal(report(ids, reported), 0);
	json_decref(before);
	ids_free(ids);
	free(reported);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reload_keeps_assignments),
		cmocka_unit_test(test_new_ones_are_reported_once),
		cmocka_unit_test(test_freed_indices_are_taken_again_last),
		cmocka_unit_test(test_nobody_gets_what_is_freed_this_moment),
		cmocka_unit_test(test_retiring_indices_are_taken_again_when_done),
		cmocka_unit_test(test_a_renamed_service_keeps_its_index),
		cmocka_unit_test(test_reserved_ranges_are_nobodys),
		cmocka_unit_test(test_all_indices_can_be_used),
		cmocka_unit_test(test_ranges_meet_neither_old_nor_new_ones),
		cmocka_unit_test(test_ranges_at_the_limit),
		cmocka_unit_test(test_no_room_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
