/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Which service takes a packet, and that everything else goes to the host as it came. */
#include <netinet/in.h>
#include <stdio.h>

#include "packet/packet_case.h"

#define TO(address, port, ...)                                                                                         \
	{                                                                                                              \
		.from = CLIENT4, .to = address, .from_port = 40000, .to_port = port, ##__VA_ARGS__                     \
	}
#define TO6(address, port, ...)                                                                                        \
	{                                                                                                              \
		.from = CLIENT6, .to = address, .from_port = 40000, .to_port = port, ##__VA_ARGS__                     \
	}
#define NOT_OURS                                                                                                       \
	{                                                                                                              \
		.reason = REASON_no_service                                                                            \
	}

#define ALL_FEATURES (FEATURE_ANY_PORT | FEATURE_PREFIX4 | FEATURE_PREFIX6)

static const struct packet_case exact[] = {
	{.name = "address, port and protocol", .client = TO(V4_IPIP4, 443), .outcome = TAKEN(IPIP4)},
	{.name = "another VIP is another service", .client = TO(V4_GUE4, 443), .outcome = TAKEN(GUE4)},
	{.name = "IPv6 address, port and protocol", .client = TO6(V6_IPIP6, 443), .outcome = TAKEN(IPIP6)},
	{.name = "another IPv6 VIP is another service", .client = TO6(V6_GUE6, 443), .outcome = TAKEN(GUE6)},
	{.name = "another port", .client = TO(V4_IPIP4, 444), .outcome = NOT_OURS},
	{.name = "another port, IPv6", .client = TO6(V6_IPIP4, 442), .outcome = NOT_OURS},
	{.name = "the port with its bytes swapped", .client = TO(V4_IPIP4, 0xbb01), .outcome = NOT_OURS},
	{.name = "port 0", .client = TO(V4_IPIP4, 0), .outcome = NOT_OURS},
	{.name = "the address before", .client = TO("192.0.2.0", 443), .outcome = NOT_OURS},
	{.name = "the address after the last", .client = TO("192.0.2.13", 443), .outcome = NOT_OURS},
	{.name = "another IPv6 address", .client = TO6("2001:db8:1::1", 443), .outcome = NOT_OURS},
	{.name = "an IPv6 address that differs in its first bit",
	 .client = TO6("a001:db8::1", 443),
	 .outcome = NOT_OURS},
	{.name = "the IPv4-mapped form of a VIP", .client = TO6("::ffff:192.0.2.1", 443), .outcome = NOT_OURS},
	{.name = "a reply of the VIP",
	 .client = {.from = V4_IPIP4, .to = CLIENT4, .from_port = 443, .to_port = 40000},
	 .outcome = NOT_OURS},
	{.name = "a reply of the IPv6 VIP",
	 .client = {.from = V6_IPIP4, .to = CLIENT6, .from_port = 443, .to_port = 40000},
	 .outcome = NOT_OURS},
	{.name = "the host's own SSH", .client = TO("10.1.0.2", 22), .outcome = NOT_OURS},
	{.name = "any other with all features",
	 .features = ALL_FEATURES,
	 .client = TO(V4_IPIP4, 80),
	 .outcome = NOT_OURS},
	{.name = "any other IPv6 with all features",
	 .features = ALL_FEATURES,
	 .client = TO6(V6_IPIP4, 80),
	 .outcome = NOT_OURS},
};

/* One VIP, of which each service takes a part. */
static void one_vip(struct fixture *fixture)
{
	struct service tcp443 = world_service(IPIP4), udp443 = world_service(GUE4), any_tcp = world_service(IPIP6);
	struct service tcp80 = world_service(L2);

	world_backends(fixture);
	fixture_vip(fixture, "192.0.2.1", 443, IPPROTO_TCP, &tcp443);
	fixture_vip(fixture, "192.0.2.1", 443, IPPROTO_UDP, &udp443);
	fixture_vip(fixture, "192.0.2.1", 80, IPPROTO_TCP, &tcp80);
	fixture_vip(fixture, "192.0.2.1", 0, IPPROTO_TCP, &any_tcp);
	fixture_vip(fixture, "2001:db8::1", 443, IPPROTO_TCP, &tcp443);
	fixture_vip(fixture, "2001:db8::1", 443, IPPROTO_UDP, &udp443);
	fixture_vip(fixture, "2001:db8::1", 80, IPPROTO_TCP, &tcp80);
	fixture_vip(fixture, "2001:db8::1", 0, IPPROTO_TCP, &any_tcp);
}

#define ONE_VIP(text, has, ...)                                                                                        \
	{                                                                                                              \
		.name = text, .setup = one_vip, .features = has, __VA_ARGS__                                           \
	}

static const struct packet_case ports[] = {
	ONE_VIP("443/tcp", 0, .client = TO("192.0.2.1", 443), .outcome = TAKEN(IPIP4)),
	ONE_VIP("443/udp is another service than 443/tcp", 0, .client = TO("192.0.2.1", 443, UDP),
		.outcome = TAKEN(GUE4)),
	ONE_VIP("80/tcp is another service than 443/tcp", 0, .client = TO("192.0.2.1", 80), .outcome = TAKEN(L2)),
	ONE_VIP("IPv6 443/tcp", 0, .client = TO6("2001:db8::1", 443), .outcome = TAKEN(IPIP4)),
	ONE_VIP("IPv6 443/udp is another service", 0, .client = TO6("2001:db8::1", 443, UDP), .outcome = TAKEN(GUE4)),
	ONE_VIP("IPv6 80/tcp is another service", 0, .client = TO6("2001:db8::1", 80), .outcome = TAKEN(L2)),
	ONE_VIP("any/tcp takes port 8080", FEATURE_ANY_PORT, .client = TO("192.0.2.1", 8080), .outcome = TAKEN(IPIP6)),
	ONE_VIP("any/tcp takes port 1", FEATURE_ANY_PORT, .client = TO("192.0.2.1", 1), .outcome = TAKEN(IPIP6)),
	ONE_VIP("any/tcp takes port 65535", FEATURE_ANY_PORT, .client = TO("192.0.2.1", 65535),
		.outcome = TAKEN(IPIP6)),
	ONE_VIP("any/tcp takes port 0", FEATURE_ANY_PORT, .client = TO("192.0.2.1", 0), .outcome = TAKEN(IPIP6)),
	ONE_VIP("IPv6 any/tcp takes port 8080", FEATURE_ANY_PORT, .client = TO6("2001:db8::1", 8080),
		.outcome = TAKEN(IPIP6)),
	ONE_VIP("an exact port comes before any", FEATURE_ANY_PORT, .client = TO("192.0.2.1", 443),
		.outcome = TAKEN(IPIP4)),
	ONE_VIP("IPv6: an exact port comes before any", FEATURE_ANY_PORT, .client = TO6("2001:db8::1", 443),
		.outcome = TAKEN(IPIP4)),
	ONE_VIP("any/tcp takes no UDP", FEATURE_ANY_PORT, .client = TO("192.0.2.1", 53, UDP), .outcome = NOT_OURS),
	ONE_VIP("IPv6 any/tcp takes no UDP", FEATURE_ANY_PORT, .client = TO6("2001:db8::1", 53, UDP),
		.outcome = NOT_OURS),
	ONE_VIP("any/tcp is of its address alone", FEATURE_ANY_PORT, .client = TO("192.0.2.2", 8080),
		.outcome = NOT_OURS),
	ONE_VIP("without the feature any/tcp is not looked at", FEATURE_PREFIX4 | FEATURE_PREFIX6,
		.client = TO("192.0.2.1", 8080), .outcome = NOT_OURS),
	ONE_VIP("IPv6: without the feature any/tcp is not looked at", FEATURE_PREFIX4 | FEATURE_PREFIX6,
		.client = TO6("2001:db8::1", 8080), .outcome = NOT_OURS),
};

/* Numbers say which entry took the packet. */
enum {
	WIDE = IPIP4,
	LONG = GUE4,
	LONGEST = L2,
	ADDRESS = GUE6,
	ANY_PORT_OF_ADDRESS = IPIP6,
	ANY_PORT_OF_PREFIX = IPIP4_OUT
};

static void prefixes_of(struct fixture *fixture, const char *wide, const char *longer, const char *longest,
			const char *address)
{
	struct service of_wide = world_service(WIDE), of_long = world_service(LONG);
	struct service of_longest = world_service(LONGEST), of_address = world_service(ADDRESS);
	struct service any_of_address = world_service(ANY_PORT_OF_ADDRESS);
	struct service any_of_prefix = world_service(ANY_PORT_OF_PREFIX);

	fixture_prefix(fixture, wide, 443, IPPROTO_TCP, &of_wide);
	fixture_prefix(fixture, longer, 443, IPPROTO_TCP, &of_long);
	fixture_prefix(fixture, longest, 443, IPPROTO_TCP, &of_longest);
	fixture_prefix(fixture, longer, 53, IPPROTO_UDP, &of_wide);
	fixture_prefix(fixture, longest, 0, IPPROTO_TCP, &any_of_prefix);
	fixture_vip(fixture, address, 80, IPPROTO_TCP, &of_address);
	fixture_vip(fixture, address, 0, IPPROTO_TCP, &any_of_address);
}

static void prefixes(struct fixture *fixture)
{
	world_backends(fixture);
	prefixes_of(fixture, "203.0.0.0/13", "203.0.113.0/24", "203.0.113.64/27", "203.0.113.70");
	prefixes_of(fixture, "2001:db8::/32", "2001:db8:a::/48", "2001:db8:a:b::/70", "2001:db8:a:b::70");
}

/* The backend of this number is behind the other interface. */
#define PREFIX(text, has, ...)                                                                                         \
	{                                                                                                              \
		.name = text, .setup = prefixes, .features = has, __VA_ARGS__                                          \
	}

static const struct packet_case longest[] = {
	PREFIX("an address of a prefix", FEATURE_PREFIX4, .client = TO("203.7.1.2", 443), .outcome = TAKEN(WIDE)),
	PREFIX("its first address", FEATURE_PREFIX4, .client = TO("203.0.0.0", 443), .outcome = TAKEN(WIDE)),
	PREFIX("its last address", FEATURE_PREFIX4, .client = TO("203.7.255.255", 443), .outcome = TAKEN(WIDE)),
	PREFIX("the address before it", FEATURE_PREFIX4, .client = TO("202.255.255.255", 443), .outcome = NOT_OURS),
	PREFIX("the address behind it", FEATURE_PREFIX4, .client = TO("203.8.0.0", 443), .outcome = NOT_OURS),
	PREFIX("a longer prefix wins", FEATURE_PREFIX4, .client = TO("203.0.113.1", 443), .outcome = TAKEN(LONG)),
	PREFIX("the longest wins", FEATURE_PREFIX4, .client = TO("203.0.113.95", 443), .outcome = TAKEN(LONGEST)),
	PREFIX("behind the longest", FEATURE_PREFIX4, .client = TO("203.0.113.96", 443), .outcome = TAKEN(LONG)),
	PREFIX("a prefix is of its port alone", FEATURE_PREFIX4, .client = TO("203.0.113.1", 80), .outcome = NOT_OURS),
	PREFIX("a prefix is of its protocol alone", FEATURE_PREFIX4, .client = TO("203.0.113.1", 443, UDP),
	       .outcome = NOT_OURS),
	PREFIX("a prefix of 53/udp", FEATURE_PREFIX4, .client = TO("203.0.113.1", 53, UDP), .outcome = TAKEN(WIDE)),
	PREFIX("an address comes before its prefixes", FEATURE_PREFIX4, .client = TO("203.0.113.70", 80),
	       .outcome = TAKEN(ADDRESS)),
	PREFIX("an address without that port leaves it to a prefix", FEATURE_PREFIX4, .client = TO("203.0.113.70", 443),
	       .outcome = TAKEN(LONGEST)),
	PREFIX("an address with any port comes before a prefix with the port", FEATURE_PREFIX4 | FEATURE_ANY_PORT,
	       .client = TO("203.0.113.70", 443), .outcome = TAKEN(ANY_PORT_OF_ADDRESS)),
	PREFIX("a prefix with any port", FEATURE_PREFIX4 | FEATURE_ANY_PORT, .client = TO("203.0.113.71", 22),
	       .outcome = TAKEN_OUT(ANY_PORT_OF_PREFIX)),
	PREFIX("a prefix with the port comes before any port", FEATURE_PREFIX4 | FEATURE_ANY_PORT,
	       .client = TO("203.0.113.71", 443), .outcome = TAKEN(LONGEST)),
	PREFIX("any port of a prefix takes no UDP", FEATURE_PREFIX4 | FEATURE_ANY_PORT,
	       .client = TO("203.0.113.71", 22, UDP), .outcome = NOT_OURS),
	PREFIX("without the any-port feature it is not looked at", FEATURE_PREFIX4, .client = TO("203.0.113.71", 22),
	       .outcome = NOT_OURS),
	PREFIX("without the prefix feature it is not looked at", FEATURE_PREFIX6 | FEATURE_ANY_PORT,
	       .client = TO("203.0.113.71", 443), .outcome = NOT_OURS),
	PREFIX("IPv6: an address of a prefix", FEATURE_PREFIX6, .client = TO6("2001:db8:ff::1", 443),
	       .outcome = TAKEN(WIDE)),
	PREFIX("IPv6: its first address", FEATURE_PREFIX6, .client = TO6("2001:db8::", 443), .outcome = TAKEN(WIDE)),
	PREFIX("IPv6: its last address", FEATURE_PREFIX6, .client = TO6("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 443),
	       .outcome = TAKEN(WIDE)),
	PREFIX("IPv6: the address before it", FEATURE_PREFIX6,
	       .client = TO6("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", 443), .outcome = NOT_OURS),
	PREFIX("IPv6: the address behind it", FEATURE_PREFIX6, .client = TO6("2001:db9::", 443), .outcome = NOT_OURS),
	PREFIX("IPv6: a longer prefix wins", FEATURE_PREFIX6, .client = TO6("2001:db8:a::1", 443),
	       .outcome = TAKEN(LONG)),
	PREFIX("IPv6: the longest wins", FEATURE_PREFIX6, .client = TO6("2001:db8:a:b:3ff:ffff:ffff:ffff", 443),
	       .outcome = TAKEN(LONGEST)),
	PREFIX("IPv6: behind the longest", FEATURE_PREFIX6, .client = TO6("2001:db8:a:b:400::", 443),
	       .outcome = TAKEN(LONG)),
	PREFIX("IPv6: a prefix is of its port alone", FEATURE_PREFIX6, .client = TO6("2001:db8:a::1", 80),
	       .outcome = NOT_OURS),
	PREFIX("IPv6: a prefix is of its protocol alone", FEATURE_PREFIX6, .client = TO6("2001:db8:a::1", 443, UDP),
	       .outcome = NOT_OURS),
	PREFIX("IPv6: a prefix of 53/udp", FEATURE_PREFIX6, .client = TO6("2001:db8:a::1", 53, UDP),
	       .outcome = TAKEN(WIDE)),
	PREFIX("IPv6: an address comes before its prefixes", FEATURE_PREFIX6, .client = TO6("2001:db8:a:b::70", 80),
	       .outcome = TAKEN(ADDRESS)),
	PREFIX("IPv6: an address with any port comes before a prefix with the port", FEATURE_PREFIX6 | FEATURE_ANY_PORT,
	       .client = TO6("2001:db8:a:b::70", 443), .outcome = TAKEN(ANY_PORT_OF_ADDRESS)),
	PREFIX("IPv6: a prefix with any port", FEATURE_PREFIX6 | FEATURE_ANY_PORT,
	       .client = TO6("2001:db8:a:b::71", 22), .outcome = TAKEN_OUT(ANY_PORT_OF_PREFIX)),
	PREFIX("IPv6: a prefix with the port comes before any port", FEATURE_PREFIX6 | FEATURE_ANY_PORT,
	       .client = TO6("2001:db8:a:b::71", 443), .outcome = TAKEN(LONGEST)),
	PREFIX("IPv6: without the any-port feature it is not looked at", FEATURE_PREFIX6,
	       .client = TO6("2001:db8:a:b::71", 22), .outcome = NOT_OURS),
	PREFIX("IPv6: without the prefix feature it is not looked at", FEATURE_PREFIX4 | FEATURE_ANY_PORT,
	       .client = TO6("2001:db8:a:b::71", 443), .outcome = NOT_OURS),
};

static void any_prefix_inside(struct fixture *fixture)
{
	struct service wide = world_service(WIDE), any = world_service(ANY_PORT_OF_PREFIX);

	world_backends(fixture);
	fixture_prefix(fixture, "203.0.113.0/24", 443, IPPROTO_TCP, &wide);
	fixture_prefix(fixture, "203.0.113.128/25", 0, IPPROTO_TCP, &any);
	fixture_prefix(fixture, "2001:db8::/32", 443, IPPROTO_TCP, &wide);
	fixture_prefix(fixture, "2001:db8::/64", 0, IPPROTO_TCP, &any);
}

static void default_routes(struct fixture *fixture)
{
	struct service four = world_service(WIDE), six = world_service(LONG);

	world_backends(fixture);
	fixture_prefix(fixture, "0.0.0.0/0", 0, IPPROTO_TCP, &four);
	fixture_prefix(fixture, "::/0", 0, IPPROTO_TCP, &six);
}

static void host_prefixes(struct fixture *fixture)
{
	struct service four = world_service(WIDE), six = world_service(LONG);

	world_backends(fixture);
	fixture_prefix(fixture, "203.0.113.9/32", 443, IPPROTO_TCP, &four);
	fixture_prefix(fixture, "2001:db8::9/128", 443, IPPROTO_TCP, &six);
}

static const struct packet_case prefix_edges[] = {
	{.name = "a short prefix with the port comes before a longer one with any",
	 .features = ALL_FEATURES,
	 .setup = any_prefix_inside,
	 .client = TO("203.0.113.129", 443),
	 .outcome = TAKEN(WIDE)},
	{.name = "IPv6: a short prefix with the port comes before a longer one with any",
	 .features = ALL_FEATURES,
	 .setup = any_prefix_inside,
	 .client = TO6("2001:db8::1", 443),
	 .outcome = TAKEN(WIDE)},
	{.name = "a prefix of length 0 takes every address",
	 .features = ALL_FEATURES,
	 .setup = default_routes,
	 .client = TO("255.255.255.255", 9),
	 .outcome = TAKEN(WIDE)},
	{.name = "IPv6: a prefix of length 0 takes every address",
	 .features = ALL_FEATURES,
	 .setup = default_routes,
	 .client = TO6("ff02::1", 9),
	 .outcome = TAKEN(LONG)},
	{.name = "a prefix of length 0 takes its protocol alone",
	 .features = ALL_FEATURES,
	 .setup = default_routes,
	 .client = TO("192.0.2.1", 9, UDP),
	 .outcome = NOT_OURS},
	{.name = "a prefix of length 32",
	 .features = ALL_FEATURES,
	 .setup = host_prefixes,
	 .client = TO("203.0.113.9", 443),
	 .outcome = TAKEN(WIDE)},
	{.name = "beside a prefix of length 32",
	 .features = ALL_FEATURES,
	 .setup = host_prefixes,
	 .client = TO("203.0.113.8", 443),
	 .outcome = NOT_OURS},
	{.name = "a prefix of length 128",
	 .features = ALL_FEATURES,
	 .setup = host_prefixes,
	 .client = TO6("2001:db8::9", 443),
	 .outcome = TAKEN(LONG)},
	{.name = "beside a prefix of length 128",
	 .features = ALL_FEATURES,
	 .setup = host_prefixes,
	 .client = TO6("2001:db8::8", 443),
	 .outcome = NOT_OURS},
};

/* Hundreds of services in one table: each packet is counted for its own. */
static void many_services(void **state)
{
	struct counts *counts = test_calloc(1, sizeof(*counts));
	struct fixture *fixture;
	struct service service;
	char address[32];
	struct frame in;

	(void)state;
	fixture_need_root();
	fixture = fixture_open(0);
	world_backends(fixture);
	for (__u16 n = 1; n <= 600; n++) {
		service = world_service(1 + n % 5);
		service.index = n;
		snprintf(address, sizeof(address), "203.0.%u.%u", n / 100, n % 100);
		fixture_vip(fixture, address, 1000 + n, IPPROTO_TCP, &service);
	}
	for (__u16 n = 1; n <= 600; n++) {
		struct outcome outcome = {REASON_forwarded, .service = n, .backend = 1 + n % 5};

		snprintf(address, sizeof(address), "203.0.%u.%u", n / 100, n % 100);
		frame_client(&in, &(struct client){.from = CLIENT4, .to = address, .to_port = 1000 + n});
		packet_send(fixture, &in, NULL, &outcome, counts);
	}
	packet_assert_counted(fixture, counts);
	fixture_close(fixture);
	test_free(counts);
}

/* The limits of include/abi.h are usable: the last service's counters, the first one's, the last backend's. */
static void first_and_last_index(void **state)
{
	struct counts *counts = test_calloc(1, sizeof(*counts));
	struct service last = {.slot_count = 1, .index = SLUICE_MAX_SERVICES - 1}, first = last;
	struct frame in, out;
	struct fixture *fixture;

	(void)state;
	fixture_need_root();
	fixture = fixture_try(&(struct fixture_options){.alone = true});
	assert_non_null(fixture);
	first.index = 0;
	fixture_backend(fixture, SLUICE_MAX_BACKENDS, world_target(IPIP4));
	fixture_slots(fixture, 0, 1, SLUICE_MAX_BACKENDS);
	fixture_vip(fixture, "192.0.2.1", 443, IPPROTO_TCP, &last);
	fixture_vip(fixture, "192.0.2.2", 443, IPPROTO_TCP, &first);
	frame_client(&in, &(struct client)TO("192.0.2.1", 443));
	fixture_run(fixture, &in, NULL, &out);
	counts_add(counts, REASON_forwarded, last.index, SLUICE_MAX_BACKENDS, in.length);
	frame_client(&in, &(struct client)TO("192.0.2.2", 443, .ip_length = 1000));
	fixture_run(fixture, &in, NULL, &out);
	counts_add(counts, REASON_forwarded, first.index, SLUICE_MAX_BACKENDS, in.length);
	packet_assert_counted(fixture, counts);
	fixture_close(fixture);
	test_free(counts);
}

static const struct case_group groups[] = {
	GROUP("Finding the service: addresses and ports", exact),
	GROUP("Finding the service: any port", ports),
	GROUP("Finding the service: prefixes", longest),
	GROUP("Finding the service: edges of prefixes", prefix_edges),
};

int main(int argc, char **argv)
{
	const struct CMUnitTest whole_tables[] = {
		cmocka_unit_test(many_services),
		cmocka_unit_test(first_and_last_index),
	};
	int failed = GROUPS_RUN(argc, argv, groups);

	return groups_are_listed(argc, argv) ? failed : failed + cmocka_run_group_tests(whole_tables, NULL, NULL);
}
