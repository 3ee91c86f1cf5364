/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The deny list: of services' packets, on the fast path and on the slow one, and of nobody else's. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "packet/packet_case.h"
#include "packet/policy.h"

#define DENY	   (FEATURE_DENY4 | FEATURE_DENY6)
#define VIP_ALONE  "192.0.2.77" /* with an entry of its own for what no service takes */
#define VIP_ALONE6 "2001:db8::77"

static void list(struct fixture *fixture)
{
	static const char *const prefixes[] = {
		"198.51.100.7/32",   "203.0.113.64/26", "203.0.113.0/32",      "10.64.0.0/10", "240.0.0.0/4",
		"2001:db8:c::7/128", "2001:db8:d::/64", "2001:db8:e:e00::/57", "fd00::/8",
	};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		policy_deny(fixture, prefixes[i]);
}

static void fast(struct fixture *fixture)
{
	world_fill(fixture);
	list(fixture);
}

static void slowly(struct fixture *fixture)
{
	policy_fill(fixture);
	list(fixture);
}

static void everybody(struct fixture *fixture)
{
	world_fill(fixture);
	policy_deny(fixture, "0.0.0.0/0");
	policy_deny(fixture, "::/0");
}

static void taken_off(struct fixture *fixture)
{
	fast(fixture);
	policy_allow(fixture, "198.51.100.7/32");
	policy_allow(fixture, "2001:db8:c::7/128");
}

/* A longer prefix is on the list, too, when the wider one goes. */
static void partly_taken_off(struct fixture *fixture)
{
	fast(fixture);
	policy_deny(fixture, "203.0.113.65/32");
	policy_allow(fixture, "203.0.113.64/26");
}

static void address_alone(struct fixture *fixture)
{
	struct service address = world_service(L2);

	fast(fixture);
	address.flags = ADDRESS_REJECT | ADDRESS_ECHO_ANSWER;
	fixture_vip(fixture, VIP_ALONE, 0, 0, &address);
	fixture_vip(fixture, VIP_ALONE6, 0, 0, &address);
}

#define FROM(source, vip, ...)                                                                                         \
	{                                                                                                              \
		.from = source, .to = vip, .from_port = 40000, .to_port = 443, ##__VA_ARGS__                           \
	}
#define DENIED(number)                                                                                                 \
	{                                                                                                              \
		.reason = REASON_denied, .service = number                                                             \
	}

/* The same on both paths. */
#define BOTH(text, ...)                                                                                                \
	{.name = text, .features = DENY, .setup = fast, __VA_ARGS__},                                                  \
	{                                                                                                              \
		.name = "slow path: " text, .features = DENY | POLICY_FEATURES, .setup = slowly, __VA_ARGS__           \
	}

static const struct packet_case sources[] = {
	BOTH("an address", .client = FROM(CLIENT4, V4_IPIP4), .outcome = DENIED(IPIP4)),
	BOTH("an address, UDP", .client = FROM(CLIENT4, V4_GUE4, UDP), .outcome = DENIED(GUE4)),
	BOTH("the address before", .client = FROM("198.51.100.6", V4_IPIP4), .outcome = TAKEN(IPIP4)),
	BOTH("the address behind", .client = FROM("198.51.100.8", V4_IPIP4), .outcome = TAKEN(IPIP4)),
	BOTH("an address with its bytes the other way round", .client = FROM("7.100.51.198", V4_IPIP4),
	     .outcome = TAKEN(IPIP4)),
	BOTH("a prefix's first address", .client = FROM("203.0.113.64", V4_L2), .outcome = DENIED(L2)),
	BOTH("a prefix's last address", .client = FROM("203.0.113.127", V4_L2), .outcome = DENIED(L2)),
	BOTH("the address before a prefix", .client = FROM("203.0.113.63", V4_L2), .outcome = TAKEN(L2)),
	BOTH("the address behind a prefix", .client = FROM("203.0.113.128", V4_L2), .outcome = TAKEN(L2)),
	BOTH("a prefix across bytes", .client = FROM("10.127.255.255", V4_L2), .outcome = DENIED(L2)),
	BOTH("behind a prefix across bytes", .client = FROM("10.128.0.0", V4_L2), .outcome = TAKEN(L2)),
	BOTH("IPv6: an address", .client = FROM(CLIENT6, V6_IPIP6), .outcome = DENIED(IPIP6)),
	BOTH("IPv6: an address, UDP", .client = FROM(CLIENT6, V6_GUE6, UDP), .outcome = DENIED(GUE6)),
	BOTH("IPv6: the address before", .client = FROM("2001:db8:c::6", V6_IPIP6), .outcome = TAKEN(IPIP6)),
	BOTH("IPv6: the address behind", .client = FROM("2001:db8:c::8", V6_IPIP6), .outcome = TAKEN(IPIP6)),
	BOTH("IPv6: a prefix's first address", .client = FROM("2001:db8:d::", V6_L2), .outcome = DENIED(L2)),
	BOTH("IPv6: a prefix's last address", .client = FROM("2001:db8:d::ffff:ffff:ffff:ffff", V6_L2),
	     .outcome = DENIED(L2)),
	BOTH("IPv6: the address behind a prefix", .client = FROM("2001:db8:d:1::", V6_L2), .outcome = TAKEN(L2)),
	BOTH("IPv6: a prefix across bytes", .client = FROM("2001:db8:e:e7f::1", V6_L2), .outcome = DENIED(L2)),
	BOTH("IPv6: behind a prefix across bytes", .client = FROM("2001:db8:e:e80::1", V6_L2), .outcome = TAKEN(L2)),
	BOTH("IPv6: a short prefix", .client = FROM("fdff::1", V6_L2), .outcome = DENIED(L2)),
};

#define FAST(text, how, ...)                                                                                           \
	{                                                                                                              \
		.name = text, .features = DENY, .setup = how, __VA_ARGS__                                              \
	}

static const struct packet_case lists[] = {
	FAST("all of IPv4", everybody, .client = FROM(CLIENT4, V4_IPIP4), .outcome = DENIED(IPIP4)),
	FAST("all of IPv6", everybody, .client = FROM(CLIENT6, V6_IPIP4), .outcome = DENIED(IPIP4)),
	FAST("taken off the list", taken_off, .client = FROM(CLIENT4, V4_IPIP4), .outcome = TAKEN(IPIP4)),
	FAST("IPv6: taken off the list", taken_off, .client = FROM(CLIENT6, V6_IPIP4), .outcome = TAKEN(IPIP4)),
	FAST("the rest of the list stays", taken_off, .client = FROM("203.0.113.70", V4_L2), .outcome = DENIED(L2)),
	FAST("a wide prefix goes, a long one in it stays", partly_taken_off, .client = FROM("203.0.113.65", V4_L2),
	     .outcome = DENIED(L2)),
	FAST("what a wide prefix alone had is free", partly_taken_off, .client = FROM("203.0.113.66", V4_L2),
	     .outcome = TAKEN(L2)),
	{.name = "no feature: not looked at",
	 .setup = fast,
	 .client = FROM(CLIENT4, V4_IPIP4),
	 .outcome = TAKEN(IPIP4)},
	{.name = "no feature of IPv4: not looked at",
	 .features = FEATURE_DENY6,
	 .setup = fast,
	 .client = FROM(CLIENT4, V4_IPIP4),
	 .outcome = TAKEN(IPIP4)},
	{.name = "no feature of IPv6: not looked at",
	 .features = FEATURE_DENY4,
	 .setup = fast,
	 .client = FROM(CLIENT6, V6_IPIP4),
	 .outcome = TAKEN(IPIP4)},
};

#define HOST(text, ...)                                                                                                \
	{                                                                                                              \
		.name = text, .features = DENY, .setup = fast, __VA_ARGS__                                             \
	}
#define NOT_OURS                                                                                                       \
	{                                                                                                              \
		.reason = REASON_no_service                                                                            \
	}
#define ALONE(text, ...)                                                                                               \
	{                                                                                                              \
		.name = text, .features = DENY | FEATURE_ADDRESS, .setup = address_alone, __VA_ARGS__                  \
	}

static const struct packet_case others[] = {
	HOST("the host's own traffic", .client = {.from = CLIENT4, .to = "10.1.0.2", .to_port = 22},
	     .outcome = NOT_OURS),
	HOST("IPv6: the host's own traffic", .client = {.from = CLIENT6, .to = "2001:db8:1::2", .to_port = 22},
	     .outcome = NOT_OURS),
	HOST("a VIP's port that is the host's", .client = {.from = CLIENT4, .to = V4_IPIP4, .to_port = 22},
	     .outcome = NOT_OURS),
	HOST("to a listed address", .client = {.from = V4_IPIP4, .to = CLIENT4, .from_port = 443}, .outcome = NOT_OURS),
	ALONE("to an unknown port that would be rejected",
	      .client = {.from = CLIENT4, .to = VIP_ALONE, .from_port = 1, .to_port = 99}, .outcome = DENIED(L2)),
	ALONE("IPv6: to an unknown port that would be rejected",
	      .client = {.from = CLIENT6, .to = VIP_ALONE6, .from_port = 1, .to_port = 99}, .outcome = DENIED(L2)),
	ALONE("a ping that would be answered", .client = {.from = CLIENT4, .to = VIP_ALONE, .protocol = IPPROTO_ICMP},
	      .outcome = DENIED(L2)),
	ALONE("IPv6: a ping that would be answered",
	      .client = {.from = CLIENT6, .to = VIP_ALONE6, .protocol = IPPROTO_ICMPV6}, .outcome = DENIED(L2)),
};

/* As many prefixes as there may be, each of them found, and no other. */
static void full(void **state)
{
	__u32 *values = calloc(SLUICE_MAX_DENIED, sizeof(*values)), count = SLUICE_MAX_DENIED;
	struct deny_key4 *keys = calloc(SLUICE_MAX_DENIED, sizeof(*keys));
	struct counts *counts = calloc(1, sizeof(*counts));
	const struct outcome denied = DENIED(IPIP4), taken = TAKEN(IPIP4);
	struct fixture *fixture;
	struct frame in;
	char source[16];

	(void)state;
	fixture_need_root();
	assert_true(values && keys && counts);
	fixture = fixture_open(DENY);
	world_fill(fixture);
	/* every other address */
	for (__u32 i = 0; i < count; i++)
		keys[i] = (struct deny_key4){.prefixlen = 32, .address = htonl(0x64000000 + 2 * i)};
	if (bpf_map_update_batch(fixture_map(fixture, "denied4"), keys, values, &count, NULL))
		fail_msg("%u of %u prefixes: %s", count, SLUICE_MAX_DENIED, strerror(errno));
	for (__u32 i = 0; i < 2 * SLUICE_MAX_DENIED; i += 997) {
		__u32 address = 0x64000000 + i;

		snprintf(source, sizeof(source), "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
			 address & 255);
		frame_client(&in, &(struct client)FROM(source, V4_IPIP4));
		packet_send(fixture, &in, NULL, i % 2 ? &taken : &denied, counts);
	}
	packet_assert_counted(fixture, counts);
	fixture_close(fixture);
	free(counts);
	free(keys);
	free(values);
}

static const struct case_group groups[] = {
	GROUP("The deny list: sources", sources),
	GROUP("The deny list: prefixes", lists),
	GROUP("The deny list: other packets", others),
};

int main(int argc, char **argv)
{
	const struct CMUnitTest many[] = {cmocka_unit_test(full)};
	int failed = GROUPS_RUN(argc, argv, groups);

	return groups_are_listed(argc, argv) ? failed : failed + cmocka_run_group_tests(many, NULL, NULL);
}
