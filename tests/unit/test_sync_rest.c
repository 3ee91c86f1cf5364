/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* At the end of a sweep: what becomes steady, and what of it is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "out/sync.h"

#define SECOND 5000U
#define SINCE  4000U

/* A table of slots 4 to 10. */
struct bench {
	struct slot slots[16];
	__u16 owners[16];
	struct service_move moves[SLUICE_MAX_SERVICES];
	struct maps maps;
	struct table table, *tables[1];
	struct plan plan;
	struct synced_table known;
	struct synced synced;
	struct sweep sweep;
};

static int setup(void **state)
{
	struct bench *bench = memory_new(1, sizeof(*bench));

	for (int i = 0; i < 16; i++)
		bench->slots[i] = (struct slot){.owner = (__u16)(100 + i),
						.previous = 9,
						.phase = PHASE_SETTLED,
						.since = {SINCE & 0xff, SINCE >> 8}};
	bench->maps = (struct maps){.slots = bench->slots, .owners = bench->owners, .slot_capacity = 16, .moves = bench->moves};
	bench->table = (struct table){.pool = "web", .first = 4, .size = 7, .windows = {.window = 60}};
	bench->tables[0] = &bench->table;
	bench->plan = (struct plan){.tables = bench->tables, .table_count = 1};
	bench->known = (struct synced_table){.pool = "web", .first = 4, .size = 7, .phases = {[PHASE_SETTLED] = 7}};
	HASH_ADD_STR(bench->synced.tables, pool, &bench->known);
	sweep_begin(&bench->sweep, 16, SECOND);
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	HASH_CLEAR(hh, bench->synced.tables);
	sweep_free(&bench->sweep);
	free(bench);
	return 0;
}

static void rest(struct bench *bench)
{
	sync_rest_slots(&bench->maps, &bench->plan, &bench->synced, 0, 4, 7, &bench->sweep, SECOND + 1);
}

/* All but the owner is zero then, and the table's counts are right. */
static void proposed_slots_become_steady(void **state)
{
	struct bench *bench = *state;
	struct slot before[16];

	memcpy(before, bench->slots, sizeof(before));
	sweep_propose_slots(&bench->sweep, bench->slots, 5, 2);
	rest(bench);
	for (int i = 0; i < 16; i++) {
		const struct slot steady = {.owner = (__u16)(100 + i)};

		assert_memory_equal(&bench->slots[i], i == 5 || i == 6 ? &steady : &before[i], sizeof(steady));
	}
	assert_int_equal(bench->known.phases[PHASE_SETTLED], 5);
	assert_int_equal(bench->known.phases[PHASE_STEADY], 2);
}

static void slots_of_another_place_are_not_touched(void **state)
{
	struct bench *bench = *state;

	bench->known.first = 5;
	sweep_propose_slots(&bench->sweep, bench->slots, 0, 16);
	rest(bench);
	for (int i = 0; i < 16; i++)
		assert_int_equal(bench->slots[i].phase, PHASE_SETTLED);
	assert_int_equal(bench->known.phases[PHASE_SETTLED], 7);
}

static void a_move_keeps_its_table_alone(void **state)
{
	static const struct service_move steady = {.now = {4, 7}, .flags = SERVICE_HASH_SOURCE};
	struct bench *bench = *state;
	struct service_move settled = steady;

	settled.before = (struct table_use){11, 5};
	settled.flags_before = 1;
	settled.phase = PHASE_SETTLED;
	settled.since = SINCE;
	bench->moves[3] = bench->moves[4] = settled;
	sweep_propose_move(&bench->sweep, bench->moves, 3);
	assert_true(sync_rest_move(&bench->maps, &bench->plan, 3, &bench->table.windows, &bench->sweep, SECOND + 1));
	assert_memory_equal(&bench->moves[3], &steady, sizeof(steady));
	assert_false(sync_rest_move(&bench->maps, &bench->plan, 3, &bench->table.windows, &bench->sweep, SECOND + 1));
	assert_false(sync_rest_move(&bench->maps, &bench->plan, 4, &bench->table.windows, &bench->sweep, SECOND + 1));
	assert_memory_equal(&bench->moves[4], &settled, sizeof(settled));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(proposed_slots_become_steady),
		TEST(slots_of_another_place_are_not_touched),
		TEST(a_move_keeps_its_table_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
