/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Pings of VIPs: answered by the balancer itself, dropped, or left to the host; all of others' are the host's. */
#include <netinet/in.h>
#include <string.h>

#include "packet/frame_parts.h"
#include "packet/packet_case.h"
#include "packet/policy.h"

#define FEATURES FEATURE_ADDRESS

#define PING4(vip, ...)                                                                                                \
	{                                                                                                              \
		.from = CLIENT4, .to = vip, .protocol = IPPROTO_ICMP, ##__VA_ARGS__                                    \
	}
#define PING6(vip, ...)                                                                                                \
	{                                                                                                              \
		.from = CLIENT6, .to = vip, .protocol = IPPROTO_ICMPV6, ##__VA_ARGS__                                  \
	}
#define PING4_FROM(source)                                                                                             \
	{                                                                                                              \
		.from = source, .to = V4_GUE4, .protocol = IPPROTO_ICMP                                                \
	}
#define PING6_FROM(source)                                                                                             \
	{                                                                                                              \
		.from = source, .to = V6_GUE4, .protocol = IPPROTO_ICMPV6                                              \
	}

static __u8 *icmp_of(struct frame *frame)
{
	return frame->data + (frame_is_v6(frame) ? FRAME_TRANSPORT6 : FRAME_TRANSPORT4);
}

CHANGE(wrong_checksum, icmp_of(frame)[2] ^= 0x5a)
CHANGE(no_checksum, icmp_of(frame)[2] = icmp_of(frame)[3] = 0)
CHANGE(all_ones, icmp_of(frame)[2] = icmp_of(frame)[3] = 0xff)
CHANGE(code, icmp_of(frame)[1] = 1)
CHANGE(reply, icmp_of(frame)[0] = frame_is_v6(frame) ? 129 : 0)
CHANGE(timestamp, icmp_of(frame)[0] = frame_is_v6(frame) ? 130 : 13)
CHANGE(other_familys, icmp_of(frame)[0] = frame_is_v6(frame) ? 8 : 128)
CHANGE(with_more, frame_is_v6(frame) ? frame_extension(frame, IPPROTO_HOPOPTS, 8) : frame_options(frame, 8))
CHANGE(first, frame_fragment(frame, 1, 0, 16))
CHANGE(last, frame_fragment(frame, 1, 16, 0))
CHANGE(atomic, frame_atomic(frame, 1))
CHANGE(tagged, frame_tag(frame, 0x8100, 30))
CHANGE(q_in_q, frame_tag(frame, 0x8100, 30); frame_tag(frame, 0x88a8, 7))
CHANGE(broadcast, memset(frame->data, 0xff, 6))
CHANGE(multicast, memcpy(frame->data, "\x33\x33\x00\x00\x00\x01", 6))
CHANGE(cut, frame->length--)
CHANGE(seven_bytes, frame_put16(frame, FRAME_IP + (frame_is_v6(frame) ? 4 : 2), frame_is_v6(frame) ? 7 : 27);
       if (!frame_is_v6(frame)) frame_checksum4(frame))
CHANGE(wrong_ip_checksum, frame->data[FRAME_IP + 10] ^= 1)
CHANGE(may_fragment, frame_put16(frame, FRAME_IP + 4, 77); frame_put16(frame, FRAME_IP + 6, 0); frame_checksum4(frame))
CHANGE(label, frame->data[FRAME_IP + 1] |= 0xf; frame_put16(frame, FRAME_IP + 2, 0x1234))

static void with(struct fixture *fixture, __u16 flags)
{
	world_fill(fixture);
	world_addresses(fixture, flags);
	policy_deny(fixture, "203.0.113.0/24");
	policy_deny(fixture, "2001:db8:bad::/48");
}

#define WITH(name, flags)                                                                                              \
	static void name(struct fixture *fixture)                                                                      \
	{                                                                                                              \
		with(fixture, flags);                                                                                  \
	}
WITH(answer, ADDRESS_ECHO_ANSWER)
WITH(answer_and_reject, ADDRESS_ECHO_ANSWER | ADDRESS_REJECT)
WITH(answer_and_drop, ADDRESS_ECHO_ANSWER | ADDRESS_DROP)
WITH(drop, ADDRESS_ECHO_DROP)
WITH(pass, 0)
WITH(pass_and_reject, ADDRESS_REJECT)

#define ECHO(text, how, ...)                                                                                           \
	{.name = "IPv4: " text,                                                                                        \
	 .features = FEATURES,                                                                                         \
	 .setup = answer,                                                                                              \
	 .client = PING4(V4_GUE4, ##__VA_ARGS__),                                                                      \
	 .change = how,                                                                                                \
	 .outcome = COUNTED(echo, GUE4)},                                                                              \
	{                                                                                                              \
		.name = "IPv6: " text, .features = FEATURES, .setup = answer, .client = PING6(V6_GUE4, ##__VA_ARGS__), \
		.change = how, .outcome = COUNTED(echo, GUE4)                                                          \
	}
#define SIZE(bytes)                                                                                                    \
	{.name = "IPv4: " #bytes " bytes of data",                                                                     \
	 .features = FEATURES,                                                                                         \
	 .setup = answer,                                                                                              \
	 .client = PING4(V4_GUE4, .ip_length = 28 + (bytes)),                                                          \
	 .outcome = COUNTED(echo, GUE4)},                                                                              \
	{                                                                                                              \
		.name = "IPv6: " #bytes " bytes of data", .features = FEATURES, .setup = answer,                       \
		.client = PING6(V6_GUE4, .ip_length = 48 + (bytes)), .outcome = COUNTED(echo, GUE4)                    \
	}

static const struct packet_case answered[] = {
	ECHO("a ping", NULL),
	SIZE(0),
	SIZE(1),
	SIZE(2),
	SIZE(3),
	SIZE(7),
	SIZE(17),
	SIZE(56),
	SIZE(255),
	SIZE(256),
	SIZE(1452),
	SIZE(1473),
	ECHO("padding behind it", NULL, .padding = 5),
	ECHO("TTL 1", NULL, .ttl = 1),
	ECHO("TTL 255", NULL, .ttl = 255),
	ECHO("TOS 0xb9", NULL, .tos = 0xb9),
	ECHO("TOS 0xff", NULL, .tos = 0xff),
	ECHO("a wrong checksum stays wrong", wrong_checksum),
	ECHO("a checksum of zero", no_checksum),
	ECHO("a checksum of all ones", all_ones),
	ECHO("in a VLAN", tagged),
	ECHO("in QinQ", q_in_q),
	{.name = "IPv4: a wrong header checksum",
	 .features = FEATURES,
	 .setup = answer,
	 .client = PING4(V4_GUE4),
	 .change = wrong_ip_checksum,
	 .outcome = COUNTED(echo, GUE4)},
	{.name = "IPv4: identification, and fragmenting allowed",
	 .features = FEATURES,
	 .setup = answer,
	 .client = PING4(V4_GUE4),
	 .change = may_fragment,
	 .outcome = COUNTED(echo, GUE4)},
	{.name = "IPv6: a flow label",
	 .features = FEATURES,
	 .setup = answer,
	 .client = PING6(V6_GUE4),
	 .change = label,
	 .outcome = COUNTED(echo, GUE4)},
	{.name = "IPv4: no headroom, of which none is needed",
	 .features = FEATURES,
	 .setup = answer,
	 .client = PING4(V4_GUE4),
	 .arrival = {.metadata = 216},
	 .outcome = COUNTED(echo, GUE4)},
	{.name = "IPv4: a VIP whose backend has no next hop",
	 .features = FEATURES,
	 .setup = answer,
	 .client = PING4(V4_UNRESOLVED),
	 .outcome = COUNTED(echo, UNRESOLVED)},
	{.name = "IPv6: a VIP whose backend has no next hop",
	 .features = FEATURES,
	 .setup = answer,
	 .client = PING6(V6_UNRESOLVED),
	 .outcome = COUNTED(echo, UNRESOLVED)},
	{.name = "IPv4: unknown ports are to reject",
	 .features = FEATURES,
	 .setup = answer_and_reject,
	 .client = PING4(V4_GUE4),
	 .outcome = COUNTED(echo, GUE4)},
	{.name = "IPv6: unknown ports are to drop",
	 .features = FEATURES,
	 .setup = answer_and_drop,
	 .client = PING6(V6_GUE4),
	 .outcome = COUNTED(echo, GUE4)},
	{.name = "IPv4: without a feature, as by default",
	 .setup = answer,
	 .client = PING4(V4_GUE4),
	 .outcome = COUNTED(echo, GUE4)},
	{.name = "IPv6: without a feature, as by default",
	 .setup = answer,
	 .client = PING6(V6_GUE4),
	 .outcome = COUNTED(echo, GUE4)},
};

#define BOTH(text, how, sent4, sent6, change_it, why)                                                                  \
	{.name = "IPv4: " text,                                                                                        \
	 .features = FEATURES | FEATURE_DENY4 | FEATURE_DENY6,                                                         \
	 .setup = how,                                                                                                 \
	 .client = sent4,                                                                                              \
	 .change = change_it,                                                                                          \
	 .outcome = why},                                                                                              \
	{                                                                                                              \
		.name = "IPv6: " text, .features = FEATURES | FEATURE_DENY4 | FEATURE_DENY6, .setup = how,             \
		.client = sent6, .change = change_it, .outcome = why                                                   \
	}

static const struct packet_case not_answered[] = {
	BOTH("options or extension headers: the host's", answer, PING4(V4_GUE4), PING6(V6_GUE4), with_more,
	     COUNTED(not_tcp_udp, GUE4)),
	BOTH("the first fragment: the host's", answer, PING4(V4_GUE4), PING6(V6_GUE4), first,
	     COUNTED(not_tcp_udp, GUE4)),
	BOTH("a further fragment without the first", answer, PING4(V4_GUE4), PING6(V6_GUE4), last, ENDS(fragment_lost)),
	{.name = "IPv6: an atomic fragment: the host's",
	 .features = FEATURES,
	 .setup = answer,
	 .client = PING6(V6_GUE4),
	 .change = atomic,
	 .outcome = COUNTED(not_tcp_udp, GUE4)},
	BOTH("a code that is not zero", answer, PING4(V4_GUE4), PING6(V6_GUE4), code, ENDS(not_tcp_udp)),
	BOTH("an echo reply", answer, PING4(V4_GUE4), PING6(V6_GUE4), reply, ENDS(not_tcp_udp)),
	BOTH("a timestamp request, a multicast listener query", answer, PING4(V4_GUE4), PING6(V6_GUE4), timestamp,
	     ENDS(not_tcp_udp)),
	BOTH("the other family's type", answer, PING4(V4_GUE4), PING6(V6_GUE4), other_familys, ENDS(not_tcp_udp)),
	BOTH("broadcast", answer, PING4(V4_GUE4), PING6(V6_GUE4), broadcast, ENDS(not_unicast)),
	BOTH("multicast", answer, PING4(V4_GUE4), PING6(V6_GUE4), multicast, ENDS(not_unicast)),
	BOTH("of an address that is no VIP", answer, PING4(V4_NO_VIP), PING6(V6_NO_VIP), NULL, ENDS(not_tcp_udp)),
	BOTH("from a martian", answer, PING4_FROM("127.0.0.1"), PING6_FROM("fe80::1"), NULL, COUNTED(martian, GUE4)),
	BOTH("from the VIP itself", answer, PING4_FROM(V4_GUE4), PING6_FROM(V6_GUE4), NULL, COUNTED(martian, GUE4)),
	BOTH("from a denied source", answer, PING4_FROM("203.0.113.9"), PING6_FROM("2001:db8:bad::9"), NULL,
	     COUNTED(denied, GUE4)),
	BOTH("the frame is one byte short", answer, PING4(V4_GUE4), PING6(V6_GUE4), cut, ENDS(malformed)),
	BOTH("shorter than its header", answer, PING4(V4_GUE4), PING6(V6_GUE4), seven_bytes, ENDS(not_tcp_udp)),
	BOTH("to drop", drop, PING4(V4_GUE4), PING6(V6_GUE4), NULL, COUNTED(echo_dropped, GUE4)),
	BOTH("to drop, in a VLAN", drop, PING4(V4_GUE4), PING6(V6_GUE4), tagged, COUNTED(echo_dropped, GUE4)),
	BOTH("to drop, with options or extension headers", drop, PING4(V4_GUE4), PING6(V6_GUE4), with_more,
	     COUNTED(echo_dropped, GUE4)),
	BOTH("to drop, broadcast", drop, PING4(V4_GUE4), PING6(V6_GUE4), broadcast, ENDS(not_unicast)),
	BOTH("to drop, of an address that is no VIP", drop, PING4(V4_NO_VIP), PING6(V6_NO_VIP), NULL,
	     ENDS(not_tcp_udp)),
	BOTH("to pass", pass, PING4(V4_GUE4), PING6(V6_GUE4), NULL, ENDS(not_tcp_udp)),
	BOTH("to pass, from a martian", pass, PING4_FROM("127.0.0.1"), PING6_FROM("fe80::1"), NULL, ENDS(not_tcp_udp)),
	BOTH("to pass, from a denied source", pass, PING4_FROM("203.0.113.9"), PING6_FROM("2001:db8:bad::9"), NULL,
	     ENDS(not_tcp_udp)),
	BOTH("to pass, where unknown ports are to reject", pass_and_reject, PING4(V4_GUE4), PING6(V6_GUE4), NULL,
	     ENDS(not_tcp_udp)),
};

/* One answer an hour, and a burst of two. */
#define CLIENT(source, vip, port, ...)                                                                                 \
	{                                                                                                              \
		.from = source, .to = vip, .to_port = port, ##__VA_ARGS__                                              \
	}
#define LIMITED(text, sent, ...)                                                                                       \
	{                                                                                                              \
		.name = text, .features = FEATURES, .replies = LIMIT(2), .setup = answer_and_reject, .client = sent,   \
		__VA_ARGS__                                                                                            \
	}
#define PING_STEP(family, number)                                                                                      \
	{                                                                                                              \
		.client = PING##family(V##family##_##number), .outcome = COUNTED(echo, number)                         \
	}

static const struct packet_case limited[] = {
	LIMITED("IPv4: the second of two answers", PING4(V4_GUE4), .before = BEFORE(PING_STEP(4, GUE4)),
		.outcome = COUNTED(echo, GUE4)),
	LIMITED("IPv4: one answer too many", PING4(V4_GUE4), .before = BEFORE(PING_STEP(4, GUE4), PING_STEP(4, GUE4)),
		.outcome = COUNTED(reply_limited, GUE4)),
	LIMITED("IPv6: one answer too many", PING6(V6_GUE4), .before = BEFORE(PING_STEP(6, GUE4), PING_STEP(6, GUE4)),
		.outcome = COUNTED(reply_limited, GUE4)),
	LIMITED("all VIPs share the limit", PING4(V4_L2), .before = BEFORE(PING_STEP(4, GUE4), PING_STEP(6, GUE6)),
		.outcome = COUNTED(reply_limited, L2)),
	LIMITED("IPv6: all VIPs share the limit", PING6(V6_L2),
		.before = BEFORE(PING_STEP(4, GUE4), PING_STEP(4, GUE6)), .outcome = COUNTED(reply_limited, L2)),
	LIMITED("a flood of pings leaves resets alone", CLIENT(CLIENT4, V4_GUE4, 9),
		.before = BEFORE(PING_STEP(4, GUE4), PING_STEP(6, GUE6)), .outcome = COUNTED(rejected, GUE4)),
	LIMITED("a flood of pings leaves path MTU discovery alone", CLIENT(CLIENT6, V6_L2, 443, .ip_length = 1601),
		.before = BEFORE(PING_STEP(4, GUE4), PING_STEP(6, GUE6)),
		.outcome = {.reason = REASON_too_big_told, .service = L2, .mtu = 1600}),
	LIMITED("pings of the host are not limited", PING4(V4_NO_VIP),
		.before = BEFORE(PING_STEP(4, GUE4), PING_STEP(6, GUE6)), .outcome = ENDS(not_tcp_udp)),
	LIMITED("service traffic is not limited", CLIENT(CLIENT4, V4_GUE4, 443),
		.before = BEFORE(PING_STEP(4, GUE4), PING_STEP(6, GUE6)),
		.outcome = {.reason = REASON_forwarded, .service = GUE4, .backend = GUE4}),
};

static const struct case_group groups[] = {
	GROUP("Pings that are answered", answered),
	GROUP("Pings that are not", not_answered),
	GROUP("Pings: the limit of answers", limited),
};

int main(int argc, char **argv)
{
	return GROUPS_RUN(argc, argv, groups);
}
