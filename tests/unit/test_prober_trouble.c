/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* By which way probes go, and that nobody is judged by what this process or its host cannot do. */
#include "unit/prober_lab.h"

static void test_no_way_is_no_failure(void **state)
{
	struct world *world = *state;

	world->probes[0].interval_ms = 20;
	configure(world);
	wait_findings(world, 1, 1);
	world->unreachable = true;
	while (!health_of(world, 1, 0)->trouble)
		turn(world);
	assert_string_equal(health_of(world, 1, 0)->text, "this host has no way to 127.1.0.1: no route");
	for (size_t begun = figure(world, "begun"); figure(world, "begun") < begun + 5;)
		turn(world);
	assert_int_equal(health_of(world, 1, 0)->verdict, VERDICT_UP);
	world->unreachable = false;
	while (health_of(world, 1, 0)->trouble)
		turn(world);
	assert_int_equal(health_of(world, 1, 0)->last, FINDING_PASSED);
}

/* A link goes down while a probe is under way: that its answer does not come says nothing of the backend. */
static void test_way_lost_meanwhile_is_no_failure(void **state)
{
	struct world *world = *state;
	const struct health_probe *found;

	expect_reply(world);
	configure(world);
	found = health_of(world, 1, 0);
	wait_accepted(world, 1, 1);
	world->unreachable = true;
	assert_int_equal(send(world->peers[1].connection, "ping", 4, 0), 4);
	while (!found->seen)
		turn(world);
	assert_true(found->trouble);
	assert_int_equal(found->run, 0);
	assert_non_null(strstr(found->text, ": no route"));
	/* the same through the VIP, whose tunnel is gone */
	world->unreachable = false;
	world->vip = (struct prober_vip){.address = parsed_address("127.3.0.1"), .port = world->port};
	world->mark = 0x51500001;
	prober_hurry(world->prober, health_find(world->health, world->pool, "b1"));
	wait_accepted(world, 1, 2);
	world->mark = 0;
	assert_int_equal(send(world->peers[1].connection, "ping", 4, 0), 4);
	while (!strstr(found->text, ": no tunnel"))
		turn(world);
	assert_int_equal(found->run, 0);
	/* with the way back, it does */
	world->mark = 0x51500001;
	prober_hurry(world->prober, health_find(world->health, world->pool, "b1"));
	wait_accepted(world, 1, 3);
	assert_int_equal(send(world->peers[1].connection, "ping", 4, 0), 4);
	while (!found->run)
		turn(world);
	assert_int_equal(found->last, FINDING_FAILED);
}

/* Only through the VIP are replies dropped: their source is it. */
static void test_dropped_reply_is_no_failure(void **state)
{
	struct world *world = *state;
	const struct health_probe *found;

	expect_reply(world);
	world->vip = (struct prober_vip){.address = parsed_address("127.3.0.1"), .port = world->port};
	world->mark = 0x51500001;
	world->deaf = true;
	configure(world);
	found = health_of(world, 1, 0);
	wait_accepted(world, 1, 1);
	assert_int_equal(send(world->peers[1].connection, "ping", 4, 0), 4);
	while (!found->seen)
		turn(world);
	assert_true(found->trouble);
	assert_int_equal(found->run, 0);
	assert_non_null(strstr(found->text, ": replies are dropped"));
	/* to the address it does not matter */
	world->vip.address.family = 0;
	prober_hurry(world->prober, health_find(world->health, world->pool, "b1"));
	wait_accepted(world, 1, 2);
	assert_int_equal(send(world->peers[1].connection, "ping", 4, 0), 4);
	while (!found->run)
		turn(world);
	assert_int_equal(found->last, FINDING_FAILED);
}

static void expect_aim(struct world *world, const char *to, const char *via, const char *why)
{
	struct prober_aim aim;

	assert_true(prober_aim(world->prober, health_find(world->health, world->pool, "b1"), 0, &aim));
	assert_string_equal(aim.to, to);
	assert_string_equal(aim.via, via);
	assert_string_equal(aim.why, why);
}

static void probe_anew(struct world *world, size_t accepted)
{
	prober_hurry(world->prober, health_find(world->health, world->pool, "b1"));
	wait_accepted(world, 1, accepted);
	while (figure(world, "under_way"))
		turn(world);
}

static void test_through_the_vip_where_that_can_be(void **state)
{
	struct world *world = *state;
	char to[64];

	/* 127.3.0.1 counts as backend 1 in accept_event() */
	world->vip = (struct prober_vip){.address = parsed_address("127.3.0.1"), .port = world->port};
	world->probes[0].port = 0;
	world->mark = 9;
	configure(world);
	assert_false(prober_aim(world->prober, health_find(world->health, "web", "b1"), 0, &(struct prober_aim){0}));
	probe_anew(world, 1);
	snprintf(to, sizeof(to), "127.3.0.1:%u via 127.1.0.1", world->port);
	expect_aim(world, to, "vip", "");
	world->vip.address.family = 0;
	strcpy(world->vip.why, "no service");
	probe_anew(world, 2);
	snprintf(to, sizeof(to), "127.1.0.1:%u", world->port);
	expect_aim(world, to, "address", "no service");
}

static void expect_trouble(struct world *world, const char *text)
{
	configure(world);
	while (!health_of(world, 1, 0)->seen || strcmp(health_of(world, 1, 0)->text, text) != 0)
		turn(world);
	assert_true(health_of(world, 1, 0)->trouble);
	assert_int_equal(world->peers[1].accepted, 0);
}

static void test_not_through_the_vip(void **state)
{
	struct world *world = *state;

	world->probes[0].via = VIA_VIP;
	strcpy(world->vip.why, "no service");
	expect_trouble(world, "no way through the VIP: no service");
	world->vip = (struct prober_vip){.address = parsed_address("127.3.0.1"), .port = world->port};
	world->probes[0].timeout_ms--;
	expect_trouble(world, "no way through the VIP: no tunnel");
	/* nor by its address, which might answer where clients get nothing */
	world->probes[0].via = VIA_AUTO;
	expect_trouble(world, "no way through the VIP: no tunnel");
}

static void test_no_port(void **state)
{
	struct world *world = *state;

	world->probes[0].port = 0;
	expect_trouble(world, "no port: name one in the probe");
}

/* The process is stopped for longer than the timeout, with probes under way: those that have been answered pass. */
static void test_held_up(void **state)
{
	struct world *world = *state;

	world->probes[0].timeout_ms = world->probes[0].interval_ms = 200;
	configure(world);
	for (int i = 0; i < 5; i++) {
		size_t begun = figure(world, "begun");

		while (figure(world, "begun") == begun)
			turn(world);
		lab_hold_up(500);
	}
	wait_findings(world, 1, 6);
	assert_int_equal(health_of(world, 1, 0)->last, FINDING_PASSED);
}

/* And those that have not been answered say nothing; later, in a running process, they fail. */
static void test_held_up_without_an_answer(void **state)
{
	struct world *world = *state;

	expect_reply(world);
	world->probes[0].timeout_ms = world->probes[0].interval_ms = 200;
	configure(world);
	wait_accepted(world, 1, 1);
	lab_hold_up(500);
	while (!health_of(world, 1, 0)->seen)
		turn(world);
	assert_true(health_of(world, 1, 0)->trouble);
	assert_non_null(strstr(health_of(world, 1, 0)->text, ": this process was held up for "));
	assert_true(figure(world, "held_up_ms") >= 400);
	while (health_of(world, 1, 0)->trouble)
		turn(world);
	assert_int_equal(health_of(world, 1, 0)->last, FINDING_FAILED);
}

/* Held up in the middle of the timeout: the timer itself is not late. */
static void test_held_up_in_the_middle(void **state)
{
	struct world *world = *state;

	expect_reply(world);
	world->probes[0].timeout_ms = world->probes[0].interval_ms = 1000;
	configure(world);
	wait_accepted(world, 1, 1);
	lab_hold_up(600);
	while (!health_of(world, 1, 0)->seen)
		turn(world);
	assert_true(health_of(world, 1, 0)->trouble);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_way_is_no_failure),
		TEST(test_way_lost_meanwhile_is_no_failure),
		TEST(test_dropped_reply_is_no_failure),
		TEST(test_through_the_vip_where_that_can_be),
		TEST(test_not_through_the_vip),
		TEST(test_no_port),
		TEST(test_held_up),
		TEST(test_held_up_without_an_answer),
		TEST(test_held_up_in_the_middle),
	};

	return cmocka_run_group_tests_name("prober in trouble", tests, lab_namespace, NULL);
}
