/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the reports tell of state and counters. */
#include "unit/report_lab.h"

static void reports_tell_state_and_counters(void **state)
{
	struct fixture *fixture = *state;
	json_t *status = report_status(&fixture->report), *backends;

	expect_key(status, "config",
		   "{\"file\":\"/etc/\\\"odd\\\".yaml\",\"loaded_at\":\"2026-01-01T00:00:00Z\",\"source\":\"file\","
		   "\"applied\":null,\"confirm_left_ms\":null}");
	expect_key(status, "uptime_s", "5");
	expect_key(status, "state_saved", "true");
	expect_key(status, "packets", "100");
	expect_key(status, "backends", "3");
	expect_key(status, "backends_unresolved", "2");
	expect_key(status, "probing", "null");
	expect_key(status, "last_change", "null");
	json_decref(status);

	expect_json(report_services(&fixture->report),
		    "[{\"name\":\"www\",\"addresses\":[\"192.0.2.10\"],\"ports\":[\"443/tcp\"],\"pool\":\"web\","
		    "\"hash\":\"flow\",\"unknown_port\":\"pass\",\"echo\":\"answer\",\"fragments\":\"follow\","
		    "\"vlan\":null,\"mss\":null,\"sources\":[],\"limits\":null,\"packets\":9007199254740993,\"bytes\":"
		    "5,\"tracked\":0}]");
	backends = all_backends(fixture);
	assert_int_equal(json_array_size(backends), 3);
	expect_key(json_array_get(backends, 0), "name", "\"spare1\"");
	expect_key(json_array_get(backends, 1), "slots", "5");
	expect_key(json_array_get(backends, 2), "why", "\"no route to 10.0.0.12\"");
	json_decref(backends);
	expect_json(report_neighbours(&fixture->report),
		    "[{\"address\":\"10.0.0.11\",\"interface\":\"eth0\",\"parent\":null,\"tags\":null,\"mac\":\"02:00:"
		    "00:00:00:b1\",\"known\":true,"
		    "\"state\":\"stale\",\"backends\":1}]");
	expect_json(report_bpf(&fixture->report), "{\"program\":{\"id\":7}}");
}

static void status_tells_where_the_configuration_is_from(void **state)
{
	struct fixture *fixture = *state;
	json_t *status;

	fixture->state.applied = "by uid 0 (root)";
	fixture->report.unsaved = &(const bool){true};
	fixture->state.confirm_by = now_ms + 60000;
	fixture->state.change = (struct change_times){.verdict = 1000, .planned = 1400, .written = 2300};
	fixture->report.prober = (struct prober *)fixture; /* never looked into */
	status = report_status(&fixture->report);
	expect_key(status, "config",
		   "{\"file\":\"/etc/\\\"odd\\\".yaml\",\"loaded_at\":\"2026-01-01T00:00:00Z\",\"source\":\"socket\","
		   "\"applied\":\"by uid 0 (root)\",\"confirm_left_ms\":60000}");
	expect_key(status, "state_saved", "false");
	expect_key(status, "last_change", "{\"verdict_us\":1000,\"planned_us\":400,\"written_us\":1300}");
	expect_key(status, "probing", "{\"configured\":2,\"begun\":77,\"aside\":1,\"troubled\":0}");
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

/* The kernel takes nearly anything as an interface's name. */
static void odd_names_are_escaped_or_left_out(void **state)
{
	static const char odd[IFNAMSIZ] = "\"\\\b\f\n\r\t\x01\x1f\x7f/\xc3\xa4", broken[IFNAMSIZ] = "eth\xff";
	struct fixture *fixture = *state;
	json_t *backends;

	memcpy(fixture->link.name, odd, sizeof(odd));
	backends = all_backends(fixture);
	assert_string_equal(json_string_value(json_object_get(json_array_get(backends, 1), "interface")), odd);
	json_decref(backends);
	memcpy(fixture->link.name, broken, sizeof(broken));
	backends = all_backends(fixture);
	assert_null(json_object_get(json_array_get(backends, 1), "interface"));
	expect_key(json_array_get(backends, 1), "mtu", "1500");
	json_decref(backends);
}

/* Reals have a form of their own. */
static void small_shares_are_exact(void **state)
{
	struct fixture *fixture = *state;
	struct health *health = fixture->state.health;
	json_t *backends;

	probe_all(fixture);
	for (int i = 0; i < 3; i++)
		found(fixture, "web2", 0, FINDING_PASSED, "connect 10.0.0.12:80: 0.1 ms");
	health_set_weight(health, health_find(health, "web", "web1"), 65535, 0, NULL, now_ms);
	health_set_weight(health, health_find(health, "web", "web2"), 1, 0, NULL, now_ms);
	backends = all_backends(fixture);
	assert_float_equal(json_real_value(json_object_get(json_array_get(backends, 2), "share")), 1.0 / 65536, 1e-18);
	json_decref(backends);
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

static void expect_pool(struct fixture *fixture, const char *name, const char *usable, const char *fallback_in_use)
{
	json_t *pools = report_pools(&fixture->report);
	const json_t *web = json_array_get(pools, 1);

	assert_string_equal(json_string_value(json_object_get(web, "state")), name);
	expect_key(web, "usable", usable);
	expect_key(web, "fallback_in_use", fallback_in_use);
	json_decref(pools);
}

static void expect_totals(struct fixture *fixture, const char *empty, const char *fallback)
{
	json_t *status = report_status(&fixture->report);

	expect_key(status, "pools_degraded", "0");
	expect_key(status, "pools_empty", empty);
	expect_key(status, "pools_fallback", fallback);
	json_decref(status);
}

/* An empty pool is not degraded where min_healthy is 0: that alone must not look like all is well. */
static void pools_tell_who_serves(void **state)
{
	struct fixture *fixture = *state;

	expect_pool(fixture, "fallback", "false", "true");
	expect_totals(fixture, "0", "1");
	fixture->pools[1].fallback = CONFIG_NONE;
	health_configure(fixture->state.health, &fixture->config, false, now_ms);
	expect_pool(fixture, "settling", "false", "false");
	expect_totals(fixture, "0", "0");
	probe_all(fixture);
	expect_pool(fixture, "ok", "true", "false");
	for (int i = 0; i < 2; i++)
		found(fixture, "web1", 0, FINDING_FAILED, "connect 10.0.0.11:80: connection refused");
	expect_pool(fixture, "empty", "false", "false");
	expect_totals(fixture, "1", "0");
	/* the fallback has nobody either */
	fixture->pools[1].fallback = 0;
	health_configure(fixture->state.health, &fixture->config, false, now_ms);
	health_maint(fixture->state.health, health_find(fixture->state.health, "spare", "spare1"), 0, NULL, now_ms);
	expect_pool(fixture, "empty", "false", "false");
	expect_totals(fixture, "2", "0");
}

static void trouble_is_told_everywhere(void **state)
{
	struct fixture *fixture = *state;
	json_t *pools, *status, *web1, *web2;

	probe_all(fixture);
	found(fixture, "web1", 1, FINDING_TROUBLE, "no descriptors left");
	found(fixture, "web2", 1, FINDING_TROUBLE, "no descriptors left");
	pools = report_pools(&fixture->report);
	expect_key(json_array_get(pools, 0), "troubled", "0");
	expect_key(json_array_get(pools, 1), "troubled", "2");
	expect_key(json_array_get(pools, 1), "state", "\"ok\"");
	json_decref(pools);
	fixture->report.prober = (struct prober *)fixture; /* never looked into */
	status = report_status(&fixture->report);
	expect_key(json_object_get(status, "probing"), "troubled", "2");
	json_decref(status);
	web1 = backend(fixture, "web1");
	web2 = backend(fixture, "web2");
	expect_key(web1, "trouble", "\"no descriptors left\"");
	expect_key(web2, "trouble", "\"no descriptors left\""); /* though why it is down is shown before it */
	expect_key(web2, "probe", "\"connect 10.0.0.12:80: connection refused after 0.3 ms\"");
	json_decref(web1);
	json_decref(web2);
	found(fixture, "web1", 1, FINDING_PASSED, "ping 10.0.0.11: 0.1 ms");
	web1 = backend(fixture, "web1");
	expect_key(web1, "trouble", "null");
	json_decref(web1);
}

/* Of the lab's probes only the second one of each backend has begun. */
static void probes_tell_where_they_go(void **state)
{
	struct fixture *fixture = *state;
	const json_t *probes;
	json_t *web1;

	fixture->report.prober = (struct prober *)fixture; /* never looked into */
	web1 = backend(fixture, "web1");
	probes = json_object_get(web1, "probes");
	expect_key(json_array_get(probes, 0), "to", "null");
	expect_key(json_array_get(probes, 0), "via", "null");
	expect_key(json_array_get(probes, 0), "why", "null");
	expect_key(json_array_get(probes, 1), "to", "\"192.0.2.1:80\"");
	expect_key(json_array_get(probes, 1), "via", "\"address\"");
	expect_key(json_array_get(probes, 1), "why", "\"no service\"");
	json_decref(web1);
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

	fixture->plan.backends[ids_backend(fixture->state.ids, "web", &fixture->backends[0].address)].encap =
		ENCAP_NONE;
	fixture->route.source.family = 0;
	web1 = backend(fixture, "web1");
	expect_key(web1, "why", "\"no IPv4 source address on eth0\"");
	json_decref(web1);
}

static void services_tell_what_they_ask_for(void **state)
{
	struct fixture *fixture = *state;
	struct config_rule rules[] = {{.action = RULE_DENY, .from_count = 12},
				      {.action = RULE_POOL, .pool = 0, .from_count = 1}};
	json_t *services, *pools;

	fixture->service.rules = rules;
	fixture->service.rule_count = 2;
	fixture->service.vlan = 7;
	fixture->service.mss_auto = true;
	fixture->service.unknown_port = UNKNOWN_REJECT;
	fixture->service.limits = (struct config_limits){.source_packets = {1000, 100},
							 .source_bits4 = 32,
							 .source_bits6 = 56,
							 .service_connections = {10, 1},
							 .excess = EXCESS_PASS};
	services = report_services(&fixture->report);
	expect_key(json_array_get(services, 0), "unknown_port", "\"reject\"");
	expect_key(json_array_get(services, 0), "vlan", "7");
	expect_key(json_array_get(services, 0), "mss", "\"auto\"");
	expect_key(json_array_get(services, 0), "sources",
		   "[{\"action\":\"deny\",\"pool\":null,\"prefixes\":12},"
		   "{\"action\":\"pool\",\"pool\":\"spare\",\"prefixes\":1}]");
	expect_key(
		json_array_get(services, 0), "limits",
		"{\"source\":{\"packets\":1000,\"packets_burst\":100,\"connections\":null,\"connections_burst\":null,"
		"\"prefix4\":32,\"prefix6\":56},\"service\":{\"packets\":null,\"packets_burst\":null,\"connections\":"
		"10,"
		"\"connections_burst\":1},\"excess\":\"pass\"}");
	json_decref(services);
	pools = report_pools(&fixture->report);
	expect_key(json_array_get(pools, 0), "services", "[]");
	expect_key(json_array_get(pools, 0), "source_services", "[\"www\"]");
	json_decref(pools);
}

static void pools_tell_outer_headers_and_quic(void **state)
{
	struct fixture *fixture = *state;
	json_t *pools;

	fixture->pools[1].outer = (struct config_outer){.ttl = 32};
	assert_int_equal(prefix_parse("10.7.0.0/16", &fixture->pools[1].outer.source4), 0);
	fixture->pools[1].quic_server_id_length[3] = 8;
	pools = report_pools(&fixture->report);
	expect_key(json_array_get(pools, 1), "outer", "{\"df\":false,\"ttl\":32,\"source\":[\"10.7.0.0/16\"]}");
	expect_key(json_array_get(pools, 1), "quic", "[{\"config\":3,\"server_id_length\":8}]");
	expect_key(json_array_get(pools, 0), "quic", "[]");
	json_decref(pools);
}

static void backends_tell_their_server_id(void **state)
{
	struct fixture *fixture = *state;
	json_t *web1, *web2 = backend(fixture, "web2");

	expect_key(web2, "server_id", "null");
	json_decref(web2);
	fixture->backends[0].server_id_length = 3;
	memcpy(fixture->backends[0].server_id, "\x0a\x00\xff", 3);
	web1 = backend(fixture, "web1");
	expect_key(web1, "server_id", "\"0a00ff\"");
	json_decref(web1);
}

/* It is no mistake only where it was said. */
static void this_host_may_be_a_backend(void **state)
{
	struct fixture *fixture = *state;
	json_t *web1;

	fixture->route.kind = ROUTE_LOCAL;
	web1 = backend(fixture, "web1");
	expect_key(web1, "resolved", "false");
	expect_key(web1, "local", "false");
	expect_key(web1, "why", "\"10.0.0.11 is this host's own address: set local: true\"");
	json_decref(web1);
	fixture->backends[0].local = true;
	web1 = backend(fixture, "web1");
	expect_key(web1, "resolved", "true");
	expect_key(web1, "local", "true");
	expect_key(web1, "why", "null");
	json_decref(web1);
	fixture->route.kind = ROUTE_UNICAST;
	web1 = backend(fixture, "web1");
	expect_key(web1, "local", "false");
	json_decref(web1);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		REPORT_TEST(reports_tell_state_and_counters),
		REPORT_TEST(status_tells_where_the_configuration_is_from),
		REPORT_TEST(backends_tell_their_health),
		REPORT_TEST(the_most_telling_text_is_shown),
		REPORT_TEST(odd_names_are_escaped_or_left_out),
		REPORT_TEST(small_shares_are_exact),
		REPORT_TEST(overrides_tell_who_and_why),
		REPORT_TEST(pools_tell_how_they_do),
		REPORT_TEST(pools_tell_who_serves),
		REPORT_TEST(trouble_is_told_everywhere),
		REPORT_TEST(probes_tell_where_they_go),
		REPORT_TEST(min_healthy_is_told_in_backends),
		REPORT_TEST(a_next_hop_without_header_is_no_way),
		REPORT_TEST(services_tell_what_they_ask_for),
		REPORT_TEST(pools_tell_outer_headers_and_quic),
		REPORT_TEST(backends_tell_their_server_id),
		REPORT_TEST(this_host_may_be_a_backend),
		REPORT_TEST(drops_list_every_reason_but_go_on),
		REPORT_TEST(a_detached_agent_still_reports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
