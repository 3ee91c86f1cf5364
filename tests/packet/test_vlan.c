/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * VLAN tags: frames that come with some, backends whose next hop wants some, services that are bound to a VLAN.
 * What is sent to a backend has the tags of its next hop alone; what goes to the host keeps its own.
 */
#include <netinet/in.h>
#include <string.h>

#include "packet/answer.h"
#include "packet/packet_case.h"
#include "packet/policy.h"

#define CUSTOMER 0x8100 /* IEEE 802.1Q */
#define SERVICE	 0x88a8 /* IEEE 802.1ad */

#define FROM4(number) CLIENT4_TO(V4_##number)
#define FROM6(number) CLIENT6_TO(V6_##number)
#define UDP4(number)  CLIENT4_TO(V4_##number, UDP)
#define UDP6(number)  CLIENT6_TO(V6_##number, UDP)

#define MODES(X) X(IPIP4) X(IPIP6) X(GUE4) X(GUE6) X(L2)

CHANGE(customer, frame_tag(frame, CUSTOMER, 100))
CHANGE(service, frame_tag(frame, SERVICE, 100))
CHANGE(priority, frame_tag(frame, CUSTOMER, 0xe000))
CHANGE(all_bits, frame_tag(frame, CUSTOMER, 0xffff))
CHANGE(q_in_q, frame_tag(frame, CUSTOMER, 100); frame_tag(frame, SERVICE, 200))
CHANGE(two_customers, frame_tag(frame, CUSTOMER, 100); frame_tag(frame, CUSTOMER, 200))
CHANGE(two_services, frame_tag(frame, SERVICE, 100); frame_tag(frame, SERVICE, 200))

/* Each way to a backend, for each kind of tag. */
#define TAGGED(mode)                                                                                                   \
	{.name = #mode ": IPv4 with an 802.1Q tag",                                                                    \
	 .client = FROM4(mode),                                                                                        \
	 .change = customer,                                                                                           \
	 .outcome = TAKEN(mode)},                                                                                      \
		{.name = #mode ": IPv6 with an 802.1Q tag",                                                            \
		 .client = FROM6(mode),                                                                                \
		 .change = customer,                                                                                   \
		 .outcome = TAKEN(mode)},                                                                              \
		{.name = #mode ": IPv4 with an 802.1ad tag",                                                           \
		 .client = UDP4(mode),                                                                                 \
		 .change = service,                                                                                    \
		 .outcome = TAKEN(mode)},                                                                              \
		{.name = #mode ": IPv6 with an 802.1ad tag",                                                           \
		 .client = UDP6(mode),                                                                                 \
		 .change = service,                                                                                    \
		 .outcome = TAKEN(mode)},                                                                              \
		{.name = #mode ": IPv4 in QinQ", .client = FROM4(mode), .change = q_in_q, .outcome = TAKEN(mode)},     \
		{.name = #mode ": IPv6 in QinQ", .client = FROM6(mode), .change = q_in_q, .outcome = TAKEN(mode)},
#define TAGGED_OUT(mode)                                                                                               \
	{.name = #mode ": IPv4 with a tag, out of another interface",                                                  \
	 .client = FROM4(mode##_OUT),                                                                                  \
	 .change = customer,                                                                                           \
	 .outcome = TAKEN_OUT(mode##_OUT)},                                                                            \
		{.name = #mode ": IPv6 with a tag, out of another interface",                                          \
		 .client = FROM6(mode##_OUT),                                                                          \
		 .change = customer,                                                                                   \
		 .outcome = TAKEN_OUT(mode##_OUT)},

static const struct packet_case tagged[] = {
	MODES(TAGGED) MODES(TAGGED_OUT){
		.name = "IPv4 with a priority tag", .client = FROM4(GUE4), .change = priority, .outcome = TAKEN(GUE4)},
	{.name = "IPv6 with a priority tag", .client = FROM6(GUE4), .change = priority, .outcome = TAKEN(GUE4)},
	{.name = "IPv4 with all bits of the tag set",
	 .client = FROM4(GUE4),
	 .change = all_bits,
	 .outcome = TAKEN(GUE4)},
	{.name = "IPv6 with all bits of the tag set",
	 .client = FROM6(GUE4),
	 .change = all_bits,
	 .outcome = TAKEN(GUE4)},
	{.name = "IPv4 with two 802.1Q tags", .client = FROM4(L2), .change = two_customers, .outcome = TAKEN(L2)},
	{.name = "IPv6 with two 802.1Q tags", .client = FROM6(L2), .change = two_customers, .outcome = TAKEN(L2)},
	{.name = "IPv4 with two 802.1ad tags", .client = FROM4(IPIP6), .change = two_services, .outcome = TAKEN(IPIP6)},
	{.name = "IPv6 with two 802.1ad tags", .client = FROM6(IPIP6), .change = two_services, .outcome = TAKEN(IPIP6)},
	{.name = "IPv4 with a tag, as large as the MTU allows",
	 .client = {.from = CLIENT4, .to = V4_L2_OUT, .to_port = 443, .ip_length = WORLD_MTU_OUT},
	 .change = q_in_q,
	 .outcome = TAKEN_OUT(L2_OUT)},
	{.name = "IPv6 with a tag, as large as the MTU allows",
	 .client = {.from = CLIENT6, .to = V6_GUE6_OUT, .to_port = 443, .ip_length = WORLD_MTU_OUT - 48},
	 .change = q_in_q,
	 .outcome = TAKEN_OUT(GUE6_OUT)},
	{.name = "IPv4 with a tag and padding",
	 .client = {.from = CLIENT4, .to = V4_IPIP4, .to_port = 443, .ip_length = 40, .padding = 6},
	 .change = customer,
	 .outcome = TAKEN(IPIP4)},
	{.name = "IPv4 with a tag, TOS copied outward",
	 .client = {.from = CLIENT4, .to = V4_IPIP6, .to_port = 443, .tos = 0xb9},
	 .change = customer,
	 .outcome = TAKEN(IPIP6)},
	{.name = "IPv6 with a tag, traffic class copied outward",
	 .client = {.from = CLIENT6, .to = V6_IPIP4, .to_port = 443, .tos = 0xb9},
	 .change = customer,
	 .outcome = TAKEN(IPIP4)},
};

/* Backends behind tagged next hops: one tag, and two. */
#define TAG(tpid, tci) ((__u32)(tpid) << 16 | (tci))
#define BEHIND_ONE     .ifindex = FIXTURE_INTERFACE, .mtu = 1500, .tag = {TAG(CUSTOMER, 0x6000 | 10)}
#define BEHIND_TWO     .ifindex = WORLD_OTHER, .mtu = 1496, .tag = {TAG(SERVICE, 20), TAG(CUSTOMER, 4094)}

static const struct target targets[WORLD_BACKENDS] = {
	[IPIP4] = {FORWARD_IPIP, "10.1.0.11", "10.1.0.2", BEHIND_ONE},
	[IPIP6] = {FORWARD_IPIP, "2001:db8:1::12", "2001:db8:1::2", BEHIND_ONE},
	[GUE4] = {FORWARD_GUE, "10.1.0.13", "10.1.0.2", 6080, BEHIND_ONE},
	[GUE6] = {FORWARD_GUE, "2001:db8:1::14", "2001:db8:1::2", 6080, BEHIND_ONE},
	[L2] = {FORWARD_L2, "10.1.0.15", "10.1.0.2", BEHIND_ONE},
	[IPIP4_OUT] = {FORWARD_IPIP, "10.2.255.16", "10.1.0.2", BEHIND_TWO},
	[IPIP6_OUT] = {FORWARD_IPIP, "2001:db8:2::17", "2001:db8:1::2", BEHIND_TWO},
	[GUE4_OUT] = {FORWARD_GUE, "10.255.255.254", "10.1.0.2", 65535, BEHIND_TWO},
	[GUE6_OUT] = {FORWARD_GUE, "2001:db8:2::19", "2001:db8:1::2", 1024, BEHIND_TWO},
	[L2_OUT] = {FORWARD_L2, "2001:db8:2::20", "2001:db8:1::2", BEHIND_TWO},
};

static void tagged_hops(struct fixture *fixture)
{
	world_fill(fixture);
	for (__u16 n = IPIP4; n <= L2_OUT; n++)
		fixture_backend(fixture, n, &targets[n]);
}

#define BY(number)                                                                                                     \
	{                                                                                                              \
		.reason = REASON_forwarded, .service = number, .backend = number, .target = &targets[number]           \
	}
#define BY_OUT(number)                                                                                                 \
	{                                                                                                              \
		.reason = REASON_redirected, .service = number, .backend = number, .target = &targets[number]          \
	}
#define HOP(text, ...)                                                                                                 \
	{                                                                                                              \
		.name = text, .setup = tagged_hops, __VA_ARGS__                                                        \
	}

#define NEXT_HOP(mode)                                                                                                 \
	HOP(#mode ": IPv4 to a tagged next hop", .client = FROM4(mode), .outcome = BY(mode)),                          \
		HOP(#mode ": IPv6 to a tagged next hop", .client = FROM6(mode), .outcome = BY(mode)),                  \
		HOP(#mode ": IPv4 to a next hop in QinQ", .client = FROM4(mode##_OUT), .outcome = BY_OUT(mode##_OUT)), \
		HOP(#mode ": IPv6 to a next hop in QinQ", .client = FROM6(mode##_OUT), .outcome = BY_OUT(mode##_OUT)), \
		HOP(#mode ": IPv4 from one VLAN into another", .client = UDP4(mode), .change = customer,               \
		    .outcome = BY(mode)),                                                                              \
		HOP(#mode ": IPv6 from one VLAN into another", .client = UDP6(mode), .change = customer,               \
		    .outcome = BY(mode)),                                                                              \
		HOP(#mode ": IPv4 from QinQ into a VLAN", .client = FROM4(mode), .change = q_in_q,                     \
		    .outcome = BY(mode)),                                                                              \
		HOP(#mode ": IPv6 from QinQ into a VLAN", .client = FROM6(mode), .change = q_in_q,                     \
		    .outcome = BY(mode)),

static const struct packet_case hops[] = {
	MODES(NEXT_HOP) HOP("IPv4 from QinQ into another QinQ", .client = FROM4(GUE6_OUT), .change = q_in_q,
			    .outcome = BY_OUT(GUE6_OUT)),
	HOP("IPv6 from QinQ into another QinQ", .client = FROM6(L2_OUT), .change = q_in_q, .outcome = BY_OUT(L2_OUT)),
	HOP("tags are no part of the MTU", .client = {.from = CLIENT4, .to = V4_L2, .to_port = 443, .ip_length = 1500},
	    .outcome = BY(L2)),
	HOP("IPv6: tags are no part of the MTU",
	    .client = {.from = CLIENT6, .to = V6_L2_OUT, .to_port = 443, .ip_length = 1496}, .outcome = BY_OUT(L2_OUT)),
	HOP("too big for a tagged next hop",
	    .client = {.from = CLIENT4, .to = V4_L2, .to_port = 443, .ip_length = 1501},
	    .outcome = {.reason = REASON_too_big_told, .service = L2, .mtu = 1500}),
	HOP("IPv6: too big for a tagged next hop",
	    .client = {.from = CLIENT6, .to = V6_GUE6, .to_port = 443, .ip_length = 1453},
	    .outcome = {.reason = REASON_too_big_told, .service = GUE6, .mtu = 1452}),
	HOP("no headroom for the next hop's tag", .client = FROM4(L2), .arrival = {.metadata = 216},
	    .outcome = {.reason = REASON_no_headroom, .service = L2}),
	HOP("headroom that the packet's own tag had", .client = FROM4(L2), .change = customer,
	    .arrival = {.metadata = 216}, .outcome = BY(L2)),
};

CHANGE(third, customer(frame); customer(frame); customer(frame))
CHANGE(third_mixed, q_in_q(frame); service(frame))
CHANGE(old_q_in_q, frame_tag(frame, CUSTOMER, 100); frame_tag(frame, 0x9100, 200))
CHANGE(tagged_arp, frame_put16(frame, 12, 0x0806); customer(frame))
CHANGE(tagged_twice_arp, frame_put16(frame, 12, 0x0806); q_in_q(frame))
CHANGE(tagged_mpls, frame_put16(frame, 12, 0x8847); service(frame))
CHANGE(other_family, frame_put16(frame, 12, 0x86dd); customer(frame))
CHANGE(cut_in_tag, customer(frame); frame->length = 14 + 3)
CHANGE(cut_in_second, q_in_q(frame); frame->length = 18 + 2)
CHANGE(cut_behind_tag, customer(frame); frame->length = 18)
CHANGE(cut_in_ip, customer(frame); frame->length = 18 + 19)
CHANGE(cut_in_ports, customer(frame); frame->length -= 21)
CHANGE(broadcast, customer(frame); memset(frame->data, 0xff, 6))

#define HOST(text, how, why)                                                                                           \
	{.name = "IPv4: " text, .client = FROM4(IPIP4), .change = how, .outcome = ENDS(why)},                          \
	{                                                                                                              \
		.name = "IPv6: " text, .client = FROM6(IPIP4), .change = how, .outcome = ENDS(why)                     \
	}

static const struct packet_case to_host[] = {
	HOST("three 802.1Q tags", third, not_ip),
	HOST("a tag before QinQ", third_mixed, not_ip),
	HOST("a tag of type 0x9100", old_q_in_q, not_ip),
	HOST("a tag before ARP", tagged_arp, not_ip),
	HOST("QinQ before ARP", tagged_twice_arp, not_ip),
	HOST("a tag before MPLS", tagged_mpls, not_ip),
	HOST("the frame ends in its tag", cut_in_tag, malformed),
	HOST("the frame ends in its second tag", cut_in_second, malformed),
	HOST("the frame ends behind its tag", cut_behind_tag, malformed),
	HOST("the frame ends in its IP header", cut_in_ip, malformed),
	HOST("the frame ends before its packet", cut_in_ports, malformed),
	HOST("a tagged broadcast frame", broadcast, not_unicast),
	{.name = "IPv4 in a tag of IPv6", .client = FROM4(IPIP4), .change = other_family, .outcome = ENDS(malformed)},
	{.name = "IPv4: tagged, to an address that is no VIP",
	 .client = {.from = CLIENT4, .to = "192.0.2.200", .to_port = 443},
	 .change = q_in_q,
	 .outcome = ENDS(no_service)},
	{.name = "IPv6: tagged, to an address that is no VIP",
	 .client = {.from = CLIENT6, .to = "2001:db8::200", .to_port = 443},
	 .change = q_in_q,
	 .outcome = ENDS(no_service)},
	{.name = "IPv4: tagged, to a port without a service",
	 .client = {.from = CLIENT4, .to = V4_GUE4, .to_port = 444},
	 .change = customer,
	 .outcome = ENDS(no_service)},
	{.name = "IPv6: tagged, to a port without a service",
	 .client = {.from = CLIENT6, .to = V6_GUE4, .to_port = 444},
	 .change = customer,
	 .outcome = ENDS(no_service)},
	{.name = "IPv4: a tagged ping of the host",
	 .client = {.from = CLIENT4, .to = "192.0.2.200", .protocol = IPPROTO_ICMP},
	 .change = customer,
	 .outcome = ENDS(not_tcp_udp)},
	{.name = "IPv6: a tagged ping of the host",
	 .client = {.from = CLIENT6, .to = "2001:db8::200", .protocol = IPPROTO_ICMPV6},
	 .change = customer,
	 .outcome = ENDS(not_tcp_udp)},
};

/* GUE4's service takes packets of VLAN 30 alone; L2's VLAN is set, but it is not on the slow path. */
static void bound(struct fixture *fixture)
{
	const struct service plain = world_service(L2);

	world_services(fixture, SERVICE_SLOW);
	policy_options(fixture, GUE4, &(struct service_options){.vlan = 30});
	policy_options(fixture, L2, &(struct service_options){.vlan = 30});
	fixture_vip(fixture, V4_L2, 443, IPPROTO_TCP, &plain);
	fixture_vip(fixture, V6_L2, 443, IPPROTO_TCP, &plain);
}

CHANGE(vlan_30, frame_tag(frame, CUSTOMER, 30))
CHANGE(vlan_31, frame_tag(frame, CUSTOMER, 31))
CHANGE(vlan_30_priority, frame_tag(frame, CUSTOMER, 0xb000 | 30))
CHANGE(vlan_30_service, frame_tag(frame, SERVICE, 30))
CHANGE(inner_30, frame_tag(frame, CUSTOMER, 30); frame_tag(frame, SERVICE, 7))
CHANGE(outer_30, frame_tag(frame, CUSTOMER, 7); frame_tag(frame, SERVICE, 30))
CHANGE(priority_in_30, priority(frame); frame_tag(frame, SERVICE, 30))

#define BOUND(text, how, why)                                                                                          \
	{.name = "IPv4: " text,                                                                                        \
	 .features = FEATURE_SLOW,                                                                                     \
	 .setup = bound,                                                                                               \
	 .client = FROM4(GUE4),                                                                                        \
	 .change = how,                                                                                                \
	 .outcome = why},                                                                                              \
	{                                                                                                              \
		.name = "IPv6: " text, .features = FEATURE_SLOW, .setup = bound, .client = FROM6(GUE4), .change = how, \
		.outcome = why                                                                                         \
	}

static const struct packet_case bound_to_30[] = {
	BOUND("bound to VLAN 30: from there", vlan_30, TAKEN(GUE4)),
	BOUND("bound to VLAN 30: from there, with a priority", vlan_30_priority, TAKEN(GUE4)),
	BOUND("bound to VLAN 30: by an 802.1ad tag", vlan_30_service, TAKEN(GUE4)),
	BOUND("bound to VLAN 30: from there, in another tag", inner_30, TAKEN(GUE4)),
	BOUND("bound to VLAN 30: untagged", NULL, ENDS(no_service)),
	BOUND("bound to VLAN 30: from VLAN 31", vlan_31, ENDS(no_service)),
	BOUND("bound to VLAN 30: a priority tag", priority, ENDS(no_service)),
	BOUND("bound to VLAN 30: which is the outer tag", outer_30, ENDS(no_service)),
	BOUND("bound to VLAN 30: a priority tag in it", priority_in_30, ENDS(no_service)),
	{.name = "IPv4 UDP: bound to VLAN 30: from there",
	 .features = FEATURE_SLOW,
	 .setup = bound,
	 .client = UDP4(GUE4),
	 .change = vlan_30,
	 .outcome = TAKEN(GUE4)},
	{.name = "IPv6 UDP: bound to VLAN 30: untagged",
	 .features = FEATURE_SLOW,
	 .setup = bound,
	 .client = UDP6(GUE4),
	 .outcome = ENDS(no_service)},
	{.name = "IPv4: a service that is not bound, from VLAN 31",
	 .features = FEATURE_SLOW,
	 .setup = bound,
	 .client = FROM4(GUE6),
	 .change = vlan_31,
	 .outcome = TAKEN(GUE6)},
	{.name = "IPv6: a service that is not bound, untagged",
	 .features = FEATURE_SLOW,
	 .setup = bound,
	 .client = FROM6(GUE6),
	 .outcome = TAKEN(GUE6)},
	{.name = "IPv4: bound, but not on the slow path: not looked at",
	 .features = FEATURE_SLOW,
	 .setup = bound,
	 .client = FROM4(L2),
	 .outcome = TAKEN(L2)},
	{.name = "IPv6: bound, but not on the slow path: not looked at",
	 .features = FEATURE_SLOW,
	 .setup = bound,
	 .client = FROM6(L2),
	 .change = vlan_31,
	 .outcome = TAKEN(L2)},
	{.name = "bound to VLAN 30, without the feature: not looked at",
	 .setup = bound,
	 .client = FROM4(GUE4),
	 .change = vlan_31,
	 .outcome = TAKEN(GUE4)},
	{.name = "bound to VLAN 30: another VLAN's packet from a martian is the host's",
	 .features = FEATURE_SLOW,
	 .setup = bound,
	 .client = {.from = "127.0.0.1", .to = V4_GUE4, .to_port = 443},
	 .change = vlan_31,
	 .outcome = ENDS(no_service)},
	{.name = "IPv4: an untagged packet from a martian to a service of VLAN 30 is the host's",
	 .features = FEATURE_SLOW,
	 .setup = bound,
	 .client = {.from = "127.0.0.1", .to = V4_GUE4, .to_port = 443},
	 .outcome = ENDS(no_service)},
	{.name = "IPv6: an untagged packet from a martian to a service of VLAN 30 is the host's",
	 .features = FEATURE_SLOW,
	 .setup = bound,
	 .client = {.from = "fe80::1", .to = V6_GUE4, .to_port = 443},
	 .outcome = ENDS(no_service)},
	{.name = "IPv6: bound to VLAN 30: another VLAN's packet from a martian is the host's",
	 .features = FEATURE_SLOW,
	 .setup = bound,
	 .client = {.from = "fe80::1", .to = V6_GUE4, .to_port = 443},
	 .change = vlan_31,
	 .outcome = ENDS(no_service)},
};

static const struct case_group groups[] = {
	GROUP("VLAN tags of received frames", tagged),
	GROUP("VLAN tags of next hops", hops),
	GROUP("Tagged frames that go to the host", to_host),
	GROUP("Services of a VLAN", bound_to_30),
};

int main(int argc, char **argv)
{
	return GROUPS_RUN(argc, argv, groups);
}
