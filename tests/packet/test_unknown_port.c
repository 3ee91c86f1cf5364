/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Packets to a VIP's port that no service has: they pass to the host, drop, or are answered with RST or unreachable. */
#include <netinet/in.h>
#include <string.h>

#include "packet/frame_parts.h"
#include "packet/packet_case.h"
#include "packet/policy.h"

#define FEATURES (FEATURE_ADDRESS | FEATURE_DENY4 | FEATURE_DENY6)

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10

#define TCP4(vip, ...)                                                                                                 \
	{                                                                                                              \
		.from = CLIENT4, .to = vip, .from_port = 40000, .to_port = 9, ##__VA_ARGS__                            \
	}
#define TCP6(vip, ...)                                                                                                 \
	{                                                                                                              \
		.from = CLIENT6, .to = vip, .from_port = 40000, .to_port = 9, ##__VA_ARGS__                            \
	}
#define REJECTED COUNTED(rejected, GUE4)

static __u8 *tcp_of(struct frame *frame)
{
	return frame->data + (frame_is_v6(frame) ? FRAME_TRANSPORT6 : FRAME_TRANSPORT4);
}

CHANGE(more, frame_is_v6(frame) ? frame_extension(frame, IPPROTO_DSTOPTS, 24) : frame_options(frame, 40))
CHANGE(atomic, frame_atomic(frame, 1))
CHANGE(first, frame_fragment(frame, 1, 0, 32))
CHANGE(tagged, frame_tag(frame, 0x8100, 30))
CHANGE(q_in_q, frame_tag(frame, 0x8100, 30); frame_tag(frame, 0x88a8, 7))
CHANGE(broadcast, memset(frame->data, 0xff, 6))
CHANGE(multicast, memcpy(frame->data, "\x01\x00\x5e\x00\x00\x01", 6))
CHANGE(long_header, tcp_of(frame)[12] = 0x80)
CHANGE(header_beyond, tcp_of(frame)[12] = 0xf0)
CHANGE(last_sequence, memset(tcp_of(frame) + 4, 0xff, 4))
CHANGE(first_sequence, memset(tcp_of(frame) + 4, 0, 4))
CHANGE(zero_ack, memset(tcp_of(frame) + 8, 0, 4))
CHANGE(wrong_checksum, tcp_of(frame)[16] ^= 1)
CHANGE(wrong_ip_checksum, frame->data[FRAME_IP + 10] ^= 1)
CHANGE(error, frame_error(frame, frame_is_v6(frame) ? 2 : 3, frame_is_v6(frame) ? 0 : 4, 8))
CHANGE(cut, frame->length--)

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
WITH(reject, ADDRESS_REJECT | ADDRESS_ECHO_ANSWER)
WITH(drop, ADDRESS_DROP)
WITH(pass, 0)

#define BOTH(text, how, sent4, sent6, change_it, ...)                                                                  \
	{.name = "IPv4: " text,                                                                                        \
	 .features = FEATURES,                                                                                         \
	 .setup = how,                                                                                                 \
	 .client = sent4,                                                                                              \
	 .change = change_it,                                                                                          \
	 .outcome = __VA_ARGS__},                                                                                      \
	{                                                                                                              \
		.name = "IPv6: " text, .features = FEATURES, .setup = how, .client = sent6, .change = change_it,       \
		.outcome = __VA_ARGS__                                                                                 \
	}
/* TCP of `bytes` of data. */
#define SEGMENT(text, bytes, flags, how, why)                                                                          \
	BOTH("TCP: " text, reject, TCP4(V4_GUE4, .tcp_flags = flags, .ip_length = 40 + (bytes)),                       \
	     TCP6(V6_GUE4, .tcp_flags = flags, .ip_length = 60 + (bytes)), how, why)
#define SIZE(bytes)                                                                                                    \
	BOTH("UDP: " #bytes " bytes of data", reject, TCP4(V4_GUE4, UDP, .ip_length = 28 + (bytes)),                   \
	     TCP6(V6_GUE4, UDP, .ip_length = 48 + (bytes)), NULL, REJECTED)
#define UDP_AS(text, how, ...)                                                                                         \
	BOTH("UDP: " text, reject, TCP4(V4_GUE4, UDP, ##__VA_ARGS__), TCP6(V6_GUE4, UDP, ##__VA_ARGS__), how, REJECTED)

static const struct packet_case rejected[] = {
	SEGMENT("a SYN", 0, SYN, NULL, REJECTED),
	SEGMENT("a SYN with ECN's flags", 0, 0xc2, NULL, REJECTED),
	SEGMENT("a SYN with data", 10, SYN, NULL, REJECTED),
	SEGMENT("an ACK", 0, ACK, NULL, REJECTED),
	SEGMENT("an ACK of 0", 0, ACK, zero_ack, REJECTED),
	SEGMENT("data", 16, PSH | ACK, NULL, REJECTED),
	SEGMENT("1 byte of data", 1, PSH | ACK, NULL, REJECTED),
	SEGMENT("1440 bytes of data", 1440, ACK, NULL, REJECTED),
	SEGMENT("data without ACK", 33, PSH, NULL, REJECTED),
	SEGMENT("a SYN with ACK", 0, SYN | ACK, NULL, REJECTED),
	SEGMENT("a FIN with ACK", 0, FIN | ACK, NULL, REJECTED),
	SEGMENT("a FIN without ACK", 0, FIN, NULL, REJECTED),
	SEGMENT("a FIN with data, without ACK", 5, FIN, NULL, REJECTED),
	SEGMENT("a SYN and FIN", 0, SYN | FIN, NULL, REJECTED),
	SEGMENT("URG alone", 0, 0x20, NULL, REJECTED),
	SEGMENT("a SYN with the last sequence number", 0, SYN, last_sequence, REJECTED),
	SEGMENT("a SYN with sequence number 0", 0, SYN, first_sequence, REJECTED),
	SEGMENT("data whose sequence numbers wrap", 20, FIN, last_sequence, REJECTED),
	SEGMENT("a SYN with TCP options", 12, SYN, long_header, REJECTED),
	SEGMENT("a SYN with TCP options and data", 13, SYN, long_header, REJECTED),
	SEGMENT("a wrong checksum, which the client will see to", 0, SYN, wrong_checksum, REJECTED),
	SEGMENT("a SYN with IPv4 options or IPv6 extension headers", 0, SYN, more, REJECTED),
	SEGMENT("data with IPv4 options or IPv6 extension headers", 9, ACK, more, REJECTED),
	SEGMENT("a SYN in a VLAN", 0, SYN, tagged, REJECTED),
	SEGMENT("a SYN in QinQ", 0, SYN, q_in_q, REJECTED),
	SEGMENT("a first fragment", 100, SYN, first, REJECTED),
	BOTH("TCP: padding behind it", reject, TCP4(V4_GUE4, .tcp_flags = SYN, .ip_length = 40, .padding = 6),
	     TCP6(V6_GUE4, .tcp_flags = SYN, .ip_length = 60, .padding = 3), NULL, REJECTED),
	BOTH("TCP: TTL 1", reject, TCP4(V4_GUE4, .ttl = 1), TCP6(V6_GUE4, .ttl = 1), NULL, REJECTED),
	BOTH("TCP: TOS is not the answer's", reject, TCP4(V4_GUE4, .tos = 0xb9), TCP6(V6_GUE4, .tos = 0xb9), NULL,
	     REJECTED),
	SIZE(0),
	SIZE(1),
	SIZE(2),
	SIZE(18),
	SIZE(199),
	SIZE(519),
	SIZE(520),
	SIZE(521),
	SIZE(1183),
	SIZE(1184),
	SIZE(1185),
	SIZE(1452),
	SIZE(1473),
	UDP_AS("padding behind it", NULL, .padding = 7),
	UDP_AS("TTL 1", NULL, .ttl = 1),
	UDP_AS("TOS is not the answer's", NULL, .tos = 0xb9),
	UDP_AS("a wrong checksum", wrong_checksum),
	UDP_AS("IPv4 options or IPv6 extension headers", more),
	UDP_AS("a first fragment", first),
	UDP_AS("in a VLAN", tagged),
	UDP_AS("in QinQ, large", q_in_q, .ip_length = 1400),
	{.name = "IPv6: UDP: an atomic fragment",
	 .features = FEATURES,
	 .setup = reject,
	 .client = TCP6(V6_GUE4, UDP),
	 .change = atomic,
	 .outcome = REJECTED},
	{.name = "IPv4: UDP: a wrong header checksum",
	 .features = FEATURES,
	 .setup = reject,
	 .client = TCP4(V4_GUE4, UDP),
	 .change = wrong_ip_checksum,
	 .outcome = REJECTED},
};

#define FROM4(source)                                                                                                  \
	{                                                                                                              \
		.from = source, .to = V4_GUE4, .to_port = 9                                                            \
	}
#define FROM6(source)                                                                                                  \
	{                                                                                                              \
		.from = source, .to = V6_GUE4, .to_port = 9                                                            \
	}
#define SERVED(source, vip)                                                                                            \
	{                                                                                                              \
		.from = source, .to = vip, .to_port = 443                                                              \
	}
#define BIG                                                                                                            \
	{                                                                                                              \
		.from = CLIENT6, .to = V6_GUE4, .to_port = 443, .ip_length = 1700                                      \
	}
#define OF(vip, source, number)                                                                                        \
	{                                                                                                              \
		.from = source, .to = vip, .protocol = number                                                          \
	}

static const struct packet_case not_answered[] = {
	SEGMENT("a RST", 0, RST, NULL, COUNTED(unknown_port, GUE4)),
	SEGMENT("a RST with ACK", 0, RST | ACK, NULL, COUNTED(unknown_port, GUE4)),
	SEGMENT("a RST with SYN", 0, RST | SYN, NULL, COUNTED(unknown_port, GUE4)),
	SEGMENT("a header that says it is longer than the packet", 0, SYN, header_beyond, COUNTED(unknown_port, GUE4)),
	BOTH("TCP: a header cut after 8 bytes", reject, TCP4(V4_GUE4, .ip_length = 28), TCP6(V6_GUE4, .ip_length = 48),
	     NULL, COUNTED(unknown_port, GUE4)),
	BOTH("TCP: a header cut after 19 bytes", reject, TCP4(V4_GUE4, .ip_length = 39), TCP6(V6_GUE4, .ip_length = 59),
	     NULL, COUNTED(unknown_port, GUE4)),
	BOTH("an ICMP error about such a port", reject, TCP4(V4_GUE4), TCP6(V6_GUE4), error, ENDS(no_service)),
	BOTH("to reject, broadcast", reject, TCP4(V4_GUE4), TCP6(V6_GUE4), broadcast, ENDS(not_unicast)),
	BOTH("to reject, UDP by multicast", reject, TCP4(V4_GUE4, UDP), TCP6(V6_GUE4, UDP), multicast,
	     ENDS(not_unicast)),
	BOTH("to reject, from a martian", reject, FROM4("127.0.0.1"), FROM6("fe80::1"), NULL, COUNTED(martian, GUE4)),
	BOTH("to reject, from the VIP itself", reject, FROM4(V4_GUE4), FROM6(V6_GUE4), NULL, COUNTED(martian, GUE4)),
	BOTH("to reject, from a denied source", reject, FROM4("203.0.113.9"), FROM6("2001:db8:bad::9"), NULL,
	     COUNTED(denied, GUE4)),
	BOTH("to reject, cut short", reject, TCP4(V4_GUE4), TCP6(V6_GUE4), cut, ENDS(malformed)),
	BOTH("to reject, an address that is no VIP", reject, TCP4(V4_NO_VIP), TCP6(V6_NO_VIP), NULL, ENDS(no_service)),
	BOTH("to reject, an address that is no VIP, from a martian", reject, OF(V4_NO_VIP, "127.0.0.1", IPPROTO_UDP),
	     OF(V6_NO_VIP, "::1", IPPROTO_UDP), NULL, ENDS(no_service)),
	BOTH("to reject, GRE", reject, OF(V4_GUE4, CLIENT4, IPPROTO_GRE), OF(V6_GUE4, CLIENT6, IPPROTO_GRE), NULL,
	     ENDS(not_tcp_udp)),
	BOTH("to reject, SCTP", reject, OF(V4_GUE4, CLIENT4, IPPROTO_SCTP), OF(V6_GUE4, CLIENT6, IPPROTO_SCTP), NULL,
	     ENDS(not_tcp_udp)),
	BOTH("to reject, a port that a service has", reject, SERVED(CLIENT4, V4_GUE4), SERVED(CLIENT6, V6_GUE4), NULL,
	     TAKEN(GUE4)),
	BOTH("to drop, a port that a service has", drop, SERVED(CLIENT4, V4_GUE4), SERVED(CLIENT6, V6_GUE4), NULL,
	     TAKEN(GUE4)),
	BOTH("to drop, TCP", drop, TCP4(V4_GUE4), TCP6(V6_GUE4), NULL, COUNTED(unknown_port, GUE4)),
	BOTH("to drop, UDP", drop, TCP4(V4_GUE4, UDP), TCP6(V6_GUE4, UDP), NULL, COUNTED(unknown_port, GUE4)),
	BOTH("to drop, with options or extension headers", drop, TCP4(V4_GUE4), TCP6(V6_GUE4), more,
	     COUNTED(unknown_port, GUE4)),
	BOTH("to drop, in a VLAN", drop, TCP4(V4_L2), TCP6(V6_L2), tagged, COUNTED(unknown_port, L2)),
	BOTH("to drop, broadcast", drop, TCP4(V4_GUE4), TCP6(V6_GUE4), broadcast, ENDS(not_unicast)),
	BOTH("to drop, from a martian", drop, FROM4("240.0.0.1"), FROM6("::ffff:1.2.3.4"), NULL,
	     COUNTED(martian, GUE4)),
	BOTH("to drop, from a denied source", drop, FROM4("203.0.113.9"), FROM6("2001:db8:bad::9"), NULL,
	     COUNTED(denied, GUE4)),
	BOTH("to drop, an address that is no VIP", drop, TCP4(V4_NO_VIP), TCP6(V6_NO_VIP), NULL, ENDS(no_service)),
	BOTH("to drop, an ICMP error about such a port", drop, TCP4(V4_GUE4), TCP6(V6_GUE4), error, ENDS(no_service)),
	BOTH("to drop, ESP", drop, OF(V4_GUE4, CLIENT4, IPPROTO_ESP), OF(V6_GUE4, CLIENT6, IPPROTO_ESP), NULL,
	     ENDS(not_tcp_udp)),
	BOTH("to pass, TCP", pass, TCP4(V4_GUE4), TCP6(V6_GUE4), NULL, ENDS(no_service)),
	BOTH("to pass, UDP", pass, TCP4(V4_GUE4, UDP), TCP6(V6_GUE4, UDP), NULL, ENDS(no_service)),
	BOTH("to pass, from a martian", pass, FROM4("127.0.0.1"), FROM6("::1"), NULL, ENDS(no_service)),
	BOTH("to pass, from a denied source", pass, FROM4("203.0.113.9"), FROM6("2001:db8:bad::9"), NULL,
	     ENDS(no_service)),
	BOTH("to pass, in QinQ with options or extension headers", pass, TCP4(V4_GUE4), TCP6(V6_GUE4), q_in_q,
	     ENDS(no_service)),
};

/* A service bound to a VLAN is none of others. */
static void bound(struct fixture *fixture)
{
	world_services(fixture, SERVICE_SLOW);
	world_addresses(fixture, ADDRESS_REJECT);
	policy_options(fixture, GUE4, &(struct service_options){.vlan = 30});
}

static void prefixes(struct fixture *fixture)
{
	world_prefixes(fixture, 0, IPPROTO_TCP, ADDRESS_REJECT);
}

#define SLOW_CASE(text, sent, how, why)                                                                                \
	{                                                                                                              \
		.name = text, .features = FEATURES | FEATURE_SLOW, .setup = bound, .client = sent, .change = how,      \
		.outcome = why                                                                                         \
	}
#define OF_PREFIX(text, sent, why)                                                                                     \
	{                                                                                                              \
		.name = text, .features = FEATURES | FEATURE_PREFIX4 | FEATURE_PREFIX6 | FEATURE_ANY_PORT,             \
		.setup = prefixes, .client = sent, .outcome = why                                                      \
	}
#define LIMITED(text, sent, ...)                                                                                       \
	{                                                                                                              \
		.name = text, .features = FEATURES, .replies = LIMIT(2), .setup = reject, .client = sent, __VA_ARGS__  \
	}
#define NO_ANSWER                                                                                                      \
	{                                                                                                              \
		.client = TCP4(V4_GUE4, .tcp_flags = RST), .outcome = COUNTED(unknown_port, GUE4)                      \
	}
#define STEP(sent)                                                                                                     \
	{                                                                                                              \
		.client = sent, .outcome = REJECTED                                                                    \
	}

static const struct packet_case others[] = {
	SLOW_CASE("IPv4: a service of VLAN 30, from there", SERVED(CLIENT4, V4_GUE4), tagged, TAKEN(GUE4)),
	SLOW_CASE("IPv4: a service of VLAN 30, untagged", SERVED(CLIENT4, V4_GUE4), NULL, REJECTED),
	SLOW_CASE("IPv6: a service of VLAN 30, from there", SERVED(CLIENT6, V6_GUE4), tagged, TAKEN(GUE4)),
	SLOW_CASE("IPv6: a service of VLAN 30, untagged", SERVED(CLIENT6, V6_GUE4), NULL, REJECTED),
	OF_PREFIX("IPv4: an address of a prefix, UDP", TCP4("203.0.113.77", UDP), COUNTED(rejected, GUE6)),
	OF_PREFIX("IPv6: an address of a prefix, UDP", TCP6("2001:db8:a::77", UDP), COUNTED(rejected, GUE6)),
	OF_PREFIX("IPv4: an address beside it, UDP", TCP4("203.0.114.77", UDP), ENDS(no_service)),
	OF_PREFIX("IPv6: an address beside it, UDP", TCP6("2001:db8:b::77", UDP), ENDS(no_service)),
	LIMITED("IPv4: the second of two answers", TCP4(V4_GUE4), .before = BEFORE(STEP(TCP4(V4_GUE4))),
		.outcome = REJECTED),
	LIMITED("IPv4 TCP: one answer too many", TCP4(V4_GUE4),
		.before = BEFORE(STEP(TCP4(V4_GUE4)), STEP(TCP6(V6_GUE4))), .outcome = COUNTED(reply_limited, GUE4)),
	LIMITED("IPv4 UDP: one answer too many", TCP4(V4_GUE4, UDP),
		.before = BEFORE(STEP(TCP4(V4_GUE4)), STEP(TCP6(V6_GUE4))), .outcome = COUNTED(reply_limited, GUE4)),
	LIMITED("IPv6 TCP: one answer too many", TCP6(V6_GUE4),
		.before = BEFORE(STEP(TCP4(V4_GUE4)), STEP(TCP6(V6_GUE4))), .outcome = COUNTED(reply_limited, GUE4)),
	LIMITED("IPv6 UDP: one answer too many", TCP6(V6_GUE4, UDP),
		.before = BEFORE(STEP(TCP4(V4_GUE4)), STEP(TCP6(V6_GUE4))), .outcome = COUNTED(reply_limited, GUE4)),
	LIMITED("RSTs, which are not answered, leave it to others", TCP4(V4_GUE4),
		.before = BEFORE(NO_ANSWER, NO_ANSWER, NO_ANSWER), .outcome = REJECTED),
	LIMITED("pings have a limit of their own", OF(V4_GUE4, CLIENT4, IPPROTO_ICMP),
		.before = BEFORE(STEP(TCP4(V4_GUE4)), STEP(TCP6(V6_GUE4))), .outcome = COUNTED(echo, GUE4)),
	LIMITED("what is too big shares it", BIG, .before = BEFORE(STEP(TCP4(V4_GUE4)), STEP(TCP6(V6_GUE4))),
		.outcome = COUNTED(reply_limited, GUE4)),
};

static const struct case_group groups[] = {
	GROUP("Unknown ports that are rejected", rejected),
	GROUP("Unknown ports that are not answered", not_answered),
	GROUP("Unknown ports: VLANs, prefixes, the limit", others),
};

int main(int argc, char **argv)
{
	return GROUPS_RUN(argc, argv, groups);
}
