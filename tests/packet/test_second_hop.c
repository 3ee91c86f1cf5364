// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Who else may have the flow, on packets of slots with a previous owner: the whole frame, its bytes written from
 * doc/second-hop.md. Where there is no room or nobody to name, the packet leaves as it would without.
 */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <string.h>

#include "packet/packet_case.h"

#define FEATURES (FEATURE_TRANSITION | FEATURE_SECOND_HOP)

struct hop_case {
	const char *name;
	__u32 features_off;
	__u16 to, other; /* owner and previous owner, of the world */
	bool no_flag;	 /* `to` sends nothing on */
	bool v6;
	__u8 protocol; /* [TCP] */
	bool error;    /* an ICMP error about the flow */
	__u16 ip_length;
	struct arrival arrival;
	__u16 named; /* backend that the packet names; 0: none */
};

/* The bytes after GUE's header. */
static void put_hop(struct outer *outer, const struct target *other)
{
	bool v6 = strchr(other->address, ':');

	outer->hop[0] = 1; /* version */
	outer->hop[1] = 1; /* hops left */
	outer->hop[2] = other->gue_port >> 8;
	outer->hop[3] = other->gue_port & 0xff;
	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, other->address, outer->hop + 4), 1);
	outer->hop_length = v6 ? 20 : 8;
}

static struct fixture *open_with(const struct hop_case *test, __u16 service)
{
	struct fixture *fixture = fixture_open(FEATURES & ~test->features_off);
	struct slot slot = {.owner = test->to, .previous = test->other, .phase = PHASE_SETTLED};
	struct target target = *world_target(test->to);

	world_fill(fixture);
	target.second_hop = !test->no_flag;
	fixture_backend(fixture, test->to, &target);
	fixture_slots_as(fixture, WORLD_POOL_SLOTS * service, WORLD_POOL_SLOTS, &slot);
	return fixture;
}

static void make_packet(const struct hop_case *test, struct frame *in)
{
	struct client client = {
		.from = test->v6 ? CLIENT6 : CLIENT4,
		.to = test->v6 ? V6_L2 : V4_L2,
		.from_port = 40000,
		.to_port = 443,
		.protocol = test->protocol,
		.tos = 0xb9,
		.ip_length = test->ip_length,
		.padding = 3,
	};

	frame_client(in, &client);
	if (test->error)
		frame_error(in, test->v6 ? 2 : 3, test->v6 ? 0 : 4, 8);
}

static void hop_case_run(void **state)
{
	const struct hop_case *test = *state;
	const struct target *to = world_target(test->to);
	struct frame in, out, expected;
	struct outer outer = target_outer(to);
	struct fixture *fixture;
	int verdict;

	fixture_need_root();
	fixture = open_with(test, L2);
	make_packet(test, &in);
	verdict = fixture_run(fixture, &in, &test->arrival, &out);
	if (verdict < 0)
		skip();
	assert_int_equal(verdict, to->ifindex == FIXTURE_INTERFACE ? XDP_TX : XDP_REDIRECT);
	outer_take_entropy(&outer, &out);
	if (test->named)
		put_hop(&outer, world_target(test->named));
	frame_wrap(&expected, &in, &outer);
	frame_assert_equal(&expected, &out);
	fixture_close(fixture);
}

#define PAIR(one, two)                                                                                                 \
	{.name = #one ", else " #two ": IPv4", .to = one, .other = two, .named = two},                                 \
	{                                                                                                              \
		.name = #one ", else " #two ": IPv6", .to = one, .other = two, .named = two, .v6 = true                \
	}

static const struct hop_case named[] = {
	PAIR(GUE4, GUE4_OUT),
	PAIR(GUE4, GUE6),
	PAIR(GUE6, GUE4),
	PAIR(GUE6, GUE6_OUT),
	PAIR(GUE4_OUT, GUE4),
	PAIR(GUE4_OUT, GUE6_OUT),
	PAIR(GUE6_OUT, GUE4_OUT),
	PAIR(GUE6_OUT, GUE6),
	{.name = "an ICMP error about the flow", .to = GUE4, .other = GUE6, .named = GUE6, .error = true},
	{.name = "an ICMPv6 error about the flow", .to = GUE6, .other = GUE4, .named = GUE4, .error = true, .v6 = true},
};

#define WITHOUT(what, ...)                                                                                             \
	{.name = what ": IPv4", __VA_ARGS__},                                                                          \
	{                                                                                                              \
		.name = what ": IPv6", .v6 = true, __VA_ARGS__                                                         \
	}

static const struct hop_case without[] = {
	WITHOUT("the other takes IPIP", .to = GUE4, .other = IPIP4),
	WITHOUT("the other is on the same segment", .to = GUE6, .other = L2),
	WITHOUT("no way to the other is known", .to = GUE4, .other = UNRESOLVED),
	WITHOUT("the other was never written", .to = GUE6, .other = UNWRITTEN),
	WITHOUT("nobody else has it", .to = GUE4),
	WITHOUT("the backend has it itself", .to = GUE4, .other = GUE4),
	WITHOUT("the backend sends nothing on", .to = GUE4, .other = GUE6, .no_flag = true),
	WITHOUT("the backend takes IPIP", .to = IPIP4, .other = GUE4),
	WITHOUT("no pool has a second hop", .to = GUE4, .other = GUE6, .features_off = FEATURE_SECOND_HOP),
	WITHOUT("a datagram", .to = GUE6, .other = GUE4, .protocol = IPPROTO_UDP),
};

/* `more` bytes of GUE's header and second hop, `outer` bytes of the outer header. */
#define ROOM(text, one, two, outer, more, limit)                                                                       \
	{.name = text ": as long as there is room",                                                                    \
	 .to = one,                                                                                                    \
	 .other = two,                                                                                                 \
	 .named = two,                                                                                                 \
	 .ip_length = (limit) - (outer) - (more)},                                                                     \
		{.name = text ": one byte too long",                                                                   \
		 .to = one,                                                                                            \
		 .other = two,                                                                                         \
		 .ip_length = (limit) - (outer) - (more) + 1},                                                         \
		{.name = text ": as long as it may be without",                                                        \
		 .to = one,                                                                                            \
		 .other = two,                                                                                         \
		 .ip_length = (limit) - (outer)},                                                                      \
	{                                                                                                              \
		.name = text ": as long as it may be without: IPv6", .to = one, .other = two, .v6 = true,              \
		.ip_length = (limit) - (outer)                                                                         \
	}

/* A frame has 256 bytes before it, of which the kernel keeps 40. */
#define HEADROOM(text, one, two, bytes, who)                                                                           \
	{                                                                                                              \
		.name = text, .to = one, .other = two, .arrival = {.metadata = 216 - (bytes)}, .named = who            \
	}

static const struct hop_case room[] = {
	ROOM("IPv4, else IPv4", GUE4, GUE4_OUT, 28, 12, WORLD_MTU_IN),
	ROOM("IPv4, else IPv6", GUE4_OUT, GUE6, 28, 24, WORLD_MTU_OUT),
	ROOM("IPv6, else IPv4", GUE6, GUE4, 48, 12, WORLD_MTU_IN),
	ROOM("IPv6, else IPv6", GUE6_OUT, GUE6, 48, 24, WORLD_MTU_OUT),
	HEADROOM("headroom for all of it", GUE4, GUE6, 52, GUE6),
	HEADROOM("headroom for the second hop, or the outer header", GUE4, GUE6, 48, 0),
	HEADROOM("headroom for the outer header alone", GUE6, GUE6_OUT, 48, 0),
};

static enum reason hop_case_reason(const void *test)
{
	__u32 ifindex = world_target(((const struct hop_case *)test)->to)->ifindex;

	return ifindex == FIXTURE_INTERFACE ? REASON_forwarded : REASON_redirected;
}

static const struct case_group groups[] = {
	GROUP_OF("The second hop", named, hop_case_run, hop_case_reason),
	GROUP_OF("The second hop: nobody to name", without, hop_case_run, hop_case_reason),
	GROUP_OF("The second hop: room for it", room, hop_case_run, hop_case_reason),
};

int main(int argc, char **argv)
{
	return GROUPS_RUN(argc, argv, groups);
}
