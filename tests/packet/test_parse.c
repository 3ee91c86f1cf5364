/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What is no TCP or UDP packet goes to the host as it came, though its destination is a VIP: the changes below all
 * start from a packet that is forwarded.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "packet/packet_case.h"

#define IPV4_TCP                                                                                                       \
	{                                                                                                              \
		.from = CLIENT4, .to = V4_IPIP4, .from_port = 40000, .to_port = 443                                    \
	}
#define IPV4_UDP                                                                                                       \
	{                                                                                                              \
		.from = CLIENT4, .to = V4_GUE4, .from_port = 40000, .to_port = 443, .protocol = IPPROTO_UDP            \
	}
#define IPV6_TCP                                                                                                       \
	{                                                                                                              \
		.from = CLIENT6, .to = V6_IPIP6, .from_port = 40000, .to_port = 443                                    \
	}
#define IPV6_UDP                                                                                                       \
	{                                                                                                              \
		.from = CLIENT6, .to = V6_GUE6, .from_port = 40000, .to_port = 443, .protocol = IPPROTO_UDP            \
	}

/* A change that is one assignment is written where it is used. */

CHANGE(arp, frame_put16(frame, 12, 0x0806))
CHANGE(mpls, frame_put16(frame, 12, 0x8847))
CHANGE(pppoe, frame_put16(frame, 12, 0x8864))
CHANGE(length_type, frame_put16(frame, 12, frame->length - 14))
CHANGE(type_swapped, frame_put16(frame, 12, 0x0008))
CHANGE(type_ipv6, frame_put16(frame, 12, 0x86dd))
CHANGE(type_ipv4, frame_put16(frame, 12, 0x0800))

#define ETHER(text, how)                                                                                               \
	{                                                                                                              \
		.name = text, .client = IPV4_TCP, .change = how, .outcome = ENDS(not_ip)                               \
	}
#define ETHER6(text, how)                                                                                              \
	{                                                                                                              \
		.name = text, .client = IPV6_TCP, .change = how, .outcome = ENDS(not_ip)                               \
	}

static const struct packet_case ethernet[] = {
	ETHER("ARP", arp),
	ETHER("MPLS", mpls),
	ETHER6("PPPoE", pppoe),
	ETHER("an 802.3 length in place of a type", length_type),
	ETHER("the type with its bytes swapped", type_swapped),
	{.name = "IPv4 with the type of IPv6", .client = IPV4_TCP, .change = type_ipv6, .outcome = ENDS(malformed)},
	{.name = "IPv6 with the type of IPv4", .client = IPV6_TCP, .change = type_ipv4, .outcome = ENDS(malformed)},
};

/* `words`: too few for a header. */
static void header_words(struct frame *frame, __u8 words)
{
	frame->data[FRAME_IP] = 0x40 | words;
	frame_checksum4(frame);
}

static void version(struct frame *frame, __u8 value)
{
	frame->data[FRAME_IP] = value << 4 | (frame->data[FRAME_IP] & 0xf);
}

static void fragment(struct frame *frame, __u16 flags_and_offset)
{
	frame_put16(frame, FRAME_IP + 6, flags_and_offset);
	frame_checksum4(frame);
}

static void total_length(struct frame *frame, __u16 length)
{
	frame_put16(frame, FRAME_IP + 2, length);
	frame_checksum4(frame);
}

CHANGE(header_0, header_words(frame, 0))
CHANGE(header_1, header_words(frame, 1))
CHANGE(header_4, header_words(frame, 4))
CHANGE(version_0, version(frame, 0))
CHANGE(version_5, version(frame, 5))
CHANGE(version_15, version(frame, 15))
CHANGE(version_4, version(frame, 4))
CHANGE(version_6, version(frame, 6))
CHANGE(first_fragment, fragment(frame, 0x2000))
CHANGE(first_fragment_df, fragment(frame, 0x6000))
CHANGE(middle_fragment, fragment(frame, 0x2000 | 185))
CHANGE(last_fragment, fragment(frame, 185))
CHANGE(fragment_1, fragment(frame, 1))
CHANGE(fragment_8191, fragment(frame, 0x1fff))
CHANGE(fragment_256, fragment(frame, 0x0100))
CHANGE(may_fragment, fragment(frame, 0))
CHANGE(length_0, total_length(frame, 0))
CHANGE(length_19, total_length(frame, 19))
CHANGE(length_20, total_length(frame, 20))
CHANGE(length_27, total_length(frame, 27))
CHANGE(length_28, total_length(frame, 28))
CHANGE(length_one_less, total_length(frame, frame->length - FRAME_IP - 1))
CHANGE(length_one_more, total_length(frame, frame->length - FRAME_IP + 1))
CHANGE(length_65535, total_length(frame, 65535))
CHANGE(lengthened, frame->length += 8)
CHANGE(broadcast, memset(frame->data, 0xff, 6))
CHANGE(multicast, memcpy(frame->data, "\x01\x00\x5e\x00\x02\x0a", 6))
CHANGE(multicast6, memcpy(frame->data, "\x33\x33\x00\x00\x00\x10", 6))

#define IP4(text, how, why)                                                                                            \
	{                                                                                                              \
		.name = "IPv4: " text, .client = IPV4_TCP, .change = how, .outcome = ENDS(why)                         \
	}
#define UDP4(text, how, why)                                                                                           \
	{                                                                                                              \
		.name = "IPv4 UDP: " text, .client = IPV4_UDP, .change = how, .outcome = ENDS(why)                     \
	}
#define FINE4(text, how)                                                                                               \
	{                                                                                                              \
		.name = "IPv4: " text, .client = IPV4_TCP, .change = how, .outcome = TAKEN(IPIP4)                      \
	}

static const struct packet_case ipv4[] = {
	FINE4("as it is", NULL),
	IP4("a broadcast frame", broadcast, not_unicast),
	UDP4("a multicast frame", multicast, not_unicast),
	IP4("a header of no words", header_0, malformed),
	IP4("a header of 1 word", header_1, malformed),
	IP4("a header of 4 words", header_4, malformed),
	IP4("version 0", version_0, malformed),
	IP4("version 5", version_5, malformed),
	IP4("version 6", version_6, malformed),
	IP4("version 15", version_15, malformed),
	FINE4("the first fragment", first_fragment),
	FINE4("the first fragment, with don't-fragment", first_fragment_df),
	IP4("a fragment between", middle_fragment, fragment),
	IP4("the last fragment", last_fragment, fragment),
	IP4("a fragment 8 bytes in", fragment_1, fragment),
	IP4("a fragment at the largest offset", fragment_8191, fragment),
	UDP4("a fragment whose offset has one high bit", fragment_256, fragment),
	FINE4("fragmenting allowed, no fragment", may_fragment),
	IP4("total length 0", length_0, malformed),
	IP4("total length less than the header", length_19, malformed),
	IP4("total length of the header alone", length_20, malformed),
	IP4("total length one short of the least", length_27, malformed),
	UDP4("total length one short of the least", length_27, malformed),
	FINE4("total length of the least, the rest is padding", length_28),
	FINE4("total length one less than the frame", length_one_less),
	IP4("total length one more than the frame", length_one_more, malformed),
	UDP4("total length one more than the frame", length_one_more, malformed),
	IP4("total length 65535", length_65535, malformed),
	FINE4("a trailer behind the packet", lengthened),
};

#define PAYLOAD(frame, value) frame_put16(frame, FRAME_IP + 4, value)

CHANGE(payload_0, PAYLOAD(frame, 0))
CHANGE(payload_7, PAYLOAD(frame, 7))
CHANGE(payload_8, PAYLOAD(frame, 8))
CHANGE(payload_one_less, PAYLOAD(frame, frame->length - FRAME_TRANSPORT6 - 1))
CHANGE(payload_one_more, PAYLOAD(frame, frame->length - FRAME_TRANSPORT6 + 1))
CHANGE(payload_65535, PAYLOAD(frame, 65535))
CHANGE(payload_wraps, PAYLOAD(frame, 65536 - 40 + 8))

#define IP6(text, how, why)                                                                                            \
	{                                                                                                              \
		.name = "IPv6: " text, .client = IPV6_TCP, .change = how, .outcome = ENDS(why)                         \
	}
#define UDP6(text, how, why)                                                                                           \
	{                                                                                                              \
		.name = "IPv6 UDP: " text, .client = IPV6_UDP, .change = how, .outcome = ENDS(why)                     \
	}
#define FINE6(text, how)                                                                                               \
	{                                                                                                              \
		.name = "IPv6: " text, .client = IPV6_TCP, .change = how, .outcome = TAKEN(IPIP6)                      \
	}

static const struct packet_case ipv6[] = {
	FINE6("as it is", NULL),
	IP6("version 0", version_0, malformed),
	IP6("version 4", version_4, malformed),
	IP6("version 15", version_15, malformed),
	IP6("payload length 0", payload_0, malformed),
	IP6("payload length one short of the least", payload_7, malformed),
	UDP6("payload length one short of the least", payload_7, malformed),
	FINE6("payload length of the least, the rest is padding", payload_8),
	FINE6("payload length one less than the frame", payload_one_less),
	IP6("payload length one more than the frame", payload_one_more, malformed),
	UDP6("payload length one more than the frame", payload_one_more, malformed),
	IP6("payload length 65535", payload_65535, malformed),
	IP6("payload length that is small if 16 bits overflow", payload_wraps, malformed),
	FINE6("a trailer behind the packet", lengthened),
};

#define OTHER4(text, number) OTHER4_AS(text, number, not_tcp_udp)
#define OTHER4_AS(text, number, why)                                                                                   \
	{                                                                                                              \
		.name = "IPv4: " text, .client = {.from = CLIENT4, .to = V4_IPIP4, .protocol = number},                \
		.outcome = ENDS(why)                                                                                   \
	}
#define OTHER6(text, number) OTHER6_AS(text, number, not_tcp_udp)
#define OTHER6_AS(text, number, why)                                                                                   \
	{                                                                                                              \
		.name = "IPv6: " text, .client = {.from = CLIENT6, .to = V6_IPIP6, .protocol = number},                \
		.outcome = ENDS(why)                                                                                   \
	}

CHANGE(hop_by_hop, frame->data[FRAME_IP + 6] = 0)
CHANGE(protocol_0, frame->data[FRAME_IP + 9] = 0; frame_checksum4(frame))
CHANGE(unreachable, frame->data[FRAME_TRANSPORT4] = 3)
CHANGE(packet_too_big, frame->data[FRAME_TRANSPORT6] = 2)

static const struct packet_case protocols[] = {
	OTHER4("ICMP echo", IPPROTO_ICMP),
	OTHER4("IGMP", IPPROTO_IGMP),
	OTHER4("IPIP", IPPROTO_IPIP),
	OTHER4("IPv6 in IPv4", IPPROTO_IPV6),
	OTHER4("ICMPv6, which is none here", IPPROTO_ICMPV6),
	OTHER4("GRE", IPPROTO_GRE),
	OTHER4("ESP", IPPROTO_ESP),
	OTHER4("UDP-Lite", IPPROTO_UDPLITE),
	OTHER4("SCTP", IPPROTO_SCTP),
	OTHER4("protocol 255", 255),
	IP4("protocol 0", protocol_0, not_tcp_udp),
	{.name = "IPv4: ICMP unreachable",
	 .client = {.from = CLIENT4, .to = V4_IPIP4, .protocol = IPPROTO_ICMP},
	 .change = unreachable,
	 .outcome = ENDS(not_tcp_udp)},
	OTHER6("ICMPv6 echo", IPPROTO_ICMPV6),
	OTHER6("no next header", IPPROTO_NONE),
	OTHER6("ICMP, which is none here", IPPROTO_ICMP),
	OTHER6("IPv6 in IPv6", IPPROTO_IPV6),
	OTHER6("ESP", IPPROTO_ESP),
	OTHER6("authentication header", IPPROTO_AH),
	OTHER6("SCTP", IPPROTO_SCTP),
	OTHER6("fragment header of another protocol", IPPROTO_FRAGMENT),
	OTHER6_AS("routing header longer than the packet", IPPROTO_ROUTING, malformed),
	OTHER6_AS("destination options longer than the packet", IPPROTO_DSTOPTS, malformed),
	IP6("a multicast frame", multicast6, not_unicast),
	IP6("hop-by-hop options longer than the packet", hop_by_hop, malformed),
	{.name = "IPv6: ICMPv6 packet too big",
	 .client = {.from = CLIENT6, .to = V6_IPIP6, .protocol = IPPROTO_ICMPV6},
	 .change = packet_too_big,
	 .outcome = ENDS(not_tcp_udp)},
};

/* Every length from the Ethernet header alone to one byte less than the whole. */
static void cut_everywhere(const struct client *client)
{
	struct counts *counts = calloc(1, sizeof(*counts));
	struct outcome outcome = ENDS(malformed);
	struct fixture *fixture;
	struct frame in;

	fixture_need_root();
	assert_non_null(counts);
	fixture = fixture_open(FEATURE_ANY_PORT | FEATURE_PREFIX4 | FEATURE_PREFIX6);
	world_fill(fixture);
	frame_client(&in, client);
	while (in.length-- > FRAME_IP)
		packet_send(fixture, &in, NULL, &outcome, counts);
	packet_assert_counted(fixture, counts);
	fixture_close(fixture);
	free(counts);
}

#define CUT(name, ...)                                                                                                 \
	static void name(void **state)                                                                                 \
	{                                                                                                              \
		(void)state;                                                                                           \
		cut_everywhere(&(struct client)__VA_ARGS__);                                                           \
	}
CUT(ipv4_tcp_cut_everywhere, IPV4_TCP)
CUT(ipv4_udp_cut_everywhere, IPV4_UDP)
CUT(ipv6_tcp_cut_everywhere, IPV6_TCP)
CUT(ipv6_udp_cut_everywhere, IPV6_UDP)
CUT(ipv4_1500_bytes_cut_everywhere, {.from = CLIENT4, .to = V4_L2, .to_port = 443, .ip_length = 1500})

static const struct case_group groups[] = {
	GROUP("Ethernet types", ethernet),
	GROUP("IPv4 headers", ipv4),
	GROUP("IPv6 headers", ipv6),
	GROUP("Other protocols", protocols),
};

int main(int argc, char **argv)
{
	const struct CMUnitTest cut[] = {
		cmocka_unit_test(ipv4_tcp_cut_everywhere),	  cmocka_unit_test(ipv4_udp_cut_everywhere),
		cmocka_unit_test(ipv6_tcp_cut_everywhere),	  cmocka_unit_test(ipv6_udp_cut_everywhere),
		cmocka_unit_test(ipv4_1500_bytes_cut_everywhere),
	};
	int failed = GROUPS_RUN(argc, argv, groups);

	return groups_are_listed(argc, argv) ? failed : failed + cmocka_run_group_tests(cut, NULL, NULL);
}
