/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A small state to be reported, where the clock stands still; dataplane and prober are stand-ins. */
#ifndef SLUICE_TEST_REPORT_LAB_H
#define SLUICE_TEST_REPORT_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/memory.h"
#include "out/report.h"
#include "probe/prober.h"

static struct counters fake_counters[3][64];
static bool counters_broken;

int dataplane_counters(struct dataplane *dataplane, enum counted what, __u32 first, __u32 count, struct counters *out)
{
	(void)dataplane;
	for (__u32 i = 0; i < count && first + i < 64; i++)
		out[i] = fake_counters[what][first + i];
	return counters_broken ? -EIO : 0;
}

/* What a test gives of transitions; of every pool and service the same. */
static __u32 fake_phases[PHASE_SETTLED + 1];
static __u64 fake_tracked;
static struct maps fake_maps;

int dataplane_tracked(const struct dataplane *dataplane, __u64 *out)
{
	(void)dataplane;
	for (__u32 i = 0; i < SLUICE_MAX_SERVICES; i++)
		out[i] = fake_tracked;
	return counters_broken ? -EIO : 0;
}

void dataplane_phases(const struct dataplane *dataplane, const char *pool, __u32 phases[static PHASE_SETTLED + 1])
{
	(void)dataplane;
	(void)pool;
	memcpy(phases, fake_phases, sizeof(fake_phases));
}

const struct maps *dataplane_maps(const struct dataplane *dataplane)
{
	(void)dataplane;
	return &fake_maps;
}

/* What the program is attached to, as JSON; NULL: nothing. */
static const char *fake_interfaces;

json_t *dataplane_interfaces_json(const struct dataplane *dataplane)
{
	(void)dataplane;
	return fake_interfaces ? json_loads(fake_interfaces, 0, NULL) : json_array();
}

json_t *dataplane_bpf_json(const struct dataplane *dataplane)
{
	(void)dataplane;
	return json_pack("{s:{s:i}}", "program", "id", 7);
}

/* The clocks stand still until a test moves them. */
static __u64 now_ms;

__u64 clock_ms(void)
{
	return now_ms;
}

__u64 clock_us(void)
{
	return now_ms * 1000;
}

static inline time_t wall_clock(time_t *out)
{
	time_t now = 1767225600 + (time_t)(now_ms / 1000);

	if (out)
		*out = now;
	return now;
}

/* Of every probe but the first one's of a backend. */
bool prober_aim(const struct prober *prober, const struct health_backend *backend, size_t probe, struct prober_aim *aim)
{
	(void)prober;
	(void)backend;
	*aim = (struct prober_aim){.to = "192.0.2.1:80", .via = "address", .why = "no service"};
	return probe;
}

json_t *prober_json(const struct prober *prober)
{
	(void)prober;
	return json_pack("{s:i, s:i, s:i}", "configured", 2, "begun", 77, "aside", 1);
}

static inline void no_event(void *argument, const struct event_fact *fact)
{
	(void)argument;
	(void)fact;
}

struct fixture {
	struct config config;
	struct config_pool pools[2];
	struct config_probe probes[2];
	struct config_backend backends[2], spare;
	struct config_service service;
	struct prefix vip;
	struct config_port port;
	struct link link;
	struct route route;
	struct neighbour neighbour;
	struct state state;
	struct plan plan;
	struct table table, empty, *tables[2];
	struct report report;
};

/*
 * A pool "web" with web1 (on link at 10.0.0.11, resolved) and web2 (no route), and "spare", its fallback,
 * with one backend that is not probed. One service.
 */
static inline void fill_config(struct fixture *fixture)
{
	address_parse("10.0.0.11", &fixture->backends[0].address);
	address_parse("10.0.0.12", &fixture->backends[1].address);
	fixture->backends[0].name = "web1";
	fixture->backends[0].weight = 300;
	fixture->backends[1].name = "web2";
	fixture->backends[1].weight = 100;
	address_parse("10.0.0.13", &fixture->spare.address);
	fixture->spare.name = "spare1";
	fixture->spare.weight = 1;
	fixture->probes[0] = (struct config_probe){.type = PROBE_TCP, .rise = 2, .fall = 2, .interval_ms = 1000};
	fixture->probes[1] = (struct config_probe){.type = PROBE_PING, .rise = 2, .fall = 2, .interval_ms = 1000};
	fixture->pools[0] = (struct config_pool){.name = "spare",
						 .table_size = 7,
						 .fallback = CONFIG_NONE,
						 .backends = &fixture->spare,
						 .backend_count = 1};
	fixture->pools[1] = (struct config_pool){.name = "web",
						 .table_size = 7,
						 .probes = fixture->probes,
						 .probe_count = 2,
						 .fallback = 0,
						 .backends = fixture->backends,
						 .backend_count = 2};
	prefix_parse("192.0.2.10", &fixture->vip);
	fixture->port = (struct config_port){443, IPPROTO_TCP};
	fixture->service = (struct config_service){.name = "www",
						   .pool = 1,
						   .addresses = &fixture->vip,
						   .address_count = 1,
						   .ports = &fixture->port,
						   .port_count = 1};
	fixture->config = (struct config){.file = "/etc/\"odd\".yaml",
					  .pools = fixture->pools,
					  .pool_count = 2,
					  .services = &fixture->service,
					  .service_count = 1};
}

static inline void fill_state(struct fixture *fixture)
{
	fixture->state.config = &fixture->config;
	fixture->state.config_loaded = 1767225600;
	fixture->state.started = time(NULL) - 5;
	fixture->state.ids = ids_new();
	assert_int_equal(ids_assign(fixture->state.ids, &fixture->config), 0);
	now_ms = 1000000;
	fixture->state.begun = now_ms - 5999;
	fixture->state.health = health_new(no_event, NULL, wall_clock);
	health_configure(fixture->state.health, &fixture->config, false, now_ms);
}

static inline void fill_network(struct fixture *fixture)
{
	fixture->link = (struct link){.ifindex = 3, .name = "eth0", .ethernet = true, .up = true, .mtu = 1500};
	HASH_ADD(hh, fixture->state.network.links, ifindex, sizeof(__u32), &fixture->link);
	fixture->route =
		(struct route){.destination = fixture->backends[0].address, .kind = ROUTE_UNICAST, .ifindex = 3};
	address_parse("10.0.0.1", &fixture->route.source);
	HASH_ADD(hh, fixture->state.network.routes, destination, sizeof(struct address), &fixture->route);
	fixture->neighbour = (struct neighbour){.key = {3, fixture->backends[0].address},
						.known = true,
						.mac = {2, 0, 0, 0, 0, 0xb1},
						.nud = NUD_STALE};
	HASH_ADD(hh, fixture->state.network.neighbours, key, sizeof(struct neighbour_key), &fixture->neighbour);
}

/* What the kernel has. */
static inline void fill_dataplane(struct fixture *fixture)
{
	__u16 web1 = ids_backend(fixture->state.ids, "web", &fixture->backends[0].address);

	fixture->table = (struct table){.pool = "web", .size = 7, .owner = memory_new(7, sizeof(__u16))};
	for (int i = 0; i < 5; i++)
		fixture->table.owner[i] = web1;
	fixture->empty = (struct table){.pool = "spare"};
	fixture->tables[0] = &fixture->empty;
	fixture->tables[1] = &fixture->table;
	fixture->plan = (struct plan){.tables = fixture->tables, .table_count = 2};
	fixture->plan.backends = memory_new(SLUICE_MAX_BACKENDS + 1, sizeof(struct backend));
	fixture->plan.backends[web1].encap = ENCAP_IPIP4;
	fixture->report = (struct report){.state = &fixture->state,
					  .plan = &fixture->plan,
					  .dataplane = (struct dataplane *)fixture /* never looked into */};

	memset(fake_counters, 0, sizeof(fake_counters));
	memset(fake_phases, 0, sizeof(fake_phases));
	fake_tracked = 0;
	fake_maps = (struct maps){.flow_capacity = 4096};
	counters_broken = false;
	fake_counters[COUNTED_REASONS][REASON_forwarded] = (struct counters){70, 7000};
	fake_counters[COUNTED_REASONS][REASON_redirected] = (struct counters){30, 3000};
	fake_counters[COUNTED_BACKENDS][web1] = (struct counters){100, 10000};
	fake_counters[COUNTED_SERVICES][ids_service(fixture->state.ids, "www")] =
		(struct counters){(1ULL << 53) + 1, 5};
}

static inline int setup(void **state)
{
	struct fixture *fixture = memory_new(1, sizeof(*fixture));

	fill_config(fixture);
	fill_state(fixture);
	fill_network(fixture);
	fill_dataplane(fixture);
	*state = fixture;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *fixture = *state;

	HASH_CLEAR(hh, fixture->state.network.links);
	HASH_CLEAR(hh, fixture->state.network.routes);
	HASH_CLEAR(hh, fixture->state.network.neighbours);
	ids_free(fixture->state.ids);
	health_free(fixture->state.health);
	free(fixture->table.owner);
	free(fixture->plan.backends);
	free(fixture);
	return 0;
}

static inline void expect_json(json_t *report, const char *expected)
{
	char *text = json_dumps(report, JSON_COMPACT);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
	json_decref(report);
}

static inline void expect_key(const json_t *object, const char *key, const char *expected)
{
	char *text = json_dumps(json_object_get(object, key), JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(3));

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

/* What probe 0 or 1 of a backend of "web" found. */
static inline void found(struct fixture *fixture, const char *backend, size_t probe, enum finding finding,
			 const char *text)
{
	struct health_backend *of = health_find(fixture->state.health, "web", backend);

	assert_non_null(of);
	health_report(fixture->state.health, of, probe, finding, text, now_ms);
}

/* As many times as it takes for both of web1's probes and web2's second one to pass, and web2's first one to fail. */
static inline void probe_all(struct fixture *fixture)
{
	for (int i = 0; i < 3; i++) {
		now_ms += 1000;
		found(fixture, "web1", 0, FINDING_PASSED, "connect 10.0.0.11:80: 0.1 ms");
		found(fixture, "web1", 1, FINDING_PASSED, "ping 10.0.0.11: 0.1 ms");
		found(fixture, "web2", 0, FINDING_FAILED, "connect 10.0.0.12:80: connection refused after 0.3 ms");
		found(fixture, "web2", 1, FINDING_PASSED, "ping 10.0.0.12: 0.1 ms");
	}
	now_ms += 250;
}

/* A new reference, of what is a line of compact JSON, as if it were made from a tree. */
static inline json_t *all_backends(struct fixture *fixture)
{
	char *text = report_backends(&fixture->report), *again, *line;
	json_t *backends = json_loads(text, 0, NULL);

	assert_non_null(backends);
	again = json_dumps(backends, JSON_COMPACT);
	line = memory_format("%s\n", again);
	assert_string_equal(text, line);
	free(line);
	free(again);
	free(text);
	return backends;
}

/* A new reference. */
static inline json_t *backend(struct fixture *fixture, const char *name)
{
	json_t *object = report_backend(&fixture->report, "web", name);

	assert_non_null(object);
	return object;
}

#define REPORT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
