/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Lengths: frames and packets that end anywhere, lengths that contradict each other, jumbo frames, and frames in
 * several buffers (xdp.frags).
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "packet/answer.h"
#include "packet/frame_parts.h"
#include "packet/packet_case.h"

static void put_ip_length(struct frame *frame, size_t ip, size_t length)
{
	if (frame->data[ip] >> 4 == 6)
		frame_put16(frame, ip + 4, length - 40);
	else
		frame_put16(frame, ip + 2, length);
}

CHANGE(plain, (void)frame)
CHANGE(most_options, frame_options(frame, 40))
CHANGE(chain, frame_extension(frame, IPPROTO_DSTOPTS, 24); frame_atomic(frame, 1); frame_extension(frame, 0, 16))
CHANGE(first, frame_fragment(frame, 1, 0, 32))
CHANGE(later, frame_fragment(frame, 1, 8, 0))
CHANGE(tagged, frame_tag(frame, 0x8100, 30))
CHANGE(tagged_more, frame_is_v6(frame) ? chain(frame) : most_options(frame); frame_tag(frame, 0x8100, 30);
       frame_tag(frame, 0x88a8, 7))
CHANGE(error, frame_error(frame, frame_is_v6(frame) ? 2 : 3, frame_is_v6(frame) ? 0 : 4, 16))

/* A packet that is cut at each of its bytes. */
struct shape {
	const char *name;
	struct client client;
	void (*change)(struct frame *frame);
	size_t least;		      /* bytes from the transport header on, with which it is what it is */
	struct outcome outcome, less; /* with so many, and with fewer */
};

#define SHAPE(text, sent, how, ...)                                                                                    \
	{                                                                                                              \
		.name = text, .client = sent, .change = how, __VA_ARGS__                                               \
	}
#define FLOW .least = 8, .outcome = TAKEN(GUE4), .less = ENDS(malformed)

static const struct shape shapes[] = {
	SHAPE("IPv4 TCP", CLIENT4_TO(V4_GUE4), plain, FLOW),
	SHAPE("IPv4 UDP", CLIENT4_TO(V4_GUE4, UDP), plain, FLOW),
	SHAPE("IPv6 TCP", CLIENT6_TO(V6_GUE4), plain, FLOW),
	SHAPE("IPv6 UDP", CLIENT6_TO(V6_GUE4, UDP), plain, FLOW),
	SHAPE("IPv4 with options", CLIENT4_TO(V4_GUE4), most_options, FLOW),
	SHAPE("IPv6 with extension headers", CLIENT6_TO(V6_GUE4), chain, FLOW),
	SHAPE("IPv4: a first fragment", CLIENT4_TO(V4_GUE4), first, FLOW),
	SHAPE("IPv6: a first fragment", CLIENT6_TO(V6_GUE4), first, FLOW),
	SHAPE("IPv4: a further fragment", CLIENT4_TO(V4_GUE4), later, .outcome = ENDS(fragment_lost),
	      .less = ENDS(malformed)),
	SHAPE("IPv6: a further fragment", CLIENT6_TO(V6_GUE4), later, .outcome = ENDS(fragment_lost),
	      .less = ENDS(malformed)),
	SHAPE("IPv4 in a VLAN", CLIENT4_TO(V4_GUE4), tagged, FLOW),
	SHAPE("IPv6 in a VLAN", CLIENT6_TO(V6_GUE4), tagged, FLOW),
	SHAPE("IPv4 with options in QinQ", CLIENT4_TO(V4_GUE4), tagged_more, FLOW),
	SHAPE("IPv6 with extension headers in QinQ", CLIENT6_TO(V6_GUE4), tagged_more, FLOW),
	SHAPE("IPv4: a ping", CLIENT4_TO(V4_GUE4, .protocol = IPPROTO_ICMP), plain, .least = 8,
	      .outcome = COUNTED(echo, GUE4), .less = ENDS(not_tcp_udp)),
	SHAPE("IPv6: a ping", CLIENT6_TO(V6_GUE4, .protocol = IPPROTO_ICMPV6), plain, .least = 8,
	      .outcome = COUNTED(echo, GUE4), .less = ENDS(not_tcp_udp)),
	SHAPE("IPv4: an ICMP error", CLIENT4_TO(V4_GUE4), error, .least = 8 + 20 + 8, .outcome = TAKEN(GUE4),
	      .less = ENDS(not_tcp_udp)),
	SHAPE("IPv6: an ICMP error", CLIENT6_TO(V6_GUE4), error, .least = 8 + 40 + 8, .outcome = TAKEN(GUE4),
	      .less = ENDS(not_tcp_udp)),
};

static void addresses(struct fixture *fixture)
{
	world_fill(fixture);
	world_addresses(fixture, ADDRESS_ECHO_ANSWER);
}

/* Sends it, cut to each of its lengths; `whole`: its own length says so, too. */
static void cut(const struct shape *shape, bool whole)
{
	const struct outcome malformed = ENDS(malformed);
	struct counts *counts = calloc(1, sizeof(*counts));
	struct fixture *fixture;
	struct frame in, one;
	size_t ip, transport;
	__u8 protocol;

	fixture_need_root();
	assert_non_null(counts);
	fixture = fixture_open(0);
	addresses(fixture);
	frame_client(&in, &shape->client);
	shape->change(&in);
	ip = frame_link(&in);
	transport = frame_transport(&in, &protocol);
	for (size_t length = in.length - 1; length >= FRAME_IP; length--) {
		const struct outcome *ends = &malformed;

		one = in;
		one.length = length;
		if (whole && length >= ip + (in.data[ip] >> 4 == 6 ? 40 : 20)) {
			put_ip_length(&one, ip, length - ip);
			if (length >= transport)
				ends = length >= transport + shape->least ? &shape->outcome : &shape->less;
		}
		packet_send(fixture, &one, NULL, ends, counts);
	}
	packet_assert_counted(fixture, counts);
	fixture_close(fixture);
	free(counts);
}

static void frame_ends(void **state)
{
	cut(*state, false);
}

static void packet_ends(void **state)
{
	cut(*state, true);
}

/* Lengths in a whole frame. */
static void lie(struct frame *frame, int difference)
{
	size_t ip = frame_link(frame);

	put_ip_length(frame, ip, frame->length - ip + difference);
}

CHANGE(one_more, lie(frame, 1))
CHANGE(one_less, lie(frame, -1))
CHANGE(more_one_more, frame_is_v6(frame) ? chain(frame) : most_options(frame); lie(frame, 1))
CHANGE(more_one_less, frame_is_v6(frame) ? chain(frame) : most_options(frame); lie(frame, -1))
CHANGE(tagged_one_more, tagged(frame); lie(frame, 1))
CHANGE(tagged_by_tag, tagged(frame); lie(frame, 4))
CHANGE(tagged_one_less, tagged(frame); lie(frame, -1))
CHANGE(most, frame_put16(frame, FRAME_IP + (frame_is_v6(frame) ? 4 : 2), 65535))
CHANGE(tagged_most, most(frame); tagged(frame))
CHANGE(none, frame_put16(frame, FRAME_IP + (frame_is_v6(frame) ? 4 : 2), 0))
CHANGE(tagged_none, none(frame); tagged(frame))
CHANGE(options_of_packet, most_options(frame); frame_put16(frame, FRAME_IP + 2, 56))
CHANGE(words_15, frame->data[FRAME_IP] = 0x4f)
CHANGE(words_4, frame->data[FRAME_IP] = 0x44; tagged(frame))
CHANGE(words_0, frame->data[FRAME_IP] = 0x40; tagged(frame))
CHANGE(version_5, frame->data[FRAME_IP] = 0x55; tagged(frame))
CHANGE(version_0, frame->data[FRAME_IP] &= 0xf; tagged(frame))
CHANGE(fragment_one_more, later(frame); lie(frame, 1))
CHANGE(fragment_one_less, later(frame); lie(frame, -1))
CHANGE(error_one_more, error(frame); lie(frame, 1))
/* RFC 2675: the real length is in an option, and the header's is 0 */
CHANGE(jumbogram, frame_extension(frame, 0, 8); memcpy(frame->data + 56, "\xc2\x04\x00\x01\x00\x00", 6);
       frame_put16(frame, FRAME_IP + 4, 0))
CHANGE(udp_more, frame_put16(frame, (frame_is_v6(frame) ? FRAME_TRANSPORT6 : FRAME_TRANSPORT4) + 4, 9999))
CHANGE(udp_none, frame_put16(frame, (frame_is_v6(frame) ? FRAME_TRANSPORT6 : FRAME_TRANSPORT4) + 4, 0))
CHANGE(tcp_header_most, frame->data[(frame_is_v6(frame) ? FRAME_TRANSPORT6 : FRAME_TRANSPORT4) + 12] = 0xf0)
CHANGE(tcp_header_none, frame->data[(frame_is_v6(frame) ? FRAME_TRANSPORT6 : FRAME_TRANSPORT4) + 12] = 0)

#define LIE(text, how, ...)                                                                                            \
	{.name = "IPv4: " text,                                                                                        \
	 .setup = addresses,                                                                                           \
	 .client = CLIENT4_TO(V4_GUE4),                                                                                \
	 .change = how,                                                                                                \
	 .outcome = __VA_ARGS__},                                                                                      \
	{                                                                                                              \
		.name = "IPv6: " text, .setup = addresses, .client = CLIENT6_TO(V6_GUE4), .change = how,               \
		.outcome = __VA_ARGS__                                                                                 \
	}
#define LIE4(text, how, ...)                                                                                           \
	{                                                                                                              \
		.name = "IPv4: " text, .setup = addresses, .client = CLIENT4_TO(V4_GUE4), .change = how,               \
		.outcome = __VA_ARGS__                                                                                 \
	}
#define LIE_UDP(text, how, ...)                                                                                        \
	{.name = "IPv4: " text, .client = CLIENT4_TO(V4_GUE4, UDP), .change = how, .outcome = __VA_ARGS__},            \
	{                                                                                                              \
		.name = "IPv6: " text, .client = CLIENT6_TO(V6_GUE4, UDP), .change = how, .outcome = __VA_ARGS__       \
	}

static const struct packet_case lies[] = {
	LIE("one byte more than the frame has", one_more, ENDS(malformed)),
	LIE("one byte less than the frame has", one_less, TAKEN(GUE4)),
	LIE("with options or headers, one byte more", more_one_more, ENDS(malformed)),
	LIE("with options or headers, one byte less", more_one_less, TAKEN(GUE4)),
	LIE("in a VLAN, one byte more", tagged_one_more, ENDS(malformed)),
	LIE("in a VLAN, as if its tag were the packet's", tagged_by_tag, ENDS(malformed)),
	LIE("in a VLAN, one byte less", tagged_one_less, TAKEN(GUE4)),
	LIE("the largest length", most, ENDS(malformed)),
	LIE("in a VLAN, the largest length", tagged_most, ENDS(malformed)),
	LIE("length 0", none, ENDS(malformed)),
	LIE("in a VLAN, length 0", tagged_none, ENDS(malformed)),
	LIE("a further fragment, one byte more", fragment_one_more, ENDS(malformed)),
	LIE("a further fragment, one byte less", fragment_one_less, ENDS(fragment_lost)),
	LIE("an ICMP error, one byte more", error_one_more, ENDS(malformed)),
	LIE("in a VLAN, version 0", version_0, ENDS(malformed)),
	LIE4("in a VLAN, version 5", version_5, ENDS(malformed)),
	LIE4("the packet ends in its options", options_of_packet, ENDS(malformed)),
	LIE4("a header longer than the packet", words_15, ENDS(malformed)),
	LIE4("in a VLAN, a header of 4 words", words_4, ENDS(malformed)),
	LIE4("in a VLAN, a header of no words", words_0, ENDS(malformed)),
	{.name = "IPv6: a jumbogram", .client = CLIENT6_TO(V6_GUE4), .change = jumbogram, .outcome = ENDS(malformed)},
	LIE_UDP("a UDP length beyond the packet, left to the backend", udp_more, TAKEN(GUE4)),
	LIE_UDP("a UDP length of 0, left to the backend", udp_none, TAKEN(GUE4)),
	LIE("a TCP header longer than the packet, left to the backend", tcp_header_most, TAKEN(GUE4)),
	LIE("a TCP header of no length, left to the backend", tcp_header_none, TAKEN(GUE4)),
};

/* Ways on which jumbo frames fit. */
#define JUMBO_MTU 9216
#define BEHIND	  .ifindex = FIXTURE_INTERFACE, .mtu = JUMBO_MTU

static const struct target jumbo[WORLD_BACKENDS] = {
	[IPIP4] = {FORWARD_IPIP, "10.1.0.11", "10.1.0.2", BEHIND},
	[IPIP6] = {FORWARD_IPIP, "2001:db8:1::12", "2001:db8:1::2", BEHIND},
	[GUE4] = {FORWARD_GUE, "10.1.0.13", "10.1.0.2", 6080, BEHIND},
	[GUE6] = {FORWARD_GUE, "2001:db8:1::14", "2001:db8:1::2", 6080, BEHIND},
	[L2] = {FORWARD_L2, "10.1.0.15", "10.1.0.2", BEHIND, .tag = {0x81000010}},
};

static void jumbo_ways(struct fixture *fixture)
{
	world_fill(fixture);
	world_addresses(fixture, ADDRESS_ECHO_ANSWER | ADDRESS_REJECT);
	for (__u16 n = IPIP4; n <= L2; n++)
		fixture_backend(fixture, n, &jumbo[n]);
}

#define BY(number)                                                                                                     \
	{                                                                                                              \
		.reason = REASON_forwarded, .service = number, .backend = number, .target = &jumbo[number]             \
	}
#define JUMBO(has, text, sent, ...)                                                                                    \
	{                                                                                                              \
		.name = text, .features = has, .setup = jumbo_ways, .client = sent, __VA_ARGS__                        \
	}
#define SIZE(number, bytes, has)                                                                                       \
	JUMBO(has, #number ": IPv4, " #bytes " bytes", CLIENT4_TO(V4_##number, .ip_length = bytes),                    \
	      .outcome = BY(number)),                                                                                  \
		JUMBO(has, #number ": IPv6, " #bytes " bytes", CLIENT6_TO(V6_##number, .ip_length = bytes),            \
		      .outcome = BY(number)),
#define ONE_BUFFER(number) SIZE(number, 3400, 0)
#define SEVERAL(number)	   SIZE(number, 4096, MULTI) SIZE(number, 9000, MULTI)
#define MODES(X)	   X(IPIP4) X(IPIP6) X(GUE4) X(GUE6) X(L2)
#define MULTI		   (FEATURE_MULTI | FEATURE_ADDRESS)

/* The largest of a test run's first buffer is some 3,500 bytes. */
static const struct packet_case large[] = {
	MODES(ONE_BUFFER) JUMBO(0, "IPv4: 3400 bytes in QinQ with options", CLIENT4_TO(V4_GUE6, .ip_length = 3400),
				.change = tagged_more, .outcome = BY(GUE6)),
	JUMBO(0, "IPv6: 3400 bytes in QinQ with extension headers", CLIENT6_TO(V6_GUE6, .ip_length = 3360),
	      .change = tagged_more, .outcome = BY(GUE6)),
	JUMBO(0, "IPv4: 3400 bytes of a ping", CLIENT4_TO(V4_L2, .ip_length = 3400, .protocol = IPPROTO_ICMP),
	      .outcome = COUNTED(echo, L2)),
	JUMBO(0, "IPv6: 3400 bytes to the host", CLIENT6_TO("2001:db8::200", .ip_length = 3400),
	      .outcome = ENDS(no_service)),
};

#define NINE4                                                                                                          \
	{                                                                                                              \
		.from = CLIENT4, .to = V4_GUE4, .to_port = 9, UDP, .ip_length = 5000                                   \
	}
#define NINE6                                                                                                          \
	{                                                                                                              \
		.from = CLIENT6, .to = V6_GUE4, .to_port = 9, .ip_length = 5000                                        \
	}
#define FIRST(bytes) .arrival = {.first_buffer = bytes}

static const struct packet_case buffers[] = {
	MODES(SEVERAL) JUMBO(MULTI, "IPv4 UDP in several buffers", CLIENT4_TO(V4_GUE4, UDP, .ip_length = 6000),
			     .outcome = BY(GUE4)),
	JUMBO(MULTI, "IPv6 UDP in several buffers", CLIENT6_TO(V6_GUE4, UDP, .ip_length = 6000), .outcome = BY(GUE4)),
	JUMBO(MULTI, "IPv4 in several buffers, padding behind it", CLIENT4_TO(V4_GUE4, .ip_length = 4000, .padding = 9),
	      .outcome = BY(GUE4)),
	JUMBO(MULTI, "IPv4 in several buffers, in QinQ with options", CLIENT4_TO(V4_GUE6, .ip_length = 5000),
	      .change = tagged_more, .outcome = BY(GUE6)),
	JUMBO(MULTI, "IPv6 in several buffers, in QinQ with headers", CLIENT6_TO(V6_IPIP6, .ip_length = 5000),
	      .change = tagged_more, .outcome = BY(IPIP6)),
	JUMBO(MULTI, "IPv4 in several buffers, too big", CLIENT4_TO(V4_GUE4, .ip_length = 9189),
	      .outcome = {.reason = REASON_too_big_told, .service = GUE4, .mtu = 9188}),
	JUMBO(MULTI, "IPv6 in several buffers, too big", CLIENT6_TO(V6_GUE6, .ip_length = 9169),
	      .outcome = {.reason = REASON_too_big_told, .service = GUE6, .mtu = 9168}),
	JUMBO(MULTI, "IPv4 UDP in several buffers, to an unknown port", NINE4, .outcome = COUNTED(rejected, GUE4)),
	JUMBO(MULTI, "IPv6 TCP in several buffers, to an unknown port", NINE6, .outcome = COUNTED(rejected, GUE4)),
	JUMBO(MULTI, "IPv4: a ping in several buffers", CLIENT4_TO(V4_L2, .ip_length = 5001, .protocol = IPPROTO_ICMP),
	      .outcome = COUNTED(echo, L2)),
	JUMBO(MULTI, "IPv6: a ping in several buffers",
	      CLIENT6_TO(V6_L2, .ip_length = 9001, .protocol = IPPROTO_ICMPV6), .outcome = COUNTED(echo, L2)),
	JUMBO(MULTI, "IPv4 in several buffers, to the host", CLIENT4_TO("192.0.2.200", .ip_length = 9000),
	      .outcome = ENDS(no_service)),
	JUMBO(MULTI, "IPv6 in several buffers, to the host", CLIENT6_TO("2001:db8::200", .ip_length = 9000),
	      .outcome = ENDS(no_service)),
	JUMBO(MULTI, "IPv4 in several buffers, one byte more than all of them", CLIENT4_TO(V4_GUE4, .ip_length = 5000),
	      .change = one_more, .outcome = ENDS(malformed)),
	JUMBO(MULTI, "IPv6 in several buffers, one byte more than all of them", CLIENT6_TO(V6_GUE4, .ip_length = 5000),
	      .change = one_more, .outcome = ENDS(malformed)),
	JUMBO(MULTI, "IPv4: the headers alone in the first buffer", CLIENT4_TO(V4_GUE4, .ip_length = 1500), FIRST(54),
	      .outcome = BY(GUE4)),
	JUMBO(MULTI, "IPv6: the headers alone in the first buffer", CLIENT6_TO(V6_GUE4, .ip_length = 1500), FIRST(74),
	      .outcome = BY(GUE4)),
	JUMBO(MULTI, "IPv4: the ports are the last of the first buffer", CLIENT4_TO(V4_IPIP6, .ip_length = 1500),
	      FIRST(38), .outcome = BY(IPIP6)),
	JUMBO(MULTI, "IPv6: the ports are the last of the first buffer", CLIENT6_TO(V6_IPIP6, .ip_length = 1500),
	      FIRST(58), .outcome = BY(IPIP6)),
	JUMBO(MULTI, "IPv4: the ports are in the second buffer", CLIENT4_TO(V4_IPIP6, .ip_length = 1500), FIRST(36),
	      .outcome = ENDS(malformed)),
	JUMBO(MULTI, "IPv6: the ports are in the second buffer", CLIENT6_TO(V6_IPIP6, .ip_length = 1500), FIRST(56),
	      .outcome = ENDS(malformed)),
	JUMBO(MULTI, "IPv4: the quoted ports are in the second buffer", CLIENT4_TO(V4_GUE4, .ip_length = 1500),
	      .change = error, FIRST(64), .outcome = ENDS(not_tcp_udp)),
};

static const struct case_group groups[] = {
	GROUP("Lengths that contradict each other", lies),
	GROUP("Jumbo frames", large),
	GROUP("Frames in several buffers", buffers),
};

int main(int argc, char **argv)
{
	int failed = GROUPS_RUN(argc, argv, groups);

	if (groups_are_listed(argc, argv))
		return failed;
	failed += CASES_RUN(shapes, frame_ends);
	return failed + CASES_RUN(shapes, packet_ends);
}
