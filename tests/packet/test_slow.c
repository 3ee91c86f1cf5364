/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Backends that are the host itself, and a slow path that is missing, as when it could not be loaded: what it would
 * have taken goes to the host.
 */
#include <bpf/bpf.h>
#include <netinet/in.h>
#include <string.h>

#include "packet/frame_parts.h"
#include "packet/packet_case.h"

CHANGE(more, frame_is_v6(frame) ? frame_extension(frame, IPPROTO_HOPOPTS, 16) : frame_options(frame, 16))
CHANGE(tagged, frame_tag(frame, 0x8100, 30))
CHANGE(first, frame_fragment(frame, 1, 0, 16))
CHANGE(later, frame_fragment(frame, 1, 16, 0))
CHANGE(error, frame_error(frame, frame_is_v6(frame) ? 2 : 3, frame_is_v6(frame) ? 0 : 4, 8))
CHANGE(broadcast, memset(frame->data, 0xff, 6))
CHANGE(cut, frame->length--)

static void local(struct fixture *fixture)
{
	world_fill(fixture);
	world_addresses(fixture, ADDRESS_ECHO_ANSWER);
	fixture_backend_local(fixture, GUE4);
}

static void local_on_slow_path(struct fixture *fixture)
{
	world_services(fixture, SERVICE_SLOW);
	fixture_backend_local(fixture, GUE4);
}

#define BOTH(text, bits, how, sent4, sent6, change_it, ...)                                                            \
	{.name = "IPv4: " text,                                                                                        \
	 .features = bits,                                                                                             \
	 .setup = how,                                                                                                 \
	 .client = sent4,                                                                                              \
	 .change = change_it,                                                                                          \
	 .outcome = __VA_ARGS__},                                                                                      \
	{                                                                                                              \
		.name = "IPv6: " text, .features = bits, .setup = how, .client = sent6, .change = change_it,           \
		.outcome = __VA_ARGS__                                                                                 \
	}
#define LOCAL(text, change_it, ...)                                                                                    \
	BOTH("to this host: " text, 0, local, CLIENT4_TO(V4_GUE4, ##__VA_ARGS__), CLIENT6_TO(V6_GUE4, ##__VA_ARGS__),  \
	     change_it, COUNTED(local, GUE4))

static const struct packet_case to_itself[] = {
	LOCAL("TCP", NULL),
	LOCAL("UDP", NULL, UDP),
	LOCAL("TOS and TTL as they came", NULL, .tos = 0xff, .ttl = 1),
	LOCAL("larger than an MTU", NULL, .ip_length = 2900),
	LOCAL("padding behind it", NULL, .padding = 9),
	LOCAL("with options or extension headers", more),
	LOCAL("in a VLAN, whose tag stays", tagged),
	LOCAL("a first fragment", first),
	LOCAL("an ICMP error", error),
	{.name = "IPv4: to this host: no headroom",
	 .setup = local,
	 .client = CLIENT4_TO(V4_GUE4),
	 .arrival = {.metadata = 216},
	 .outcome = COUNTED(local, GUE4)},
	BOTH("to this host: a service on the slow path", FEATURE_SLOW, local_on_slow_path, CLIENT4_TO(V4_GUE4),
	     CLIENT6_TO(V6_GUE4), NULL, COUNTED(local, GUE4)),
	BOTH("to this host: a further fragment without the first", 0, local, CLIENT4_TO(V4_GUE4), CLIENT6_TO(V6_GUE4),
	     later, ENDS(fragment_lost)),
	BOTH("to this host: broadcast", 0, local, CLIENT4_TO(V4_GUE4), CLIENT6_TO(V6_GUE4), broadcast,
	     ENDS(not_unicast)),
	{.name = "IPv4: to this host: from a martian",
	 .setup = local,
	 .client = {.from = "127.0.0.1", .to = V4_GUE4, .to_port = 443},
	 .outcome = COUNTED(martian, GUE4)},
	{.name = "IPv6: to this host: from a martian",
	 .setup = local,
	 .client = {.from = "::1", .to = V6_GUE4, .to_port = 443},
	 .outcome = COUNTED(martian, GUE4)},
};

/* As if the agent had lost it. */
static void without(struct fixture *fixture)
{
	const __u32 place = 0;

	assert_int_equal(bpf_map_delete_elem(fixture_map(fixture, "programs"), &place), 0);
}

static void missing(struct fixture *fixture)
{
	world_fill(fixture);
	world_addresses(fixture, ADDRESS_ECHO_ANSWER | ADDRESS_REJECT);
	without(fixture);
}

static void missing_for_services(struct fixture *fixture)
{
	world_services(fixture, SERVICE_SLOW);
	without(fixture);
}

#define NO(text, sent4, sent6, change_it, ...)                                                                         \
	{.name = "IPv4: " text,                                                                                        \
	 .features = FEATURE_ADDRESS,                                                                                  \
	 .setup = missing,                                                                                             \
	 .client = sent4,                                                                                              \
	 .change = change_it,                                                                                          \
	 .outcome = __VA_ARGS__},                                                                                      \
	{                                                                                                              \
		.name = "IPv6: " text, .features = FEATURE_ADDRESS, .setup = missing, .client = sent6,                 \
		.change = change_it, .outcome = __VA_ARGS__                                                            \
	}
#define TO(vip, source, port)                                                                                          \
	{                                                                                                              \
		.from = source, .to = vip, .from_port = 40000, .to_port = port                                         \
	}
#define OF(vip, source, number)                                                                                        \
	{                                                                                                              \
		.from = source, .to = vip, .protocol = number                                                          \
	}

static const struct packet_case without_slow_path[] = {
	NO("a plain packet of a service", CLIENT4_TO(V4_GUE4), CLIENT6_TO(V6_GUE4), NULL, TAKEN(GUE4)),
	BOTH("a service on the slow path", FEATURE_SLOW, missing_for_services, CLIENT4_TO(V4_GUE4), CLIENT6_TO(V6_GUE4),
	     NULL, COUNTED(no_slow_path, GUE4)),
	NO("too big for its backend", CLIENT4_TO(V4_L2, .ip_length = 1601), CLIENT6_TO(V6_L2, .ip_length = 1601), NULL,
	   COUNTED(no_slow_path, L2)),
	NO("to another port of the host", TO(V4_NO_VIP, CLIENT4, 22), TO(V6_NO_VIP, CLIENT6, 22), NULL,
	   ENDS(no_service)),
	NO("a ping of the host", OF(V4_NO_VIP, CLIENT4, IPPROTO_ICMP), OF(V6_NO_VIP, CLIENT6, IPPROTO_ICMPV6), NULL,
	   ENDS(no_service)),
	NO("GRE to the host", OF(V4_NO_VIP, CLIENT4, IPPROTO_GRE), OF(V6_NO_VIP, CLIENT6, IPPROTO_GRE), NULL,
	   ENDS(no_service)),
	NO("the host's first fragment", TO(V4_NO_VIP, CLIENT4, 22), TO(V6_NO_VIP, CLIENT6, 22), first,
	   ENDS(no_service)),
	NO("the host's further fragment", TO(V4_NO_VIP, CLIENT4, 22), TO(V6_NO_VIP, CLIENT6, 22), later,
	   ENDS(no_service)),
	NO("options or extension headers to the host", TO(V4_NO_VIP, CLIENT4, 22), TO(V6_NO_VIP, CLIENT6, 22), more,
	   ENDS(no_service)),
	NO("a frame cut short", CLIENT4_TO(V4_GUE4), CLIENT6_TO(V6_GUE4), cut, ENDS(no_service)),
	NO("a tagged frame", CLIENT4_TO(V4_GUE4), CLIENT6_TO(V6_GUE4), tagged, ENDS(not_ip)),
};

static const struct case_group groups[] = {
	GROUP("Backends that are this host", to_itself),
	GROUP("Without the slow path's program", without_slow_path),
};

int main(int argc, char **argv)
{
	return GROUPS_RUN(argc, argv, groups);
}
