/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "packet/flow_case.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FORMER_FIRST 3000
#define FORMER_SLOTS 251

#define BORN 5 /* of the record that there is: long ago */
#define SEEN 6

static bool is_udp(enum packet_kind kind)
{
	return kind == DATAGRAM || kind == UDP_ERROR;
}

void flow_packet(struct frame *out, enum packet_kind kind, bool v6, __u16 port, __u32 sequence)
{
	static const __u8 flags[] = {[SYN] = 0x02, [SYN_ECN] = 0xc2, [SYN_ACK] = 0x12, [ACK] = 0x10,
				     [FIN] = 0x11, [RST] = 0x04,     [UDP_ERROR] = 0};
	__u16 header = v6 ? 40 : 20;
	struct client client = {
		.from = v6 ? CLIENT6 : CLIENT4,
		.to = v6 ? V6_L2 : V4_L2,
		.from_port = port,
		.to_port = 443,
		.protocol = is_udp(kind) ? IPPROTO_UDP : IPPROTO_TCP,
		.tcp_flags = flags[kind],
		.sequence = sequence,
	};

	if (kind == SHORT)
		client.ip_length = header + 8;
	else if (kind == SYN || kind == SYN_ECN || kind == SYN_ACK || kind == ACK || kind == FIN || kind == RST)
		client.ip_length = header + 20;
	frame_client(out, &client);
}

static void make_error(struct frame *frame, bool v6)
{
	frame_error(frame, v6 ? 2 : 3, v6 ? 0 : 4, 8);
}

struct flow_tuple flow_tuple(enum packet_kind kind, bool v6, __u16 port)
{
	struct flow_tuple tuple = {
		.source_port = htons(port),
		.destination_port = htons(443),
		.protocol = is_udp(kind) ? IPPROTO_UDP : IPPROTO_TCP,
		.version = v6 ? 6 : 4,
	};

	inet_pton(v6 ? AF_INET6 : AF_INET, v6 ? CLIENT6 : CLIENT4, tuple.source);
	inet_pton(v6 ? AF_INET6 : AF_INET, v6 ? V6_L2 : V4_L2, tuple.destination);
	return tuple;
}

/* The flow's slot in a table of that many. */
static __u32 slot_of(const struct fixture *fixture, const struct flow_tuple *tuple, bool source_only, __u32 slots)
{
	static const __be32 none[4];
	const struct flow_key *key = fixture_flow_key(fixture);
	const __be32 *destination = source_only ? none : tuple->destination;
	__u8 protocol = source_only ? 0 : tuple->protocol;
	__u32 ports = 0;

	if (!source_only)
		memcpy(&ports, &tuple->source_port, sizeof(ports));
	return hash_slot(tuple->version == 6 ? hash_flow6(key, tuple->source, destination, ports, protocol)
					     : hash_flow4(key, tuple->source[0], destination[0], ports, protocol),
			 slots);
}

/* Else the wrong hash would not show. */
static void assert_hashes_differ(const struct lab *lab, __u32 slots)
{
	assert_int_not_equal(slot_of(lab->fixture, &lab->tuple, false, slots),
			     slot_of(lab->fixture, &lab->tuple, true, slots));
}

bool record_get(const struct fixture *fixture, const struct flow_tuple *tuple, struct flow_record *record)
{
	return !bpf_map_lookup_elem(fixture_flows(fixture), tuple, record);
}

void record_put(const struct fixture *fixture, const struct flow_tuple *tuple, __u16 backend, __u8 flags,
		__u32 sequence)
{
	struct flow_record record = {
		.backend = backend, .flags = flags, .born = BORN, .seen = SEEN, .sequence = sequence};

	assert_int_equal(bpf_map_update_elem(fixture_flows(fixture), tuple, &record, BPF_ANY), 0);
}

static void service_add(struct fixture *fixture, __u16 flags)
{
	struct service service = world_service(SERVICE);

	service.flags = flags;
	fixture_vip(fixture, V4_L2, 443, IPPROTO_TCP, &service);
	fixture_vip(fixture, V4_L2, 443, IPPROTO_UDP, &service);
	fixture_vip(fixture, V6_L2, 443, IPPROTO_TCP, &service);
	fixture_vip(fixture, V6_L2, 443, IPPROTO_UDP, &service);
}

/* The flow's own slots, in both tables, and nobody's around them. */
static void slots_fill(struct lab *lab)
{
	const struct flow_case *test = lab->test;
	struct service service = world_service(SERVICE);
	__u32 slot = slot_of(lab->fixture, &lab->tuple, test->flags & SERVICE_HASH_SOURCE, service.slot_count);
	__u32 former = slot_of(lab->fixture, &lab->tuple, test->move.flags_before & SERVICE_HASH_SOURCE, FORMER_SLOTS);

	assert_hashes_differ(lab, service.slot_count);
	assert_hashes_differ(lab, FORMER_SLOTS);
	fixture_slots(lab->fixture, service.slot_first, service.slot_count, WRONG);
	fixture_slots(lab->fixture, FORMER_FIRST, FORMER_SLOTS, WRONG);
	fixture_slots_as(lab->fixture, service.slot_first + slot, 1, &test->slot);
	fixture_slots_as(lab->fixture, FORMER_FIRST + former, 1, &test->former);
}

void lab_open(struct lab *lab)
{
	const struct flow_case *test = lab->test;
	struct service_move move = test->move;

	lab->fixture = fixture_open(test->features_off ? 0 : FEATURE_TRANSITION);
	lab->counts = test_calloc(1, sizeof(*lab->counts));
	lab->tuple = flow_tuple(test->packet, lab->v6, PORT);
	world_backends(lab->fixture);
	if (test->dead)
		fixture_backend_dies(lab->fixture, test->dead);
	slots_fill(lab);
	if (move.phase != PHASE_STEADY && !move.before.slot_count)
		move.before = (struct table_use){FORMER_FIRST, FORMER_SLOTS};
	fixture_move(lab->fixture, SERVICE, &move);
	service_add(lab->fixture, test->flags);
	if (test->record)
		record_put(lab->fixture, &lab->tuple, test->record, test->record_flags, SEQUENCE - 100);
}

void lab_close(struct lab *lab)
{
	packet_assert_counted(lab->fixture, lab->counts);
	fixture_close(lab->fixture);
	test_free(lab->counts);
}

static enum reason reason_of(__u16 backend)
{
	return world_target(backend)->ifindex == WORLD_OTHER ? REASON_redirected : REASON_forwarded;
}

enum reason flow_case_reason(const void *test)
{
	return reason_of(((const struct flow_case *)test)->to);
}

void flow_send(struct lab *lab, const struct frame *in, __u16 to)
{
	struct outcome outcome = {
		.reason = reason_of(to),
		.service = SERVICE,
		.backend = to,
	};

	packet_send(lab->fixture, in, NULL, &outcome, lab->counts);
	lab->counts->tracked[SERVICE] += !lab->test->untracked;
}

/* The clock that the dataplane reads, in seconds. */
static __u32 seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

static void record_check(const struct lab *lab, __u32 from, __u32 to)
{
	const struct flow_case *test = lab->test;
	struct flow_record record;

	if (test->after == NONE) {
		assert_false(record_get(lab->fixture, &lab->tuple, &record));
		return;
	}
	assert_true(record_get(lab->fixture, &lab->tuple, &record));
	assert_int_equal(record.backend, test->after == ANEW ? test->to : test->record);
	assert_int_equal(record.flags, test->after == UNTOUCHED ? test->record_flags : test->after_flags);
	if (test->after == ANEW)
		assert_in_range(record.born, from, to);
	else
		assert_int_equal(record.born, BORN);
	if (test->after == UNTOUCHED)
		assert_int_equal(record.seen, SEEN);
	else
		assert_in_range(record.seen, from, to);
	if (test->after == UNTOUCHED)
		assert_int_equal(record.sequence, SEQUENCE - 100);
	else if (!is_udp(test->packet) && test->packet != SHORT)
		assert_int_equal(record.sequence, SEQUENCE);
}

static void run_once(const struct flow_case *test, bool v6)
{
	struct lab lab = {.test = test, .v6 = v6};
	__u32 from = seconds();
	struct frame in;

	lab_open(&lab);
	flow_packet(&in, test->packet, v6, PORT, SEQUENCE);
	if (test->packet == TCP_ERROR || test->packet == UDP_ERROR)
		make_error(&in, v6);
	flow_send(&lab, &in, test->to);
	record_check(&lab, from, seconds());
	lab_close(&lab);
}

void flow_case_run(void **state)
{
	fixture_need_root();
	run_once(*state, false);
	run_once(*state, true);
}
