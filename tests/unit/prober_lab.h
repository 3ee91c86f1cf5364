/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The prober with the judgement, real sockets and a network namespace of its own. The backends are
 * addresses of loopback; one listener serves them all.
 */
#ifndef SLUICE_TEST_PROBER_LAB_H
#define SLUICE_TEST_PROBER_LAB_H

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

static inline void ask_vip(void *argument, size_t pool, size_t backend, const struct config_probe *probe,
			   struct prober_vip *out)
{
	(void)pool;
	(void)backend;
	(void)probe;
	*out = ((struct world *)argument)->vip;
}

static inline __u32 ask_mark(void *argument, size_t pool, size_t backend, char why[96])
{
	struct world *world = argument;

	(void)pool;
	(void)backend;
	if (!world->mark)
		snprintf(why, 96, "no tunnel");
	return world->mark;
}

static inline bool ask_reachable(void *argument, const struct address *address, char why[96])
{
	struct world *world = argument;

	(void)address;
	if (world->unreachable)
		snprintf(why, 96, "no route");
	return !world->unreachable;
}

static inline bool ask_heard(void *argument, size_t pool, size_t backend, const struct config_probe *probe,
			     char why[96])
{
	(void)pool;
	(void)backend;
	(void)probe;
	snprintf(why, 96, "replies are dropped");
	return !((struct world *)argument)->deaf;
}

static inline void ask_reported(void *argument, bool tables)
{
	((struct world *)argument)->changes += tables;
}

static inline void ignore_event(void *argument, const struct event_fact *fact)
{
	(void)argument;
	(void)fact;
}

/* 127.1.X.Y is backend X * 256 + Y; 127.2.X.Y is the same, moved. */
static inline void accept_event(evutil_socket_t fd, short what, void *argument)
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

static inline int setup(void **state)
{
	struct world *world = memory_new(1, sizeof(*world));
	const struct prober_ask ask = {world, ask_vip, ask_mark, ask_reachable, ask_reported, ask_heard};

	world->descriptors = descriptors_open();
	world->base = event_base_new();
	world->patience = patience_new(world->base);
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

static inline int teardown(void **state)
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
	assert_int_equal(descriptors_open(), world->descriptors);
	free(world);
	return 0;
}

static inline void fill_backend(struct config_backend *backend, size_t number, bool moved, struct arena *arena)
{
	char text[ADDRESS_TEXT];

	snprintf(text, sizeof(text), "b%zu", number);
	backend->name = arena_strdup(arena, text);
	snprintf(text, sizeof(text), "127.%d.%zu.%zu", moved ? 2 : 1, number / 256, number % 256);
	backend->address = parsed_address(text);
	backend->weight = 100;
}

/* Takes the configuration as a reload does, and frees it: nobody may need it then. Returns how long it took, in ms. */
static inline __u64 configure(struct world *world)
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

static inline void turn(struct world *world)
{
	event_base_loop(world->base, EVLOOP_ONCE);
}

static const struct health_probe *health_of(struct world *world, size_t backend, size_t probe)
{
	char name[16];

	snprintf(name, sizeof(name), "b%zu", backend);
	return &health_find(world->health, world->pool, name)->probes[probe];
}

static inline size_t figure(struct world *world, const char *name)
{
	json_t *figures = prober_json(world->prober);
	size_t value = (size_t)json_integer_value(json_object_get(figures, name));

	assert_non_null(json_object_get(figures, name));
	json_decref(figures);
	return value;
}

/* The probe's connection stands: its end has come neither as a reset nor as a close. */
static inline bool stands(const struct peer *peer)
{
	char byte;

	return peer->connection >= 0 && recv(peer->connection, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

/* Has every probe wait for a reply that does not come. */
static inline void expect_reply(struct world *world)
{
	for (size_t i = 0; i < 2; i++)
		world->probes[i].expect = (struct config_bytes){"pong", 4};
}

static inline void wait_accepted(struct world *world, size_t backend, size_t count)
{
	while (world->peers[backend].accepted < count)
		turn(world);
}

static inline void wait_findings(struct world *world, size_t backend, size_t run)
{
	while (health_of(world, backend, 0)->run < run)
		turn(world);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
