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

#define PASSED(why)                                                                                                    \
	{                                                                                                              \
		.reason = REASON_##why                                                                                 \
	}
#define TAKEN(number)                                                                                                  \
	{                                                                                                              \
		.reason = REASON_forwarded, .service = number, .backend = number                                       \
	}
#define REDIRECTED(number)                                                                                             \
	{                                                                                                              \
		.reason = REASON_redirected, .service = number, .backend = number                                      \
	}

#define LEAST 8 /* bytes that are quoted behind the IP header */

/* Of an error about IPv4 and about IPv6, for what can be said of both. */
static bool is_v6(const struct frame *frame)
{
	return frame_get16(frame, 12) == 0x86dd;
}

static size_t quote(const struct frame *frame)
{
	return is_v6(frame) ? FRAME_QUOTE6 : FRAME_QUOTE4;
}

static void shape(struct frame *frame, __u8 type4, __u8 type6, __u8 code)
{
	frame_error(frame, is_v6(frame) ? type6 : type4, code, LEAST);
}

static void too_big(struct frame *frame)
{
	shape(frame, 3, 2, is_v6(frame) ? 0 : 4);
}

#define CHANGE(name, statement)                                                                                        \
	static void name(struct frame *frame)                                                                          \
	{                                                                                                              \
		statement;                                                                                             \
	}

CHANGE(unreachable, shape(frame, 3, 1, 1))
CHANGE(port_unreachable, shape(frame, 3, 1, is_v6(frame) ? 4 : 3))
CHANGE(time_exceeded, shape(frame, 11, 3, 0))
CHANGE(parameter_problem, shape(frame, 12, 4, 0))
CHANGE(whole, frame_error(frame, is_v6(frame) ? 2 : 3, is_v6(frame) ? 0 : 4, LEAST + 16))
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
	 .outcome = PASSED(no_service)},
	{.name = "IPv6: about a port without a service",
	 .client = {.from = CLIENT6, .to = V6_GUE4, .from_port = 443, .to_port = 444},
	 .change = too_big,
	 .outcome = PASSED(no_service)},
	{.name = "IPv4: about a packet of the host's own",
	 .client = TCP4("192.0.2.200"),
	 .change = too_big,
	 .outcome = PASSED(no_service)},
	{.name = "IPv6: about a packet of the host's own",
	 .client = TCP6("2001:db8::200"),
	 .change = too_big,
	 .outcome = PASSED(no_service)},
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
CHANGE(another_protocol, too_big(frame); frame->data[FRAME_IP + (is_v6(frame) ? 6 : 9)] = is_v6(frame) ? 1 : 58)
CHANGE(about_icmp, too_big(frame); frame->data[quote(frame) + (is_v6(frame) ? 6 : 9)] = is_v6(frame) ? 58 : 1)
CHANGE(about_sctp, too_big(frame); frame->data[quote(frame) + (is_v6(frame) ? 6 : 9)] = IPPROTO_SCTP)
CHANGE(about_a_fragment_header, too_big(frame); frame->data[quote(frame) + 6] = IPPROTO_FRAGMENT)
CHANGE(about_hop_by_hop, too_big(frame); frame->data[quote(frame) + 6] = 0)
CHANGE(about_options, too_big(frame); frame->data[quote(frame)] = 0x46)
CHANGE(about_a_short_header, too_big(frame); frame->data[quote(frame)] = 0x44)
CHANGE(about_a_later_fragment, too_big(frame); frame_put16(frame, quote(frame) + 6, 0x2001))
CHANGE(about_the_last_fragment, too_big(frame); frame_put16(frame, quote(frame) + 6, 0x1000))
CHANGE(about_the_first_fragment, too_big(frame); frame_put16(frame, quote(frame) + 6, 0x2000))
CHANGE(about_another_family, too_big(frame); frame->data[quote(frame)] = is_v6(frame) ? 0x45 : 0x60)
CHANGE(from_another_source, too_big(frame); frame->data[quote(frame) + (is_v6(frame) ? 23 : 15)] ^= 1)
CHANGE(from_another_network, too_big(frame); frame->data[quote(frame) + (is_v6(frame) ? 8 : 12)] ^= 1)
CHANGE(one_byte_short, frame_error(frame, is_v6(frame) ? 2 : 3, 0, LEAST - 1))
CHANGE(ports_alone, frame_error(frame, is_v6(frame) ? 2 : 3, 0, 4))
CHANGE(no_ports, frame_error(frame, is_v6(frame) ? 2 : 3, 0, 0))
CHANGE(short_but_padded, one_byte_short(frame); frame->length++)
CHANGE(longer_than_the_frame, whole(frame); frame->length--)
CHANGE(broadcast, too_big(frame); memset(frame->data, 0xff, 6))
CHANGE(fragment, too_big(frame); frame_put16(frame, FRAME_IP + 6, 0x2000); frame_checksum4(frame))

#define HOST4(text, how) HOST4_AS(text, how, not_tcp_udp)
#define HOST6(text, how) HOST6_AS(text, how, not_tcp_udp)
#define HOST4_AS(text, how, why)                                                                                       \
	{                                                                                                              \
		.name = "IPv4: " text, .client = TCP4(V4_GUE4), .change = how, .outcome = PASSED(why)                  \
	}
#define HOST6_AS(text, how, why)                                                                                       \
	{                                                                                                              \
		.name = "IPv6: " text, .client = TCP6(V6_GUE4), .change = how, .outcome = PASSED(why)                  \
	}
#define HOST(text, how) HOST4(text, how), HOST6(text, how)

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
	HOST6("about a packet with extension headers", about_hop_by_hop),
	HOST4("about a packet with options", about_options),
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
	HOST("longer than the frame", longer_than_the_frame),
	HOST4_AS("itself a fragment", fragment, fragment),
	HOST4_AS("broadcast", broadcast, not_unicast),
	HOST6_AS("broadcast", broadcast, not_unicast),
	{.name = "IPv4: about the first fragment",
	 .client = TCP4(V4_GUE4),
	 .change = about_the_first_fragment,
	 .outcome = TAKEN(GUE4)},
	{.name = "IPv6: type 3", .client = TCP6(V6_GUE4), .change = type_3, .outcome = TAKEN(GUE4)},
};

/* Where the frame ends before the ports' 8 bytes, the whole of it goes to the host. */
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
		size_t transport = v6 ? FRAME_TRANSPORT6 : FRAME_TRANSPORT4;

		frame_client(&in, v6 ? &(struct client)TCP6(V6_GUE4) : &(struct client)TCP4(V4_GUE4));
		too_big(&in);
		while (in.length-- > FRAME_IP) {
			struct outcome host = {.reason = REASON_not_tcp_udp};

			if (in.length < transport) /* not known to be ICMP */
				host.reason = REASON_malformed;
			packet_send(fixture, &in, NULL, &host, counts);
		}
	}
	packet_assert_counted(fixture, counts);
	fixture_close(fixture);
	test_free(counts);
}

/* A pool whose slots have a backend each, and both of its services: the second hashes the source alone. */
static struct fixture *open_mixed_pool(__u16 flags)
{
	struct service service = {.slot_first = 3000, .slot_count = 5, .index = 1, .flags = flags};
	struct fixture *fixture = fixture_open(0);

	world_backends(fixture);
	for (__u16 i = 0; i < 5; i++)
		fixture_slots(fixture, 3000 + i, 1, IPIP4 + i);
	fixture_vip(fixture, "192.0.2.1", 443, IPPROTO_TCP, &service);
	fixture_vip(fixture, "192.0.2.1", 443, IPPROTO_UDP, &service);
	fixture_vip(fixture, "2001:db8::1", 443, IPPROTO_TCP, &service);
	fixture_vip(fixture, "2001:db8::1", 443, IPPROTO_UDP, &service);
	return fixture;
}

/* The backend's number from the outer destination address, or that of L2, which has no outer header. */
static __u16 backend_of(const struct frame *out, const struct frame *in)
{
	if (out->length == in->length)
		return L2;
	/* the addresses end in .11, ::12, .13 and ::14: text of decimal digits */
	if (frame_get16(out, 12) == 0x86dd)
		return (out->data[FRAME_IP + 39] & 0xf);
	return out->data[FRAME_IP + 19] - 10;
}

static void flow_of_number(struct frame *in, unsigned int number)
{
	bool v6 = number & 1;
	char from[32];
	struct client client = {
		.from = from,
		.to = v6 ? "2001:db8::1" : "192.0.2.1",
		.from_port = 1000 + number * 7,
		.to_port = 443,
		.protocol = number & 2 ? IPPROTO_UDP : IPPROTO_TCP,
	};

	snprintf(from, sizeof(from), v6 ? "2001:db8:c::%x" : "198.51.100.%u", number);
	frame_client(in, &client);
}

/* An error reaches whom the client's own packets reach, by the same path: GUE's source port is the flow's, too. */
static void errors_follow(__u16 flags)
{
	struct fixture *fixture;
	unsigned int seen[L2 + 1] = {0};
	struct frame in, packet, error;

	fixture_need_root();
	fixture = open_mixed_pool(flags);
	for (unsigned int number = 0; number < 200; number++) {
		__u16 backend;

		flow_of_number(&in, number);
		assert_int_equal(fixture_run(fixture, &in, NULL, &packet), XDP_TX);
		backend = backend_of(&packet, &in);
		assert_in_range(backend, IPIP4, L2);
		seen[backend]++;
		too_big(&in);
		assert_int_equal(fixture_run(fixture, &in, NULL, &error), XDP_TX);
		assert_int_equal(backend_of(&error, &in), backend);
		if (backend == GUE4)
			assert_int_equal(frame_get16(&error, FRAME_TRANSPORT4), frame_get16(&packet, FRAME_TRANSPORT4));
		if (backend == GUE6)
			assert_int_equal(frame_get16(&error, FRAME_TRANSPORT6), frame_get16(&packet, FRAME_TRANSPORT6));
	}
	for (__u16 backend = IPIP4; backend <= L2; backend++)
		assert_in_range(seen[backend], 5, 195);
	fixture_close(fixture);
}

static void errors_follow_their_flow(void **state)
{
	(void)state;
	errors_follow(0);
}

static void errors_follow_their_flow_by_source(void **state)
{
	(void)state;
	errors_follow(SERVICE_HASH_SOURCE);
}

int main(void)
{
	const struct CMUnitTest flows[] = {
		cmocka_unit_test(cut_everywhere),
		cmocka_unit_test(errors_follow_their_flow),
		cmocka_unit_test(errors_follow_their_flow_by_source),
	};
	int failed = 0;

	failed += PACKET_CASES_RUN(errors);
	failed += PACKET_CASES_RUN(ways);
	failed += PACKET_CASES_RUN(services);
	failed += PACKET_CASES_RUN(to_host);
	failed += cmocka_run_group_tests(flows, NULL, NULL);
	return failed;
}
