/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Limits, with buckets that get nothing back while a test runs: which packet is one too many. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "packet/packet_case.h"
#include "packet/policy.h"

#define FEATURES  (FEATURE_SLOW | FEATURE_LIMITS)
#define STEPS_MAX 10
#define SYN	  0x02
#define SYN_ACK	  0x12

struct step {
	struct client client;
	enum reason reason;
};

/* Packets to one service, or to another with the same options; in order. */
struct limit_case {
	const char *name;
	struct service_options options; /* OPTION_LIMITS is set */
	struct step steps[STEPS_MAX];
};

#define VIP   V4_IPIP4 /* of service IPIP4 */
#define VIP6  V6_IPIP4
#define OTHER V4_GUE4 /* of service GUE4 */

static struct fixture *open_with(const struct service_options *options)
{
	struct fixture *fixture = fixture_open(FEATURES);

	policy_fill(fixture);
	policy_options(fixture, IPIP4, options);
	policy_options(fixture, GUE4, options);
	return fixture;
}

static void step_send(struct fixture *fixture, const struct step *step, struct counts *counts)
{
	__u16 service = strcmp(step->client.to, OTHER) ? IPIP4 : GUE4;
	const struct outcome outcome = {.reason = step->reason, .service = service, .backend = service};
	struct frame in;

	frame_client(&in, &step->client);
	packet_send(fixture, &in, NULL, &outcome, counts);
}

static void limit_case_run(void **state)
{
	const struct limit_case *test = *state;
	struct service_options options = test->options;
	struct counts *counts = calloc(1, sizeof(*counts));
	struct fixture *fixture;

	fixture_need_root();
	assert_non_null(counts);
	options.flags |= OPTION_LIMITS;
	fixture = open_with(&options);
	for (int i = 0; i < STEPS_MAX && test->steps[i].client.from; i++)
		step_send(fixture, &test->steps[i], counts);
	packet_assert_counted(fixture, counts);
	fixture_close(fixture);
	free(counts);
}

#define FROM(source, vip, ...)                                                                                         \
	{                                                                                                              \
		.from = source, .to = vip, .from_port = 40000, .to_port = 443, ##__VA_ARGS__                           \
	}
#define GOES(...)                                                                                                      \
	{                                                                                                              \
		FROM(__VA_ARGS__), REASON_forwarded                                                                    \
	}
#define OVER(...)                                                                                                      \
	{                                                                                                              \
		FROM(__VA_ARGS__), REASON_over_source_limit                                                            \
	}
#define OVER_ALL(...)                                                                                                  \
	{                                                                                                              \
		FROM(__VA_ARGS__), REASON_over_service_limit                                                           \
	}
#define PASSES(...)                                                                                                    \
	{                                                                                                              \
		FROM(__VA_ARGS__), REASON_over_limit_passed                                                            \
	}
#define BEGINS .tcp_flags = SYN

#define A      "198.51.100.7"
#define B      "198.51.100.8"
#define A6     "2001:db8:c::7"
#define A6_TOO "2001:db8:c:0:ffff::1" /* in the same /64 */
#define B6     "2001:db8:c:1::7"

#define PREFIXES      .source_bits4 = 32, .source_bits6 = 64
#define SOURCE(n)     .source_packets = LIMIT(n), PREFIXES
#define SOURCE_NEW(n) .source_connections = LIMIT(n), PREFIXES
#define ALL(n)	      .service_packets = LIMIT(n)
#define ALL_NEW(n)    .service_connections = LIMIT(n)

static const struct limit_case of_sources[] = {
	{"a burst, and no more", {SOURCE(3)}, {GOES(A, VIP), GOES(A, VIP), GOES(A, VIP), OVER(A, VIP), OVER(A, VIP)}},
	{"a burst of one", {SOURCE(1)}, {GOES(A, VIP), OVER(A, VIP)}},
	{"TCP and UDP together", {SOURCE(2)}, {GOES(A, VIP), GOES(A, VIP, UDP), OVER(A, VIP), OVER(A, VIP, UDP)}},
	{"another source has its own", {SOURCE(1)}, {GOES(A, VIP), OVER(A, VIP), GOES(B, VIP), OVER(B, VIP)}},
	{"another service has its own", {SOURCE(1)}, {GOES(A, VIP), OVER(A, VIP), GOES(A, OTHER), OVER(A, OTHER)}},
	{"IPv6: a burst, and no more", {SOURCE(2)}, {GOES(A6, VIP6), GOES(A6, VIP6), OVER(A6, VIP6)}},
	{"IPv6: a /64 is one source",
	 {SOURCE(2)},
	 {GOES(A6, VIP6), GOES(A6_TOO, VIP6), OVER(A6, VIP6), OVER(A6_TOO, VIP6)}},
	{"IPv6: another /64", {SOURCE(1)}, {GOES(A6, VIP6), OVER(A6_TOO, VIP6), GOES(B6, VIP6), OVER(B6, VIP6)}},
	{"IPv6 with the first bits of an IPv4 address",
	 {SOURCE(1)},
	 {GOES("32.1.13.184", VIP), GOES("2001:db8::77", VIP6)}},
	{"new connections",
	 {SOURCE_NEW(2)},
	 {GOES(A, VIP, BEGINS), GOES(A, VIP), GOES(A, VIP, BEGINS), OVER(A, VIP, BEGINS), GOES(A, VIP),
	  GOES(B, VIP, BEGINS)}},
	{"new connections: neither SYN-ACK nor UDP",
	 {SOURCE_NEW(1)},
	 {GOES(A, VIP, BEGINS), GOES(A, VIP, .tcp_flags = SYN_ACK), GOES(A, VIP, UDP), OVER(A, VIP, BEGINS)}},
	{"new connections: SYN with other flags",
	 {SOURCE_NEW(1)},
	 {GOES(A, VIP, .tcp_flags = 0xc2), OVER(A, VIP, .tcp_flags = 0x42)}},
	{"IPv6: new connections",
	 {SOURCE_NEW(1)},
	 {GOES(A6, VIP6, BEGINS), OVER(A6_TOO, VIP6, BEGINS), GOES(A6, VIP6)}},
	{"packets and connections",
	 {.source_packets = LIMIT(3), .source_connections = LIMIT(1), PREFIXES},
	 {GOES(A, VIP, BEGINS), OVER(A, VIP, BEGINS), OVER(A, VIP, BEGINS), GOES(A, VIP), GOES(A, VIP), OVER(A, VIP)}},
};

#define BITS(of4, of6) .source_packets = LIMIT(1), .source_bits4 = of4, .source_bits6 = of6

static const struct limit_case of_prefixes[] = {
	{"/24", {BITS(24, 64)}, {GOES(A, VIP), OVER("198.51.100.255", VIP), GOES("198.51.101.7", VIP)}},
	{"/31", {BITS(31, 64)}, {GOES("198.51.100.6", VIP), OVER("198.51.100.7", VIP), GOES("198.51.100.8", VIP)}},
	{"/1", {BITS(1, 64)}, {GOES("1.2.3.4", VIP), OVER("126.0.0.1", VIP), GOES("198.51.100.7", VIP)}},
	{"all of IPv4", {BITS(0, 64)}, {GOES(A, VIP), OVER("10.0.0.1", VIP), GOES(A6, VIP6), GOES(B6, VIP6)}},
	{"IPv6 /128", {BITS(32, 128)}, {GOES(A6, VIP6), OVER(A6, VIP6), GOES("2001:db8:c::6", VIP6)}},
	{"IPv6 /127", {BITS(32, 127)}, {GOES("2001:db8:c::6", VIP6), OVER(A6, VIP6), GOES("2001:db8:c::8", VIP6)}},
	{"IPv6 /65", {BITS(32, 65)}, {GOES(A6, VIP6), GOES("2001:db8:c:0:8000::7", VIP6), OVER("2001:db8:c::8", VIP6)}},
	{"IPv6 /96",
	 {BITS(32, 96)},
	 {GOES(A6, VIP6), OVER("2001:db8:c::ffff:ffff", VIP6), GOES("2001:db8:c::1:0:0", VIP6)}},
	{"IPv6 /56", {BITS(32, 56)}, {GOES(A6, VIP6), OVER("2001:db8:c:ff::", VIP6), GOES("2001:db8:c:100::", VIP6)}},
	{"IPv6 /32", {BITS(32, 32)}, {GOES(A6, VIP6), OVER("2001:db8:ffff::", VIP6), GOES("2001:db9::", VIP6)}},
	{"all of IPv6", {BITS(32, 0)}, {GOES(A6, VIP6), OVER("2a00::1", VIP6), GOES(A, VIP), GOES(B, VIP)}},
};

static const struct limit_case of_services[] = {
	{"all sources together",
	 {ALL(3)},
	 {GOES(A, VIP), GOES(B, VIP), GOES(A6, VIP6), OVER_ALL(A, VIP), OVER_ALL(B6, VIP6)}},
	{"another service has its own", {ALL(1)}, {GOES(A, VIP), OVER_ALL(A, VIP), GOES(A, OTHER), OVER_ALL(B, OTHER)}},
	{"new connections",
	 {ALL_NEW(2)},
	 {GOES(A, VIP, BEGINS), GOES(B, VIP, BEGINS), OVER_ALL(A, VIP, BEGINS), GOES(A, VIP), GOES(A, VIP, UDP)}},
	{"the source's limit says no first",
	 {.source_packets = LIMIT(1), .service_packets = LIMIT(2), PREFIXES},
	 {GOES(A, VIP), OVER(A, VIP), OVER(A, VIP), GOES(B, VIP), OVER_ALL("198.51.100.9", VIP), OVER(A, VIP)}},
	{"what a source sends too much is none of the service's",
	 {.source_packets = LIMIT(2), .service_packets = LIMIT(3), PREFIXES},
	 {GOES(A, VIP), GOES(A, VIP), OVER(A, VIP), OVER(A, VIP), OVER(A, VIP), GOES(B, VIP), OVER_ALL(B, VIP)}},
	{"a refused connection is no packet of the service's",
	 {.source_connections = LIMIT(1), .service_packets = LIMIT(2), PREFIXES},
	 {GOES(A, VIP, BEGINS), OVER(A, VIP, BEGINS), OVER(A, VIP, BEGINS), GOES(A, VIP), OVER_ALL(A, VIP)}},
	{"a refused packet is no connection of the service's",
	 {.service_packets = LIMIT(1), .service_connections = LIMIT(2)},
	 {GOES(A, VIP, BEGINS), OVER_ALL(A, VIP, BEGINS), OVER_ALL(A, VIP)}},
	{"excess passes",
	 {.source_packets = LIMIT(1), PREFIXES, .flags = OPTION_EXCESS_PASS},
	 {GOES(A, VIP), PASSES(A, VIP), GOES(A6, VIP6), PASSES(A6, VIP6)}},
	{"excess of the service passes",
	 {.service_connections = LIMIT(1), .flags = OPTION_EXCESS_PASS},
	 {GOES(A, VIP, BEGINS), PASSES(B, VIP, BEGINS), GOES(B, VIP)}},
	{"no limit is set", {.flags = 0}, {GOES(A, VIP), GOES(A, VIP, BEGINS), GOES(A6, VIP6)}},
};

/* Of the last packet. */
static enum reason limit_case_reason(const void *test)
{
	const struct limit_case *limited = test;
	enum reason reason = REASON_go_on;

	for (int i = 0; i < STEPS_MAX && limited->steps[i].client.from; i++)
		reason = limited->steps[i].reason;
	return reason;
}

static const struct case_group groups[] = {
	GROUP_OF("Limits of sources", of_sources, limit_case_run, limit_case_reason),
	GROUP_OF("Limits of sources: prefixes", of_prefixes, limit_case_run, limit_case_reason),
	GROUP_OF("Limits of services", of_services, limit_case_run, limit_case_reason),
};

int main(int argc, char **argv)
{
	return GROUPS_RUN(argc, argv, groups);
}
