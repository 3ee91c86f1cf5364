/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Prometheus' text. */
#include "unit/report_lab.h"
#include "unit/temp_folder.h"

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
	assert_null(strstr(text, "\nsluice_backend_packets_total{"));
	assert_non_null(strstr(text, "\nsluice_backend_resolved{"));
	free(text);
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

static void metrics_tell_what_is_wrong(void **state)
{
	struct fixture *fixture = *state;
	char *text;

	fixture->pools[1].judgement.hold_first_ms = fixture->pools[1].judgement.hold_max_ms = 60000;
	fixture->pools[1].judgement.hold_decay_ms = 600000;
	health_configure(fixture->state.health, &fixture->config, false, now_ms);
	fixture->report.prober = (struct prober *)fixture;
	probe_all(fixture);
	found(fixture, "web2", 1, FINDING_TROUBLE, "no descriptors left");
	for (int i = 0; i < 2; i++) {
		for (int j = 0; j < 2; j++)
			found(fixture, "web1", 0, FINDING_FAILED, "connect 10.0.0.11:80: connection refused");
		for (int j = 0; j < 2; j++)
			found(fixture, "web1", 0, FINDING_PASSED, "connect 10.0.0.11:80: 0.1 ms");
	}
	fixture->report.unsaved = &(const bool){true};
	text = report_metrics(&fixture->report);
	assert_non_null(strstr(text, "\nsluice_state_saved 0\n"));
	assert_non_null(strstr(text, "\nsluice_pool_degraded{pool=\"web\"} 0\n"));
	assert_non_null(strstr(text, "\nsluice_pool_usable{pool=\"web\"} 0\n"));
	assert_non_null(strstr(text, "\nsluice_pool_usable{pool=\"spare\"} 1\n"));
	assert_non_null(strstr(text, "\nsluice_pool_fallback_in_use{pool=\"web\"} 1\n"));
	assert_non_null(strstr(text, "\nsluice_pool_fallback_in_use{pool=\"spare\"} 0\n"));
	assert_non_null(strstr(text, "\nsluice_pool_backends_troubled{pool=\"web\"} 1\n"));
	assert_non_null(strstr(text, "\nsluice_backend_held{pool=\"web\",backend=\"web1\"} 1\n"));
	assert_non_null(strstr(text, "\nsluice_backend_held{pool=\"web\",backend=\"web2\"} 0\n"));
	assert_non_null(strstr(text, "\nsluice_probes_aside 1\n"));
	free(text);
}

static void metrics_tell_health_and_events(void **state)
{
	struct fixture *fixture = *state;
	struct event_base *base = event_base_new();
	char folder[TEMP_FOLDER_SIZE], *text;
	struct events *events;
	size_t lost;

	assert_int_equal(temp_folder_make(folder, 0700), 0);
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
	assert_int_equal(temp_folder_remove(folder), 0);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REPORT_TEST(unreadable_counters_are_not_zero),
		REPORT_TEST(metrics_are_well_formed),
		REPORT_TEST(metrics_tell_what_is_wrong),
		REPORT_TEST(metrics_tell_health_and_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
