/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Packets that do not fit the way to their backend: the client is told the largest that would, for every way of
 * forwarding, with or without don't-fragment. What the answer quotes, and about what there is none.
 */
#include <netinet/in.h>
#include <string.h>

#include "packet/frame_parts.h"
#include "packet/packet_case.h"
#include "packet/policy.h"

#define OVERHEAD_IPIP4	   20
#define OVERHEAD_IPIP6	   40
#define OVERHEAD_GUE4	   28
#define OVERHEAD_GUE6	   48
#define OVERHEAD_L2	   0
#define OVERHEAD_IPIP4_OUT OVERHEAD_IPIP4
#define OVERHEAD_IPIP6_OUT OVERHEAD_IPIP6
#define OVERHEAD_GUE4_OUT  OVERHEAD_GUE4
#define OVERHEAD_GUE6_OUT  OVERHEAD_GUE6
#define OVERHEAD_L2_OUT	   OVERHEAD_L2

#define TCP4(number, length, ...)                                                                                      \
	{                                                                                                              \
		.from = CLIENT4, .to = V4_##number, .from_port = 40000, .to_port = 443, .ip_length = length,           \
		##__VA_ARGS__                                                                                          \
	}
#define TCP6(number, length, ...)                                                                                      \
	{                                                                                                              \
		.from = CLIENT6, .to = V6_##number, .from_port = 40000, .to_port = 443, .ip_length = length,           \
		##__VA_ARGS__                                                                                          \
	}
#define TOLD(number, room)                                                                                             \
	{                                                                                                              \
		.reason = REASON_too_big_told, .service = number, .mtu = room                                          \
	}

CHANGE(may_fragment, frame_put16(frame, FRAME_IP + 4, 77); frame_put16(frame, FRAME_IP + 6, 0); frame_checksum4(frame))
CHANGE(more, frame_is_v6(frame) ? frame_extension(frame, IPPROTO_HOPOPTS, 16) : frame_options(frame, 16))
CHANGE(most, frame_is_v6(frame) ? frame_extension(frame, IPPROTO_DSTOPTS, 512) : frame_options(frame, 40))
CHANGE(tagged, frame_tag(frame, 0x8100, 30))
CHANGE(q_in_q, frame_tag(frame, 0x8100, 30); frame_tag(frame, 0x88a8, 7))
CHANGE(atomic, frame_atomic(frame, 1))
CHANGE(first, frame_fragment(frame, 1, 0, 1600))
CHANGE(later, frame_fragment(frame, 1, 1600, 0))
CHANGE(large_error, frame_error(frame, frame_is_v6(frame) ? 2 : 3, frame_is_v6(frame) ? 0 : 4, 1560))
CHANGE(broadcast, memset(frame->data, 0xff, 6))
CHANGE(wrong_checksum, frame->data[FRAME_IP + (frame_is_v6(frame) ? 56 : 36)] ^= 1)

#define ROOM(number, mtu) ((mtu)-OVERHEAD_##number)
#define WAY(number, mtu, ends)                                                                                         \
	{.name = #number ": IPv4 TCP",                                                                                 \
	 .client = TCP4(number, ROOM(number, mtu) + 1),                                                                \
	 .outcome = TOLD(number, ROOM(number, mtu))},                                                                  \
		{.name = #number ": IPv4 UDP, far too big",                                                            \
		 .client = TCP4(number, ROOM(number, mtu) + 700, UDP),                                                 \
		 .outcome = TOLD(number, ROOM(number, mtu))},                                                          \
		{.name = #number ": IPv4 UDP that may be fragmented",                                                  \
		 .client = TCP4(number, ROOM(number, mtu) + 1, UDP),                                                   \
		 .change = may_fragment,                                                                               \
		 .outcome = TOLD(number, ROOM(number, mtu))},                                                          \
		{.name = #number ": IPv4, the largest that fits",                                                      \
		 .client = TCP4(number, ROOM(number, mtu)),                                                            \
		 .outcome = ends(number)},                                                                             \
		{.name = #number ": IPv6 TCP",                                                                         \
		 .client = TCP6(number, ROOM(number, mtu) + 1),                                                        \
		 .outcome = TOLD(number, ROOM(number, mtu))},                                                          \
		{.name = #number ": IPv6 UDP, far too big",                                                            \
		 .client = TCP6(number, ROOM(number, mtu) + 700, UDP),                                                 \
		 .outcome = TOLD(number, ROOM(number, mtu))},                                                          \
		{.name = #number ": IPv6, the largest that fits",                                                      \
		 .client = TCP6(number, ROOM(number, mtu)),                                                            \
		 .outcome = ends(number)},
#define WAY_IN(number)	WAY(number, WORLD_MTU_IN, TAKEN)
#define WAY_OUT(number) WAY(number, WORLD_MTU_OUT, TAKEN_OUT)

static const struct packet_case ways[] = {WAY_IN(IPIP4) WAY_IN(IPIP6) WAY_IN(GUE4) WAY_IN(GUE6) WAY_IN(L2) WAY_OUT(
	IPIP4_OUT) WAY_OUT(IPIP6_OUT) WAY_OUT(GUE4_OUT) WAY_OUT(GUE6_OUT) WAY_OUT(L2_OUT)};

/* Backends with the least MTUs: IPv6's, and such that an answer quotes the whole packet, or the first of it. */
static const struct target narrow6 = {FORWARD_L2, "10.1.0.15", "10.1.0.2", .ifindex = FIXTURE_INTERFACE, .mtu = 1280};
static const struct target narrow = {FORWARD_IPIP, "10.1.0.11", "10.1.0.2", .ifindex = FIXTURE_INTERFACE, .mtu = 68};

static void narrow_ways(struct fixture *fixture)
{
	world_fill(fixture);
	fixture_backend(fixture, L2, &narrow6);
	fixture_backend(fixture, IPIP4, &narrow);
}

#define QUOTE(bytes)                                                                                                   \
	{.name = "IPv4: " #bytes " bytes to quote",                                                                    \
	 .setup = narrow_ways,                                                                                         \
	 .client = TCP4(IPIP4, bytes, UDP),                                                                            \
	 .outcome = TOLD(IPIP4, 48)},                                                                                  \
	{                                                                                                              \
		.name = "IPv6: " #bytes " bytes to quote", .setup = narrow_ways, .client = TCP6(IPIP4, bytes, UDP),    \
		.outcome = TOLD(IPIP4, 48)                                                                             \
	}
#define BOTH(text, client4, client6, how, ...)                                                                         \
	{.name = "IPv4: " text, .client = client4, .change = how, .outcome = __VA_ARGS__},                             \
	{                                                                                                              \
		.name = "IPv6: " text, .client = client6, .change = how, .outcome = __VA_ARGS__                        \
	}
#define BIG(text, how, ...)                                                                                            \
	BOTH(text, TCP4(L2, 1601, ##__VA_ARGS__), TCP6(L2, 1601, ##__VA_ARGS__), how, TOLD(L2, 1600))

static const struct packet_case answers[] = {
	QUOTE(49),
	QUOTE(50),
	QUOTE(255),
	QUOTE(547),
	QUOTE(548),
	QUOTE(549),
	QUOTE(1231),
	QUOTE(1232),
	QUOTE(1233),
	QUOTE(1280),
	{.name = "IPv6: the least MTU there is",
	 .setup = narrow_ways,
	 .client = TCP6(L2, 1281),
	 .outcome = TOLD(L2, 1280)},
	BIG("padding is not quoted", NULL, .padding = 9),
	BIG("TTL 1", NULL, .ttl = 1),
	BIG("TOS is not the answer's", NULL, .tos = 0xb9),
	BIG("a SYN", NULL, .tcp_flags = 0x02),
	BIG("a RST", NULL, .tcp_flags = 0x04),
	BIG("a wrong checksum is quoted as it came", wrong_checksum),
	BIG("with options or extension headers, which are quoted", more),
	BIG("with as many options, or half a kilobyte of headers", most),
	BIG("in a VLAN", tagged),
	BIG("in QinQ", q_in_q),
	{.name = "IPv6: an atomic fragment",
	 .client = TCP6(L2, 1600, UDP),
	 .change = atomic,
	 .outcome = TOLD(L2, 1600)},
	{.name = "IPv4: too big by its options", .client = TCP4(L2, 1600), .change = more, .outcome = TOLD(L2, 1600)},
	{.name = "IPv6: too big by its extension headers",
	 .client = TCP6(L2, 1600),
	 .change = more,
	 .outcome = TOLD(L2, 1600)},
	BOTH("a first fragment", TCP4(L2, 1800, UDP), TCP6(L2, 1800, UDP), first, TOLD(L2, 1600)),
};

static void addresses(struct fixture *fixture)
{
	world_fill(fixture);
	world_addresses(fixture, ADDRESS_FRAGMENTS_SOURCE | ADDRESS_REJECT);
	policy_deny(fixture, "203.0.113.0/24");
	policy_deny(fixture, "2001:db8:bad::/48");
}

/* Those whose reason comes before that of their size. */
#define FROM4(source)                                                                                                  \
	{                                                                                                              \
		.from = source, .to = V4_L2, .to_port = 443, .ip_length = 1700                                         \
	}
#define FROM6(source)                                                                                                  \
	{                                                                                                              \
		.from = source, .to = V6_L2, .to_port = 443, .ip_length = 1700                                         \
	}
#define TO4(vip, port)                                                                                                 \
	{                                                                                                              \
		.from = CLIENT4, .to = vip, .to_port = port, .ip_length = 1700                                         \
	}
#define TO6(vip, port)                                                                                                 \
	{                                                                                                              \
		.from = CLIENT6, .to = vip, .to_port = port, .ip_length = 1700                                         \
	}
#define FEATURES (FEATURE_ADDRESS | FEATURE_DENY4 | FEATURE_DENY6)
#define OTHERS(text, client4, client6, how, ...)                                                                       \
	{.name = "IPv4: " text,                                                                                        \
	 .features = FEATURES,                                                                                         \
	 .setup = addresses,                                                                                           \
	 .client = client4,                                                                                            \
	 .change = how,                                                                                                \
	 .outcome = __VA_ARGS__},                                                                                      \
	{                                                                                                              \
		.name = "IPv6: " text, .features = FEATURES, .setup = addresses, .client = client6, .change = how,     \
		.outcome = __VA_ARGS__                                                                                 \
	}

static const struct packet_case not_answered[] = {
	OTHERS("an ICMP error that is too big", TCP4(L2, 1650), TCP6(L2, 1650), large_error, COUNTED(too_big, L2)),
	OTHERS("a further fragment that is too big", TCP4(L2, 3300, UDP), TCP6(L2, 3300, UDP), later,
	       COUNTED(too_big, L2)),
	OTHERS("broadcast", TCP4(L2, 1700), TCP6(L2, 1700), broadcast, ENDS(not_unicast)),
	OTHERS("from a martian", FROM4("127.0.0.1"), FROM6("fe80::1"), NULL, COUNTED(martian, L2)),
	OTHERS("from a denied source", FROM4("203.0.113.1"), FROM6("2001:db8:bad::1"), NULL, COUNTED(denied, L2)),
	OTHERS("no next hop", TO4(V4_UNRESOLVED, 443), TO6(V6_UNRESOLVED, 443), NULL, COUNTED(no_next_hop, UNRESOLVED)),
	OTHERS("to the host", TO4("192.0.2.200", 443), TO6("2001:db8::200", 443), NULL, ENDS(no_service)),
};

#define LIMITED(text, sent, ...)                                                                                       \
	{                                                                                                              \
		.name = text, .features = FEATURES, .replies = LIMIT(1), .setup = addresses, .client = sent,           \
		.before = BEFORE({.client = TCP4(L2, 1601), .outcome = TOLD(L2, 1600)}), .outcome = __VA_ARGS__        \
	}

static const struct packet_case limited[] = {
	LIMITED("IPv4: one answer too many", TCP4(L2, 1601), COUNTED(reply_limited, L2)),
	LIMITED("IPv6: one answer too many", TCP6(L2, 1601), COUNTED(reply_limited, L2)),
	LIMITED("IPv6: another VIP's answer is one too many", TCP6(GUE6, 1601), COUNTED(reply_limited, GUE6)),
	LIMITED("what fits is not limited", TCP6(L2, 1600), TAKEN(L2)),
};

static const struct case_group groups[] = {
	GROUP("Too big: ways to a backend", ways),
	GROUP("Too big: what the answer quotes", answers),
	GROUP("Too big: others come first", not_answered),
	GROUP("Too big: the limit of answers", limited),
};

int main(int argc, char **argv)
{
	return GROUPS_RUN(argc, argv, groups);
}
