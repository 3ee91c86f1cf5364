/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * ICMP errors about packets of a VIP go to the backend that has the flow; every other ICMP packet goes to the host
 * as it came. The changes below make an error of a client's packet (frame_error()), and then damage it.
 */
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet/frame_parts.h"
#include "packet/mixed_pool.h"
#include "packet/packet_case.h"

#define PORTS .from_port = 40000, .to_port = 443
#define TCP4(to_vip)                                                                                                   \
	{                                                                                                              \
		.from = CLIENT4, .to = to_vip, PORTS                                                                   \
	}
#define UDP4(to_vip)                                                                                                   \
	{                                                                                                              \
		.from = CLIENT4, .to = to_vip, PORTS, .protocol = IPPROTO_UDP                                          \
	}
#define TCP6(to_vip)                                                                                                   \
	{                                                                                                              \
		.from = CLIENT6, .to = to_vip, PORTS                                                                   \
	}
#define UDP6(to_vip)                                                                                                   \
	{                                                                                                              \
		.from = CLIENT6, .to = to_vip, PORTS, .protocol = IPPROTO_UDP                                          \
	}

#define REDIRECTED(number)                                                                                             \
	{                                                                                                              \
		.reason = REASON_redirected, .service = number, .backend = number                                      \
	}

#define LEAST 8 /* bytes that are quoted behind the IP header */

/* Of an error about IPv4 and about IPv6, for what can be said of both. */
static size_t quote(const struct frame *frame)
{
	return frame_is_v6(frame) ? FRAME_QUOTE6 : FRAME_QUOTE4;
}

static void shape(struct frame *frame, __u8 type4, __u8 type6, __u8 code)
{
	frame_error(frame, frame_is_v6(frame) ? type6 : type4, code, LEAST);
}

static void too_big(struct frame *frame)
{
	shape(frame, 3, 2, frame_is_v6(frame) ? 0 : 4);
}

CHANGE(unreachable, shape(frame, 3, 1, 1))
CHANGE(port_unreachable, shape(frame, 3, 1, frame_is_v6(frame) ? 4 : 3))
CHANGE(time_exceeded, shape(frame, 11, 3, 0))
CHANGE(parameter_problem, shape(frame, 12, 4, 0))
CHANGE(whole, frame_error(frame, frame_is_v6(frame) ? 2 : 3, frame_is_v6(frame) ? 0 : 4, LEAST + 16))
CHANGE(padded, too_big(frame); frame->length += 7)

#define BOTH(text, how)                                                                                                \
	{.name = "IPv4 TCP: " text, .client = TCP4(V4_GUE4), .change = how, .outcome = TAKEN(GUE4)},                   \
		{.name = "IPv4 UDP: " text, .client = UDP4(V4_GUE4), .change = how, .outcome = TAKEN(GUE4)},           \
		{.name = "IPv6 TCP: " text, .client = TCP6(V6_GUE4), .change = how, .outcome = TAKEN(GUE4)},           \
	{                                                                                                              \
		.name = "IPv6 UDP: " text, .client = UDP6(V6_GUE4), .change = how, .outcome = TAKEN(GUE4)              \
	}

static const struct packet_case errors[] = {
	BOTH("too big", too_big),
	BOTH("host unreachable", unreachable),
	BOTH("port unreachable", port_unreachable),
	BOTH("time exceeded", time_exceeded),
	BOTH("parameter problem", parameter_problem),
	BOTH("an error that quotes more than it must", whole),
	BOTH("an error with Ethernet padding", padded),
	{.name = "IPv4: TOS is copied outward",
	 .client = {.from = CLIENT4, .to = V4_IPIP4, PORTS, .tos = 0xb9},
	 .change = too_big,
	 .outcome = TAKEN(IPIP4)},
	{.name = "IPv6: the traffic class is copied outward",
	 .client = {.from = CLIENT6, .to = V6_IPIP4, PORTS, .tos = 0xb9},
	 .change = too_big,
	 .outcome = TAKEN(IPIP4)},
};

/* Every way to reach a backend. */
#define WAY(number, outcome_of)                                                                                        \
	{.name = "IPv4 by " #number, .client = TCP4(V4_##number), .change = too_big, .outcome = outcome_of(number)},   \
	{                                                                                                              \
		.name = "IPv6 by " #number, .client = TCP6(V6_##number), .change = too_big,                            \
		.outcome = outcome_of(number)                                                                          \
	}
#define UNREACHED(number)                                                                                              \
	{                                                                                                              \
		.reason = REASON_no_next_hop, .service = number                                                        \
	}

static const struct packet_case ways[] = {
	WAY(IPIP4, TAKEN), WAY(IPIP6, TAKEN),	       WAY(GUE4, TAKEN),	  WAY(GUE6, TAKEN),
	WAY(L2, TAKEN),	   WAY(IPIP4_OUT, REDIRECTED), WAY(GUE6_OUT, REDIRECTED), WAY(UNRESOLVED, UNREACHED),
};

static void any_port(struct fixture *fixture)
{
	struct service service = world_service(GUE6);

	world_backends(fixture);
	fixture_vip(fixture, V4_GUE6, 0, IPPROTO_TCP, &service);
	fixture_vip(fixture, V6_GUE6, 0, IPPROTO_TCP, &service);
}

static void prefix(struct fixture *fixture)
{
	struct service service = world_service(GUE6);

	world_backends(fixture);
	fixture_prefix(fixture, "192.0.2.0/24", 443, IPPROTO_TCP, &service);
	fixture_prefix(fixture, "2001:db8::/48", 443, IPPROTO_TCP, &service);
}

#define SERVICE(text, bits, how)                                                                                       \
	{.name = "IPv4: " text,                                                                                        \
	 .features = bits,                                                                                             \
	 .setup = how,                                                                                                 \
	 .client = TCP4(V4_GUE6),                                                                                      \
	 .change = too_big,                                                                                            \
	 .outcome = TAKEN(GUE6)},                                                                                      \
	{                                                                                                              \
		.name = "IPv6: " text, .features = bits, .setup = how, .client = TCP6(V6_GUE6), .change = too_big,     \
		.outcome = TAKEN(GUE6)                                                                                 \
	}

static const struct packet_case services[] = {
	SERVICE("a service of any port", FEATURE_ANY_PORT, any_port),
	SERVICE("a service of a prefix", FEATURE_PREFIX4 | FEATURE_PREFIX6, prefix),
	{.name = "IPv4: about a port without a service",
	 .client = {.from = CLIENT4, .to = V4_GUE4, .from_port = 443, .to_port = 444},
	 .change = too_big,
	 .outcome = ENDS(no_service)},
	{.name = "IPv6: about a port without a service",
	 .client = {.from = CLIENT6, .to = V6_GUE4, .from_port = 443, .to_port = 444},
	 .change = too_big,
	 .outcome = ENDS(no_service)},
	{.name = "IPv4: about a packet of the host's own",
	 .client = TCP4("192.0.2.200"),
	 .change = too_big,
	 .outcome = ENDS(no_service)},
	{.name = "IPv6: about a packet of the host's own",
	 .client = TCP6("2001:db8::200"),
	 .change = too_big,
	 .outcome = ENDS(no_service)},
};

/* Another type than those. */
static void type(struct frame *frame, __u8 number)
{
	frame_error(frame, number, 0, LEAST);
}

CHANGE(type_0, type(frame, 0))
CHANGE(type_1, type(frame, 1))
CHANGE(type_2, type(frame, 2))
CHANGE(type_3, type(frame, 3))
CHANGE(type_4, type(frame, 4))
CHANGE(type_5, type(frame, 5))
CHANGE(type_8, type(frame, 8))
CHANGE(type_11, type(frame, 11))
CHANGE(type_13, type(frame, 13))
CHANGE(type_128, type(frame, 128))
CHANGE(type_135, type(frame, 135))
CHANGE(type_137, type(frame, 137))
CHANGE(another_protocol, too_big(frame);
       frame->data[FRAME_IP + (frame_is_v6(frame) ? 6 : 9)] = frame_is_v6(frame) ? 1 : 58)
CHANGE(about_icmp, too_big(frame);
       frame->data[quote(frame) + (frame_is_v6(frame) ? 6 : 9)] = frame_is_v6(frame) ? 58 : 1)
CHANGE(about_sctp, too_big(frame); frame->data[quote(frame) + (frame_is_v6(frame) ? 6 : 9)] = IPPROTO_SCTP)
CHANGE(about_a_fragment_header, too_big(frame); frame->data[quote(frame) + 6] = IPPROTO_FRAGMENT)
CHANGE(about_hop_by_hop, too_big(frame); frame->data[quote(frame) + 6] = 0)
CHANGE(about_options, too_big(frame); frame->data[quote(frame)] = 0x46)
CHANGE(about_a_short_header, too_big(frame); frame->data[quote(frame)] = 0x44)
CHANGE(about_a_later_fragment, too_big(frame); frame_put16(frame, quote(frame) + 6, 0x2001))
CHANGE(about_the_last_fragment, too_big(frame); frame_put16(frame, quote(frame) + 6, 0x1000))
CHANGE(about_the_first_fragment, too_big(frame); frame_put16(frame, quote(frame) + 6, 0x2000))
CHANGE(about_another_family, too_big(frame); frame->data[quote(frame)] = frame_is_v6(frame) ? 0x45 : 0x60)
CHANGE(from_another_source, too_big(frame); frame->data[quote(frame) + (frame_is_v6(frame) ? 23 : 15)] ^= 1)
CHANGE(from_another_network, too_big(frame); frame->data[quote(frame) + (frame_is_v6(frame) ? 8 : 12)] ^= 1)
CHANGE(one_byte_short, frame_error(frame, frame_is_v6(frame) ? 2 : 3, 0, LEAST - 1))
CHANGE(ports_alone, frame_error(frame, frame_is_v6(frame) ? 2 : 3, 0, 4))
CHANGE(no_ports, frame_error(frame, frame_is_v6(frame) ? 2 : 3, 0, 0))
CHANGE(short_but_padded, one_byte_short(frame); frame->length++)
CHANGE(longer_than_the_frame, whole(frame); frame->length--)
CHANGE(broadcast, too_big(frame); memset(frame->data, 0xff, 6))
CHANGE(fragment, too_big(frame); frame_put16(frame, FRAME_IP + 6, 0x2000); frame_checksum4(frame))

#define HOST4(text, how) HOST4_AS(text, how, not_tcp_udp)
#define HOST6(text, how) HOST6_AS(text, how, not_tcp_udp)
#define HOST4_AS(text, how, why)                                                                                       \
	{                                                                                                              \
		.name = "IPv4: " text, .client = TCP4(V4_GUE4), .change = how, .outcome = ENDS(why)                    \
	}
#define HOST6_AS(text, how, why)                                                                                       \
	{                                                                                                              \
		.name = "IPv6: " text, .client = TCP6(V6_GUE4), .change = how, .outcome = ENDS(why)                    \
	}
#define HOST(text, how)		HOST4(text, how), HOST6(text, how)
#define HOST_AS(text, how, why) HOST4_AS(text, how, why), HOST6_AS(text, how, why)

static const struct packet_case to_host[] = {
	HOST("type 0", type_0),
	HOST("type 5", type_5),
	HOST("type 8", type_8),
	HOST("type 13", type_13),
	HOST("type 128", type_128),
	HOST("type 135", type_135),
	HOST("type 137", type_137),
	HOST4("type 1", type_1),
	HOST4("type 2", type_2),
	HOST4("type 4", type_4),
	HOST6("type 11, which is IPv4's", type_11),
	HOST("the other family's ICMP", another_protocol),
	HOST("about ICMP", about_icmp),
	HOST("about SCTP", about_sctp),
	HOST6("about a fragment", about_a_fragment_header),
	HOST6("about a packet whose extension header is not whole", about_hop_by_hop),
	HOST4("about a packet with options, without the whole of its ports", about_options),
	HOST4("about a header too short", about_a_short_header),
	HOST4("about a later fragment", about_a_later_fragment),
	HOST4("about the last fragment", about_the_last_fragment),
	HOST("about a packet of the other family", about_another_family),
	HOST("about a packet of somebody else", from_another_source),
	HOST("about a packet of another network", from_another_network),
	HOST("quoting one byte too little", one_byte_short),
	HOST("quoting the ports alone", ports_alone),
	HOST("quoting the IP header alone", no_ports),
	HOST("quoting too little, before padding", short_but_padded),
	HOST_AS("longer than the frame", longer_than_the_frame, malformed),
	HOST4("itself a fragment", fragment),
	HOST4_AS("broadcast", broadcast, not_unicast),
	HOST6_AS("broadcast", broadcast, not_unicast),
	{.name = "IPv4: about the first fragment",
	 .client = TCP4(V4_GUE4),
	 .change = about_the_first_fragment,
	 .outcome = TAKEN(GUE4)},
	{.name = "IPv6: type 3", .client = TCP6(V6_GUE4), .change = type_3, .outcome = TAKEN(GUE4)},
};

/* The quoted packet's own options and headers, and the error's. */
#define QUOTED(frame, type, length) frame_quote_extension(frame, type, length)

static void quoted_chain(struct frame *frame, unsigned int length)
{
	too_big(frame);
	while (length--)
		QUOTED(frame, IPPROTO_DSTOPTS, 8);
}

/* `more`: offset and flag. */
static void quoted_fragment(struct frame *frame, __u16 more)
{
	too_big(frame);
	QUOTED(frame, IPPROTO_FRAGMENT, 8);
	frame_put16(frame, FRAME_QUOTE6 + 42, more);
}

static void quoted_route(struct frame *frame, __u8 left)
{
	too_big(frame);
	QUOTED(frame, IPPROTO_ROUTING, 24);
	frame->data[FRAME_QUOTE6 + 43] = left;
}

CHANGE(quoted_options_4, too_big(frame); frame_quote_options(frame, 4))
CHANGE(quoted_options_20, too_big(frame); frame_quote_options(frame, 20))
CHANGE(quoted_options_40, too_big(frame); frame_quote_options(frame, 40))
CHANGE(quoted_options_short, frame_error(frame, 3, 4, LEAST - 1); frame_quote_options(frame, 8))
CHANGE(quoted_options_alone, frame_error(frame, 3, 4, 0); frame_quote_options(frame, 8))
CHANGE(quoted_options_not_whole, frame_error(frame, 3, 4, 0); frame_quote_options(frame, 8); frame->length -= 4;
       frame_put16(frame, FRAME_IP + 2, frame->length - FRAME_IP))
CHANGE(quoted_1, quoted_chain(frame, 1))
CHANGE(quoted_6, quoted_chain(frame, 6))
CHANGE(quoted_7, quoted_chain(frame, 7))
CHANGE(quoted_hop, too_big(frame); QUOTED(frame, IPPROTO_HOPOPTS, 64))
CHANGE(quoted_all, quoted_fragment(frame, 1); QUOTED(frame, IPPROTO_ROUTING, 24); QUOTED(frame, IPPROTO_DSTOPTS, 8);
       QUOTED(frame, IPPROTO_HOPOPTS, 8))
CHANGE(quoted_atomic, quoted_fragment(frame, 0))
CHANGE(quoted_first, quoted_fragment(frame, 1))
CHANGE(quoted_later, quoted_fragment(frame, 8))
CHANGE(quoted_route_end, quoted_route(frame, 0))
CHANGE(quoted_route_on, quoted_route(frame, 1))
CHANGE(quoted_esp, too_big(frame); frame->data[FRAME_QUOTE6 + 6] = IPPROTO_ESP; QUOTED(frame, IPPROTO_DSTOPTS, 8))
CHANGE(quoted_short, frame_error(frame, 2, 0, LEAST - 1); QUOTED(frame, IPPROTO_DSTOPTS, 8))
CHANGE(quoted_alone, frame_error(frame, 2, 0, 0); QUOTED(frame, IPPROTO_DSTOPTS, 8))
CHANGE(own_options, too_big(frame); frame_options(frame, 12))
CHANGE(own_and_quoted_options, quoted_options_40(frame); frame_options(frame, 40))
CHANGE(own_headers, too_big(frame); frame_extension(frame, IPPROTO_DSTOPTS, 8); frame_extension(frame, 0, 8))
CHANGE(own_and_quoted_headers, quoted_6(frame); frame_extension(frame, 0, 8))
CHANGE(own_atomic, too_big(frame); frame_atomic(frame, 1))
CHANGE(own_route, own_headers(frame); frame_extension(frame, IPPROTO_ROUTING, 8); frame_routing(frame, 4, 1))
CHANGE(own_first, whole(frame); frame_fragment(frame, 1, 0, frame_is_v6(frame) ? 64 : 48))
CHANGE(own_later, whole(frame); frame_fragment(frame, 1, frame_is_v6(frame) ? 64 : 48, 0))
CHANGE(tagged, too_big(frame); frame_tag(frame, 0x8100, 30))
CHANGE(q_in_q, too_big(frame); frame_tag(frame, 0x8100, 30); frame_tag(frame, 0x88a8, 7))

#define FINE4(text, how)                                                                                               \
	{                                                                                                              \
		.name = "IPv4: " text, .client = TCP4(V4_GUE4), .change = how, .outcome = TAKEN(GUE4)                  \
	}
#define FINE6(text, how)                                                                                               \
	{                                                                                                              \
		.name = "IPv6: " text, .client = TCP6(V6_GUE4), .change = how, .outcome = TAKEN(GUE4)                  \
	}

static const struct packet_case inside[] = {
	FINE4("about a packet with 4 bytes of options", quoted_options_4),
	FINE4("about a packet with 20 bytes of options", quoted_options_20),
	FINE4("about a packet with 40 bytes of options", quoted_options_40),
	HOST4("about a packet with options, one byte too little", quoted_options_short),
	HOST4("about a packet with options, without its ports", quoted_options_alone),
	HOST4("about a packet with options that are not whole", quoted_options_not_whole),
	FINE6("about a packet with an extension header", quoted_1),
	FINE6("about a packet with hop-by-hop options", quoted_hop),
	FINE6("about a packet with 6 headers", quoted_6),
	FINE6("about a packet with a header of each kind", quoted_all),
	FINE6("about an atomic fragment", quoted_atomic),
	FINE6("about a first fragment", quoted_first),
	FINE6("about a packet with a routing header at its end", quoted_route_end),
	HOST6("about a packet with 7 headers", quoted_7),
	HOST6("about a further fragment", quoted_later),
	HOST6("about a packet with a route to go", quoted_route_on),
	HOST6("about ESP behind another header", quoted_esp),
	HOST6("about a packet with a header, one byte too little", quoted_short),
	HOST6("about a packet with a header, without its ports", quoted_alone),
	FINE4("with options itself", own_options),
	FINE4("with options itself, about a packet with options", own_and_quoted_options),
	FINE6("with extension headers itself", own_headers),
	FINE6("with headers itself, about a packet with headers", own_and_quoted_headers),
	FINE6("an atomic fragment itself", own_atomic),
	HOST6_AS("with a route to go itself", own_route, extensions),
	HOST("a first fragment itself", own_first),
	HOST4_AS("a further fragment itself, of no VIP that is known", own_later, fragment),
	HOST6_AS("a further fragment itself, of no VIP that is known", own_later, fragment),
	FINE4("in a VLAN", tagged),
	FINE6("in a VLAN", tagged),
	FINE4("in QinQ", q_in_q),
	FINE6("in QinQ", q_in_q),
};

/* A frame that is shorter than its packet goes to the host. */
static void cut_everywhere(void **state)
{
	struct counts *counts = test_calloc(1, sizeof(*counts));
	struct fixture *fixture;
	struct frame in;

	(void)state;
	fixture_need_root();
	fixture = fixture_open(0);
	world_fill(fixture);
	for (int v6 = 0; v6 < 2; v6++) {
		frame_client(&in, v6 ? &(struct client)TCP6(V6_GUE4) : &(struct client)TCP4(V4_GUE4));
		too_big(&in);
		while (in.length-- > FRAME_IP) {
			packet_send(fixture, &in, NULL, &(struct outcome)ENDS(malformed), counts);
		}
	}
	packet_assert_counted(fixture, counts);
	fixture_close(fixture);
	test_free(counts);
}

/* An error reaches whom the client's own packets reach, by the same path. */
static void errors_follow_their_flow(void **state)
{
	(void)state;
	mixed_all_follow(0, 0, too_big);
}

static void errors_follow_their_flow_by_source(void **state)
{
	(void)state;
	mixed_all_follow(0, SERVICE_HASH_SOURCE, too_big);
}

static const struct case_group groups[] = {
	GROUP("ICMP errors", errors),
	GROUP("ICMP errors: ways to a backend", ways),
	GROUP("ICMP errors: finding the service", services),
	GROUP("ICMP that goes to the host", to_host),
	GROUP("ICMP errors: options and headers, inside and out", inside),
};

int main(int argc, char **argv)
{
	const struct CMUnitTest flows[] = {
		cmocka_unit_test(cut_everywhere),
		cmocka_unit_test(errors_follow_their_flow),
		cmocka_unit_test(errors_follow_their_flow_by_source),
	};
	int failed = GROUPS_RUN(argc, argv, groups);

	return groups_are_listed(argc, argv) ? failed : failed + cmocka_run_group_tests(flows, NULL, NULL);
}
