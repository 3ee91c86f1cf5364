/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Fragments of datagrams to VIPs: the first one has the ports and decides, the others follow it for FRAGMENT_LIFE
 * seconds. Or all go by their source, if the service says so. Those of other addresses are the host's.
 */
#include <bpf/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "packet/frame_parts.h"
#include "packet/mixed_pool.h"
#include "packet/packet_case.h"
#include "packet/policy.h"

#define ID 0xbeef

/* 200 bytes behind the IP header, in three fragments. */
#define CLIENT(source, vip, port, number, length)                                                                      \
	{                                                                                                              \
		.from = source, .to = vip, .from_port = 40000, .to_port = port, .protocol = number,                    \
		.ip_length = length                                                                                    \
	}
#define UDP4(vip)	 CLIENT(CLIENT4, vip, 443, IPPROTO_UDP, 220)
#define UDP6(vip)	 CLIENT(CLIENT6, vip, 443, IPPROTO_UDP, 240)
#define TCP4(vip)	 CLIENT(CLIENT4, vip, 443, IPPROTO_TCP, 220)
#define TCP6(vip)	 CLIENT(CLIENT6, vip, 443, IPPROTO_TCP, 240)
#define PORT4(vip, port) CLIENT(CLIENT4, vip, port, IPPROTO_UDP, 220)
#define PORT6(vip, port) CLIENT(CLIENT6, vip, port, IPPROTO_UDP, 240)
#define FROM4(source)	 CLIENT(source, V4_GUE4, 443, IPPROTO_UDP, 220)
#define FROM6(source)	 CLIENT(source, V6_GUE4, 443, IPPROTO_UDP, 240)
#define OF4(vip, number) CLIENT(CLIENT4, vip, 443, number, 220)
#define OF6(vip, number) CLIENT(CLIENT6, vip, 443, number, 240)

CHANGE(first, frame_fragment(frame, ID, 0, 96))
CHANGE(second, frame_fragment(frame, ID, 96, 160))
CHANGE(last, frame_fragment(frame, ID, 160, 0))
CHANGE(atomic, frame_atomic(frame, ID))
CHANGE(first_of_next, frame_fragment(frame, ID + 1, 0, 96))
CHANGE(last_of_next, frame_fragment(frame, ID + 1, 160, 0))
CHANGE(last_of_high_id, frame_fragment(frame, 0x10000 | ID, 160, 0))
CHANGE(tagged_first, first(frame); frame_tag(frame, 0x8100, 30))
CHANGE(tagged_last, last(frame); frame_tag(frame, 0x8100, 30))
CHANGE(other_tag_last, last(frame); frame_tag(frame, 0x8100, 31))
CHANGE(q_in_q_last, tagged_last(frame); frame_tag(frame, 0x88a8, 7))
CHANGE(first_by_broadcast, first(frame); memset(frame->data, 0xff, 6))
CHANGE(last_by_broadcast, last(frame); memset(frame->data, 0xff, 6))
CHANGE(overlapping, frame_fragment(frame, ID, 8, 0))
CHANGE(eight_bytes, frame_fragment(frame, ID, 0, 8))
CHANGE(rest_of_eight, frame_fragment(frame, ID, 8, 0))
CHANGE(far, last(frame); frame_put16(frame, FRAME_IP + 6, 0x1fff); frame_checksum4(frame))
CHANGE(far6, last(frame); frame_put16(frame, FRAME_TRANSPORT6 + 2, 0xfff8))
CHANGE(headers_alone, frame_extension(frame, IPPROTO_DSTOPTS, 24); frame_fragment(frame, ID, 0, 24))
CHANGE(rest_of_headers, frame_extension(frame, IPPROTO_DSTOPTS, 24); frame_fragment(frame, ID, 24, 0))
CHANGE(cut_fragment_header, first(frame); frame->length = FRAME_TRANSPORT6 + 7; frame_put16(frame, FRAME_IP + 4, 7))

static void behind(struct frame *frame, void (*change)(struct frame *frame), size_t extensions)
{
	for (size_t i = 0; i < extensions && frame_is_v6(frame); i++)
		frame_extension(frame, IPPROTO_DSTOPTS, 8);
	change(frame);
}

/* With IPv4 options or IPv6 extension headers, before and behind the fragment header. */
static void more(struct frame *frame, void (*change)(struct frame *frame))
{
	behind(frame, change, 1);
	if (frame_is_v6(frame))
		frame_extension(frame, IPPROTO_HOPOPTS, 8);
	else
		frame_options(frame, 8);
}

CHANGE(first_with_more, more(frame, first))
CHANGE(last_with_more, more(frame, last))
CHANGE(first_with_many, behind(frame, first, 7))
CHANGE(last_with_many, behind(frame, last, 7))

static void addresses(struct fixture *fixture)
{
	world_fill(fixture);
	world_addresses(fixture, 0);
}

#define STEP(sent, how, why)                                                                                           \
	{                                                                                                              \
		.client = sent, .change = how, .outcome = why                                                          \
	}
#define CASE(text, ...)                                                                                                \
	{                                                                                                              \
		.name = text, .setup = addresses, __VA_ARGS__                                                          \
	}
#define END(sent, how, why) .client = sent, .change = how, .outcome = why

/* Alone, and after a first fragment that was forwarded; in both families. */
#define ALONE(text, how, why)                                                                                          \
	CASE("IPv4: " text, .client = UDP4(V4_GUE4), .change = how, .outcome = why),                                   \
		CASE("IPv6: " text, .client = UDP6(V6_GUE4), .change = how, .outcome = why)
#define FIRST4 .before = BEFORE(STEP(UDP4(V4_GUE4), first, TAKEN(GUE4)))
#define FIRST6 .before = BEFORE(STEP(UDP6(V6_GUE4), first, TAKEN(GUE4)))
#define AFTER4(text, sent, how, ...)                                                                                   \
	CASE("IPv4: after the first fragment, " text, FIRST4, .client = sent, .change = how, .outcome = __VA_ARGS__)
#define AFTER6(text, sent, how, ...)                                                                                   \
	CASE("IPv6: after the first fragment, " text, FIRST6, .client = sent, .change = how, .outcome = __VA_ARGS__)
#define AFTER(text, how, why) AFTER4(text, UDP4(V4_GUE4), how, why), AFTER6(text, UDP6(V6_GUE4), how, why)
#define WAY(mode, why)                                                                                                 \
	CASE(#mode ": IPv4, a further fragment follows", .before = BEFORE(STEP(UDP4(V4_##mode), first, why(mode))),    \
	     END(UDP4(V4_##mode), last, why(mode))),                                                                   \
		CASE(#mode ": IPv6, a further fragment follows",                                                       \
		     .before = BEFORE(STEP(TCP6(V6_##mode), first, why(mode))), END(TCP6(V6_##mode), last, why(mode)))

static const struct packet_case follow[] = {
	ALONE("the first fragment", first, TAKEN(GUE4)),
	ALONE("a fragment between, without the first", second, ENDS(fragment_lost)),
	ALONE("the last fragment without the first", last, ENDS(fragment_lost)),
	CASE("IPv4 TCP: the first fragment", END(TCP4(V4_GUE4), first, TAKEN(GUE4))),
	CASE("IPv6 TCP: the first fragment", END(TCP6(V6_GUE4), first, TAKEN(GUE4))),
	AFTER("one between", second, TAKEN(GUE4)),
	AFTER("the last", last, TAKEN(GUE4)),
	AFTER("the first again", first, TAKEN(GUE4)),
	AFTER("one that overlaps it, left to the backend", overlapping, TAKEN(GUE4)),
	AFTER("the last with options or extension headers", last_with_more, TAKEN(GUE4)),
	AFTER("one of the next datagram", last_of_next, ENDS(fragment_lost)),
	AFTER("one in a VLAN", tagged_last, ENDS(fragment_lost)),
	AFTER("one by broadcast", last_by_broadcast, ENDS(not_unicast)),
	AFTER("a whole packet", NULL, TAKEN(GUE4)),
	AFTER4("one at the largest offset, left to the backend", UDP4(V4_GUE4), far, TAKEN(GUE4)),
	AFTER6("one at the largest offset, left to the backend", UDP6(V6_GUE4), far6, TAKEN(GUE4)),
	AFTER4("one of another protocol", TCP4(V4_GUE4), last, ENDS(fragment_lost)),
	AFTER6("one of another protocol, which is no part of a datagram's name", TCP6(V6_GUE4), last, TAKEN(GUE4)),
	AFTER4("one of another client", FROM4("198.51.100.8"), last, ENDS(fragment_lost)),
	AFTER6("one of another client", FROM6("2001:db8:c::8"), last, ENDS(fragment_lost)),
	AFTER6("one of another client's network", FROM6("2001:db8:d::7"), last, ENDS(fragment_lost)),
	AFTER4("one to another VIP", UDP4(V4_L2), last, ENDS(fragment_lost)),
	AFTER6("one to another VIP", UDP6(V6_L2), last, ENDS(fragment_lost)),
	AFTER4("one to an address that is no VIP", UDP4(V4_NO_VIP), last, ENDS(fragment)),
	AFTER6("one to an address that is no VIP", UDP6(V6_NO_VIP), last, ENDS(fragment)),
	AFTER6("one whose identification differs in its high half", UDP6(V6_GUE4), last_of_high_id,
	       ENDS(fragment_lost)),
	WAY(IPIP4, TAKEN),
	WAY(IPIP6, TAKEN),
	WAY(GUE6, TAKEN),
	WAY(L2, TAKEN),
	WAY(GUE4_OUT, TAKEN_OUT),
	WAY(L2_OUT, TAKEN_OUT),
	CASE("IPv6: an atomic fragment", END(UDP6(V6_GUE4), atomic, TAKEN(GUE4))),
	CASE("IPv6: an atomic fragment, and one of the same identification",
	     .before = BEFORE(STEP(UDP6(V6_GUE4), atomic, TAKEN(GUE4))), END(UDP6(V6_GUE4), last, ENDS(fragment_lost))),
	ALONE("the first fragment with options or extension headers", first_with_more, TAKEN(GUE4)),
	CASE("IPv4: the last fragment after the first with options",
	     .before = BEFORE(STEP(UDP4(V4_GUE4), first_with_more, TAKEN(GUE4))),
	     END(UDP4(V4_GUE4), last, TAKEN(GUE4))),
	CASE("IPv6: the last fragment after the first with headers",
	     .before = BEFORE(STEP(UDP6(V6_GUE4), first_with_more, TAKEN(GUE4))),
	     END(UDP6(V6_GUE4), last, TAKEN(GUE4))),
};

/* More frames than two: the world's, and a second port of GUE4's VIPs, which is L2's service. */
static void two_ports(struct fixture *fixture)
{
	const struct service second = world_service(L2);

	addresses(fixture);
	fixture_vip(fixture, V4_GUE4, 80, IPPROTO_UDP, &second);
	fixture_vip(fixture, V6_GUE4, 80, IPPROTO_UDP, &second);
}

#define TWO(text, ...)                                                                                                 \
	{                                                                                                              \
		.name = text, .setup = two_ports, __VA_ARGS__                                                          \
	}
#define FIRST_OF(vip, send) STEP(send(vip, 443), first, TAKEN(GUE4)), STEP(send(vip, 80), first_of_next, TAKEN(L2))
#define AGAIN_OF(vip, send) STEP(send(vip, 443), first, TAKEN(GUE4)), STEP(send(vip, 80), first, TAKEN(L2))
#define LATE_OF(vip, send)  STEP(send(vip), last, ENDS(fragment_lost)), STEP(send(vip), first, TAKEN(GUE4))

static const struct packet_case orders[] = {
	TWO("IPv4: the last fragment again, after the first", .before = BEFORE(LATE_OF(V4_GUE4, UDP4)),
	    END(UDP4(V4_GUE4), last, TAKEN(GUE4))),
	TWO("IPv6: the last fragment again, after the first", .before = BEFORE(LATE_OF(V6_GUE4, UDP6)),
	    END(UDP6(V6_GUE4), last, TAKEN(GUE4))),
	TWO("IPv4: two datagrams at once, the one's last", .before = BEFORE(FIRST_OF(V4_GUE4, PORT4)),
	    END(UDP4(V4_GUE4), last, TAKEN(GUE4))),
	TWO("IPv4: two datagrams at once, the other's last", .before = BEFORE(FIRST_OF(V4_GUE4, PORT4)),
	    END(UDP4(V4_GUE4), last_of_next, TAKEN(L2))),
	TWO("IPv6: two datagrams at once, the one's last", .before = BEFORE(FIRST_OF(V6_GUE4, PORT6)),
	    END(UDP6(V6_GUE4), last, TAKEN(GUE4))),
	TWO("IPv6: two datagrams at once, the other's last", .before = BEFORE(FIRST_OF(V6_GUE4, PORT6)),
	    END(UDP6(V6_GUE4), last_of_next, TAKEN(L2))),
	TWO("IPv4: an identification used anew", .before = BEFORE(AGAIN_OF(V4_GUE4, PORT4)),
	    END(UDP4(V4_GUE4), last, TAKEN(L2))),
	TWO("IPv6: an identification used anew", .before = BEFORE(AGAIN_OF(V6_GUE4, PORT6)),
	    END(UDP6(V6_GUE4), last, TAKEN(L2))),
	TWO("IPv4: all in one VLAN", .before = BEFORE(STEP(UDP4(V4_GUE4), tagged_first, TAKEN(GUE4))),
	    END(UDP4(V4_GUE4), tagged_last, TAKEN(GUE4))),
	TWO("IPv6: all in one VLAN", .before = BEFORE(STEP(UDP6(V6_GUE4), tagged_first, TAKEN(GUE4))),
	    END(UDP6(V6_GUE4), tagged_last, TAKEN(GUE4))),
	TWO("IPv4: the same inner tag", .before = BEFORE(STEP(UDP4(V4_GUE4), tagged_first, TAKEN(GUE4))),
	    END(UDP4(V4_GUE4), q_in_q_last, TAKEN(GUE4))),
	TWO("IPv6: the same inner tag", .before = BEFORE(STEP(UDP6(V6_GUE4), tagged_first, TAKEN(GUE4))),
	    END(UDP6(V6_GUE4), q_in_q_last, TAKEN(GUE4))),
	TWO("IPv4: another VLAN", .before = BEFORE(STEP(UDP4(V4_GUE4), tagged_first, TAKEN(GUE4))),
	    END(UDP4(V4_GUE4), other_tag_last, ENDS(fragment_lost))),
	TWO("IPv6: another VLAN", .before = BEFORE(STEP(UDP6(V6_GUE4), tagged_first, TAKEN(GUE4))),
	    END(UDP6(V6_GUE4), other_tag_last, ENDS(fragment_lost))),
};

/* How the first one ends, the others end: what is told of it, is told once. */
#define SAME(text, how, has, sent4, sent6, first_how, last_how, first_ends, rest_ends)                                 \
	{.name = "IPv4: " text,                                                                                        \
	 .setup = how,                                                                                                 \
	 .features = has,                                                                                              \
	 .before = BEFORE({.client = sent4, .change = first_how, .outcome = first_ends}),                              \
	 .client = sent4,                                                                                              \
	 .change = last_how,                                                                                           \
	 .outcome = rest_ends},                                                                                        \
	{                                                                                                              \
		.name = "IPv6: " text, .setup = how, .features = has,                                                  \
		.before = BEFORE({.client = sent6, .change = first_how, .outcome = first_ends}), .client = sent6,      \
		.change = last_how, .outcome = rest_ends                                                               \
	}
#define DENY (FEATURE_DENY4 | FEATURE_DENY6)

static void drop(struct fixture *fixture)
{
	world_fill(fixture);
	world_addresses(fixture, ADDRESS_DROP | ADDRESS_ECHO_DROP);
}

static void reject(struct fixture *fixture)
{
	world_fill(fixture);
	world_addresses(fixture, ADDRESS_REJECT | ADDRESS_ECHO_ANSWER);
}

static void deny(struct fixture *fixture)
{
	addresses(fixture);
	policy_deny(fixture, "198.51.100.0/24");
	policy_deny(fixture, "2001:db8:c::/48");
}

static void no_owner(struct fixture *fixture)
{
	addresses(fixture);
	fixture_slots(fixture, WORLD_POOL_SLOTS * GUE4, WORLD_POOL_SLOTS, 0);
}

static void local(struct fixture *fixture)
{
	addresses(fixture);
	fixture_backend_local(fixture, GUE4);
}

static const struct packet_case ends[] = {
	SAME("to an unknown port that passes", addresses, 0, PORT4(V4_GUE4, 9), PORT6(V6_GUE4, 9), first, last,
	     ENDS(no_service), ENDS(no_service)),
	SAME("to an unknown port that drops", drop, FEATURE_ADDRESS, PORT4(V4_GUE4, 9), PORT6(V6_GUE4, 9), first, last,
	     COUNTED(unknown_port, GUE4), ENDS(unknown_port)),
	SAME("to an unknown port that rejects", reject, FEATURE_ADDRESS, PORT4(V4_GUE4, 9), PORT6(V6_GUE4, 9), first,
	     last, COUNTED(rejected, GUE4), ENDS(unknown_port)),
	SAME("from a denied source", deny, DENY, UDP4(V4_GUE4), UDP6(V6_GUE4), first, last, COUNTED(denied, GUE4),
	     ENDS(denied)),
	SAME("from a martian", addresses, 0, FROM4("224.0.0.1"), FROM6("fe80::1"), first, last, COUNTED(martian, GUE4),
	     ENDS(martian)),
	SAME("to a pool without a backend", no_owner, 0, UDP4(V4_GUE4), UDP6(V6_GUE4), first, last,
	     COUNTED(no_backend, GUE4), ENDS(no_backend)),
	SAME("to a backend without a next hop", addresses, 0, UDP4(V4_UNRESOLVED), UDP6(V6_UNRESOLVED), first, last,
	     COUNTED(no_next_hop, UNRESOLVED), COUNTED(no_next_hop, UNRESOLVED)),
	SAME("to a backend that is the host itself", local, 0, UDP4(V4_GUE4), UDP6(V6_GUE4), first, last,
	     COUNTED(local, GUE4), COUNTED(local, GUE4)),
	SAME("by broadcast", addresses, 0, UDP4(V4_GUE4), UDP6(V6_GUE4), first_by_broadcast, last_by_broadcast,
	     ENDS(not_unicast), ENDS(not_unicast)),
	SAME("a ping that is to be answered goes to the host", reject, FEATURE_ADDRESS, OF4(V4_GUE4, IPPROTO_ICMP),
	     OF6(V6_GUE4, IPPROTO_ICMPV6), first, last, COUNTED(not_tcp_udp, GUE4), ENDS(not_tcp_udp)),
	SAME("a ping that is to pass", addresses, 0, OF4(V4_GUE4, IPPROTO_ICMP), OF6(V6_GUE4, IPPROTO_ICMPV6), first,
	     last, ENDS(not_tcp_udp), ENDS(not_tcp_udp)),
	SAME("a ping that is to drop", drop, FEATURE_ADDRESS, OF4(V4_GUE4, IPPROTO_ICMP), OF6(V6_GUE4, IPPROTO_ICMPV6),
	     first, last, COUNTED(echo_dropped, GUE4), ENDS(echo_dropped)),
	SAME("GRE to a VIP", addresses, 0, OF4(V4_GUE4, IPPROTO_GRE), OF6(V6_GUE4, IPPROTO_GRE), first, last,
	     ENDS(not_tcp_udp), ENDS(not_tcp_udp)),
	SAME("ESP to a VIP", addresses, 0, OF4(V4_GUE4, IPPROTO_ESP), OF6(V6_GUE4, IPPROTO_ESP), first, last,
	     ENDS(not_tcp_udp), ENDS(not_tcp_udp)),
	SAME("the first 8 bytes of TCP, left to the backend", addresses, 0, TCP4(V4_GUE4), TCP6(V6_GUE4), eight_bytes,
	     rest_of_eight, TAKEN(GUE4), TAKEN(GUE4)),
	SAME("the UDP header alone", addresses, 0, UDP4(V4_GUE4), UDP6(V6_GUE4), eight_bytes, rest_of_eight,
	     TAKEN(GUE4), TAKEN(GUE4)),
	SAME("to an address that is no VIP", addresses, 0, UDP4(V4_NO_VIP), UDP6(V6_NO_VIP), first, last,
	     ENDS(no_service), ENDS(fragment)),
	SAME("a ping of the host", drop, FEATURE_ADDRESS, OF4(V4_NO_VIP, IPPROTO_ICMP), OF6(V6_NO_VIP, IPPROTO_ICMPV6),
	     first, last, ENDS(not_tcp_udp), ENDS(fragment)),
	{.name = "IPv6: more extension headers than are read",
	 .setup = addresses,
	 .before = BEFORE(STEP(UDP6(V6_GUE4), first_with_many, ENDS(extensions))),
	 END(UDP6(V6_GUE4), last_with_many, ENDS(extensions))},
	{.name = "IPv6: the first fragment has extension headers alone (RFC 7112)",
	 .setup = addresses,
	 END(UDP6(V6_GUE4), headers_alone, ENDS(malformed))},
	{.name = "IPv6: what follows such a one",
	 .setup = addresses,
	 .before = BEFORE(STEP(UDP6(V6_GUE4), headers_alone, ENDS(malformed))),
	 END(UDP6(V6_GUE4), rest_of_headers, ENDS(malformed))},
	{.name = "IPv6: a fragment header that is not whole",
	 .setup = addresses,
	 END(UDP6(V6_GUE4), cut_fragment_header, ENDS(malformed))},
};

/* The records' age as the dataplane will see it, early in a second so that it stays so. */
static void age(struct fixture *fixture, __u32 seconds)
{
	int map = fixture_map(fixture, "fragments");
	struct fragment_key key;
	struct fragment value;
	struct timespec now;

	do
		clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	while (now.tv_nsec > 800000000);
	for (void *at = NULL; !bpf_map_get_next_key(map, at, &key); at = &key) {
		assert_int_equal(bpf_map_lookup_elem(map, &key, &value), 0);
		value.seen = now.tv_sec - seconds;
		assert_int_equal(bpf_map_update_elem(map, &key, &value, BPF_EXIST), 0);
	}
}

#define AGED(seconds)                                                                                                  \
	static void age_##seconds(struct fixture *fixture)                                                             \
	{                                                                                                              \
		age(fixture, seconds);                                                                                 \
	}
AGED(1)
AGED(2)
AGED(3)
AGED(3600)

#define LATER(text, how, why)                                                                                          \
	CASE("IPv4: " text, FIRST4, .meanwhile = how, .client = UDP4(V4_GUE4), .change = last, .outcome = why),        \
		CASE("IPv6: " text, FIRST6, .meanwhile = how, .client = UDP6(V6_GUE4), .change = last, .outcome = why)

static const struct packet_case ages[] = {
	LATER("a second after the first fragment", age_1, TAKEN(GUE4)),
	LATER("2 seconds after it", age_2, TAKEN(GUE4)),
	LATER("3 seconds after it", age_3, ENDS(fragment_lost)),
	LATER("an hour after it", age_3600, ENDS(fragment_lost)),
	CASE("IPv4: the first fragment again after an hour",
	     .before = BEFORE(STEP(UDP4(V4_GUE4), first, TAKEN(GUE4)), STEP(UDP4(V4_GUE4), first, TAKEN(GUE4))),
	     END(UDP4(V4_GUE4), last, TAKEN(GUE4))),
};

/* The service at GUE4's VIPs has them go by source; the slots are all GUE4's. */
static void by_source(struct fixture *fixture)
{
	world_fill(fixture);
	world_addresses(fixture, ADDRESS_FRAGMENTS_SOURCE);
	policy_deny(fixture, "203.0.113.0/24");
	policy_deny(fixture, "2001:db8:bad::/48");
}

#define SOURCE_FEATURES (FEATURE_ADDRESS | DENY)
#define SOURCE(text, sent4, sent6, how, why)                                                                           \
	{.name = "IPv4: " text,                                                                                        \
	 .setup = by_source,                                                                                           \
	 .features = SOURCE_FEATURES,                                                                                  \
	 .client = sent4,                                                                                              \
	 .change = how,                                                                                                \
	 .outcome = why},                                                                                              \
	{                                                                                                              \
		.name = "IPv6: " text, .setup = by_source, .features = SOURCE_FEATURES, .client = sent6,               \
		.change = how, .outcome = why                                                                          \
	}
#define BIG4 CLIENT(CLIENT4, V4_GUE4_OUT, 443, IPPROTO_UDP, 1700)
#define BIG6 CLIENT(CLIENT6, V6_GUE4_OUT, 443, IPPROTO_UDP, 1720)

static const struct packet_case sources[] = {
	SOURCE("by source: the first fragment", UDP4(V4_GUE4), UDP6(V6_GUE4), first, TAKEN(GUE4)),
	SOURCE("by source: the last fragment without the first", UDP4(V4_GUE4), UDP6(V6_GUE4), last, TAKEN(GUE4)),
	SOURCE("by source: one between", UDP4(V4_GUE6), UDP6(V6_GUE6), second, TAKEN(GUE6)),
	SOURCE("by source: with options or extension headers", UDP4(V4_L2), UDP6(V6_L2), last_with_more, TAKEN(L2)),
	SOURCE("by source: in a VLAN", UDP4(V4_L2), UDP6(V6_L2), tagged_last, TAKEN(L2)),
	SOURCE("by source: whole packets go as ever", UDP4(V4_GUE4), UDP6(V6_GUE4), NULL, TAKEN(GUE4)),
	SOURCE("by source: from a martian", FROM4("127.0.0.1"), FROM6("ff02::1"), last, COUNTED(martian, GUE4)),
	SOURCE("by source: from a denied source", FROM4("203.0.113.9"), FROM6("2001:db8:bad::9"), last,
	       COUNTED(denied, GUE4)),
	SOURCE("by source: broadcast", UDP4(V4_GUE4), UDP6(V6_GUE4), last_by_broadcast, ENDS(not_unicast)),
	SOURCE("by source: to an address that is no VIP", UDP4(V4_NO_VIP), UDP6(V6_NO_VIP), last, ENDS(fragment)),
	SOURCE("by source: the first fragment to an unknown port", PORT4(V4_GUE4, 9), PORT6(V6_GUE4, 9), first,
	       ENDS(no_service)),
	SOURCE("by source: a further fragment that is too big is not answered", BIG4, BIG6, rest_of_eight,
	       COUNTED(too_big, GUE4_OUT)),
	SOURCE("by source: no next hop", UDP4(V4_UNRESOLVED), UDP6(V6_UNRESOLVED), last,
	       COUNTED(no_next_hop, UNRESOLVED)),
};

static void prefixes(struct fixture *fixture)
{
	world_prefixes(fixture, 443, IPPROTO_UDP, ADDRESS_DROP);
}

#define PREFIXES (FEATURE_PREFIX4 | FEATURE_PREFIX6 | FEATURE_ADDRESS)
#define OF_PREFIX(text, sent4, sent6, ...)                                                                             \
	{.name = "IPv4: " text,                                                                                        \
	 .setup = prefixes,                                                                                            \
	 .features = PREFIXES,                                                                                         \
	 .before = BEFORE(STEP(UDP4("203.0.113.5"), first, TAKEN(GUE6))),                                              \
	 .client = sent4,                                                                                              \
	 __VA_ARGS__},                                                                                                 \
	{                                                                                                              \
		.name = "IPv6: " text, .setup = prefixes, .features = PREFIXES,                                        \
		.before = BEFORE(STEP(UDP6("2001:db8:a::5"), first, TAKEN(GUE6))), .client = sent6, __VA_ARGS__        \
	}

static const struct packet_case of_prefixes[] = {
	OF_PREFIX("an address of a prefix: the last follows", UDP4("203.0.113.5"), UDP6("2001:db8:a::5"),
		  .change = last, .outcome = TAKEN(GUE6)),
	OF_PREFIX("another address of it", UDP4("203.0.113.6"), UDP6("2001:db8:a::6"), .change = last,
		  .outcome = ENDS(fragment_lost)),
	OF_PREFIX("an address beside it", UDP4("203.0.114.5"), UDP6("2001:db8:b::5"), .change = last,
		  .outcome = ENDS(fragment)),
	OF_PREFIX("an address of a prefix: the first to an unknown port", PORT4("203.0.113.5", 9),
		  PORT6("2001:db8:a::5", 9), .change = first_of_next, .outcome = COUNTED(unknown_port, GUE6)),
};

/* The first goes where a whole packet goes, and the rest with it; the last one again after all others. */
static void all_follow_their_first(void **state)
{
	struct fixture *fixture;
	__u16 backend[MIXED_FLOWS];
	struct frame in;

	(void)state;
	fixture_need_root();
	fixture = mixed_open(0, 0, 0);
	for (unsigned int number = 0; number < MIXED_FLOWS; number++)
		backend[number] = mixed_follows(fixture, number, eight_bytes);
	for (unsigned int number = 0; number < MIXED_FLOWS; number++) {
		mixed_flow(&in, number);
		rest_of_eight(&in);
		mixed_reaches(fixture, &in, backend[number]);
	}
	fixture_close(fixture);
}

/* In whatever order, and whatever ports: as a service by source alone would have it. */
static void all_go_by_source(void **state)
{
	struct fixture *fixture, *plain;
	struct frame whole, in;

	(void)state;
	fixture_need_root();
	plain = mixed_open(FEATURE_ADDRESS | FEATURE_ANY_PORT, SERVICE_HASH_SOURCE, 0);
	fixture = mixed_open(FEATURE_ADDRESS, 0, ADDRESS_FRAGMENTS_SOURCE);
	for (unsigned int number = 0; number < MIXED_FLOWS; number++) {
		__u16 backend;

		mixed_flow(&whole, number);
		backend = mixed_backend(plain, &whole);
		in = whole;
		rest_of_eight(&in);
		mixed_reaches(fixture, &in, backend);
		in = whole;
		eight_bytes(&in);
		mixed_reaches(fixture, &in, backend);
	}
	fixture_close(fixture);
	fixture_close(plain);
}

/* Ten times as many datagrams as there are records: the latest one's is there. */
static void a_flood_leaves_room(void **state)
{
	struct fixture *fixture;
	struct frame in;

	(void)state;
	fixture_need_root();
	fixture = fixture_open(0);
	addresses(fixture);
	for (__u32 id = 1; id <= 10 * FIXTURE_FLOWS; id++) {
		frame_client(&in, &(struct client)UDP4(V4_GUE4));
		frame_fragment(&in, id, 0, 96);
		fixture_run(fixture, &in, NULL, &(struct frame){0});
	}
	frame_client(&in, &(struct client)UDP4(V4_GUE4));
	frame_fragment(&in, 10 * FIXTURE_FLOWS, 96, 0);
	mixed_reaches(fixture, &in, GUE4);
	fixture_close(fixture);
}

static const struct case_group groups[] = {
	GROUP("Fragments", follow),
	GROUP("Fragments: orders", orders),
	GROUP("Fragments: how the first one ends", ends),
	GROUP("Fragments: time", ages),
	GROUP("Fragments by source", sources),
	GROUP("Fragments to prefixes", of_prefixes),
};

int main(int argc, char **argv)
{
	const struct CMUnitTest flows[] = {
		cmocka_unit_test(all_follow_their_first),
		cmocka_unit_test(all_go_by_source),
		cmocka_unit_test(a_flood_leaves_room),
	};
	int failed = GROUPS_RUN(argc, argv, groups);

	return groups_are_listed(argc, argv) ? failed : failed + cmocka_run_group_tests(flows, NULL, NULL);
}
