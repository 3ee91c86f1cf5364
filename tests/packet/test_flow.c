/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Slots in transition and services that move: each line of the table in include/flow.h, for both families. */
#include <bpf/bpf.h>
#include <stdlib.h>

#include "packet/flow_case.h"

#define STEADY                                                                                                         \
	{                                                                                                              \
		.owner = OWNER                                                                                         \
	}
#define OPEN                                                                                                           \
	{                                                                                                              \
		.owner = OWNER, .previous = PREVIOUS, .phase = PHASE_OPEN                                              \
	}
#define TCP                                                                                                            \
	{                                                                                                              \
		.owner = OWNER, .previous = PREVIOUS, .phase = PHASE_TCP                                               \
	}
#define SETTLED                                                                                                        \
	{                                                                                                              \
		.owner = OWNER, .previous = PREVIOUS, .phase = PHASE_SETTLED                                           \
	}
#define CASE(text, in, kind, reached, then, ...)                                                                       \
	{                                                                                                              \
		.name = #in ": " text, .slot = in, .packet = kind, .to = reached, .after = then, ##__VA_ARGS__         \
	}
#define RECORD	      .record = HOLDER
#define CLOSING	      .record_flags = FLOW_CLOSING
#define STAYS_CLOSING .record_flags = FLOW_CLOSING, .after_flags = FLOW_CLOSING
#define DOUBT	      (FLOW_CLOSING | FLOW_DOUBTFUL)

static const struct flow_case steady[] = {
	CASE("SYN", STEADY, SYN, OWNER, NONE, .untracked = true),
	CASE("TCP", STEADY, DATA, OWNER, NONE, .untracked = true),
	CASE("UDP", STEADY, DATAGRAM, OWNER, NONE, .untracked = true),
	CASE("an ICMP error", STEADY, TCP_ERROR, OWNER, NONE, .untracked = true),
	CASE("a record that is left is not looked at", STEADY, DATA, OWNER, UNTOUCHED, RECORD, .untracked = true),
};

static const struct flow_case open_slot[] = {
	CASE("SYN", OPEN, SYN, OWNER, ANEW),
	CASE("SYN with ECN", OPEN, SYN_ECN, OWNER, ANEW),
	CASE("SYN-ACK, which begins nothing", OPEN, SYN_ACK, PREVIOUS, ANEW),
	CASE("TCP", OPEN, DATA, PREVIOUS, ANEW),
	CASE("TCP without data", OPEN, ACK, PREVIOUS, ANEW),
	CASE("a TCP header cut short", OPEN, SHORT, PREVIOUS, ANEW),
	CASE("FIN", OPEN, FIN, PREVIOUS, ANEW, .after_flags = DOUBT),
	CASE("RST", OPEN, RST, PREVIOUS, ANEW, .after_flags = DOUBT),
	CASE("SYN after a FIN that may be forged", OPEN, SYN, HOLDER, FOLLOWED, RECORD, .record_flags = DOUBT,
	     .after_flags = DOUBT),
	CASE("the last ACK after a FIN that may be forged", OPEN, ACK, HOLDER, FOLLOWED, RECORD, .record_flags = DOUBT,
	     .after_flags = FLOW_CLOSING),
	CASE("data after a FIN that may be forged", OPEN, DATA, HOLDER, FOLLOWED, RECORD, .record_flags = DOUBT),
	CASE("UDP", OPEN, DATAGRAM, PREVIOUS, ANEW),
	CASE("SYN with a record", OPEN, SYN, HOLDER, FOLLOWED, RECORD),
	CASE("TCP with a record", OPEN, DATA, HOLDER, FOLLOWED, RECORD),
	CASE("UDP with a record", OPEN, DATAGRAM, HOLDER, FOLLOWED, RECORD),
	CASE("FIN with a record", OPEN, FIN, HOLDER, FOLLOWED, RECORD, .after_flags = FLOW_CLOSING),
	CASE("RST with a record", OPEN, RST, HOLDER, FOLLOWED, RECORD, .after_flags = FLOW_CLOSING),
	CASE("data after FIN", OPEN, DATA, HOLDER, FOLLOWED, RECORD, CLOSING),
	CASE("the last ACK after FIN", OPEN, ACK, HOLDER, FOLLOWED, RECORD, STAYS_CLOSING),
	CASE("SYN after FIN", OPEN, SYN, OWNER, ANEW, RECORD, CLOSING),
	CASE("SYN-ACK after FIN", OPEN, SYN_ACK, HOLDER, FOLLOWED, RECORD, STAYS_CLOSING),
	CASE("TCP, previous owner dead", OPEN, DATA, OWNER, ANEW, .dead = PREVIOUS),
	CASE("UDP, previous owner dead", OPEN, DATAGRAM, OWNER, ANEW, .dead = PREVIOUS),
	CASE("TCP, record's backend dead", OPEN, DATA, PREVIOUS, ANEW, RECORD, .dead = HOLDER),
	CASE("UDP, record's backend dead", OPEN, DATAGRAM, PREVIOUS, ANEW, RECORD, .dead = HOLDER),
	CASE("SYN, record's backend dead", OPEN, SYN, OWNER, ANEW, RECORD, .dead = HOLDER),
	CASE("data after FIN, record's backend dead", OPEN, DATA, PREVIOUS, ANEW, RECORD, CLOSING, .dead = HOLDER),
	{.name = "open without a previous owner: TCP",
	 .slot = {.owner = OWNER, .phase = PHASE_OPEN},
	 .packet = DATA,
	 .to = OWNER,
	 .after = ANEW},
};

static const struct flow_case tcp_slot[] = {
	CASE("SYN", TCP, SYN, OWNER, ANEW),
	CASE("TCP", TCP, DATA, PREVIOUS, ANEW),
	CASE("UDP", TCP, DATAGRAM, OWNER, ANEW),
	CASE("SYN with a record", TCP, SYN, HOLDER, FOLLOWED, RECORD),
	CASE("TCP with a record", TCP, DATA, HOLDER, FOLLOWED, RECORD),
	CASE("UDP with a record", TCP, DATAGRAM, HOLDER, FOLLOWED, RECORD),
	CASE("SYN after FIN", TCP, SYN, OWNER, ANEW, RECORD, CLOSING),
	CASE("TCP, previous owner dead", TCP, DATA, OWNER, ANEW, .dead = PREVIOUS),
	CASE("UDP, record's backend dead", TCP, DATAGRAM, OWNER, ANEW, RECORD, .dead = HOLDER),
};

static const struct flow_case settled[] = {
	CASE("SYN", SETTLED, SYN, OWNER, NONE),
	CASE("TCP", SETTLED, DATA, OWNER, NONE),
	CASE("FIN", SETTLED, FIN, OWNER, NONE),
	CASE("UDP", SETTLED, DATAGRAM, OWNER, NONE),
	CASE("SYN with a record", SETTLED, SYN, HOLDER, FOLLOWED, RECORD),
	CASE("TCP with a record", SETTLED, DATA, HOLDER, FOLLOWED, RECORD),
	CASE("FIN with a record", SETTLED, FIN, HOLDER, FOLLOWED, RECORD, .after_flags = FLOW_CLOSING),
	CASE("UDP with a record", SETTLED, DATAGRAM, HOLDER, FOLLOWED, RECORD),
	CASE("SYN after FIN", SETTLED, SYN, OWNER, ANEW, RECORD, CLOSING),
	CASE("TCP, record's backend dead", SETTLED, DATA, OWNER, ANEW, RECORD, .dead = HOLDER),
	CASE("UDP, record's backend dead", SETTLED, DATAGRAM, OWNER, ANEW, RECORD, .dead = HOLDER),
};

/* Somebody on the way reports about a flow: where it goes tells the slot or the record, and neither changes. */
static const struct flow_case errors[] = {
	CASE("an ICMP error about TCP", OPEN, TCP_ERROR, PREVIOUS, NONE),
	CASE("an ICMP error about UDP", OPEN, UDP_ERROR, PREVIOUS, NONE),
	CASE("an ICMP error about TCP", TCP, TCP_ERROR, PREVIOUS, NONE),
	CASE("an ICMP error about UDP", TCP, UDP_ERROR, OWNER, NONE),
	CASE("an ICMP error about TCP", SETTLED, TCP_ERROR, OWNER, NONE),
	CASE("an ICMP error about TCP with a record", OPEN, TCP_ERROR, HOLDER, UNTOUCHED, RECORD),
	CASE("an ICMP error about UDP with a record", OPEN, UDP_ERROR, HOLDER, UNTOUCHED, RECORD),
	CASE("an ICMP error about TCP with a record", SETTLED, TCP_ERROR, HOLDER, UNTOUCHED, RECORD),
	CASE("an ICMP error after FIN", OPEN, TCP_ERROR, HOLDER, UNTOUCHED, RECORD, CLOSING),
	CASE("an ICMP error, record's backend dead", OPEN, TCP_ERROR, PREVIOUS, UNTOUCHED, RECORD, .dead = HOLDER),
};

/* Without transitions no slot should have a phase; if one has, it is steady. */
static const struct flow_case off[] = {
	CASE("TCP without the feature", OPEN, DATA, OWNER, NONE, .features_off = true, .untracked = true),
	CASE("UDP without the feature", TCP, DATAGRAM, OWNER, NONE, .features_off = true, .untracked = true),
	CASE("a record without the feature", SETTLED, DATA, OWNER, UNTOUCHED, RECORD, .features_off = true,
	     .untracked = true),
};

#define MOVE(text, then_phase, kind, reached, then, ...)                                                               \
	{                                                                                                              \
		.name = text, .slot = STEADY, .flags = SERVICE_MOVING, .move = {.phase = then_phase},                  \
		.former = {.owner = FORMER}, .packet = kind, .to = reached, .after = then, ##__VA_ARGS__               \
	}
#define FORMERLY(in) .former = {.owner = FORMER, .previous = FORMER_PREVIOUS, .phase = in}
#define MOVE_NOTHING(text, ...)                                                                                        \
	{                                                                                                              \
		.name = text, .slot = STEADY, .former = {.owner = FORMER}, .packet = DATA, .to = OWNER, .after = NONE, \
		##__VA_ARGS__                                                                                          \
	}

static const struct flow_case moves[] = {
	MOVE("open: SYN", PHASE_OPEN, SYN, OWNER, ANEW),
	MOVE("open: TCP", PHASE_OPEN, DATA, FORMER, ANEW),
	MOVE("open: UDP", PHASE_OPEN, DATAGRAM, FORMER, ANEW),
	MOVE("open: TCP with a record", PHASE_OPEN, DATA, HOLDER, FOLLOWED, RECORD),
	MOVE("open: SYN after FIN", PHASE_OPEN, SYN, OWNER, ANEW, RECORD, CLOSING),
	MOVE("open: an ICMP error", PHASE_OPEN, TCP_ERROR, FORMER, NONE),
	MOVE("open: the former owner is dead", PHASE_OPEN, DATA, OWNER, ANEW, .dead = FORMER),
	MOVE("open: record's backend dead", PHASE_OPEN, DATA, FORMER, ANEW, RECORD, .dead = HOLDER),
	{.name = "open: the former slot had no owner",
	 .slot = STEADY,
	 .flags = SERVICE_MOVING,
	 .move = {.phase = PHASE_OPEN},
	 .packet = DATA,
	 .to = OWNER,
	 .after = ANEW},
	MOVE("tcp: SYN", PHASE_TCP, SYN, OWNER, ANEW),
	MOVE("tcp: TCP", PHASE_TCP, DATA, FORMER, ANEW),
	MOVE("tcp: UDP", PHASE_TCP, DATAGRAM, OWNER, ANEW),
	MOVE("settled: TCP", PHASE_SETTLED, DATA, OWNER, NONE),
	MOVE("settled: TCP with a record", PHASE_SETTLED, DATA, HOLDER, FOLLOWED, RECORD),
	MOVE("settled: UDP with a record", PHASE_SETTLED, DATAGRAM, HOLDER, FOLLOWED, RECORD),
};

/* Both the service and a slot. */
static const struct flow_case moves_of_open[] = {
	{.name = "open, from an open slot: TCP",
	 .slot = STEADY,
	 .flags = SERVICE_MOVING,
	 .move = {.phase = PHASE_OPEN},
	 FORMERLY(PHASE_OPEN),
	 .packet = DATA,
	 .to = FORMER_PREVIOUS,
	 .after = ANEW},
	{.name = "open, from a slot of phase tcp: TCP",
	 .slot = STEADY,
	 .flags = SERVICE_MOVING,
	 .move = {.phase = PHASE_OPEN},
	 FORMERLY(PHASE_TCP),
	 .packet = DATA,
	 .to = FORMER_PREVIOUS,
	 .after = ANEW},
	{.name = "open, from a slot of phase tcp: UDP",
	 .slot = STEADY,
	 .flags = SERVICE_MOVING,
	 .move = {.phase = PHASE_OPEN},
	 FORMERLY(PHASE_TCP),
	 .packet = DATAGRAM,
	 .to = FORMER,
	 .after = ANEW},
	{.name = "open, from a settled slot: TCP",
	 .slot = STEADY,
	 .flags = SERVICE_MOVING,
	 .move = {.phase = PHASE_OPEN},
	 FORMERLY(PHASE_SETTLED),
	 .packet = DATA,
	 .to = FORMER,
	 .after = ANEW},
	{.name = "open, to an open slot: TCP",
	 .slot = OPEN,
	 .flags = SERVICE_MOVING,
	 .move = {.phase = PHASE_OPEN},
	 .former = {.owner = FORMER},
	 .packet = DATA,
	 .to = FORMER,
	 .after = ANEW},
	{.name = "open, to an open slot: SYN",
	 .slot = OPEN,
	 .flags = SERVICE_MOVING,
	 .move = {.phase = PHASE_OPEN},
	 .former = {.owner = FORMER},
	 .packet = SYN,
	 .to = OWNER,
	 .after = ANEW},
	{.name = "tcp, to an open slot: UDP",
	 .slot = OPEN,
	 .flags = SERVICE_MOVING,
	 .move = {.phase = PHASE_TCP},
	 .former = {.owner = FORMER},
	 .packet = DATAGRAM,
	 .to = PREVIOUS,
	 .after = ANEW},
	{.name = "settled, in an open slot: TCP",
	 .slot = OPEN,
	 .flags = SERVICE_MOVING,
	 .move = {.phase = PHASE_SETTLED},
	 .former = {.owner = FORMER},
	 .packet = DATA,
	 .to = PREVIOUS,
	 .after = ANEW},
};

/* Each table by its own hash. */
#define BY(text, now_flags, then_flags)                                                                                \
	{.name = text,                                                                                                 \
	 .slot = STEADY,                                                                                               \
	 .flags = SERVICE_MOVING | (now_flags),                                                                        \
	 .move = {.phase = PHASE_OPEN, .flags = now_flags, .flags_before = then_flags},                                \
	 .former = {.owner = FORMER},                                                                                  \
	 .packet = DATA,                                                                                               \
	 .to = FORMER,                                                                                                 \
	 .after = ANEW},                                                                                               \
	{                                                                                                              \
		.name = text ": SYN", .slot = STEADY, .flags = SERVICE_MOVING | (now_flags),                           \
		.move = {.phase = PHASE_OPEN, .flags = now_flags, .flags_before = then_flags},                         \
		.former = {.owner = FORMER}, .packet = SYN, .to = OWNER, .after = ANEW                                 \
	}

static const struct flow_case hashes[] = {
	{.name = "by source, open: TCP",
	 .slot = OPEN,
	 .flags = SERVICE_HASH_SOURCE,
	 .packet = DATA,
	 .to = PREVIOUS,
	 .after = ANEW},
	{.name = "by source, open: SYN",
	 .slot = OPEN,
	 .flags = SERVICE_HASH_SOURCE,
	 .packet = SYN,
	 .to = OWNER,
	 .after = ANEW},
	{.name = "by source, settled: a record",
	 .slot = SETTLED,
	 .flags = SERVICE_HASH_SOURCE,
	 .packet = DATA,
	 .record = HOLDER,
	 .to = HOLDER,
	 .after = FOLLOWED},
	{.name = "by source, open: an ICMP error",
	 .slot = OPEN,
	 .flags = SERVICE_HASH_SOURCE,
	 .packet = TCP_ERROR,
	 .to = PREVIOUS,
	 .after = NONE},
	BY("from the flow's hash to the source's", SERVICE_HASH_SOURCE, 0),
	BY("from the source's hash to the flow's", 0, SERVICE_HASH_SOURCE),
	BY("from the source's hash to the source's", SERVICE_HASH_SOURCE, SERVICE_HASH_SOURCE),
};

static const struct flow_case no_moves[] = {
	MOVE_NOTHING("a move is not looked at while the service does not say so", .move = {.phase = PHASE_OPEN},
		     .untracked = true),
	MOVE_NOTHING("a move that is over", .flags = SERVICE_MOVING, .move = {.phase = PHASE_STEADY}),
	MOVE_NOTHING("a former table beyond the slots", .flags = SERVICE_MOVING,
		     .move = {.phase = PHASE_OPEN, .before = {FIXTURE_SLOTS, 7}}),
	MOVE_NOTHING("a move without the feature", .flags = SERVICE_MOVING, .move = {.phase = PHASE_OPEN},
		     .features_off = true, .untracked = true),
};

/* One open slot of everything, and a record as it may be. */
static void lab_open_simply(struct lab *lab)
{
	static const struct flow_case test = {.slot = OPEN};

	fixture_need_root();
	*lab = (struct lab){.test = &test};
	lab_open(lab);
	fixture_slots_as(lab->fixture, WORLD_POOL_SLOTS * SERVICE, WORLD_POOL_SLOTS, &test.slot);
}

/* FIN and RST count where their sequence number is near the last one seen, in either direction and around zero. */
static void a_forged_end_changes_nothing(void **state)
{
	static const struct {
		__u32 last, sequence;
		bool near;
	} ends[] = {
		{SEQUENCE, SEQUENCE, true},
		{SEQUENCE * 2, SEQUENCE * 2 + FLOW_SEQUENCE_NEAR - 1, true},
		{SEQUENCE * 2, SEQUENCE * 2 + FLOW_SEQUENCE_NEAR, false},
		{SEQUENCE * 2, SEQUENCE * 2 - FLOW_SEQUENCE_NEAR, true},
		{SEQUENCE * 2, SEQUENCE * 2 - FLOW_SEQUENCE_NEAR - 1, false},
		{SEQUENCE, SEQUENCE + 0x80000000U, false},
		{0xfffffff0U, 0x10, true},
		{0x10, 0xfffffff0U, true},
	};
	struct lab lab;

	(void)state;
	lab_open_simply(&lab);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(ends); i++) {
		__u32 last = ends[i / 2].last, sequence = ends[i / 2].sequence;
		bool near = ends[i / 2].near;
		struct flow_record record;
		struct frame in;

		record_put(lab.fixture, &lab.tuple, HOLDER, 0, last);
		flow_packet(&in, i % 2 ? RST : FIN, false, PORT, sequence);
		flow_send(&lab, &in, HOLDER);
		assert_true(record_get(lab.fixture, &lab.tuple, &record));
		assert_int_equal(record.flags, near ? FLOW_CLOSING : 0);
		assert_int_equal(record.sequence, near ? sequence : last);
	}
	lab_close(&lab);
}

/* A forged first packet does not keep the client's own from being known: the record takes their sequence number. */
static void a_doubtful_record_learns(void **state)
{
	static const struct {
		enum packet_kind kind;
		bool learns;
	} packets[] = {{SYN, true}, {ACK, true}, {DATA, true}, {FIN, false}, {RST, false}};
	__u32 forged = SEQUENCE + 0x40000000U;
	struct lab lab;

	(void)state;
	lab_open_simply(&lab);
	for (size_t i = 0; i < ARRAY_SIZE(packets); i++) {
		struct flow_record record;
		struct frame in;

		record_put(lab.fixture, &lab.tuple, HOLDER, DOUBT, forged);
		flow_packet(&in, packets[i].kind, false, PORT, SEQUENCE);
		flow_send(&lab, &in, HOLDER);
		assert_true(record_get(lab.fixture, &lab.tuple, &record));
		assert_int_equal(record.flags, packets[i].learns ? 0 : DOUBT);
		assert_int_equal(record.sequence, packets[i].learns ? SEQUENCE : forged);
	}
	lab_close(&lab);
}

/* A connection's life in an open slot: each packet finds what the one before left. */
static void a_connection_lives_and_comes_again(void **state)
{
	static const struct {
		enum packet_kind kind;
		__u8 flags;
	} life[] = {{SYN, 0}, {ACK, 0}, {DATA, 0}, {FIN, FLOW_CLOSING}, {ACK, FLOW_CLOSING}};
	struct slot changed = {.owner = PREVIOUS, .previous = OWNER, .phase = PHASE_OPEN};
	struct lab lab;

	(void)state;
	lab_open_simply(&lab);
	for (__u32 round = 0; round < 2; round++) {
		/* the second one begins anew at whoever owns the slot by then, its number far from the first's */
		for (size_t i = 0; i < ARRAY_SIZE(life); i++) {
			__u32 sequence = SEQUENCE + round * 0x40000000U + i * 16;
			struct flow_record record;
			struct frame in;

			flow_packet(&in, life[i].kind, false, PORT, sequence);
			flow_send(&lab, &in, round ? PREVIOUS : OWNER);
			assert_true(record_get(lab.fixture, &lab.tuple, &record));
			assert_int_equal(record.backend, round ? PREVIOUS : OWNER);
			assert_int_equal(record.flags, life[i].flags);
			assert_int_equal(record.sequence, sequence);
		}
		fixture_slots_as(lab.fixture, WORLD_POOL_SLOTS * SERVICE, WORLD_POOL_SLOTS, &changed);
	}
	lab_close(&lab);
}

/* Flows of one source share a slot and no record. */
static void a_source_s_flows_have_records_of_their_own(void **state)
{
	static const struct flow_case test = {.slot = OPEN, .flags = SERVICE_HASH_SOURCE};
	struct lab lab = {.test = &test};
	struct frame in;

	(void)state;
	fixture_need_root();
	lab_open(&lab);
	for (__u16 port = PORT; port < PORT + 20; port++) {
		struct flow_tuple tuple = flow_tuple(DATA, false, port);
		struct flow_record record;
		bool begins = port % 2;

		flow_packet(&in, begins ? SYN : DATA, false, port, SEQUENCE);
		flow_send(&lab, &in, begins ? OWNER : PREVIOUS);
		assert_true(record_get(lab.fixture, &tuple, &record));
		assert_int_equal(record.backend, begins ? OWNER : PREVIOUS);
	}
	lab_close(&lab);
}

static unsigned int records_count(const struct fixture *fixture)
{
	struct flow_tuple key, next;
	unsigned int count = 0;
	void *at = NULL;

	while (!bpf_map_get_next_key(fixture_flows(fixture), at, &next)) {
		key = next;
		at = &key;
		count++;
	}
	return count;
}

/* More new flows than there is room for: those whose record gave way are the previous owner's again. */
static void a_full_map_lets_the_oldest_go(void **state)
{
	unsigned int kept = 0, flows = 4 * FIXTURE_FLOWS;
	struct lab lab;
	struct frame in;

	(void)state;
	lab_open_simply(&lab);
	for (unsigned int n = 0; n < flows; n++) {
		flow_packet(&in, SYN, false, 1024 + n, SEQUENCE);
		flow_send(&lab, &in, OWNER);
	}
	assert_in_range(records_count(lab.fixture), 1, FIXTURE_FLOWS);
	for (unsigned int n = flows; n-- > 0;) {
		struct flow_tuple tuple = flow_tuple(DATA, false, 1024 + n);
		struct flow_record record;
		bool has = record_get(lab.fixture, &tuple, &record);

		flow_packet(&in, DATA, false, 1024 + n, SEQUENCE + 1);
		flow_send(&lab, &in, has ? OWNER : PREVIOUS);
		assert_true(record_get(lab.fixture, &tuple, &record));
		assert_int_equal(record.backend, has ? OWNER : PREVIOUS);
		kept += has;
	}
	assert_in_range(kept, 1, FIXTURE_FLOWS);
	lab_close(&lab);
}

static const struct case_group groups[] = {
	GROUP_OF("Transitions: steady slots", steady, flow_case_run, flow_case_reason),
	GROUP_OF("Transitions: open slots", open_slot, flow_case_run, flow_case_reason),
	GROUP_OF("Transitions: slots open for TCP", tcp_slot, flow_case_run, flow_case_reason),
	GROUP_OF("Transitions: settled slots", settled, flow_case_run, flow_case_reason),
	GROUP_OF("Transitions: ICMP errors", errors, flow_case_run, flow_case_reason),
	GROUP_OF("Transitions: switched off", off, flow_case_run, flow_case_reason),
	GROUP_OF("Transitions: services that move", moves, flow_case_run, flow_case_reason),
	GROUP_OF("Transitions: services that move, open slots", moves_of_open, flow_case_run, flow_case_reason),
	GROUP_OF("Transitions: services that move to another hash", hashes, flow_case_run, flow_case_reason),
	GROUP_OF("Transitions: services that have moved", no_moves, flow_case_run, flow_case_reason),
};

int main(int argc, char **argv)
{
	const struct CMUnitTest lives[] = {
		cmocka_unit_test(a_forged_end_changes_nothing),
		cmocka_unit_test(a_doubtful_record_learns),
		cmocka_unit_test(a_connection_lives_and_comes_again),
		cmocka_unit_test(a_source_s_flows_have_records_of_their_own),
		cmocka_unit_test(a_full_map_lets_the_oldest_go),
	};
	int failed = GROUPS_RUN(argc, argv, groups);

	return groups_are_listed(argc, argv) ? failed : failed + cmocka_run_group_tests(lives, NULL, NULL);
}
