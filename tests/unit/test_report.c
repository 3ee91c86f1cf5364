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

static time_t wall_clock(time_t *out)
{
	time_t now = 1767225600 + (time_t)(now_ms / 1000);

	if (out)
		*out = now;
	return now;
}

json_t *prober_probe_json(const struct prober *prober, const struct health_backend *backend, size_t probe)
{
	(void)prober;
	(void)backend;
	(void)probe;
	return json_pack("{ss ss}", "to", "192.0.2.1:80", "via", "vip");
}

json_t *prober_json(const struct prober *prober)
{
	(void)prober;
	return json_pack("{s:i, s:i}", "configured", 2, "begun", 77);
}

static void no_event(void *argument, const struct event_fact *fact)
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
static void fill(struct fixture *fixture)
{
	__u16 web1;

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
	fixture->state.config = &fixture->config;
	fixture->state.config_loaded = 1767225600;
	fixture->state.started = time(NULL) - 5;
	fixture->state.ids = ids_new();
	assert_int_equal(ids_assign(fixture->state.ids, &fixture->config), 0);
	web1 = ids_backend(fixture->state.ids, "web", "web1");
	now_ms = 1000000;
	fixture->state.begun = now_ms - 5999;
	fixture->state.health = health_new(no_event, NULL, wall_clock);
	health_configure(fixture->state.health, &fixture->config, false, now_ms);

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
	health_free(fixture->state.health);
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

static void expect_key(const json_t *object, const char *key, const char *expected)
{
	char *text = json_dumps(json_object_get(object, key), JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(3));

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

/* What probe 0 or 1 of a backend of "web" found. */
static void found(struct fixture *fixture, const char *backend, size_t probe, enum finding finding, const char *text)
{
	struct health_backend *of = health_find(fixture->state.health, "web", backend);

	assert_non_null(of);
	health_report(fixture->state.health, of, probe, finding, text, now_ms);
}

/* As many times as it takes for both of web1's probes and web2's second one to pass, and web2's first one to fail. */
static void probe_all(struct fixture *fixture)
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

/* A new reference. */
static json_t *backend(struct fixture *fixture, const char *name)
{
	json_t *object = report_backend(&fixture->report, "web", name);

	assert_non_null(object);
	return object;
}

static void reports_tell_state_and_counters(void **state)
{
	struct fixture *fixture = *state;
	json_t *status = report_status(&fixture->report), *backends;

	expect_key(status, "config",
		   "{\"file\":\"/etc/\\\"odd\\\".yaml\",\"loaded_at\":\"2026-01-01T00:00:00Z\",\"source\":\"file\","
		   "\"applied\":null,\"confirm_left_ms\":null}");
	expect_key(status, "uptime_s", "5");
	expect_key(status, "packets", "100");
	expect_key(status, "backends", "3");
	expect_key(status, "backends_unresolved", "2");
	expect_key(status, "probing", "null");
	expect_key(status, "last_change", "null");
	json_decref(status);

	expect_json(report_services(&fixture->report),
		    "[{\"name\":\"www\",\"addresses\":[\"192.0.2.10\"],\"ports\":[\"443/tcp\"],\"pool\":\"web\","
		    "\"hash\":\"flow\",\"packets\":9007199254740993,\"bytes\":5}]");
	backends = report_backends(&fixture->report);
	assert_int_equal(json_array_size(backends), 3);
	expect_key(json_array_get(backends, 0), "name", "\"spare1\"");
	expect_key(json_array_get(backends, 1), "slots", "5");
	expect_key(json_array_get(backends, 2), "why", "\"no route to 10.0.0.12\"");
	json_decref(backends);
	expect_json(report_neighbours(&fixture->report),
		    "[{\"address\":\"10.0.0.11\",\"interface\":\"eth0\",\"mac\":\"02:00:00:00:00:b1\",\"known\":true,"
		    "\"state\":\"stale\",\"backends\":1}]");
	expect_json(report_bpf(&fixture->report), "{\"program\":{\"id\":7}}");
}

static void status_tells_where_the_configuration_is_from(void **state)
{
	struct fixture *fixture = *state;
	json_t *status;

	fixture->state.applied = "by uid 0 (root)";
	fixture->state.confirm_by = now_ms + 60000;
	fixture->state.change = (struct change_times){.verdict = 1000, .planned = 1400, .written = 2300};
	fixture->report.prober = (struct prober *)fixture; /* never looked into */
	status = report_status(&fixture->report);
	expect_key(status, "config",
		   "{\"file\":\"/etc/\\\"odd\\\".yaml\",\"loaded_at\":\"2026-01-01T00:00:00Z\",\"source\":\"socket\","
		   "\"applied\":\"by uid 0 (root)\",\"confirm_left_ms\":60000}");
	expect_key(status, "last_change", "{\"verdict_us\":1000,\"planned_us\":400,\"written_us\":1300}");
	expect_key(status, "probing", "{\"configured\":2,\"begun\":77}");
	json_decref(status);
	/* a verdict that the tables have not followed yet */
	fixture->state.change.verdict = 5000;
	status = report_status(&fixture->report);
	expect_key(status, "last_change", "null");
	json_decref(status);
}

static void backends_tell_their_health(void **state)
{
	struct fixture *fixture = *state;
	json_t *web1, *web2, *status;

	web2 = backend(fixture, "web2");
	expect_key(web2, "state", "\"down\""); /* nobody knows yet */
	expect_key(web2, "probe", "null");
	expect_key(web2, "probes",
		   "[{\"type\":\"tcp\",\"verdict\":\"none\",\"run\":0,\"text\":null,\"ago_ms\":null,\"to\":null,"
		   "\"via\":null,\"why\":null},"
		   "{\"type\":\"ping\",\"verdict\":\"none\",\"run\":0,\"text\":null,\"ago_ms\":null,\"to\":null,"
		   "\"via\":null,\"why\":null}]");
	json_decref(web2);

	probe_all(fixture);
	web1 = backend(fixture, "web1");
	web2 = backend(fixture, "web2");
	expect_key(web1, "state", "\"up\"");
	expect_key(web1, "state_since", "\"2026-01-01T00:16:41Z\"");
	expect_key(web1, "kept", "false");
	expect_key(web1, "weight", "300");
	expect_key(web1, "weight_now", "300");
	expect_key(web1, "share", "1.0");
	expect_key(web1, "falls", "0");
	expect_key(web1, "held_ms", "0");
	expect_key(web1, "override", "null");
	expect_key(web2, "state", "\"down\"");
	expect_key(web2, "weight", "100");
	expect_key(web2, "weight_now", "0");
	expect_key(web2, "share", "0.0");
	expect_key(web2, "probe", "\"connect 10.0.0.12:80: connection refused after 0.3 ms\"");
	expect_key(
		web2, "probes",
		"[{\"type\":\"tcp\",\"verdict\":\"down\",\"run\":3,\"text\":\"connect 10.0.0.12:80: connection refused "
		"after 0.3 ms\",\"ago_ms\":250,\"to\":null,\"via\":null,\"why\":null},"
		"{\"type\":\"ping\",\"verdict\":\"up\",\"run\":3,\"text\":\"ping 10.0.0.12: 0.1 "
		"ms\",\"ago_ms\":250,\"to\":null,\"via\":null,\"why\":null}]");
	json_decref(web1);
	json_decref(web2);

	status = report_status(&fixture->report);
	expect_key(status, "backend_states", "{\"up\":2,\"drain\":0,\"maint\":0,\"down\":1}");
	expect_key(status, "pools_degraded", "0");
	json_decref(status);
	assert_null(report_backend(&fixture->report, "web", "web3"));
	assert_null(report_backend(&fixture->report, "wed", "web1"));
}

/* The agent's own trouble is told, but does not hide a failure. */
static void the_most_telling_text_is_shown(void **state)
{
	struct fixture *fixture = *state;
	json_t *web1;

	probe_all(fixture);
	now_ms += 1000;
	found(fixture, "web1", 0, FINDING_TROUBLE, "no descriptors left");
	found(fixture, "web1", 1, FINDING_PASSED, "ping 10.0.0.11: 0.2 ms");
	web1 = backend(fixture, "web1");
	expect_key(web1, "state", "\"up\"");
	expect_key(web1, "probe", "\"no descriptors left\"");
	json_decref(web1);
	found(fixture, "web1", 1, FINDING_FAILED, "ping 10.0.0.11: no answer within 1 s");
	web1 = backend(fixture, "web1");
	expect_key(web1, "probe", "\"ping 10.0.0.11: no answer within 1 s\"");
	json_decref(web1);
}

static void overrides_tell_who_and_why(void **state)
{
	struct fixture *fixture = *state;
	struct health *health = fixture->state.health;
	json_t *web1, *web2;

	probe_all(fixture);
	health_drain(health, health_find(health, "web", "web1"), 0, "new disks", now_ms + 60000, now_ms);
	health_set_weight(health, health_find(health, "web", "web2"), 7, 3999999999, NULL, now_ms);
	now_ms += 10000;
	web1 = backend(fixture, "web1");
	web2 = backend(fixture, "web2");
	expect_key(web1, "state", "\"drain\"");
	expect_key(web1, "weight", "300");
	expect_key(web1, "weight_now", "0");
	expect_key(web1, "override",
		   "{\"state\":\"drain\",\"weight\":null,\"uid\":0,\"user\":\"root\",\"when\":\"2026-01-01T00:16:43Z\","
		   "\"left_ms\":50000,\"reason\":\"new disks\"}");
	expect_key(web2, "override",
		   "{\"state\":null,\"weight\":7,\"uid\":3999999999,\"user\":null,\"when\":\"2026-01-01T00:16:43Z\","
		   "\"left_ms\":null,\"reason\":null}");
	json_decref(web1);
	json_decref(web2);
}

static void pools_tell_how_they_do(void **state)
{
	struct fixture *fixture = *state;
	struct health *health = fixture->state.health;
	json_t *pools, *web;

	probe_all(fixture);
	pools = report_pools(&fixture->report);
	assert_int_equal(json_array_size(pools), 2);
	web = json_array_get(pools, 1);
	expect_key(web, "name", "\"web\"");
	expect_key(web, "backends", "2");
	expect_key(web, "resolved", "1");
	expect_key(web, "services", "[\"www\"]");
	expect_key(web, "up", "1");
	expect_key(web, "kept", "0");
	expect_key(web, "min_healthy", "0");
	expect_key(web, "degraded", "false");
	expect_key(web, "fallback", "\"spare\"");
	expect_key(web, "effective", "\"web\"");
	expect_key(web, "packets", "100");
	expect_key(json_array_get(pools, 0), "fallback", "null");
	expect_key(json_array_get(pools, 0), "effective", "\"spare\"");
	json_decref(pools);

	health_maint(health, health_find(health, "web", "web1"), 0, NULL, now_ms);
	pools = report_pools(&fixture->report);
	expect_key(json_array_get(pools, 1), "up", "0");
	expect_key(json_array_get(pools, 1), "effective", "\"spare\"");
	json_decref(pools);
}

static void min_healthy_is_told_in_backends(void **state)
{
	struct fixture *fixture = *state;
	struct config_judgement *judgement = &fixture->pools[1].judgement;
	json_t *pools, *web1, *status;

	judgement->min_healthy = 51;
	judgement->min_healthy_percent = true;
	health_configure(fixture->state.health, &fixture->config, false, now_ms);
	probe_all(fixture);
	for (int i = 0; i < 3; i++)
		found(fixture, "web1", 0, FINDING_FAILED, "connect 10.0.0.11:80: connection refused");
	pools = report_pools(&fixture->report);
	expect_key(json_array_get(pools, 1), "min_healthy", "2");
	expect_key(json_array_get(pools, 1), "degraded", "true");
	expect_key(json_array_get(pools, 1), "kept", "1");
	json_decref(pools);
	web1 = backend(fixture, "web1");
	expect_key(web1, "state", "\"down\"");
	expect_key(web1, "kept", "true");
	expect_key(web1, "weight_now", "300");
	json_decref(web1);
	status = report_status(&fixture->report);
	expect_key(status, "pools_degraded", "1");
	expect_key(status, "backends_kept", "1");
	json_decref(status);
}

static void a_next_hop_without_header_is_no_way(void **state)
{
	struct fixture *fixture = *state;
	json_t *web1;

	fixture->plan.backends[ids_backend(fixture->state.ids, "web", "web1")].encap = ENCAP_NONE;
	fixture->route.source.family = 0;
	web1 = backend(fixture, "web1");
	expect_key(web1, "why", "\"no IPv4 source address on eth0\"");
	json_decref(web1);
}

static void unreadable_counters_are_not_zero(void **state)
{
	struct fixture *fixture = *state;
	json_t *pools;
	char *text;

	counters_broken = true;
	pools = report_pools(&fixture->report);
	assert_true(json_is_null(json_object_get(json_array_get(pools, 1), "packets")));
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
	assert_null(strstr(text, "sluice_events_total"));
	assert_null(strstr(text, "sluice_probes"));
	free(text);
}

/* Nothing but comments and samples, each sample behind its metric's type. */
static void expect_format(const char *text)
{
	char metric[128] = "", name[128], type[16];

	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		assert_non_null(strchr(line, '\n'));
		if (sscanf(line, "# TYPE %127s %15s\n", metric, type) == 2 || strncmp(line, "# HELP ", 7) == 0)
			continue;
		assert_int_equal(sscanf(line, "%127[a-z_]", name), 1);
		assert_string_equal(name, metric);
	}
}

static void metrics_tell_health_and_events(void **state)
{
	struct fixture *fixture = *state;
	struct event_base *base = event_base_new();
	char folder[] = "/tmp/sluice-test-XXXXXX", file[64], *text;
	struct events *events;
	size_t lost;

	assert_non_null(mkdtemp(folder));
	events = events_open(base, folder, &lost);
	events_add(events, &(struct event_fact){.kind = EVENT_backend_down, .text = "x", .uid = EVENT_NOBODY});
	events_add(events, &(struct event_fact){.kind = EVENT_backend_down, .text = "y", .uid = EVENT_NOBODY});
	fixture->report.events = events;
	fixture->report.prober = (struct prober *)fixture;
	probe_all(fixture);
	text = report_metrics(&fixture->report);
	assert_non_null(text);
	expect_format(text);
	assert_non_null(strstr(text, "\nsluice_backend_state{pool=\"web\",backend=\"web1\",state=\"up\"} 1\n"));
	assert_non_null(strstr(text, "\nsluice_backend_state{pool=\"web\",backend=\"web2\",state=\"up\"} 0\n"));
	assert_non_null(strstr(text, "\nsluice_backend_state{pool=\"web\",backend=\"web2\",state=\"down\"} 1\n"));
	assert_non_null(strstr(text, "\nsluice_backend_weight{pool=\"web\",backend=\"web2\"} 100\n"));
	assert_non_null(strstr(text, "\nsluice_backend_weight_now{pool=\"web\",backend=\"web2\"} 0\n"));
	assert_non_null(strstr(text, "\nsluice_backend_falls{pool=\"web\",backend=\"web1\"} 0\n"));
	assert_non_null(strstr(text, "\nsluice_pool_backends_up{pool=\"web\"} 1\n"));
	assert_non_null(strstr(text, "\nsluice_pool_degraded{pool=\"web\"} 0\n"));
	assert_non_null(strstr(text, "\nsluice_events_total{event=\"backend_down\"} 2\n"));
	assert_non_null(strstr(text, "\nsluice_events_total{event=\"backend_up\"} 0\n"));
	assert_non_null(strstr(text, "\nsluice_probes_begun_total 77\n"));
	free(text);
	events_close(events);
	snprintf(file, sizeof(file), "%s/events.jsonl", folder);
	unlink(file);
	rmdir(folder);
	event_base_free(base);
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
		REPORT_TEST(status_tells_where_the_configuration_is_from),
		REPORT_TEST(backends_tell_their_health),
		REPORT_TEST(the_most_telling_text_is_shown),
		REPORT_TEST(overrides_tell_who_and_why),
		REPORT_TEST(pools_tell_how_they_do),
		REPORT_TEST(min_healthy_is_told_in_backends),
		REPORT_TEST(a_next_hop_without_header_is_no_way),
		REPORT_TEST(unreadable_counters_are_not_zero),
		REPORT_TEST(drops_list_every_reason_but_go_on),
		REPORT_TEST(metrics_are_well_formed),
		REPORT_TEST(metrics_tell_health_and_events),
		REPORT_TEST(a_detached_agent_still_reports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
