/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Source rules of services: whom they let in, and to which pool. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#include "packet/packet_case.h"
#include "packet/policy.h"

#define FEATURES (FEATURE_SLOW | FEATURE_RULES)
#define VIP	 "192.0.2.99"
#define VIP6	 "2001:db8::99"

/* Services by the number of their own pool; what their rules say. */
enum {
	MIXED = IPIP4,	  /* some of everything */
	CLOSED = L2,	  /* to all but one network */
	OPEN = GUE4,	  /* no rule has any source */
	UNMARKED = L2_OUT /* rules are there, but its options do not say so */
};

static void rules(struct fixture *fixture)
{
	static const struct service_options with = {.flags = OPTION_RULES}, without;

	policy_fill(fixture);
	policy_options(fixture, MIXED, &with);
	policy_rule(fixture, MIXED, "198.51.100.0/24", RULE_DENY, 0);
	policy_rule(fixture, MIXED, "198.51.100.7/32", RULE_ALLOW, 0);
	policy_rule(fixture, MIXED, "198.51.100.64/26", RULE_POOL, IPIP6);
	policy_rule(fixture, MIXED, "198.51.100.80/28", RULE_DENY, 0);
	policy_rule(fixture, MIXED, "2001:db8:c::/48", RULE_DENY, 0);
	policy_rule(fixture, MIXED, "2001:db8:c::7/128", RULE_ALLOW, 0);
	policy_rule(fixture, MIXED, "2001:db8:c:40::/58", RULE_POOL, IPIP4_OUT);
	policy_options(fixture, CLOSED, &with);
	policy_rule(fixture, CLOSED, "0.0.0.0/0", RULE_DENY, 0);
	policy_rule(fixture, CLOSED, "10.0.0.0/8", RULE_ALLOW, 0);
	policy_rule(fixture, CLOSED, "::/0", RULE_DENY, 0);
	policy_rule(fixture, CLOSED, "fd00::/8", RULE_POOL, IPIP4);
	policy_options(fixture, OPEN, &with);
	policy_options(fixture, UNMARKED, &without);
	policy_rule(fixture, UNMARKED, "0.0.0.0/0", RULE_DENY, 0);
}

#define FROM(source, vip, ...)                                                                                         \
	{                                                                                                              \
		.from = source, .to = vip, .from_port = 40000, .to_port = 443, ##__VA_ARGS__                           \
	}
#define DENIED(number)                                                                                                 \
	{                                                                                                              \
		.reason = REASON_denied_by_rule, .service = number                                                     \
	}
#define POOL(number, pool)                                                                                             \
	{                                                                                                              \
		.reason = REASON_forwarded, .service = number, .backend = pool                                         \
	}
#define POOL_OUT(number, pool)                                                                                         \
	{                                                                                                              \
		.reason = REASON_redirected, .service = number, .backend = pool                                        \
	}
#define RULE(text, ...)                                                                                                \
	{                                                                                                              \
		.name = text, .features = FEATURES, .setup = rules, __VA_ARGS__                                        \
	}

static const struct packet_case cases[] = {
	RULE("allowed in a denied network", .client = FROM(CLIENT4, V4_IPIP4), .outcome = TAKEN(MIXED)),
	RULE("a denied network", .client = FROM("198.51.100.8", V4_IPIP4), .outcome = DENIED(MIXED)),
	RULE("a denied network, UDP", .client = FROM("198.51.100.8", V4_IPIP4, UDP), .outcome = DENIED(MIXED)),
	RULE("its first address", .client = FROM("198.51.100.0", V4_IPIP4), .outcome = DENIED(MIXED)),
	RULE("its last address", .client = FROM("198.51.100.255", V4_IPIP4), .outcome = DENIED(MIXED)),
	RULE("the address before", .client = FROM("198.51.99.255", V4_IPIP4), .outcome = TAKEN(MIXED)),
	RULE("the address behind", .client = FROM("198.51.101.0", V4_IPIP4), .outcome = TAKEN(MIXED)),
	RULE("a network to another pool", .client = FROM("198.51.100.127", V4_IPIP4), .outcome = POOL(MIXED, IPIP6)),
	RULE("a network to another pool, UDP", .client = FROM("198.51.100.64", V4_IPIP4, UDP),
	     .outcome = POOL(MIXED, IPIP6)),
	RULE("denied in a network with its own pool", .client = FROM("198.51.100.95", V4_IPIP4),
	     .outcome = DENIED(MIXED)),
	RULE("no rule: allowed", .client = FROM("203.0.113.1", V4_IPIP4), .outcome = TAKEN(MIXED)),
	RULE("IPv6: allowed in a denied network", .client = FROM(CLIENT6, V6_IPIP4), .outcome = TAKEN(MIXED)),
	RULE("IPv6: a denied network", .client = FROM("2001:db8:c::8", V6_IPIP4), .outcome = DENIED(MIXED)),
	RULE("IPv6: its last address", .client = FROM("2001:db8:c:ffff:ffff:ffff:ffff:ffff", V6_IPIP4),
	     .outcome = DENIED(MIXED)),
	RULE("IPv6: the address behind", .client = FROM("2001:db8:d::", V6_IPIP4), .outcome = TAKEN(MIXED)),
	RULE("IPv6: a network to another pool", .client = FROM("2001:db8:c:7f::1", V6_IPIP4),
	     .outcome = POOL_OUT(MIXED, IPIP4_OUT)),
	RULE("IPv6: behind that network", .client = FROM("2001:db8:c:80::1", V6_IPIP4), .outcome = DENIED(MIXED)),
	RULE("IPv6: no rule: allowed", .client = FROM("2001:db8:e::1", V6_IPIP4), .outcome = TAKEN(MIXED)),
	RULE("all denied", .client = FROM("203.0.113.1", V4_L2), .outcome = DENIED(CLOSED)),
	RULE("all denied but one network", .client = FROM("10.255.0.1", V4_L2), .outcome = TAKEN(CLOSED)),
	RULE("IPv6: all denied", .client = FROM(CLIENT6, V6_L2), .outcome = DENIED(CLOSED)),
	RULE("IPv6: all denied but one network's own pool", .client = FROM("fd12::1", V6_L2),
	     .outcome = POOL(CLOSED, IPIP4)),
	RULE("rules are of their service alone", .client = FROM("198.51.100.8", V4_GUE4), .outcome = TAKEN(OPEN)),
	RULE("IPv6: rules are of their service alone", .client = FROM("2001:db8:c::8", V6_GUE4),
	     .outcome = TAKEN(OPEN)),
	RULE("the options do not say so: not looked at", .client = FROM(CLIENT4, V4_L2_OUT),
	     .outcome = TAKEN_OUT(UNMARKED)),
	{.name = "no feature: not looked at",
	 .features = FEATURE_SLOW,
	 .setup = rules,
	 .client = FROM("198.51.100.8", V4_IPIP4),
	 .outcome = TAKEN(MIXED)},
	RULE("the host's own traffic", .client = {.from = "198.51.100.8", .to = V4_IPIP4, .to_port = 22},
	     .outcome = {.reason = REASON_no_service}),
};

static void unreachable(struct frame *frame)
{
	frame_error(frame, 3, 4, 8);
}

static void too_big(struct frame *frame)
{
	frame_error(frame, 2, 0, 8);
}

/* An ICMP error about what a VIP sent goes to the backend that sent it: the client's rule says of which pool. */
static const struct packet_case errors[] = {
	RULE("to a client with another pool", .client = FROM("198.51.100.65", V4_IPIP4), .change = unreachable,
	     .outcome = POOL(MIXED, IPIP6)),
	RULE("to a client of the service's own pool", .client = FROM(CLIENT4, V4_IPIP4), .change = unreachable,
	     .outcome = TAKEN(MIXED)),
	RULE("IPv6: to a client with another pool", .client = FROM("2001:db8:c:41::1", V6_IPIP4), .change = too_big,
	     .outcome = POOL_OUT(MIXED, IPIP4_OUT)),
	RULE("IPv6: to a client of the service's own pool", .client = FROM(CLIENT6, V6_IPIP4), .change = too_big,
	     .outcome = TAKEN(MIXED)),
};

/*
 * A service in a move, whose flows without a record are still its former table's; and a rule that names a pool, which
 * has not moved.
 */
static void moving(struct fixture *fixture)
{
	static const struct service_options with = {.flags = OPTION_RULES};
	struct service service = world_service(MIXED), before = world_service(OPEN);

	rules(fixture);
	service.flags = SERVICE_SLOW | SERVICE_MOVING;
	fixture_vip(fixture, VIP, 443, IPPROTO_TCP, &service);
	fixture_move(fixture, MIXED,
		     &(struct service_move){.now = {service.slot_first, service.slot_count},
					    .before = {before.slot_first, before.slot_count},
					    .phase = PHASE_OPEN});
	policy_options(fixture, MIXED, &with);
}

#define MOVE(text, ...)                                                                                                \
	{                                                                                                              \
		.name = text, .features = FEATURES | FEATURE_TRANSITION, .setup = moving, __VA_ARGS__                  \
	}

static const struct packet_case moves[] = {
	MOVE("another pool's table has not moved", .client = FROM("198.51.100.65", VIP), .outcome = POOL(MIXED, IPIP6)),
};

/* A rule's table whose slots are of five backends, for a service that hashes as `flags` say. */
static struct fixture *spread_open(__u16 flags)
{
	struct fixture *fixture = fixture_open(FEATURES);
	struct service service = world_service(MIXED);
	const struct service_options with = {.flags = OPTION_RULES};
	struct rule_key4 key = {.prefixlen = RULE_KEY_FIXED_BITS, .service = MIXED};
	/* the slots of the world's first pools, all but the last few */
	struct rule rule = {.table = {.slot_first = WORLD_POOL_SLOTS, .slot_count = 29}, .action = RULE_POOL};

	world_backends(fixture);
	service.flags = SERVICE_SLOW | flags;
	fixture_vip(fixture, VIP, 443, IPPROTO_TCP, &service);
	policy_options(fixture, MIXED, &with);
	assert_int_equal(bpf_map_update_elem(fixture_map(fixture, "rules4"), &key, &rule, BPF_ANY), 0);
	return fixture;
}

/* How many backends the flows of one source go to. */
static int spread(__u16 flags)
{
	struct counts *counts = calloc(1, sizeof(*counts));
	struct fixture *fixture = spread_open(flags);
	struct frame in, out;
	int backends = 0;

	assert_non_null(counts);
	for (__u16 port = 1; port <= 64; port++) {
		frame_client(&in, &(struct client){.from = CLIENT4, .to = VIP, .from_port = port, .to_port = 443});
		fixture_run(fixture, &in, NULL, &out);
	}
	fixture_counts(fixture, counts);
	for (__u16 n = 1; n < WORLD_BACKENDS; n++)
		backends += counts->backends[n].packets > 0;
	fixture_close(fixture);
	free(counts);
	return backends;
}

static void hash_is_the_services(void **state)
{
	(void)state;
	fixture_need_root();
	assert_int_equal(spread(SERVICE_HASH_SOURCE), 1);
	assert_int_equal(spread(0), 5);
}

static const struct case_group groups[] = {
	GROUP("Source rules", cases),
	GROUP("Source rules and ICMP errors", errors),
	GROUP("Source rules and moves", moves),
};

int main(int argc, char **argv)
{
	const struct CMUnitTest hash[] = {cmocka_unit_test(hash_is_the_services)};
	int failed = GROUPS_RUN(argc, argv, groups);

	return groups_are_listed(argc, argv) ? failed : failed + cmocka_run_group_tests(hash, NULL, NULL);
}
