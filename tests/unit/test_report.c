/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the reports tell of state and counters; the dataplane alone is a stand-in. */
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

#include "lib/memory.h"
#include "out/report.h"

static struct counters fake_counters[3][64];
static bool counters_broken;

int dataplane_counters(struct dataplane *dataplane, enum counted what, __u32 first, __u32 count, struct counters *out)
{
	(void)dataplane;
	for (__u32 i = 0; i < count && first + i < 64; i++)
		out[i] = fake_counters[what][first + i];
	return counters_broken ? -EIO : 0;
}

json_t *dataplane_interfaces_json(const struct dataplane *dataplane)
{
	(void)dataplane;
	return json_array();
}

json_t *dataplane_bpf_json(const struct dataplane *dataplane)
{
	(void)dataplane;
	return json_pack("{s:{s:i}}", "program", "id", 7);
}

struct fixture {
	struct config config;
	struct config_pool pool;
	struct config_backend backends[2];
	struct config_service service;
	struct prefix vip;
	struct config_port port;
	struct link link;
	struct route route;
	struct neighbour neighbour;
	struct state state;
	struct plan plan;
	struct table table, *tables[1];
	struct report report;
};

/* One pool "web" with web1 (on link at 10.0.0.11, resolved) and web2 (no route), one service. */
static void fill(struct fixture *fixture)
{
	__u16 web1;

	address_parse("10.0.0.11", &fixture->backends[0].address);
	address_parse("10.0.0.12", &fixture->backends[1].address);
	fixture->backends[0].name = "web1";
	fixture->backends[0].weight = 300;
	fixture->backends[1].name = "web2";
	fixture->backends[1].weight = 100;
	fixture->pool =
		(struct config_pool){.name = "web", .table_size = 7, .backends = fixture->backends, .backend_count = 2};
	prefix_parse("192.0.2.10", &fixture->vip);
	fixture->port = (struct config_port){443, IPPROTO_TCP};
	fixture->service = (struct config_service){.name = "www",
						   .addresses = &fixture->vip,
						   .address_count = 1,
						   .ports = &fixture->port,
						   .port_count = 1};
	fixture->config = (struct config){.file = "/etc/\"odd\".yaml",
					  .pools = &fixture->pool,
					  .pool_count = 1,
					  .services = &fixture->service,
					  .service_count = 1};
	fixture->state.config = &fixture->config;
	fixture->state.config_loaded = 1767225600;
	fixture->state.started = time(NULL) - 5;
	fixture->state.ids = ids_new();
	assert_int_equal(ids_assign(fixture->state.ids, &fixture->config), 0);
	web1 = ids_backend(fixture->state.ids, "web", "web1");

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

	fixture->table = (struct table){.pool = "web", .size = 7, .owner = memory_new(7, sizeof(__u16))};
	for (int i = 0; i < 5; i++)
		fixture->table.owner[i] = web1;
	fixture->tables[0] = &fixture->table;
	fixture->plan = (struct plan){.tables = fixture->tables, .table_count = 1};
	fixture->plan.backends = memory_new(SLUICE_MAX_BACKENDS + 1, sizeof(struct backend));
	fixture->plan.backends[web1].encap = ENCAP_IPIP4;
	fixture->report = (struct report){.state = &fixture->state,
					  .plan = &fixture->plan,
					  .dataplane = (struct dataplane *)fixture /* never looked into */};

	memset(fake_counters, 0, sizeof(fake_counters));
	counters_broken = false;
	fake_counters[COUNTED_REASONS][REASON_forwarded] = (struct counters){70, 7000};
	fake_counters[COUNTED_REASONS][REASON_redirected] = (struct counters){30, 3000};
	fake_counters[COUNTED_BACKENDS][web1] = (struct counters){100, 10000};
	fake_counters[COUNTED_SERVICES][ids_service(fixture->state.ids, "www")] =
		(struct counters){(1ULL << 53) + 1, 5};
}

static int setup(void **state)
{
	struct fixture *fixture = memory_new(1, sizeof(*fixture));

	fill(fixture);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	HASH_CLEAR(hh, fixture->state.network.links);
	HASH_CLEAR(hh, fixture->state.network.routes);
	HASH_CLEAR(hh, fixture->state.network.neighbours);
	ids_free(fixture->state.ids);
	free(fixture->table.owner);
	free(fixture->plan.backends);
	free(fixture);
	return 0;
}

static void expect_json(json_t *report, const char *expected)
{
	char *text = json_dumps(report, JSON_COMPACT);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
	json_decref(report);
}

static void reports_tell_state_and_counters(void **state)
{
	struct fixture *fixture = *state;
	json_t *status = report_status(&fixture->report);
	const char *loaded = NULL, *file = NULL;
	int packets = 0, unresolved = 0, backends = 0;

	assert_int_equal(json_unpack(status, "{s:{s:s, s:s}, s:i, s:i, s:i}", "config", "loaded_at", &loaded, "file",
				     &file, "packets", &packets, "backends_unresolved", &unresolved, "backends",
				     &backends),
			 0);
	assert_string_equal(loaded, "2026-01-01T00:00:00Z");
	assert_string_equal(file, "/etc/\"odd\".yaml");
	assert_int_equal(packets, 100);
	assert_int_equal(unresolved, 1);
	assert_int_equal(backends, 2);
	json_decref(status);

	expect_json(report_services(&fixture->report),
		    "[{\"name\":\"www\",\"addresses\":[\"192.0.2.10\"],\"ports\":[\"443/tcp\"],\"pool\":\"web\","
		    "\"hash\":\"flow\",\"packets\":9007199254740993,\"bytes\":5}]");
	expect_json(report_pools(&fixture->report),
		    "[{\"name\":\"web\",\"forward\":\"ipip\",\"table_size\":7,\"first_slot\":0,\"backends\":2,"
		    "\"resolved\":1,\"services\":[\"www\"],\"packets\":100,\"bytes\":10000}]");
	expect_json(report_backends(&fixture->report),
		    "[{\"pool\":\"web\",\"name\":\"web1\",\"index\":1,\"address\":\"10.0.0.11\",\"weight\":300,"
		    "\"state\":\"up\",\"share\":0.75,\"resolved\":true,\"why\":null,\"interface\":\"eth0\","
		    "\"next_hop\":\"10.0.0.11\",\"mac\":\"02:00:00:00:00:b1\",\"mtu\":1500,\"slots\":5,"
		    "\"packets\":100,\"bytes\":10000},"
		    "{\"pool\":\"web\",\"name\":\"web2\",\"index\":2,\"address\":\"10.0.0.12\",\"weight\":100,"
		    "\"state\":\"up\",\"share\":0.25,\"resolved\":false,\"why\":\"no route to 10.0.0.12\","
		    "\"interface\":null,\"next_hop\":null,\"mac\":null,\"mtu\":null,\"slots\":0,\"packets\":0,"
		    "\"bytes\":0}]");
	expect_json(report_neighbours(&fixture->report),
		    "[{\"address\":\"10.0.0.11\",\"interface\":\"eth0\",\"mac\":\"02:00:00:00:00:b1\",\"known\":true,"
		    "\"state\":\"stale\",\"backends\":1}]");
	expect_json(report_bpf(&fixture->report), "{\"program\":{\"id\":7}}");
}

static void a_next_hop_without_header_is_no_way(void **state)
{
	struct fixture *fixture = *state;
	json_t *backends;
	const char *why = NULL;

	fixture->plan.backends[1].encap = ENCAP_NONE;
	fixture->route.source.family = 0;
	backends = report_backends(&fixture->report);
	assert_int_equal(json_unpack(backends, "[{s:s}]", "why", &why), 0);
	assert_string_equal(why, "no IPv4 source address on eth0");
	json_decref(backends);
}

static void unreadable_counters_are_not_zero(void **state)
{
	struct fixture *fixture = *state;
	json_t *pools;
	char *text;

	counters_broken = true;
	pools = report_pools(&fixture->report);
	assert_true(json_is_null(json_object_get(json_array_get(pools, 0), "packets")));
	json_decref(pools);
	text = report_metrics(&fixture->report);
	assert_non_null(text);
	assert_null(strstr(text, "\nsluice_packets_total{"));
	assert_non_null(strstr(text, "\nsluice_backend_resolved{"));
	free(text);
}

static void drops_list_every_reason_but_go_on(void **state)
{
	struct fixture *fixture = *state;
	json_t *drops = report_drops(&fixture->report);
	const char *reason = NULL, *action = NULL;

	assert_int_equal(json_array_size(drops), REASON_COUNT - 1);
	assert_int_equal(json_unpack(json_array_get(drops, 0), "{s:s, s:s}", "reason", &reason, "action", &action), 0);
	assert_string_equal(reason, "forwarded");
	assert_string_equal(action, "tx");
	json_decref(drops);
}

static void metrics_are_well_formed(void **state)
{
	struct fixture *fixture = *state;
	char *text;

	fixture->service.name = "a\"b\\c\nd"; /* the parser takes no such name; the format must hold anyway */
	assert_int_equal(ids_assign(fixture->state.ids, &fixture->config), 0);
	text = report_metrics(&fixture->report);
	assert_non_null(text);
	assert_non_null(strstr(text, "\n# TYPE sluice_packets_total counter\n"));
	assert_non_null(strstr(text, "\nsluice_packets_total{reason=\"redirected\",action=\"redirect\"} 30\n"));
	assert_non_null(strstr(text, "\nsluice_service_packets_total{service=\"a\\\"b\\\\c\\nd\"} "));
	assert_non_null(strstr(text, "\nsluice_backend_bytes_total{pool=\"web\",backend=\"web1\"} 10000\n"));
	assert_non_null(strstr(text, "\nsluice_backend_resolved{pool=\"web\",backend=\"web2\"} 0\n"));
	free(text);
}

static void a_detached_agent_still_reports(void **state)
{
	struct fixture *fixture = *state;
	json_t *status;

	fixture->report.dataplane = NULL;
	status = report_status(&fixture->report);
	assert_non_null(status);
	json_decref(status);
	expect_json(report_bpf(&fixture->report), "{}");
}

#define REPORT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		REPORT_TEST(reports_tell_state_and_counters),
		REPORT_TEST(a_next_hop_without_header_is_no_way),
		REPORT_TEST(unreadable_counters_are_not_zero),
		REPORT_TEST(drops_list_every_reason_but_go_on),
		REPORT_TEST(metrics_are_well_formed),
		REPORT_TEST(a_detached_agent_still_reports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
