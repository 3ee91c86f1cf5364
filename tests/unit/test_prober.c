/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Who is probed when: again and again, faster, anew after a reload or not, and as many at once as may be. */
#include "unit/prober_lab.h"

static void test_probes_again_and_again(void **state)
{
	struct world *world = *state;
	__u64 begun = clock_ms();

	world->probes[0].interval_ms = 50;
	configure(world);
	wait_findings(world, 1, 10);
	assert_int_equal(health_of(world, 1, 0)->last, FINDING_PASSED);
	assert_int_equal(health_of(world, 1, 0)->verdict, VERDICT_UP);
	assert_int_equal(world->changes, 1);
	/* never more often than the interval says */
	assert_true(figure(world, "begun") <= 2 + (clock_ms() - begun) / 50);
	assert_int_equal(figure(world, "configured"), 1);
}

static void test_fast_while_a_verdict_is_pending(void **state)
{
	struct world *world = *state;

	world->probes[0].fast_interval_ms = 10;
	world->probes[0].port = 1; /* refused */
	configure(world);
	/* the first one within a second, the others although the interval is an hour */
	wait_findings(world, 1, 3);
	assert_int_equal(health_of(world, 1, 0)->last, FINDING_FAILED);
	assert_int_equal(health_of(world, 1, 0)->verdict, VERDICT_DOWN);
	assert_non_null(strstr(health_of(world, 1, 0)->text, "connect 127.1.0.1:1: connection refused after "));
}

/* Of a thousand probes under way one is changed: no other is touched. */
static void test_reload_keeps_what_is_the_same(void **state)
{
	struct world *world = *state;
	size_t accepted = 0;
	__u64 took;

	world->backend_count = BACKENDS;
	expect_reply(world);
	configure(world);
	for (size_t i = 1; i <= BACKENDS; i++)
		wait_accepted(world, i, 1);
	world->moved = 77;
	took = configure(world);
	print_message("reload with %d backends of which one moved: %llu ms\n", BACKENDS, took);
	wait_accepted(world, 77, 2);
	for (size_t i = 1; i <= BACKENDS; i++) {
		accepted += world->peers[i].accepted;
		assert_true(stands(&world->peers[i]));
	}
	assert_int_equal(accepted, BACKENDS + 1);
	assert_int_equal(figure(world, "under_way"), BACKENDS);
	assert_int_equal(figure(world, "configured"), BACKENDS);
	/* and what they find counts */
	assert_int_equal(send(world->peers[1].connection, "pong", 4, 0), 4);
	assert_int_equal(send(world->peers[77].connection, "ping", 4, 0), 4);
	wait_findings(world, 1, 1);
	wait_findings(world, 77, 1);
	assert_int_equal(health_of(world, 1, 0)->last, FINDING_PASSED);
	assert_int_equal(health_of(world, 77, 0)->last, FINDING_FAILED);
}

static void test_changed_probe_begins_anew(void **state)
{
	struct world *world = *state;

	expect_reply(world);
	configure(world);
	wait_accepted(world, 1, 1);
	world->probes[0].timeout_ms--;
	configure(world);
	assert_false(stands(&world->peers[1]));
	wait_accepted(world, 1, 2);
}

static void test_removed_backend_is_left_alone(void **state)
{
	struct world *world = *state;

	world->backend_count = 2;
	expect_reply(world);
	configure(world);
	wait_accepted(world, 1, 1);
	wait_accepted(world, 2, 1);
	world->skip = 1;
	configure(world);
	assert_false(stands(&world->peers[1]));
	assert_true(stands(&world->peers[2]));
	assert_int_equal(figure(world, "configured"), 1);
	/* a pool of another name is another pool */
	world->pool = "other";
	configure(world);
	assert_false(stands(&world->peers[2]));
	world->probe_count = 0;
	configure(world);
	assert_int_equal(figure(world, "configured"), 0);
	assert_int_equal(figure(world, "under_way"), 0);
}

/* The probes change places in the list: they are the same ones all the same, and report as they stand now. */
static void test_probes_that_change_places(void **state)
{
	struct config_probe first;
	struct world *world = *state;

	world->probe_count = 2;
	expect_reply(world);
	world->probes[1].port = 1; /* refused */
	configure(world);
	wait_accepted(world, 1, 1);
	while (!health_of(world, 1, 1)->seen)
		turn(world);
	first = world->probes[0];
	world->probes[0] = world->probes[1];
	world->probes[1] = first;
	configure(world);
	assert_true(stands(&world->peers[1]));
	assert_int_equal(send(world->peers[1].connection, "pong", 4, 0), 4);
	while (health_of(world, 1, 1)->last != FINDING_PASSED || !health_of(world, 1, 1)->seen)
		turn(world);
	assert_int_equal(world->peers[1].accepted, 1);
}

/* More backends than descriptors: the rest waits in turn, and nobody is blamed. */
static void test_more_probes_than_descriptors(void **state)
{
	struct world *world = *state;
	struct rlimit before, few;
	int none[2];

	/* nobody accepts, nobody answers */
	none[0] = lab_bind("::", SOCK_STREAM, 0, &world->probes[0].port);
	none[1] = lab_bind("::", SOCK_DGRAM, 0, &world->port);
	expect_reply(world);
	world->probes[0].timeout_ms = world->probes[0].interval_ms = 1500;
	world->backend_count = 60;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	configure(world);
	assert_int_equal(figure(world, "limit"), 33);
	while (!figure(world, "waiting"))
		turn(world);
	assert_int_equal(figure(world, "under_way"), 33);
	for (size_t i = 1; i <= 60; i++)
		wait_findings(world, i, 1);
	for (size_t i = 1; i <= 60; i++)
		assert_int_equal(health_of(world, i, 0)->last, FINDING_FAILED);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	close(none[0]);
	close(none[1]);
}

static void test_hurry(void **state)
{
	struct world *world = *state;

	configure(world);
	wait_findings(world, 1, 1);
	/* idle since then, it was not held up */
	lab_hold_up(1000);
	for (size_t i = 2; i < 5; i++) {
		prober_hurry(world->prober, health_find(world->health, "web", "b1"));
		prober_hurry(world->prober, health_find(world->health, "web", "b1"));
		wait_findings(world, 1, i);
		assert_int_equal(figure(world, "begun"), i);
	}
	assert_true(figure(world, "held_up_ms") < 900);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_probes_again_and_again),	  TEST(test_fast_while_a_verdict_is_pending),
		TEST(test_reload_keeps_what_is_the_same), TEST(test_changed_probe_begins_anew),
		TEST(test_removed_backend_is_left_alone), TEST(test_probes_that_change_places),
		TEST(test_more_probes_than_descriptors),  TEST(test_hurry),
	};
	struct rlimit files;

	/* both ends of a thousand connections are here */
	if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur < 4096) {
		files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	return cmocka_run_group_tests_name("prober", tests, lab_namespace, NULL);
}
