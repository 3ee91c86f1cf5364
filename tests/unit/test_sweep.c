/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Which flow records the sweep removes, what it counts, and which slots and moves it lets rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "model/sweep.h"

#define SLOTS  13
#define NOW    5000U
#define IDLE   600
#define UDP    60
#define WINDOW 300
#define SINCE  4000U /* when slots were opened */
#define FORMER 11    /* a backend of records */
#define OWNER  22
#define GONE   33
#define DEAD   44

struct bench {
	struct flow_key key;
	struct slot slots[SLOTS];
	struct service_move moves[SLUICE_MAX_SERVICES];
	struct service service;
	__u8 standing[SLUICE_MAX_BACKENDS + 1];
	struct sweep_life lives[SLUICE_MAX_BACKENDS + 1];
	struct sweep_world world;
	struct transition_now now;
	struct sweep sweep;
	struct flow_tuple tuple;
	struct flow_record record;
};

static struct slot slot_in(__u8 phase, __u32 since)
{
	return (struct slot){
		.owner = OWNER, .phase = phase, .since = {(__u8)since, (__u8)(since >> 8), (__u8)(since >> 16)}};
}

static void set_slots(struct bench *bench, __u8 phase)
{
	for (int i = 0; i < SLOTS; i++)
		bench->slots[i] = slot_in(phase, SINCE);
}

static void set_move(struct bench *bench, __u8 phase)
{
	bench->moves[7] = (struct service_move){.phase = phase, .since = SINCE};
}

static int setup(void **state)
{
	struct bench *bench = memory_new(1, sizeof(*bench));

	for (int i = 0; i < FLOW_KEY_WORDS; i++)
		bench->key.word[i] = 0x9e3779b97f4a7c15ULL * (__u64)(i + 1);
	bench->service = (struct service){.slot_count = SLOTS, .index = 7};
	bench->standing[FORMER] = bench->standing[OWNER] = STANDS_GOOD;
	bench->standing[DEAD] = STANDS_DEAD;
	for (int i = 1; i <= SLUICE_MAX_BACKENDS; i++)
		bench->lives[i] = (struct sweep_life){.tcp = IDLE, .udp = UDP, .doubtful = WINDOW};
	bench->world = (struct sweep_world){.key = &bench->key,
					    .slots = bench->slots,
					    .slot_capacity = SLOTS,
					    .moves = bench->moves,
					    .standing = bench->standing,
					    .lives = bench->lives,
					    .second = NOW};
	bench->now = (struct transition_now){
		.standing = bench->standing, .windows = {.window = 100, .udp_window = 10}, .second = NOW};
	bench->tuple = (struct flow_tuple){.source = {htonl(0xc6336407)},
					   .destination = {htonl(0xc000020a)},
					   .source_port = htons(40000),
					   .destination_port = htons(443),
					   .protocol = IPPROTO_TCP,
					   .version = 4};
	bench->record = (struct flow_record){.backend = FORMER, .born = NOW - 300, .seen = NOW - 5};
	set_slots(bench, PHASE_OPEN);
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	sweep_free(&bench->sweep);
	free(bench);
	return 0;
}

static void begin(struct bench *bench)
{
	sweep_begin(&bench->sweep, SLOTS, NOW);
	sweep_propose_slots(&bench->sweep, bench->slots, 0, SLOTS);
	sweep_propose_move(&bench->sweep, bench->moves, 7);
}

static enum sweep_fate take(struct bench *bench)
{
	return sweep_take(&bench->sweep, &bench->tuple, &bench->record, &bench->service, &bench->world);
}

static __u32 slot_of_flow(const struct bench *bench)
{
	return sweep_slot(&bench->key, &bench->tuple, (struct table_use){0, SLOTS}, bench->service.flags);
}

static bool rests(const struct bench *bench, __u32 slot)
{
	return sweep_slot_rests(&bench->sweep, slot, &bench->slots[slot], &bench->now);
}

/* By slot and move: only there it may be dispensable. */
static void fate_goes_by_the_further_phase(void **state)
{
	struct bench *bench = *state;

	begin(bench);
	for (__u8 slot = PHASE_STEADY; slot <= PHASE_SETTLED; slot++) {
		for (__u8 move = PHASE_STEADY; move <= PHASE_SETTLED; move++) {
			bool recording = phase_is_recording(slot) || phase_is_recording(move);
			bool settled = slot == PHASE_SETTLED || move == PHASE_SETTLED;

			set_slots(bench, slot);
			set_move(bench, move);
			bench->record.backend = FORMER;
			assert_int_equal(take(bench), recording || settled ? SWEEP_KEPT : SWEEP_REMOVED_REDUNDANT);
			bench->record.backend = OWNER;
			assert_int_equal(take(bench), recording ? SWEEP_KEPT : SWEEP_REMOVED_REDUNDANT);
		}
	}
}

static void silent_flows_are_over(void **state)
{
	static const struct {
		__u8 protocol, flags;
		__u32 life;
	} kinds[] = {{IPPROTO_TCP, 0, IDLE},
		     {IPPROTO_UDP, 0, UDP},
		     {IPPROTO_TCP, FLOW_CLOSING, FLOW_CLOSING_LIFE},
		     {IPPROTO_TCP, FLOW_CLOSING | FLOW_DOUBTFUL, WINDOW}};
	struct bench *bench = *state;

	begin(bench);
	for (size_t i = 0; i < 4; i++) {
		bench->tuple.protocol = kinds[i].protocol;
		bench->record.flags = kinds[i].flags;
		bench->record.seen = NOW - kinds[i].life; /* both are cut to whole seconds */
		assert_int_equal(take(bench), SWEEP_KEPT);
		bench->record.seen--;
		assert_int_equal(take(bench), SWEEP_REMOVED_OVER);
	}
	bench->record.seen = NOW + 1; /* the dataplane's clock was a little ahead */
	assert_int_equal(take(bench), SWEEP_KEPT);
}

static void what_nobody_has_is_gone(void **state)
{
	struct bench *bench = *state;

	begin(bench);
	assert_int_equal(sweep_take(&bench->sweep, &bench->tuple, &bench->record, NULL, &bench->world),
			 SWEEP_REMOVED_GONE);
	bench->record.backend = GONE;
	assert_int_equal(take(bench), SWEEP_REMOVED_GONE);
	bench->record.backend = 0xffff;
	assert_int_equal(take(bench), SWEEP_REMOVED_GONE);
	bench->record.backend = DEAD; /* it may come back while its connections still live */
	assert_int_equal(take(bench), SWEEP_KEPT);
	bench->service.slot_first = SLOTS;
	assert_int_equal(take(bench), SWEEP_REMOVED_GONE);
	assert_int_equal(bench->sweep.tally.removed, 4);
}

static void settled_slots_rest_unless_a_record_differs(void **state)
{
	struct bench *bench = *state;
	__u32 busy;

	set_slots(bench, PHASE_SETTLED);
	begin(bench);
	busy = slot_of_flow(bench);
	take(bench);
	for (__u32 i = 0; i < SLOTS; i++)
		assert_int_equal(rests(bench, i), i != busy);
	/* the next pass finds it with the owner */
	bench->record.backend = OWNER;
	begin(bench);
	take(bench);
	assert_true(rests(bench, busy));
	assert_false(rests(bench, SLOTS)); /* slots came during the pass */
}

/* In between new records may have been written that the walk had passed already. */
static void what_changes_during_the_pass_does_not_rest(void **state)
{
	struct bench *bench = *state;

	set_slots(bench, PHASE_SETTLED);
	bench->slots[1].phase = PHASE_TCP;
	begin(bench);
	bench->slots[1].phase = PHASE_SETTLED;
	bench->now.second = NOW + 30;
	bench->slots[2] = slot_in(PHASE_SETTLED, NOW + 10); /* opened and settled again */
	bench->slots[3] = slot_in(PHASE_SETTLED, NOW);
	bench->slots[4].phase = PHASE_OPEN;
	bench->slots[5] = (struct slot){.owner = OWNER};
	assert_true(rests(bench, 0));
	for (__u32 i = 1; i <= 5; i++)
		assert_false(rests(bench, i));
	bench->slots[6].previous = FORMER; /* for the second hop */
	bench->now.windows.hold = NOW + 30 - SINCE + 1;
	assert_false(rests(bench, 6));
	bench->now.windows.hold--;
	assert_true(rests(bench, 6));
}

static void moves_rest_likewise(void **state)
{
	struct bench *bench = *state;

	set_slots(bench, PHASE_STEADY);
	set_move(bench, PHASE_SETTLED);
	begin(bench);
	assert_true(sweep_move_rests(&bench->sweep, 7, &bench->moves[7], &bench->now));
	assert_false(sweep_move_rests(&bench->sweep, 8, &bench->moves[7], &bench->now));
	assert_int_equal(take(bench), SWEEP_KEPT);
	assert_false(sweep_move_rests(&bench->sweep, 7, &bench->moves[7], &bench->now));
	begin(bench);
	bench->record.backend = OWNER;
	take(bench);
	assert_true(sweep_move_rests(&bench->sweep, 7, &bench->moves[7], &bench->now));
	bench->moves[7].since = NOW;
	assert_false(sweep_move_rests(&bench->sweep, 7, &bench->moves[7], &bench->now));
}

/* While the move still records, records of a settled slot stay; what they say decides on the slot all the same. */
static void a_move_keeps_what_its_slot_could_spare(void **state)
{
	struct bench *bench = *state;

	set_slots(bench, PHASE_SETTLED);
	set_move(bench, PHASE_TCP);
	begin(bench);
	bench->record.backend = OWNER;
	assert_int_equal(take(bench), SWEEP_KEPT);
	assert_true(rests(bench, slot_of_flow(bench)));
	bench->record.backend = FORMER;
	assert_int_equal(take(bench), SWEEP_KEPT);
	assert_false(rests(bench, slot_of_flow(bench)));
}

static void live_records_are_counted(void **state)
{
	struct bench *bench = *state;
	const struct sweep_count *open, *settled;

	begin(bench);
	for (__u32 age = 100; age <= 300; age += 100) {
		bench->record.born = NOW - age;
		take(bench);
	}
	bench->record.flags = FLOW_CLOSING;
	bench->record.born = NOW - 250;
	take(bench);
	set_slots(bench, PHASE_SETTLED);
	bench->record.born = NOW - 7;
	take(bench);
	bench->record.backend = OWNER; /* is removed, and so not counted */
	take(bench);
	open = &bench->sweep.tally.count[FORMER][PHASE_OPEN];
	settled = &bench->sweep.tally.count[FORMER][PHASE_SETTLED];
	assert_int_equal(open->records, 4);
	assert_int_equal(open->closing, 1);
	assert_int_equal(open->oldest, 300);
	assert_int_equal(open->newest, 100);
	assert_int_equal(settled->records, 1);
	assert_int_equal(settled->oldest, 7);
	assert_int_equal(settled->newest, 7);
	assert_int_equal(sweep_tally_backend(&bench->sweep.tally, FORMER), 5);
	assert_int_equal(sweep_tally_backend(&bench->sweep.tally, OWNER), 0);
	assert_int_equal(bench->sweep.tally.records, 5);
	assert_int_equal(bench->sweep.tally.removed, 1);
	sweep_begin(&bench->sweep, SLOTS + 100, NOW);
	assert_int_equal(bench->sweep.tally.records, 0);
	assert_int_equal(sweep_tally_backend(&bench->sweep.tally, FORMER), 0);
}

/* Of the source alone where the service says so: all ports of a client are one slot. */
static void a_flow_has_the_dataplanes_slot(void **state)
{
	struct bench *bench = *state;
	const struct table_use table = {1000, 65537};
	struct flow_tuple six = {.source = {1, 2, 3, 4}, .destination = {5, 6, 7, 8}, .version = 6};
	struct flow_tuple other = bench->tuple;
	static const __be32 none[4];
	__u32 ports = 0;

	other.source_port = htons(40001);
	assert_int_not_equal(sweep_slot(&bench->key, &bench->tuple, table, 0),
			     sweep_slot(&bench->key, &other, table, 0));
	assert_int_equal(sweep_slot(&bench->key, &bench->tuple, table, SERVICE_HASH_SOURCE),
			 sweep_slot(&bench->key, &other, table, SERVICE_HASH_SOURCE));
	memcpy(&ports, &other.source_port, 4);
	assert_int_equal(
		sweep_slot(&bench->key, &other, table, 0),
		1000 + hash_slot(hash_flow4(&bench->key, other.source[0], other.destination[0], ports, IPPROTO_TCP),
				 65537));
	assert_int_equal(sweep_slot(&bench->key, &other, table, SERVICE_HASH_SOURCE),
			 1000 + hash_slot(hash_flow4(&bench->key, other.source[0], 0, 0, 0), 65537));
	assert_int_equal(sweep_slot(&bench->key, &six, table, 0),
			 1000 + hash_slot(hash_flow6(&bench->key, six.source, six.destination, 0, 0), 65537));
	assert_int_equal(sweep_slot(&bench->key, &six, table, SERVICE_HASH_SOURCE),
			 1000 + hash_slot(hash_flow6(&bench->key, six.source, none, 0, 0), 65537));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fate_goes_by_the_further_phase),
		TEST(silent_flows_are_over),
		TEST(what_nobody_has_is_gone),
		TEST(settled_slots_rest_unless_a_record_differs),
		TEST(what_changes_during_the_pass_does_not_rest),
		TEST(moves_rest_likewise),
		TEST(a_move_keeps_what_its_slot_could_spare),
		TEST(live_records_are_counted),
		TEST(a_flow_has_the_dataplanes_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
