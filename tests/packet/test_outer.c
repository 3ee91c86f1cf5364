/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What of the outer header a pool chooses: TTL, don't-fragment, and sources that differ from flow to flow. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "packet/frame_parts.h"
#include "packet/packet_case.h"

#define TCP4(number, ...)                                                                                              \
	{                                                                                                              \
		.from = CLIENT4, .to = V4_##number, .from_port = 40000, .to_port = 443, ##__VA_ARGS__                  \
	}
#define TCP6(number, ...)                                                                                              \
	{                                                                                                              \
		.from = CLIENT6, .to = V6_##number, .from_port = 40000, .to_port = 443, ##__VA_ARGS__                  \
	}
#define HERE .ifindex = FIXTURE_INTERFACE, .mtu = 1500

static const struct target ttl[WORLD_BACKENDS] = {
	[IPIP4] = {FORWARD_IPIP, "10.1.0.11", "10.1.0.2", HERE, .ttl = 1},
	[IPIP6] = {FORWARD_IPIP, "2001:db8:1::12", "2001:db8:1::2", HERE, .ttl = 255},
	[GUE4] = {FORWARD_GUE, "10.1.0.13", "10.1.0.2", 6080, HERE, .ttl = 255},
	[GUE6] = {FORWARD_GUE, "2001:db8:1::14", "2001:db8:1::2", 6080, HERE, .ttl = 1},
	[L2] = {FORWARD_L2, "10.1.0.15", "10.1.0.2", HERE, .ttl = 7},
};

static const struct target no_df[WORLD_BACKENDS] = {
	[IPIP4] = {FORWARD_IPIP, "10.1.0.11", "10.1.0.2", HERE, .no_df = true},
	[GUE4] = {FORWARD_GUE, "10.1.0.13", "10.1.0.2", 6080, HERE, .no_df = true, .ttl = 128},
};

/* All of them by ipip, whatever their number's name says. */
static const struct target sources[WORLD_BACKENDS] = {
	[IPIP4] = {FORWARD_IPIP, "10.1.0.11", "172.16.0.0", HERE, .source_length = 16},
	[IPIP6] = {FORWARD_IPIP, "2001:db8:1::12", "fd00::", HERE, .source_length = 96},
	[GUE4] = {FORWARD_IPIP, "10.1.0.13", "10.0.0.0", HERE, .source_length = 8},
	[GUE6] = {FORWARD_IPIP, "2001:db8:1::14", "2001:db8:5:6::", HERE, .source_length = 64},
	[L2] = {FORWARD_IPIP, "10.1.0.15", "10.7.7.6", HERE, .source_length = 31, .no_df = true, .ttl = 3},
	[L2_OUT] = {FORWARD_IPIP, "2001:db8:2::20", "2001:db8:5:6::fffe", .ifindex = WORLD_OTHER, .mtu = 1500,
		    .source_length = 127, .tag = {0x81000014}},
};

static void fill(struct fixture *fixture, const struct target targets[WORLD_BACKENDS])
{
	world_fill(fixture);
	for (__u16 n = 1; n < WORLD_BACKENDS; n++)
		if (targets[n].address)
			fixture_backend(fixture, n, &targets[n]);
}

#define SETUP(name, targets)                                                                                           \
	static void name(struct fixture *fixture)                                                                      \
	{                                                                                                              \
		fill(fixture, targets);                                                                                \
	}
SETUP(with_ttl, ttl)
SETUP(with_no_df, no_df)
SETUP(with_sources, sources)

CHANGE(may_fragment, frame_put16(frame, FRAME_IP + 4, 77); frame_put16(frame, FRAME_IP + 6, 0); frame_checksum4(frame))
CHANGE(more, frame_is_v6(frame) ? frame_extension(frame, IPPROTO_HOPOPTS, 16) : frame_options(frame, 16))
CHANGE(tagged, frame_tag(frame, 0x8100, 30))
CHANGE(label, frame->data[FRAME_IP + 1] |= 0xf; frame_put16(frame, FRAME_IP + 2, 0x1234))
CHANGE(first, frame_fragment(frame, 1, 0, 16))

#define WAY(why, targets, number)                                                                                      \
	{                                                                                                              \
		.reason = REASON_##why, .service = number, .backend = number, .target = &targets[number]               \
	}
#define CHOSEN(text, bits, how, targets, number, change_it)                                                            \
	{.name = text ": IPv4 by " #number,                                                                            \
	 .features = bits,                                                                                             \
	 .setup = how,                                                                                                 \
	 .client = TCP4(number, .tos = 0x03),                                                                          \
	 .change = change_it,                                                                                          \
	 .outcome = WAY(forwarded, targets, number)},                                                                  \
	{                                                                                                              \
		.name = text ": IPv6 by " #number, .features = bits, .setup = how,                                     \
		.client = TCP6(number, .tos = 0xb8), .change = change_it, .outcome = WAY(forwarded, targets, number)   \
	}

static const struct packet_case chosen[] = {
	CHOSEN("TTL 1", 0, with_ttl, ttl, IPIP4, NULL),
	CHOSEN("hop limit 255", 0, with_ttl, ttl, IPIP6, NULL),
	CHOSEN("TTL 255", 0, with_ttl, ttl, GUE4, NULL),
	CHOSEN("hop limit 1", 0, with_ttl, ttl, GUE6, NULL),
	CHOSEN("a TTL leaves L2 alone", 0, with_ttl, ttl, L2, NULL),
	CHOSEN("TTL 255, slow path", 0, with_ttl, ttl, GUE4, more),
	CHOSEN("hop limit 255, in a VLAN", 0, with_ttl, ttl, IPIP6, tagged),
	CHOSEN("df: false", 0, with_no_df, no_df, IPIP4, NULL),
	CHOSEN("df: false, TTL 128", 0, with_no_df, no_df, GUE4, NULL),
	CHOSEN("df: false, slow path", 0, with_no_df, no_df, GUE4, more),
	{.name = "df: false, of a packet that may be fragmented",
	 .setup = with_no_df,
	 .client = TCP4(IPIP4),
	 .change = may_fragment,
	 .outcome = WAY(forwarded, no_df, IPIP4)},
	{.name = "df: true, of a packet that may be fragmented",
	 .client = TCP4(IPIP4),
	 .change = may_fragment,
	 .outcome = {.reason = REASON_forwarded, .service = IPIP4, .backend = IPIP4}},
	{.name = "df: false, too big: told to the client all the same",
	 .setup = with_no_df,
	 .client = TCP4(GUE4, .ip_length = 1473),
	 .change = may_fragment,
	 .outcome = {.reason = REASON_too_big_told, .service = GUE4, .mtu = 1472}},
	CHOSEN("a source of 16 bits", FEATURE_ENTROPY, with_sources, sources, IPIP4, NULL),
	CHOSEN("a source of 32 bits", FEATURE_ENTROPY, with_sources, sources, IPIP6, NULL),
	CHOSEN("a source of 24 bits", FEATURE_ENTROPY, with_sources, sources, GUE4, NULL),
	CHOSEN("a source of a /64, whose last 32 bits differ", FEATURE_ENTROPY, with_sources, sources, GUE6, NULL),
	CHOSEN("a source of 1 bit, df: false, TTL 3", FEATURE_ENTROPY, with_sources, sources, L2, NULL),
	CHOSEN("a source of 16 bits, slow path", FEATURE_ENTROPY, with_sources, sources, IPIP4, more),
	CHOSEN("a source of 32 bits, in a VLAN", FEATURE_ENTROPY, with_sources, sources, IPIP6, tagged),
	CHOSEN("a source of 16 bits, a first fragment", FEATURE_ENTROPY, with_sources, sources, IPIP4, first),
	{.name = "a source of 1 bit, to a tagged next hop: IPv4",
	 .features = FEATURE_ENTROPY,
	 .setup = with_sources,
	 .client = TCP4(L2_OUT),
	 .outcome = WAY(redirected, sources, L2_OUT)},
	{.name = "a source of 1 bit, to a tagged next hop: IPv6",
	 .features = FEATURE_ENTROPY,
	 .setup = with_sources,
	 .client = TCP6(L2_OUT),
	 .outcome = WAY(redirected, sources, L2_OUT)},
	{.name = "the client's flow label stays inside",
	 .client = TCP6(GUE6),
	 .change = label,
	 .outcome = {.reason = REASON_forwarded, .service = GUE6, .backend = GUE6}},
};

/* The flow's entropy, by include/hash.h from the client's numbers. */
static __u32 entropy_of(const struct fixture *fixture, const struct frame *in)
{
	const struct flow_key *key = fixture_flow_key(fixture);
	__be32 words[10];
	__u32 ports, hash;

	memcpy(words, in->data + FRAME_IP, sizeof(words));
	memcpy(&ports, in->data + (frame_is_v6(in) ? FRAME_TRANSPORT6 : FRAME_TRANSPORT4), sizeof(ports));
	hash = frame_is_v6(in) ? hash_flow6(key, words + 2, words + 6, ports, IPPROTO_TCP)
			       : hash_flow4(key, words[3], words[4], ports, IPPROTO_TCP);
	return hash_entropy(hash);
}

/* Sends a flow's packet, and checks the whole of it; returns the outer header's entropy. */
static struct outer send_flow(struct fixture *fixture, const struct frame *in, const struct target *target)
{
	struct outer outer = target_outer(target);
	struct frame expected, out;

	fixture_run(fixture, in, NULL, &out);
	outer_take_entropy(&outer, &out);
	frame_wrap(&expected, in, &outer);
	frame_assert_equal(&expected, &out);
	return outer;
}

static void flow(struct frame *in, unsigned int number, bool v6, __u16 service)
{
	char vip[32];

	snprintf(vip, sizeof(vip), v6 ? "2001:db8::%x" : "192.0.2.%u", service);
	frame_client(in,
		     &(struct client){
			     .from = v6 ? CLIENT6 : CLIENT4, .to = vip, .from_port = 1 + number * 13, .to_port = 443});
}

/* Of 2,000 flows: the bits are the hash's, and IPv4's checksum has them. */
static void sources_are_of_the_hash(void **state)
{
	static const __u16 services[] = {IPIP4, IPIP6, GUE4, GUE6, L2};
	struct fixture *fixture;
	struct frame in;

	(void)state;
	fixture_need_root();
	fixture = fixture_open(FEATURE_ENTROPY);
	with_sources(fixture);
	for (unsigned int number = 0; number < 2000; number++) {
		__u16 service = services[number % ARRAY_SIZE(services)];
		__u32 bits, hash;

		flow(&in, number, number / 5 % 2, service);
		hash = entropy_of(fixture, &in);
		bits = sources[service].source_length;
		bits = strchr(sources[service].source, ':') ? 128 - bits : 32 - bits;
		if (bits < 32)
			hash &= (1U << bits) - 1;
		assert_int_equal(send_flow(fixture, &in, &sources[service]).entropy, hash);
	}
	fixture_close(fixture);
}

/* 65,536 flows: most values of the 16 bits, and each carry of the checksum. */
static void checksum_of_many_sources(void **state)
{
	struct fixture *fixture;
	struct frame in;

	(void)state;
	fixture_need_root();
	fixture = fixture_open(FEATURE_ENTROPY);
	with_sources(fixture);
	for (unsigned int port = 0; port < 65536; port++) {
		frame_client(&in, &(struct client)TCP4(IPIP4, .tos = 0xff));
		frame_put16(&in, FRAME_TRANSPORT4, port);
		send_flow(fixture, &in, &sources[IPIP4]);
	}
	fixture_close(fixture);
}

/* Without the feature the bits are zero. */
static void sources_stay_without_the_feature(void **state)
{
	struct fixture *fixture;
	struct frame in;

	(void)state;
	fixture_need_root();
	fixture = fixture_open(0);
	with_sources(fixture);
	for (unsigned int number = 0; number < 100; number++) {
		flow(&in, number, number % 2, IPIP4);
		assert_int_equal(send_flow(fixture, &in, &sources[IPIP4]).entropy, 0);
	}
	fixture_close(fixture);
}

static void labels_are_of_the_hash(void **state)
{
	static const __u16 services[] = {IPIP6, GUE6, IPIP6_OUT, GUE6_OUT};
	struct fixture *fixture;
	struct frame in;

	(void)state;
	fixture_need_root();
	fixture = fixture_open(0);
	world_fill(fixture);
	for (unsigned int number = 0; number < 400; number++) {
		__u16 service = services[number % ARRAY_SIZE(services)];

		flow(&in, number, number / 4 % 2, service);
		assert_int_equal(send_flow(fixture, &in, world_target(service)).label, entropy_of(fixture, &in) & 0xfffff);
	}
	fixture_close(fixture);
}

static const struct case_group groups[] = {
	GROUP("Outer headers", chosen),
};

int main(int argc, char **argv)
{
	const struct CMUnitTest flows[] = {
		cmocka_unit_test(sources_are_of_the_hash),
		cmocka_unit_test(checksum_of_many_sources),
		cmocka_unit_test(sources_stay_without_the_feature),
		cmocka_unit_test(labels_are_of_the_hash),
	};
	int failed = GROUPS_RUN(argc, argv, groups);

	return groups_are_listed(argc, argv) ? failed : failed + cmocka_run_group_tests(flows, NULL, NULL);
}
