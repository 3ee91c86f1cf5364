/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * IPv4 options and IPv6 extension headers before TCP and UDP. They are the backend's to read, and go there as they
 * came; what they lead to beyond TCP and UDP, or beyond what is read of them, goes to the host.
 */
#include <netinet/in.h>
#include <string.h>

#include "packet/frame_parts.h"
#include "packet/mixed_pool.h"
#include "packet/packet_case.h"

#define MOBILITY     135 /* RFC 6275 */
#define HIP	     139 /* RFC 7401 */
#define SHIM6	     140 /* RFC 5533 */
#define EXPERIMENTAL 253 /* RFC 3692 */

#define FROM4(number) CLIENT4_TO(V4_##number)
#define FROM6(number) CLIENT6_TO(V6_##number)
#define UDP4(number)  CLIENT4_TO(V4_##number, UDP)
#define UDP6(number)  CLIENT6_TO(V6_##number, UDP)

#define EACH_LENGTH(X)	X(4) X(8) X(12) X(16) X(20) X(24) X(28) X(32) X(36) X(40)
#define OPTIONS(length) CHANGE(options_##length, frame_options(frame, length))
EACH_LENGTH(OPTIONS)

/* An option of 8 bytes, with its own length. */
static void option(struct frame *frame, __u8 type)
{
	__u8 *at = frame->data + FRAME_IP + 20;

	frame_options(frame, 8);
	at[0] = type;
	at[1] = 7;
	at[2] = 4;
	frame_checksum4(frame);
}

CHANGE(record_route, option(frame, 7))
CHANGE(source_route, option(frame, 131))
CHANGE(unknown_option, option(frame, 222))
CHANGE(wrong_checksum, options_8(frame); frame->data[FRAME_IP + 10] ^= 1)
CHANGE(cut_in_options, options_40(frame); frame->length = FRAME_IP + 44)
CHANGE(ends_in_options, options_40(frame); frame_put16(frame, FRAME_IP + 2, 44); frame_checksum4(frame))
CHANGE(ends_with_options, options_40(frame); frame_put16(frame, FRAME_IP + 2, 60); frame_checksum4(frame))
CHANGE(seven_behind, options_12(frame); frame_put16(frame, FRAME_IP + 2, 32 + 7); frame_checksum4(frame))
CHANGE(eight_behind, options_12(frame); frame_put16(frame, FRAME_IP + 2, 32 + 8); frame_checksum4(frame))
CHANGE(broadcast, options_12(frame); memset(frame->data, 0xff, 6))
CHANGE(tagged_options, options_20(frame); frame_tag(frame, 0x8100, 5))

#define LENGTH(length)                                                                                                 \
	{.name = "IPv4 TCP: " #length " bytes of options",                                                             \
	 .client = FROM4(IPIP4),                                                                                       \
	 .change = options_##length,                                                                                   \
	 .outcome = TAKEN(IPIP4)},                                                                                     \
		{.name = "IPv4 UDP: " #length " bytes of options",                                                     \
		 .client = UDP4(IPIP6),                                                                                \
		 .change = options_##length,                                                                           \
		 .outcome = TAKEN(IPIP6)},
#define MODE4(mode, why)                                                                                               \
	{.name = "IPv4: options, by " #mode, .client = FROM4(mode), .change = options_8, .outcome = why(mode)},
#define FINE4(text, how, ...)                                                                                          \
	{                                                                                                              \
		.name = "IPv4: " text, .client = {.from = CLIENT4, .to = V4_GUE4, .to_port = 443, ##__VA_ARGS__},      \
		.change = how, .outcome = TAKEN(GUE4)                                                                  \
	}
#define HOST4(text, how, why)                                                                                          \
	{                                                                                                              \
		.name = "IPv4: " text, .client = FROM4(GUE4), .change = how, .outcome = ENDS(why)                      \
	}

static const struct packet_case options[] = {
	EACH_LENGTH(LENGTH) MODE4(GUE4, TAKEN) MODE4(GUE6, TAKEN) MODE4(L2, TAKEN) MODE4(IPIP4_OUT, TAKEN_OUT)
		MODE4(GUE6_OUT, TAKEN_OUT) FINE4("a record route option", record_route),
	FINE4("a loose source route option", source_route),
	FINE4("an unknown option", unknown_option),
	FINE4("options, and a wrong header checksum", wrong_checksum),
	FINE4("options, and TTL 1", options_8, .ttl = 1),
	FINE4("options, TOS copied outward", options_8, .tos = 0xb9),
	FINE4("options behind a VLAN tag", tagged_options),
	FINE4("options, and the least behind them", eight_behind),
	FINE4("a SYN with options", options_8, .tcp_flags = 0x02),
	HOST4("options, and less than the least behind them", seven_behind, malformed),
	HOST4("the frame ends in its options", cut_in_options, malformed),
	HOST4("the packet ends in its options", ends_in_options, malformed),
	HOST4("the packet ends with its options", ends_with_options, malformed),
	HOST4("options in a broadcast frame", broadcast, not_unicast),
	{.name = "IPv4: options, to a port without a service",
	 .client = {.from = CLIENT4, .to = V4_GUE4, .to_port = 444},
	 .change = options_8,
	 .outcome = ENDS(no_service)},
	{.name = "IPv4: options, to an address that is no VIP",
	 .client = {.from = CLIENT4, .to = "192.0.2.200", .to_port = 443},
	 .change = options_40,
	 .outcome = ENDS(no_service)},
	{.name = "IPv4: options before GRE",
	 .client = {.from = CLIENT4, .to = V4_GUE4, .protocol = IPPROTO_GRE},
	 .change = options_8,
	 .outcome = ENDS(not_tcp_udp)},
	{.name = "IPv4: options, from a martian",
	 .client = {.from = "127.0.0.1", .to = V4_GUE4, .to_port = 443},
	 .change = options_8,
	 .outcome = {.reason = REASON_martian, .service = GUE4}},
	{.name = "IPv4: options, to a backend without a next hop",
	 .client = FROM4(UNRESOLVED),
	 .change = options_8,
	 .outcome = {.reason = REASON_no_next_hop, .service = UNRESOLVED}},
};

#define HOP(frame, length)	   frame_extension(frame, IPPROTO_HOPOPTS, length)
#define DESTINATION(frame, length) frame_extension(frame, IPPROTO_DSTOPTS, length)
#define ROUTE(frame, type, left)                                                                                       \
	({                                                                                                             \
		frame_extension(frame, IPPROTO_ROUTING, 24);                                                           \
		frame_routing(frame, type, left);                                                                      \
	})

static void chain(struct frame *frame, unsigned int length)
{
	while (length--)
		DESTINATION(frame, 8 + 8 * (length % 2));
}

/* What the last header leads to; a client's frame of another protocol has no ports. */
static void leads_to(struct frame *frame, __u8 protocol)
{
	frame->data[FRAME_IP + 6] = protocol;
	HOP(frame, 8);
}

CHANGE(hop, HOP(frame, 8))
CHANGE(hop_16, HOP(frame, 16))
CHANGE(hop_64, HOP(frame, 64))
CHANGE(hop_264, HOP(frame, 264))
CHANGE(destination, DESTINATION(frame, 8))
CHANGE(destination_24, DESTINATION(frame, 24))
CHANGE(destination_512, DESTINATION(frame, 512))
CHANGE(route_0, ROUTE(frame, 0, 0))
CHANGE(route_2, ROUTE(frame, 2, 0))
CHANGE(route_4, ROUTE(frame, 4, 0))
CHANGE(route_unknown, ROUTE(frame, 253, 0))
CHANGE(route_0_on, ROUTE(frame, 0, 1))
CHANGE(route_2_on, ROUTE(frame, 2, 1))
CHANGE(route_4_on, ROUTE(frame, 4, 255))
CHANGE(hop_route_on, ROUTE(frame, 4, 1); HOP(frame, 8))
CHANGE(atomic, frame_atomic(frame, 7))
CHANGE(as_recommended, DESTINATION(frame, 8); frame_atomic(frame, 7); ROUTE(frame, 4, 0); DESTINATION(frame, 16);
       HOP(frame, 8))
CHANGE(hop_last, HOP(frame, 8); DESTINATION(frame, 8))
CHANGE(chain_2, chain(frame, 2))
CHANGE(chain_3, chain(frame, 3))
CHANGE(chain_4, chain(frame, 4))
CHANGE(chain_5, chain(frame, 5))
CHANGE(chain_6, chain(frame, 6))
CHANGE(chain_7, chain(frame, 7))
CHANGE(chain_40, chain(frame, 40))
CHANGE(kilobyte, DESTINATION(frame, 1024))
CHANGE(tagged_hop, HOP(frame, 8); frame_tag(frame, 0x88a8, 5))
CHANGE(esp, leads_to(frame, IPPROTO_ESP))
CHANGE(ah, leads_to(frame, IPPROTO_AH))
CHANGE(none, leads_to(frame, IPPROTO_NONE))
CHANGE(mobility, leads_to(frame, MOBILITY))
CHANGE(hip, leads_to(frame, HIP))
CHANGE(shim6, leads_to(frame, SHIM6))
CHANGE(experimental, leads_to(frame, EXPERIMENTAL))
CHANGE(sctp, leads_to(frame, IPPROTO_SCTP))
CHANGE(icmp4, leads_to(frame, IPPROTO_ICMP))
CHANGE(ipv6, leads_to(frame, IPPROTO_IPV6))

/* The last of the header's `length` bytes is the packet's or the frame's. */
static void packet_ends(struct frame *frame, size_t payload)
{
	frame_put16(frame, FRAME_IP + 4, payload);
}

CHANGE(seven_behind6, HOP(frame, 16); packet_ends(frame, 16 + 7))
CHANGE(eight_behind6, HOP(frame, 16); packet_ends(frame, 16 + 8))
CHANGE(nothing_behind, HOP(frame, 16); packet_ends(frame, 16))
CHANGE(ends_in_header, HOP(frame, 64); packet_ends(frame, 40))
CHANGE(cut_in_header, HOP(frame, 64); frame->length = 54 + 40; packet_ends(frame, 40))
CHANGE(cut_in_first_word, HOP(frame, 64); frame->length = 54 + 7; packet_ends(frame, 7))
CHANGE(cut_before_second, HOP(frame, 8); HOP(frame, 8); frame->length = 54 + 8; packet_ends(frame, 8))
CHANGE(cut_before_header, HOP(frame, 8); frame->length = 54; packet_ends(frame, 0))
CHANGE(length_lies, HOP(frame, 8); frame->data[55] = 255)
CHANGE(no_next, frame->data[FRAME_IP + 6] = IPPROTO_NONE)
CHANGE(plain_esp, frame->data[FRAME_IP + 6] = IPPROTO_ESP)
CHANGE(plain_ah, frame->data[FRAME_IP + 6] = IPPROTO_AH)
CHANGE(plain_mobility, frame->data[FRAME_IP + 6] = MOBILITY)
CHANGE(broadcast6, HOP(frame, 8); memcpy(frame->data, "\x33\x33\x00\x00\x00\x01", 6))

#define FINE6(text, how, ...)                                                                                          \
	{                                                                                                              \
		.name = "IPv6: " text, .client = {.from = CLIENT6, .to = V6_GUE4, .to_port = 443, ##__VA_ARGS__},      \
		.change = how, .outcome = TAKEN(GUE4)                                                                  \
	}
#define HOST6(text, how, why)                                                                                          \
	{                                                                                                              \
		.name = "IPv6: " text, .client = FROM6(GUE4), .change = how, .outcome = ENDS(why)                      \
	}
#define MODE6(mode, why)                                                                                               \
	{.name = "IPv6: extension headers, by " #mode,                                                                 \
	 .client = FROM6(mode),                                                                                        \
	 .change = as_recommended,                                                                                     \
	 .outcome = why(mode)},

static const struct packet_case extensions[] = {
	FINE6("hop-by-hop options", hop),
	FINE6("hop-by-hop options, UDP", hop, UDP),
	FINE6("hop-by-hop options of 16 bytes", hop_16),
	FINE6("hop-by-hop options of 64 bytes", hop_64),
	FINE6("hop-by-hop options of 264 bytes", hop_264),
	FINE6("destination options", destination),
	FINE6("destination options, UDP", destination, UDP),
	FINE6("destination options of 24 bytes", destination_24),
	FINE6("destination options of 512 bytes", destination_512),
	FINE6("a routing header of type 0 at its end", route_0),
	FINE6("a routing header of type 2 at its end", route_2),
	FINE6("a segment routing header at its end", route_4),
	FINE6("the same, UDP", route_4, UDP),
	FINE6("a routing header of an unknown type at its end", route_unknown),
	FINE6("an atomic fragment", atomic),
	FINE6("an atomic fragment, UDP", atomic, UDP),
	FINE6("all of them in RFC 8200's order", as_recommended),
	FINE6("all of them, UDP", as_recommended, UDP),
	FINE6("hop-by-hop options that are not the first, left to the backend", hop_last),
	FINE6("2 headers", chain_2),
	FINE6("3 headers", chain_3),
	FINE6("4 headers", chain_4),
	FINE6("5 headers", chain_5),
	FINE6("6 headers, as many as are read", chain_6),
	FINE6("6 headers, UDP", chain_6, UDP),
	FINE6("extension headers, and hop limit 1", chain_2, .ttl = 1),
	FINE6("extension headers, traffic class copied outward", chain_2, .tos = 0xb9),
	FINE6("extension headers behind a VLAN tag", tagged_hop),
	FINE6("a SYN with extension headers", hop, .tcp_flags = 0x02),
	FINE6("a header, and the least behind it", eight_behind6),
	MODE6(IPIP4, TAKEN) MODE6(IPIP6, TAKEN) MODE6(GUE6, TAKEN) MODE6(L2, TAKEN) MODE6(IPIP6_OUT, TAKEN_OUT)
		MODE6(GUE4_OUT, TAKEN_OUT) HOST6("7 headers", chain_7, extensions),
	HOST6("40 headers", chain_40, extensions),
	HOST6("a header beyond the first kilobyte", kilobyte, extensions),
	HOST6("a routing header of type 0 with a way to go", route_0_on, extensions),
	HOST6("a routing header of type 2 with a way to go", route_2_on, extensions),
	HOST6("a segment routing header with a way to go", route_4_on, extensions),
	HOST6("hop-by-hop options before such a one", hop_route_on, extensions),
	HOST6("ESP", plain_esp, not_tcp_udp),
	HOST6("an authentication header", plain_ah, not_tcp_udp),
	HOST6("no next header", no_next, not_tcp_udp),
	HOST6("a mobility header", plain_mobility, not_tcp_udp),
	HOST6("ESP behind another header", esp, not_tcp_udp),
	HOST6("an authentication header behind another header", ah, not_tcp_udp),
	HOST6("no next header behind another header", none, not_tcp_udp),
	HOST6("a mobility header behind another header", mobility, not_tcp_udp),
	HOST6("HIP behind another header", hip, not_tcp_udp),
	HOST6("Shim6 behind another header", shim6, not_tcp_udp),
	HOST6("an experimental header behind another header", experimental, not_tcp_udp),
	HOST6("SCTP behind another header", sctp, not_tcp_udp),
	HOST6("IPv4's ICMP behind another header", icmp4, not_tcp_udp),
	HOST6("IPv6 behind another header", ipv6, not_tcp_udp),
	HOST6("a header, and less than the least behind it", seven_behind6, malformed),
	HOST6("a header and nothing behind it", nothing_behind, malformed),
	HOST6("the packet ends in a header", ends_in_header, malformed),
	HOST6("the frame ends in a header", cut_in_header, malformed),
	HOST6("the frame ends in a header's first word", cut_in_first_word, malformed),
	HOST6("the frame ends before the second header", cut_before_second, malformed),
	HOST6("the frame ends before the first header", cut_before_header, malformed),
	HOST6("a header says that it is longer than the packet", length_lies, malformed),
	HOST6("a header in a multicast frame", broadcast6, not_unicast),
	{.name = "IPv6: headers, to a port without a service",
	 .client = {.from = CLIENT6, .to = V6_GUE4, .to_port = 444},
	 .change = as_recommended,
	 .outcome = ENDS(no_service)},
	{.name = "IPv6: headers, to an address that is no VIP",
	 .client = {.from = CLIENT6, .to = "2001:db8::200", .to_port = 443},
	 .change = as_recommended,
	 .outcome = ENDS(no_service)},
	{.name = "IPv6: hop-by-hop options before ICMPv6 to the host",
	 .client = {.from = CLIENT6, .to = "2001:db8::200", .protocol = IPPROTO_ICMPV6},
	 .change = hop,
	 .outcome = ENDS(not_tcp_udp)},
	{.name = "IPv6: headers, from a martian",
	 .client = {.from = "ff02::1", .to = V6_GUE4, .to_port = 443},
	 .change = hop,
	 .outcome = {.reason = REASON_martian, .service = GUE4}},
	{.name = "IPv6: headers, to a backend without a next hop",
	 .client = FROM6(UNWRITTEN),
	 .change = hop,
	 .outcome = {.reason = REASON_no_next_hop, .service = UNWRITTEN}},
};

/* With options or headers a flow is the same flow. */
static void more(struct frame *frame)
{
	if (frame->data[FRAME_IP] >> 4 == 6)
		as_recommended(frame);
	else
		frame_options(frame, 12);
}

static void flows_stay(void **state)
{
	(void)state;
	mixed_all_follow(0, 0, more);
}

static void flows_by_source_stay(void **state)
{
	(void)state;
	mixed_all_follow(0, SERVICE_HASH_SOURCE, more);
}

static const struct case_group groups[] = {
	GROUP("IPv4 options", options),
	GROUP("IPv6 extension headers", extensions),
};

int main(int argc, char **argv)
{
	const struct CMUnitTest flows[] = {
		cmocka_unit_test(flows_stay),
		cmocka_unit_test(flows_by_source_stay),
	};
	int failed = GROUPS_RUN(argc, argv, groups);

	return groups_are_listed(argc, argv) ? failed : failed + cmocka_run_group_tests(flows, NULL, NULL);
}
