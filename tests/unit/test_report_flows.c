/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the reports tell of transitions and flow records. */
#include "unit/report_lab.h"

#include <arpa/inet.h>

#include "model/vip_table.h"
#include "out/flows.h"

/* The fake map: batches of two records. */
static struct flows_walk fake_flows;
static int fake_error; /* instead of them */

int flows_next(int fd, struct flows_walk *walk)
{
	__u32 from = walk->begun ? walk->position : 0;

	(void)fd;
	walk->count = 0;
	walk->ended = fake_error;
	if (fake_error)
		return fake_error;
	for (; walk->count < 2 && from < fake_flows.count; walk->count++, from++) {
		walk->tuple[walk->count] = fake_flows.tuple[from];
		walk->record[walk->count] = fake_flows.record[from];
	}
	walk->begun = true;
	walk->position = from;
	walk->ended = from == fake_flows.count;
	now_ms += 3; /* so that reading is out of time after two batches */
	return 0;
}

static __u16 index_of(const struct fixture *fixture, const char *pool, const struct config_backend *backend)
{
	return ids_backend(fixture->state.ids, pool, &backend->address);
}

static struct swept *fill_swept(struct fixture *fixture)
{
	struct swept *swept = memory_new(1, sizeof(*swept));
	__u16 web1 = index_of(fixture, "web", &fixture->backends[0]);

	swept->known = true;
	swept->at_ms = now_ms - 2500;
	swept->spent_us = 1234567;
	swept->tally.records = 45;
	swept->tally.count = memory_new(SLUICE_MAX_BACKENDS + 1, sizeof(*swept->tally.count));
	swept->tally.count[web1][PHASE_TCP] = (struct sweep_count){40, 4, 600, 1};
	swept->tally.count[web1][PHASE_SETTLED] = (struct sweep_count){5, 0, 900, 800};
	fixture->report.swept = swept;
	return swept;
}

static void free_swept(struct swept *swept)
{
	free(swept->tally.count);
	free(swept);
}

static void sums_are_of_the_last_pass(void **state)
{
	struct fixture *fixture = *state;
	struct swept none = {0}, *swept;
	json_t *status;

	fixture->report.swept = &none;
	expect_json(report_flows(&fixture->report),
		    "{\"records\":null,\"capacity\":4096,\"swept_s\":null,\"pass_ms\":null,\"flows\":[]}");
	swept = fill_swept(fixture);
	expect_json(report_flows(&fixture->report),
		    "{\"records\":45,\"capacity\":4096,\"swept_s\":2,\"pass_ms\":1234,\"flows\":["
		    "{\"pool\":\"web\",\"backend\":\"web1\",\"phase\":\"tcp\",\"records\":40,\"closing\":4,"
		    "\"oldest_s\":600,\"newest_s\":1},"
		    "{\"pool\":\"web\",\"backend\":\"web1\",\"phase\":\"settled\",\"records\":5,\"closing\":0,"
		    "\"oldest_s\":900,\"newest_s\":800}]}");
	status = report_status(&fixture->report);
	assert_int_equal(json_integer_value(json_object_get(status, "flow_records")), 45);
	assert_int_equal(json_integer_value(json_object_get(status, "flow_capacity")), 4096);
	json_decref(status);
	free_swept(swept);
}

static void pools_and_backends_tell_their_part(void **state)
{
	struct fixture *fixture = *state;
	struct swept *swept;
	json_t *pools, *web1, *web2;

	web1 = backend(fixture, "web1");
	expect_key(web1, "records", "null"); /* not counted yet */
	json_decref(web1);
	swept = fill_swept(fixture);
	fake_phases[PHASE_OPEN] = 3;
	fake_phases[PHASE_TCP] = 4;
	fake_phases[PHASE_SETTLED] = 5;
	fake_tracked = 1ULL << 52;
	health_drain(fixture->state.health, health_find(fixture->state.health, "web", "web1"), 0, NULL, 0, now_ms);
	health_drain_swept(fixture->state.health, health_find(fixture->state.health, "web", "web1"), false, now_ms);
	pools = report_pools(&fixture->report);
	expect_key(json_array_get(pools, 1), "slots_open", "7");
	expect_key(json_array_get(pools, 1), "slots_settled", "5");
	expect_key(json_array_get(pools, 1), "moving", "0");
	expect_key(json_array_get(pools, 1), "records", "45");
	expect_key(json_array_get(pools, 1), "tracked_share", "0.5");
	expect_key(json_array_get(pools, 0), "records", "0");
	expect_key(json_array_get(pools, 0), "tracked_share", "null"); /* has no services */
	json_decref(pools);
	web1 = backend(fixture, "web1");
	web2 = backend(fixture, "web2");
	expect_key(web1, "records", "45");
	expect_key(web1, "drained", "true");
	expect_key(web2, "records", "0");
	expect_key(web2, "drained", "false");
	json_decref(web1);
	json_decref(web2);
	free_swept(swept);
}

static void metrics_tell_of_transitions(void **state)
{
	struct fixture *fixture = *state;
	struct swept *swept;
	char *text = report_metrics(&fixture->report);

	assert_null(strstr(text, "\nsluice_flow_records{"));
	assert_null(strstr(text, "\nsluice_sweep_seconds "));
	free(text);
	swept = fill_swept(fixture);
	fake_phases[PHASE_SETTLED] = 5;
	fake_tracked = 12;
	text = report_metrics(&fixture->report);
	assert_non_null(strstr(text, "\nsluice_slots{pool=\"web\",phase=\"settled\"} 5\n"));
	assert_non_null(strstr(text, "\nsluice_slots{pool=\"web\",phase=\"open\"} 0\n"));
	assert_non_null(strstr(text, "\nsluice_flow_records{pool=\"web\",backend=\"web1\"} 45\n"));
	assert_non_null(strstr(text, "\nsluice_flow_map_records 45\n"));
	assert_non_null(strstr(text, "\nsluice_flow_map_capacity 4096\n"));
	assert_non_null(strstr(text, "\nsluice_sweep_seconds 1.234567\n"));
	assert_non_null(strstr(text, "\nsluice_tracked_packets_total{service=\"www\"} 12\n"));
	assert_non_null(strstr(text, "\nsluice_backend_drained{pool=\"web\",backend=\"web1\"} 0\n"));
	free(text);
	free_swept(swept);
}

/* A table with both backends of "web", as plan and maps have it; all slots in phase tcp. */
static void fill_tables(struct fixture *fixture)
{
	static struct slot slots[7];
	static struct service_move moves[SLUICE_MAX_SERVICES];
	static __u8 standing[SLUICE_MAX_BACKENDS + 1];
	static __u16 table_of[SLUICE_MAX_BACKENDS + 1];
	static struct maglev_backend members[2];
	struct vip_entry entry = vip_key(&fixture->vip.address, 443, IPPROTO_TCP);

	for (int i = 0; i < 2; i++) {
		members[i] = (struct maglev_backend){.name = fixture->backends[i].name,
						     .owner = index_of(fixture, "web", &fixture->backends[i])};
		standing[members[i].owner] = STANDS_GOOD;
		table_of[members[i].owner] = 1;
	}
	for (int i = 0; i < 7; i++)
		slots[i] = (struct slot){.owner = members[0].owner, .phase = PHASE_TCP};
	fixture->table.members = members;
	fixture->table.member_count = 2;
	fixture->plan.standing = standing;
	fixture->plan.table_of = table_of;
	fixture->plan.moves = moves;
	fake_maps.slots = slots;
	fake_maps.slot_capacity = 7;
	fake_maps.moves = moves;
	fake_maps.vips =
		(struct vip_table){memory_new(VIP_BUCKETS(VIP_SHIFT_MOST), sizeof(struct vip_bucket)), VIP_SHIFT_MOST};
	entry.service = (struct service){.slot_count = 7};
	assert_int_equal(vip_table_set(fake_maps.vips, &entry), 0);
}

/* `backend`: of "web"; -1: one that is configured no more. */
static void add_record(struct fixture *fixture, __u16 port, int backend)
{
	__u32 i = fake_flows.count++;

	fake_flows.tuple[i] = (struct flow_tuple){.source = {htonl(0xc6336407)},
						  .destination = {fixture->vip.address.word[0]},
						  .source_port = htons(port),
						  .destination_port = htons(443),
						  .protocol = IPPROTO_TCP,
						  .version = 4};
	fake_flows.record[i] = (struct flow_record){
		.backend = backend < 0 ? 999 : index_of(fixture, "web", &fixture->backends[backend]),
		.born = (__u32)(now_ms / 1000) - 90,
		.seen = (__u32)(now_ms / 1000) - 4};
}

static void records_are_told_one_by_one(void **state)
{
	struct fixture *fixture = *state;

	fill_tables(fixture);
	fake_flows.count = 0;
	add_record(fixture, 40000, 1);
	fake_flows.record[0].flags = FLOW_CLOSING;
	fake_flows.tuple[1] = (struct flow_tuple){.source = {htonl(0x20010db8), 0, 0, htonl(7)},
						  .destination = {htonl(0x20010db8), 0, 0, htonl(10)},
						  .source_port = htons(5),
						  .destination_port = htons(53),
						  .protocol = IPPROTO_UDP,
						  .version = 6};
	fake_flows.record[1] = (struct flow_record){
		.backend = 999, .born = (__u32)(now_ms / 1000) + 1, .seen = (__u32)(now_ms / 1000) + 1};
	fake_flows.count = 2;
	expect_json(
		report_flow_records(&fixture->report, &(struct flow_query){.limit = 10}),
		"{\"complete\":true,\"next\":null,\"flows\":["
		"{\"client\":\"198.51.100.7:40000\",\"vip\":\"192.0.2.10:443\",\"protocol\":\"tcp\",\"pool\":\"web\","
		"\"backend\":\"web2\",\"phase\":\"tcp\",\"age_s\":90,\"idle_s\":4,\"closing\":true},"
		"{\"client\":\"[2001:db8::7]:5\",\"vip\":\"[2001:db8::a]:53\",\"protocol\":\"udp\",\"pool\":null,"
		"\"backend\":null,\"phase\":\"steady\",\"age_s\":0,\"idle_s\":0,\"closing\":false}]}");
	free(fake_maps.vips.buckets);
}

static size_t ask(struct fixture *fixture, const char *pool, __u32 from, size_t limit, const char *complete,
		  const char *next)
{
	const struct flow_query query = {.pool = pool, .from = from, .limit = limit};
	json_t *answer = report_flow_records(&fixture->report, &query);
	size_t size = json_array_size(json_object_get(answer, "flows"));

	expect_key(answer, "complete", complete);
	expect_key(answer, "next", next);
	json_decref(answer);
	return size;
}

static void records_are_told_in_pieces(void **state)
{
	struct fixture *fixture = *state;

	fill_tables(fixture);
	fake_flows.count = 0;
	for (__u16 i = 0; i < 7; i++)
		add_record(fixture, 40000 + i, i < 5 ? 0 : -1);
	/* out of time after the second batch */
	assert_int_equal(ask(fixture, NULL, 0, 100, "false", "4"), 4);
	assert_int_equal(ask(fixture, NULL, 4, 100, "true", "null"), 3);
	assert_int_equal(ask(fixture, "web", 4, 100, "true", "null"), 1);
	assert_int_equal(ask(fixture, "spare", 0, 100, "false", "4"), 0);
	/* at the limit, also where the rest has been read */
	assert_int_equal(ask(fixture, NULL, 0, 3, "false", "null"), 3);
	assert_int_equal(ask(fixture, NULL, 6, 1, "true", "null"), 1);
	fake_error = -ENOMEM;
	assert_int_equal(ask(fixture, NULL, 4, 100, "false", "null"), 0);
	fake_error = 0;
	fixture->report.dataplane = NULL; /* detached */
	assert_int_equal(ask(fixture, NULL, 0, 3, "true", "null"), 0);
	free(fake_maps.vips.buckets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REPORT_TEST(sums_are_of_the_last_pass),	  REPORT_TEST(pools_and_backends_tell_their_part),
		REPORT_TEST(metrics_tell_of_transitions), REPORT_TEST(records_are_told_one_by_one),
		REPORT_TEST(records_are_told_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
