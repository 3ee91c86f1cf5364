/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The prober with the judgement, real sockets and a network namespace of its own. The backends are
 * addresses of loopback; one listener serves them all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/arena.h"
#include "lib/clock.h"
#include "probe/prober.h"
#include "unit/probe_lab.h"

#define BACKENDS 1000

/* What the listener has of a backend's probes. */
struct peer {
	int connection; /* the last one, -1: none */
	size_t accepted;
};

struct world {
	struct event_base *base;
	struct event *patience, *accept;
	struct health *health;
	struct prober *prober;
	size_t descriptors;
	int listener;
	__u16 port;
	struct peer peers[BACKENDS + 2]; /* by backend, from 1 on */

	/* the configuration to be */
	struct config_probe probes[2];
	size_t probe_count, backend_count;
	size_t skip;  /* a backend that it leaves out, 0: none */
	size_t moved; /* a backend that has another address, 0: none */
	const char *pool;

	/* what the agent answers */
	struct prober_vip vip;
	__u32 mark;
	bool unreachable, deaf;
	size_t changes;
};

static void ask_vip(void *argument, size_t pool, size_t backend, const struct config_probe *probe,
		    struct prober_vip *out)
{
	(void)pool;
	(void)backend;
	(void)probe;
	*out = ((struct world *)argument)->vip;
}

static __u32 ask_mark(void *argument, size_t pool, size_t backend, char why[96])
{
	struct world *world = argument;

	(void)pool;
	(void)backend;
	if (!world->mark)
		snprintf(why, 96, "no tunnel");
	return world->mark;
}

static bool ask_reachable(void *argument, const struct address *address, char why[96])
{
	struct world *world = argument;

	(void)address;
	if (world->unreachable)
		snprintf(why, 96, "no route");
	return !world->unreachable;
}

static bool ask_heard(void *argument, size_t pool, const struct config_probe *probe, char why[96])
{
	(void)pool;
	(void)probe;
	snprintf(why, 96, "replies are dropped");
	return !((struct world *)argument)->deaf;
}

static void ask_changed(void *argument)
{
	((struct world *)argument)->changes++;
}

static void ignore_event(void *argument, const struct event_fact *fact)
{
	(void)argument;
	(void)fact;
}

/* 127.1.X.Y is backend X * 256 + Y; 127.2.X.Y is the same, moved. */
static void accept_event(evutil_socket_t fd, short what, void *argument)
{
	struct world *world = argument;
	struct sockaddr_in6 name;
	socklen_t length;
	int connection;

	(void)what;
	while ((connection = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct peer *peer;

		length = sizeof(name);
		getsockname(connection, (struct sockaddr *)&name, &length);
		peer = &world->peers[name.sin6_addr.s6_addr[14] * 256 + name.sin6_addr.s6_addr[15]];
		if (peer->connection >= 0)
			close(peer->connection);
		peer->connection = connection;
		peer->accepted++;
	}
}

static int setup(void **state)
{
	struct world *world = memory_new(1, sizeof(*world));
	const struct timeval patience = {.tv_sec = PATIENCE};
	const struct prober_ask ask = {world, ask_vip, ask_mark, ask_reachable, ask_changed, ask_heard};

	world->descriptors = lab_descriptors();
	world->base = event_base_new();
	world->patience = evtimer_new(world->base, lab_out_of_patience, NULL);
	evtimer_add(world->patience, &patience);
	world->listener = lab_bind("::", SOCK_STREAM, 4096, &world->port);
	world->accept = event_new(world->base, world->listener, EV_READ | EV_PERSIST, accept_event, world);
	event_add(world->accept, NULL);
	for (size_t i = 0; i < BACKENDS + 2; i++)
		world->peers[i].connection = -1;
	world->health = health_new(ignore_event, world, time);
	world->prober = prober_new(world->base, world->health, &ask);
	world->pool = "web";
	world->backend_count = world->probe_count = 1;
	for (size_t i = 0; i < 2; i++)
		world->probes[i] = (struct config_probe){.type = PROBE_TCP,
							 .interval_ms = 3600000,
							 .timeout_ms = 30000,
							 .rise = 2,
							 .fall = 3,
							 .port = world->port};
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	prober_free(world->prober);
	health_free(world->health);
	for (size_t i = 0; i < BACKENDS + 2; i++)
		if (world->peers[i].connection >= 0)
			close(world->peers[i].connection);
	event_free(world->accept);
	event_free(world->patience);
	close(world->listener);
	event_base_free(world->base);
	assert_int_equal(lab_descriptors(), world->descriptors);
	free(world);
	return 0;
}

static void fill_backend(struct config_backend *backend, size_t number, bool moved, struct arena *arena)
{
	char text[ADDRESS_TEXT];

	snprintf(text, sizeof(text), "b%zu", number);
	backend->name = arena_strdup(arena, text);
	snprintf(text, sizeof(text), "127.%d.%zu.%zu", moved ? 2 : 1, number / 256, number % 256);
	backend->address = parsed_address(text);
	backend->weight = 100;
}

/* Takes the configuration as a reload does, and frees it: nobody may need it then. Returns how long it took, in ms. */
static __u64 configure(struct world *world)
{
	struct arena *arena = arena_new();
	struct config_probe *probes = arena_array(arena, 2, sizeof(*probes));
	struct config_pool pool = {.name = arena_strdup(arena, world->pool),
				   .table_size = 65537,
				   .probes = probes,
				   .probe_count = world->probe_count,
				   .fallback = CONFIG_NONE,
				   .backends = arena_array(arena, world->backend_count, sizeof(struct config_backend))};
	const struct config config = {.pools = &pool, .pool_count = 1};
	__u64 begun;

	for (size_t i = 0; i < world->probe_count; i++)
		config_probe_copy(&probes[i], &world->probes[i], arena);
	for (size_t i = 1; i <= world->backend_count; i++)
		if (i != world->skip)
			fill_backend(&pool.backends[pool.backend_count++], i, i == world->moved, arena);
	begun = clock_ms();
	prober_pause(world->prober);
	health_configure(world->health, &config, false, begun);
	prober_configure(world->prober, &config);
	begun = clock_ms() - begun;
	arena_free(arena);
	return begun;
}

static void turn(struct world *world)
{
	event_base_loop(world->base, EVLOOP_ONCE);
}

static const struct health_probe *health_of(struct world *world, size_t backend, size_t probe)
{
	char name[16];

	snprintf(name, sizeof(name), "b%zu", backend);
	return &health_find(world->health, world->pool, name)->probes[probe];
}

static size_t figure(struct world *world, const char *name)
{
	json_t *figures = prober_json(world->prober);
	size_t value = (size_t)json_integer_value(json_object_get(figures, name));

	assert_non_null(json_object_get(figures, name));
	json_decref(figures);
	return value;
}

/* The probe's connection stands: its end has come neither as a reset nor as a close. */
static bool stands(const struct peer *peer)
{
	char byte;

	return peer->connection >= 0 && recv(peer->connection, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

/* Has every probe wait for a reply that does not come. */
static void expect_reply(struct world *world)
{
	for (size_t i = 0; i < 2; i++)
		world->probes[i].expect = (struct config_bytes){"pong", 4};
}

static void wait_accepted(struct world *world, size_t backend, size_t count)
{
	while (world->peers[backend].accepted < count)
		turn(world);
}

static void wait_findings(struct world *world, size_t backend, size_t run)
{
	while (health_of(world, backend, 0)->run < run)
		turn(world);
}

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
	json_t *aim = prober_probe_json(world->prober, health_find(world->health, world->pool, "b1"), 0);
	const char *said = json_string_value(json_object_get(aim, "why"));

	assert_string_equal(json_string_value(json_object_get(aim, "to")), to);
	assert_string_equal(json_string_value(json_object_get(aim, "via")), via);
	assert_string_equal(said ? said : "", why);
	json_decref(aim);
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
	assert_null(prober_probe_json(world->prober, health_find(world->health, "web", "b1"), 0));
	probe_anew(world, 1);
	snprintf(to, sizeof(to), "127.3.0.1:%u via 127.1.0.1", world->port);
	expect_aim(world, to, "vip", "");
	world->mark = 0;
	probe_anew(world, 2);
	snprintf(to, sizeof(to), "127.1.0.1:%u", world->port);
	expect_aim(world, to, "address", "no tunnel");
	world->vip.address.family = 0;
	strcpy(world->vip.why, "no service");
	probe_anew(world, 3);
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
}

static void test_no_port(void **state)
{
	struct world *world = *state;

	world->probes[0].port = 0;
	expect_trouble(world, "no port: name one in the probe");
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
		usleep(500000);
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
	usleep(500000);
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
	usleep(600000);
	while (!health_of(world, 1, 0)->seen)
		turn(world);
	assert_true(health_of(world, 1, 0)->trouble);
}

static void test_hurry(void **state)
{
	struct world *world = *state;

	configure(world);
	wait_findings(world, 1, 1);
	/* idle since then, it was not held up */
	usleep(1000000);
	for (size_t i = 2; i < 5; i++) {
		prober_hurry(world->prober, health_find(world->health, "web", "b1"));
		prober_hurry(world->prober, health_find(world->health, "web", "b1"));
		wait_findings(world, 1, i);
		assert_int_equal(figure(world, "begun"), i);
	}
	assert_true(figure(world, "held_up_ms") < 900);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_probes_again_and_again),
		TEST(test_fast_while_a_verdict_is_pending),
		TEST(test_reload_keeps_what_is_the_same),
		TEST(test_changed_probe_begins_anew),
		TEST(test_removed_backend_is_left_alone),
		TEST(test_probes_that_change_places),
		TEST(test_no_way_is_no_failure),
		TEST(test_way_lost_meanwhile_is_no_failure),
		TEST(test_dropped_reply_is_no_failure),
		TEST(test_through_the_vip_where_that_can_be),
		TEST(test_not_through_the_vip),
		TEST(test_no_port),
		TEST(test_more_probes_than_descriptors),
		TEST(test_held_up),
		TEST(test_held_up_without_an_answer),
		TEST(test_held_up_in_the_middle),
		TEST(test_hurry),
	};
	struct rlimit files;

	/* both ends of a thousand connections are here */
	if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur < 4096) {
		files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	return cmocka_run_group_tests_name("prober", tests, lab_namespace, NULL);
}
