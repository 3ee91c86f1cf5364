/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What leaves towards a backend, for every way of forwarding: the whole frame, byte by byte. */
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "packet/packet_case.h"

#define OUTCOME(why, mode)                                                                                             \
	{                                                                                                              \
		.reason = REASON_##why, .service = mode, .backend = mode                                               \
	}
#define TOLD(mode)                                                                                                     \
	{                                                                                                              \
		.reason = REASON_too_big_told, .service = mode##_OUT, .mtu = WORLD_MTU_OUT - OVERHEAD_##mode           \
	}
#define FROM4(mode) .from = CLIENT4, .to = V4_##mode, .from_port = 40000, .to_port = 443
#define FROM6(mode) .from = CLIENT6, .to = V6_##mode, .from_port = 40000, .to_port = 443

#define MODES_IN(X)    X(IPIP4) X(IPIP6) X(GUE4) X(GUE6) X(L2)
#define OVERHEAD_IPIP4 20
#define OVERHEAD_IPIP6 40
#define OVERHEAD_GUE4  28
#define OVERHEAD_GUE6  48
#define OVERHEAD_L2    0

#define KIND(mode, why)                                                                                                \
	{.name = #mode ": IPv4 TCP is " #why, .client = {FROM4(mode)}, .outcome = OUTCOME(why, mode)},                 \
		{.name = #mode ": IPv4 UDP is " #why,                                                                  \
		 .client = {FROM4(mode), .protocol = IPPROTO_UDP},                                                     \
		 .outcome = OUTCOME(why, mode)},                                                                       \
		{.name = #mode ": IPv6 TCP is " #why, .client = {FROM6(mode)}, .outcome = OUTCOME(why, mode)},         \
		{.name = #mode ": IPv6 UDP is " #why,                                                                  \
		 .client = {FROM6(mode), .protocol = IPPROTO_UDP},                                                     \
		 .outcome = OUTCOME(why, mode)},
#define KIND_IN(mode)  KIND(mode, forwarded)
#define KIND_OUT(mode) KIND(mode##_OUT, redirected)

static const struct packet_case kinds[] = {MODES_IN(KIND_IN) MODES_IN(KIND_OUT)};

/* The outer length comes from the inner IP length; what pads the frame stays behind and is no part of the MTU. */
#define PADDING(mode)                                                                                                  \
	{.name = #mode ": an IPv4 UDP packet without payload in a 60-byte frame",                                      \
	 .client = {FROM4(mode), .protocol = IPPROTO_UDP, .ip_length = 28, .padding = 18},                             \
	 .outcome = OUTCOME(forwarded, mode)},                                                                         \
		{.name = #mode ": an IPv4 TCP segment without payload in a 60-byte frame",                             \
		 .client = {FROM4(mode), .ip_length = 40, .padding = 6},                                               \
		 .outcome = OUTCOME(forwarded, mode)},                                                                 \
		{.name = #mode ": an IPv6 UDP packet without payload and 3 bytes behind it",                           \
		 .client = {FROM6(mode), .protocol = IPPROTO_UDP, .ip_length = 48, .padding = 3},                      \
		 .outcome = OUTCOME(forwarded, mode)},

#define FULL(mode)                                                                                                     \
	{.name = #mode ": 1500 bytes of IPv4 where the backend's MTU has room",                                        \
	 .client = {FROM4(mode), .ip_length = 1500},                                                                   \
	 .outcome = OUTCOME(forwarded, mode)},                                                                         \
		{.name = #mode ": 1500 bytes of IPv6 where the backend's MTU has room",                                \
		 .client = {FROM6(mode), .ip_length = 1500},                                                           \
		 .outcome = OUTCOME(forwarded, mode)},

#define MTU_EDGE(mode)                                                                                                 \
	{.name = #mode "_OUT: IPv4 as large as the MTU allows, padding not counted",                                   \
	 .client = {FROM4(mode##_OUT), .ip_length = WORLD_MTU_OUT - OVERHEAD_##mode, .padding = 2},                    \
	 .outcome = OUTCOME(redirected, mode##_OUT)},                                                                  \
		{.name = #mode "_OUT: IPv4 one byte larger",                                                           \
		 .client = {FROM4(mode##_OUT), .ip_length = WORLD_MTU_OUT - OVERHEAD_##mode + 1},                      \
		 .outcome = TOLD(mode)},                                                                               \
		{.name = #mode "_OUT: IPv6 as large as the MTU allows, padding not counted",                           \
		 .client = {FROM6(mode##_OUT), .ip_length = WORLD_MTU_OUT - OVERHEAD_##mode, .padding = 2},            \
		 .outcome = OUTCOME(redirected, mode##_OUT)},                                                          \
		{.name = #mode "_OUT: IPv6 one byte larger",                                                           \
		 .client = {FROM6(mode##_OUT), .ip_length = WORLD_MTU_OUT - OVERHEAD_##mode + 1},                      \
		 .outcome = TOLD(mode)},

static const struct packet_case lengths[] = {MODES_IN(PADDING) MODES_IN(FULL) MODES_IN(MTU_EDGE)};

/* Metadata stands in the headroom, so it takes from it: 216 bytes, the most there is, leave none. */
#define NO_HEADROOM(mode)                                                                                              \
	{.name = #mode ": no headroom for the outer header",                                                           \
	 .client = {FROM4(mode)},                                                                                      \
	 .arrival = {.metadata = 216},                                                                                 \
	 .outcome = OUTCOME(no_headroom, mode)},                                                                       \
		{.name = #mode ": metadata of another program before the packet",                                      \
		 .client = {FROM6(mode)},                                                                              \
		 .arrival = {.metadata = 16},                                                                          \
		 .outcome = OUTCOME(forwarded, mode)},

static const struct packet_case headroom[] = {
	NO_HEADROOM(IPIP4) NO_HEADROOM(IPIP6) NO_HEADROOM(GUE4) NO_HEADROOM(GUE6){.name = "L2: needs no headroom",
										  .client = {FROM4(L2)},
										  .arrival = {.metadata = 216},
										  .outcome = OUTCOME(forwarded, L2)},
};

static void ttl0(struct frame *frame)
{
	frame->data[FRAME_IP + 8] = 0;
	frame_checksum4(frame);
}

static void hop_limit0(struct frame *frame)
{
	frame->data[FRAME_IP + 7] = 0;
}

static void ip_checksum_wrong(struct frame *frame)
{
	frame->data[FRAME_IP + 10] ^= 0x01;
}

static void tcp_checksum_wrong(struct frame *frame)
{
	frame->data[FRAME_TRANSPORT4 + 16] ^= 0x80;
}

static void tcp_syn(struct frame *frame)
{
	frame->data[FRAME_TRANSPORT4 + 13] = 0x02;
}

static void tcp_rst(struct frame *frame)
{
	frame->data[FRAME_TRANSPORT6 + 13] = 0x04;
}

static void udp_length_wrong(struct frame *frame)
{
	frame_put16(frame, FRAME_TRANSPORT4 + 4, 9);
}

static void udp_checksum_none(struct frame *frame)
{
	frame_put16(frame, FRAME_TRANSPORT4 + 6, 0);
}

static void flow_label(struct frame *frame)
{
	frame->data[FRAME_IP + 1] |= 0x0f;
	frame_put16(frame, FRAME_IP + 2, 0xfffe);
}

static void ip_id(struct frame *frame)
{
	frame_put16(frame, FRAME_IP + 4, 0xbeef);
	frame_put16(frame, FRAME_IP + 6, 0); /* and may be fragmented: the outer packet not */
	frame_checksum4(frame);
}

static void reserved_flag(struct frame *frame)
{
	frame_put16(frame, FRAME_IP + 6, 0x8000);
	frame_checksum4(frame);
}

/* Whatever the client wrote into its packet is between it and the backend. */
#define INNER4(what, mode, how, ...)                                                                                   \
	{                                                                                                              \
		.name = "left to the backend: " what, .client = {FROM4(mode), ##__VA_ARGS__}, .change = how,           \
		.outcome = OUTCOME(forwarded, mode)                                                                    \
	}
#define INNER6(what, mode, how, ...)                                                                                   \
	{                                                                                                              \
		.name = "left to the backend: " what, .client = {FROM6(mode), ##__VA_ARGS__}, .change = how,           \
		.outcome = OUTCOME(forwarded, mode)                                                                    \
	}

static const struct packet_case inner[] = {
	INNER4("TTL 0", IPIP4, ttl0),
	INNER4("TTL 1", GUE4, NULL, .ttl = 1),
	INNER4("TTL 255", L2, NULL, .ttl = 255),
	INNER6("hop limit 0", IPIP6, hop_limit0),
	INNER6("hop limit 1", L2, NULL, .ttl = 1),
	INNER4("a wrong IPv4 checksum", IPIP4, ip_checksum_wrong),
	INNER4("a wrong TCP checksum", GUE6, tcp_checksum_wrong),
	INNER4("a SYN", IPIP4, tcp_syn),
	INNER6("a RST", IPIP6, tcp_rst),
	INNER4("a UDP length that is not the packet's", GUE4, udp_length_wrong, .protocol = IPPROTO_UDP),
	INNER4("no UDP checksum", GUE6, udp_checksum_none, .protocol = IPPROTO_UDP),
	INNER4("identification, and fragmenting allowed", IPIP4, ip_id),
	INNER4("the reserved IPv4 flag", IPIP4, reserved_flag),
	INNER6("a flow label", GUE6, flow_label),
	INNER6("a flow label over IPv4", IPIP4, flow_label, .tos = 0xb8),
	INNER4("a TCP header cut after 8 bytes", IPIP4, NULL, .ip_length = 28),
};

/* A fixture and what it should have counted so far, for tests of many packets. */
struct run {
	struct fixture *fixture;
	struct counts *counts;
};

static void run_begin(struct run *run)
{
	fixture_need_root();
	run->fixture = fixture_open(0);
	run->counts = calloc(1, sizeof(*run->counts));
	assert_non_null(run->counts);
	world_fill(run->fixture);
}

static void run_end(struct run *run)
{
	packet_assert_counted(run->fixture, run->counts);
	fixture_close(run->fixture);
	free(run->counts);
}

/* RFC 6040, section 4.1, normal mode: ECN goes outward as it is, and with it the DSCP. */
static void every_tos(const struct client *client, __u16 mode)
{
	struct outcome outcome = OUTCOME(forwarded, mode);
	struct client varied = *client;
	struct frame in;
	struct run run;

	run_begin(&run);
	for (unsigned int tos = 0; tos < 256; tos++) {
		varied.tos = tos;
		frame_client(&in, &varied);
		packet_send(run.fixture, &in, NULL, &outcome, run.counts);
	}
	run_end(&run);
}

static void every_length(const struct client *client, __u16 mode, unsigned int minimum, unsigned int overhead)
{
	const struct outcome taken = OUTCOME(redirected, mode);
	const struct outcome told = {.reason = REASON_too_big_told, .service = mode, .mtu = WORLD_MTU_OUT - overhead};
	struct client varied = *client;
	struct frame in;
	struct run run;

	run_begin(&run);
	for (unsigned int length = minimum; length <= WORLD_MTU_OUT + 1; length++) {
		varied.ip_length = length;
		frame_client(&in, &varied);
		packet_send(run.fixture, &in, NULL, length + overhead <= WORLD_MTU_OUT ? &taken : &told, run.counts);
	}
	run_end(&run);
}

#define SWEEPS(mode)                                                                                                   \
	static void every_dscp_and_ecn_of_ipv4_over_##mode(void **state)                                               \
	{                                                                                                              \
		(void)state;                                                                                           \
		every_tos(&(struct client){FROM4(mode)}, mode);                                                        \
	}                                                                                                              \
	static void every_dscp_and_ecn_of_ipv6_over_##mode(void **state)                                               \
	{                                                                                                              \
		(void)state;                                                                                           \
		every_tos(&(struct client){FROM6(mode)}, mode);                                                        \
	}                                                                                                              \
	static void every_length_of_ipv4_over_##mode(void **state)                                                     \
	{                                                                                                              \
		(void)state;                                                                                           \
		every_length(&(struct client){FROM4(mode##_OUT), .protocol = IPPROTO_UDP}, mode##_OUT, 28,             \
			     OVERHEAD_##mode);                                                                         \
	}                                                                                                              \
	static void every_length_of_ipv6_over_##mode(void **state)                                                     \
	{                                                                                                              \
		(void)state;                                                                                           \
		every_length(&(struct client){FROM6(mode##_OUT), .protocol = IPPROTO_UDP}, mode##_OUT, 48,             \
			     OVERHEAD_##mode);                                                                         \
	}
MODES_IN(SWEEPS)

#define SWEEP_TESTS(mode)                                                                                              \
	cmocka_unit_test(every_dscp_and_ecn_of_ipv4_over_##mode),                                                      \
		cmocka_unit_test(every_dscp_and_ecn_of_ipv6_over_##mode),                                              \
		cmocka_unit_test(every_length_of_ipv4_over_##mode),                                                    \
		cmocka_unit_test(every_length_of_ipv6_over_##mode),

/* 65,536 backend addresses whose last half differs: the checksum takes every value and every carry. */
static void outer_checksum_of_every_sum(void **state)
{
	struct target target = *world_target(IPIP4);
	struct frame in, expected, out;
	struct fixture *fixture;
	char address[32];

	(void)state;
	fixture_need_root();
	fixture = fixture_open(0);
	world_fill(fixture);
	frame_client(&in, &(struct client){FROM4(IPIP4), .tos = 0xff});
	target.address = address;
	for (unsigned int low = 0; low < 65536; low++) {
		struct outer outer = target_outer(&target);

		snprintf(address, sizeof(address), "10.1.%u.%u", low >> 8, low & 0xff);
		fixture_backend(fixture, IPIP4, &target);
		fixture_run(fixture, &in, NULL, &out);
		frame_wrap(&expected, &in, &outer);
		frame_assert_equal(&expected, &out);
		assert_true(frame_checksum4_ok(&out));
	}
	fixture_close(fixture);
}

/* Another gateway's MAC, another backend's address: the next packet has it. */
static void changed_backend_entry_takes_effect(void **state)
{
	struct target target = *world_target(GUE4);
	struct frame in, expected, out;
	struct fixture *fixture;
	struct outer outer;

	(void)state;
	fixture_need_root();
	fixture = fixture_open(0);
	world_fill(fixture);
	frame_client(&in, &(struct client){FROM6(GUE4)});
	fixture_run(fixture, &in, NULL, &out);
	target.forward = FORWARD_IPIP;
	target.address = "2001:db8:77::1";
	target.source = "2001:db8:77::2";
	fixture_backend(fixture, GUE4, &target);
	assert_int_equal(fixture_run(fixture, &in, NULL, &out), XDP_TX);
	outer = target_outer(&target);
	outer_take_entropy(&outer, &out);
	frame_wrap(&expected, &in, &outer);
	frame_assert_equal(&expected, &out);
	fixture_close(fixture);
}

static const struct case_group groups[] = {
	GROUP("Ways to a backend", kinds),
	GROUP("Lengths on the way to a backend", lengths),
	GROUP("Headroom", headroom),
	GROUP("What is left to the backend", inner),
};

int main(int argc, char **argv)
{
	const struct CMUnitTest sweeps[] = {
		MODES_IN(SWEEP_TESTS) cmocka_unit_test(outer_checksum_of_every_sum),
		cmocka_unit_test(changed_backend_entry_takes_effect),
	};
	int failed = GROUPS_RUN(argc, argv, groups);

	return groups_are_listed(argc, argv) ? failed : failed + cmocka_run_group_tests(sweeps, NULL, NULL);
}
