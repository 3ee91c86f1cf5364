/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Sources that no client can have: 0/8, 127/8 and 224/3 (RFC 1122, 3.2.1.3; RFC 6890); those whose first 80 bits are
 * zero, but for addresses that are not IPv4's in disguise, multicast and link-local (RFC 4291, 2.4); the VIP itself.
 * Packets of services drop; the host judges its own.
 */
#include <netinet/in.h>
#include <string.h>

#include "packet/frame_parts.h"
#include "packet/packet_case.h"
#include "packet/policy.h"

#define FROM(source, vip)                                                                                              \
	{                                                                                                              \
		.from = source, .to = vip, .from_port = 40000, .to_port = 443                                          \
	}
#define DATAGRAM(source, vip)                                                                                          \
	{                                                                                                              \
		.from = source, .to = vip, .from_port = 40000, .to_port = 443, .protocol = IPPROTO_UDP                 \
	}
#define MARTIAN                                                                                                        \
	{                                                                                                              \
		.reason = REASON_martian, .service = GUE4                                                              \
	}

/* On the fast path, on the slow path, and to the host. */
static void slow(struct fixture *fixture)
{
	world_services(fixture, SERVICE_SLOW);
}

#define PATHS(source, vip, other, ends)                                                                                \
	{.name = "from " source, .client = FROM(source, vip), .outcome = ends},                                        \
		{.name = "from " source ", on the slow path",                                                          \
		 .features = FEATURE_SLOW,                                                                             \
		 .setup = slow,                                                                                        \
		 .client = DATAGRAM(source, vip),                                                                      \
		 .outcome = ends},                                                                                     \
	{                                                                                                              \
		.name = "from " source ", to an address that is no VIP", .client = FROM(source, other),                \
		.outcome = ENDS(no_service)                                                                            \
	}
#define NONE4(source) PATHS(source, V4_GUE4, V4_NO_VIP, MARTIAN)
#define FINE4(source) PATHS(source, V4_GUE4, V4_NO_VIP, TAKEN(GUE4))
#define NONE6(source) PATHS(source, V6_GUE4, V6_NO_VIP, MARTIAN)
#define FINE6(source) PATHS(source, V6_GUE4, V6_NO_VIP, TAKEN(GUE4))

static const struct packet_case ipv4[] = {
	NONE4("0.0.0.0"),
	NONE4("0.0.0.1"),
	NONE4("0.255.255.255"),
	FINE4("1.0.0.0"),
	FINE4("126.255.255.255"),
	NONE4("127.0.0.0"),
	NONE4("127.0.0.1"),
	NONE4("127.255.255.255"),
	FINE4("128.0.0.0"),
	FINE4("223.255.255.255"),
	NONE4("224.0.0.0"),
	NONE4("224.0.0.1"),
	NONE4("239.255.255.255"),
	NONE4("240.0.0.0"),
	NONE4("255.255.255.255"),
	FINE4("10.0.0.1"),
	FINE4("100.64.0.1"),
	FINE4("169.254.1.1"),
	FINE4("172.16.0.1"),
	FINE4("192.168.1.1"),
	FINE4("192.0.2.4"), /* another VIP */
	{.name = "from the VIP itself", .client = FROM(V4_GUE4, V4_GUE4), .outcome = MARTIAN},
	{.name = "from the VIP itself, on the slow path",
	 .features = FEATURE_SLOW,
	 .setup = slow,
	 .client = FROM(V4_GUE4, V4_GUE4),
	 .outcome = MARTIAN},
	{.name = "from the address that it is to, which is no VIP",
	 .client = FROM(V4_NO_VIP, V4_NO_VIP),
	 .outcome = ENDS(no_service)},
};

static const struct packet_case ipv6[] = {
	NONE6("::"),
	NONE6("::1"),
	NONE6("::ffff:ffff"),
	NONE6("::198.51.100.7"),
	NONE6("::ffff:0:0"),
	NONE6("::ffff:198.51.100.7"),
	NONE6("::ffff:255.255.255.255"),
	FINE6("::1:0:0"),
	FINE6("::fffe:198.51.100.7"),
	FINE6("::1:198.51.100.7"),
	FINE6("0:0:0:0:1::"),
	FINE6("64:ff9b::198.51.100.7"),
	FINE6("2000::"),
	FINE6("2002:c633:6407::1"),
	FINE6("fc00::1"),
	FINE6("fd00::1"),
	FINE6("fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
	NONE6("fe80::"),
	NONE6("fe80::1"),
	NONE6("febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
	FINE6("fec0::"),
	FINE6("feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
	NONE6("ff00::"),
	NONE6("ff02::1"),
	NONE6("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
	FINE6("2001:db8::4"),
	FINE6("2001:db9::3"),
	FINE6("2001:db8::1:0:0:3"),
	{.name = "from the VIP itself", .client = FROM(V6_GUE4, V6_GUE4), .outcome = MARTIAN},
	{.name = "from the VIP itself, on the slow path",
	 .features = FEATURE_SLOW,
	 .setup = slow,
	 .client = FROM(V6_GUE4, V6_GUE4),
	 .outcome = MARTIAN},
	{.name = "from the address that it is to, which is no VIP",
	 .client = FROM(V6_NO_VIP, V6_NO_VIP),
	 .outcome = ENDS(no_service)},
};

CHANGE(tagged, frame_tag(frame, 0x8100, 30))
CHANGE(more, frame_is_v6(frame) ? frame_extension(frame, IPPROTO_HOPOPTS, 8) : frame_options(frame, 8))
CHANGE(first, frame_fragment(frame, 1, 0, 16))
CHANGE(broadcast, memset(frame->data, 0xff, 6))
CHANGE(error, frame_error(frame, frame_is_v6(frame) ? 2 : 3, frame_is_v6(frame) ? 0 : 4, 8))
/* the router's address is an odd one: ICMP errors come from anywhere */
CHANGE(error_from_martian, error(frame); memset(frame->data + FRAME_IP + (frame_is_v6(frame) ? 8 : 12), 0, 4);
       if (!frame_is_v6(frame)) frame_checksum4(frame))

/* A prefix as VIP: the source may be any other of its addresses. */
static void prefixes(struct fixture *fixture)
{
	struct service service = world_service(GUE4);

	world_backends(fixture);
	fixture_prefix(fixture, "203.0.113.0/24", 443, IPPROTO_TCP, &service);
	fixture_prefix(fixture, "2001:db8:a::/48", 443, IPPROTO_TCP, &service);
}

#define BOTH(text, how, ends)                                                                                          \
	{.name = "IPv4: " text, .client = FROM("127.0.0.1", V4_GUE4), .change = how, .outcome = ends},                 \
	{                                                                                                              \
		.name = "IPv6: " text, .client = FROM("fe80::1", V6_GUE4), .change = how, .outcome = ends              \
	}
#define OF_PREFIX(text, sent, ends)                                                                                    \
	{                                                                                                              \
		.name = text, .features = FEATURE_PREFIX4 | FEATURE_PREFIX6, .setup = prefixes, .client = sent,        \
		.outcome = ends                                                                                        \
	}

static const struct packet_case shapes[] = {
	BOTH("a martian in a VLAN", tagged, MARTIAN),
	BOTH("a martian with options or extension headers", more, MARTIAN),
	BOTH("a martian's first fragment", first, MARTIAN),
	BOTH("a martian's broadcast", broadcast, {.reason = REASON_not_unicast}),
	{.name = "IPv4: an ICMP error from 0.0.0.0/8",
	 .client = FROM(CLIENT4, V4_GUE4),
	 .change = error_from_martian,
	 .outcome = TAKEN(GUE4)},
	{.name = "IPv6: an ICMP error from an odd address",
	 .client = FROM(CLIENT6, V6_GUE4),
	 .change = error_from_martian,
	 .outcome = TAKEN(GUE4)},
	OF_PREFIX("IPv4: from the address of a prefix that it is to", FROM("203.0.113.5", "203.0.113.5"), MARTIAN),
	OF_PREFIX("IPv4: from another address of it", FROM("203.0.113.6", "203.0.113.5"), TAKEN(GUE4)),
	OF_PREFIX("IPv6: from the address of a prefix that it is to", FROM("2001:db8:a::5", "2001:db8:a::5"), MARTIAN),
	OF_PREFIX("IPv6: from another address of it", FROM("2001:db8:a::6", "2001:db8:a::5"), TAKEN(GUE4)),
	{.name = "a martian to a pool without a next hop",
	 .client = FROM("127.0.0.1", V4_UNRESOLVED),
	 .outcome = {.reason = REASON_martian, .service = UNRESOLVED}},
};

static const struct case_group groups[] = {
	GROUP("Martians: IPv4", ipv4),
	GROUP("Martians: IPv6", ipv6),
	GROUP("Martians in other shapes", shapes),
};

int main(int argc, char **argv)
{
	return GROUPS_RUN(argc, argv, groups);
}
