/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Which backend a flow gets: every slot of one pool has its own, so that the
 * outer destination tells the slot. Also the entropy in GUE's source port.
 */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "packet/packet_case.h"

#define SLOTS 1021 /* a prime; slot s has backend s + 1 */
#define FIRST 100  /* the pool's first slot in the array */
#define FLOWS 500

#define FLOW4                                                                                                          \
	{                                                                                                              \
		.from = CLIENT4, .to = "192.0.2.1", .from_port = 40000, .to_port = 443                                 \
	}
#define FLOW6                                                                                                          \
	{                                                                                                              \
		.from = CLIENT6, .to = "2001:db8::1", .from_port = 40000, .to_port = 443                               \
	}

static const __u8 other_key[16] = {1};

/* Two addresses a family with any port, of TCP and UDP. */
static struct fixture *open_pool(const __u8 key[16], enum forward forward, __u16 flags)
{
	struct fixture_options options = {.key = key, .features = FEATURE_ANY_PORT};
	struct service service = {.slot_first = FIRST, .slot_count = SLOTS, .index = 1, .flags = flags};
	static const char *const vips[] = {"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"};
	struct fixture *fixture;

	fixture_need_root();
	fixture = fixture_try(&options);
	assert_non_null(fixture);
	for (__u16 backend = 1; backend <= SLOTS; backend++) {
		char address[32];
		struct target target = {forward, address, "10.9.255.254", 6080, FIXTURE_INTERFACE, .mtu = 1500};

		snprintf(address, sizeof(address), "10.9.%u.%u", backend >> 8, backend & 0xff);
		fixture_backend(fixture, backend, &target);
		fixture_slots(fixture, FIRST + backend - 1, 1, backend);
	}
	for (size_t i = 0; i < ARRAY_SIZE(vips); i++) {
		fixture_vip(fixture, vips[i], 0, IPPROTO_TCP, &service);
		fixture_vip(fixture, vips[i], 0, IPPROTO_UDP, &service);
	}
	return fixture;
}

static void forward_one(struct fixture *fixture, const struct client *client, struct frame *out)
{
	struct frame in;

	frame_client(&in, client);
	assert_int_equal(fixture_run(fixture, &in, NULL, out), XDP_TX);
}

/* The backend that the packet is sent to: the last half of its address. */
static __u16 backend_of(struct fixture *fixture, const struct client *client)
{
	struct frame out;

	forward_one(fixture, client, &out);
	assert_int_equal(frame_get16(&out, FRAME_IP + 16), 10 << 8 | 9);
	return frame_get16(&out, FRAME_IP + 18);
}

static __u16 entropy_of(struct fixture *fixture, const struct client *client)
{
	struct frame out;

	forward_one(fixture, client, &out);
	return frame_get16(&out, FRAME_TRANSPORT4);
}

/* By include/hash.h, from the client's numbers and not from the packet's bytes. */
static __u16 expected_backend(const struct flow_key *key, const struct client *client, bool source_only)
{
	__u16 words[2] = {htons(client->from_port), htons(client->to_port)};
	__u8 protocol = client->protocol ? client->protocol : IPPROTO_TCP;
	__be32 from[4] = {0}, to[4] = {0};
	__u32 ports, hash;

	memcpy(&ports, words, sizeof(ports));
	if (source_only)
		ports = protocol = 0;
	if (inet_pton(AF_INET, client->from, from) == 1) {
		if (!source_only)
			inet_pton(AF_INET, client->to, to);
		hash = hash_flow4(key, from[0], to[0], ports, protocol);
	} else {
		inet_pton(AF_INET6, client->from, from);
		if (!source_only)
			inet_pton(AF_INET6, client->to, to);
		hash = hash_flow6(key, from, to, ports, protocol);
	}
	return hash_slot(hash, SLOTS) + 1;
}

/* Another address and other ports for every number. */
static void vary(struct client *client, unsigned int number, char address[static 64])
{
	if (strchr(client->to, ':'))
		snprintf(address, 64, "2001:db8:%x:%x::%x", number % 256 * 257, number, number * 31);
	else
		snprintf(address, 64, "100.%u.%u.%u", 64 + number % 64, number % 251, number * 7 % 256);
	client->from = address;
	client->from_port = 1024 + number * 127;
	client->to_port = number % 3 ? 443 : number + 1;
}

static void matches_user_space(struct client client, const __u8 key[16], __u16 flags)
{
	struct fixture *fixture = open_pool(key, FORWARD_IPIP, flags);
	bool seen[SLOTS + 1] = {0};
	unsigned int distinct = 0;
	char address[64];

	for (unsigned int n = 0; n < FLOWS; n++) {
		__u16 backend;

		vary(&client, n, address);
		backend = backend_of(fixture, &client);
		assert_int_equal(backend, expected_backend(fixture_flow_key(fixture), &client, flags));
		distinct += !seen[backend];
		seen[backend] = true;
	}
	/* 395 are expected of 500 balls in 1,021 bins; the flows are always the same ones */
	assert_in_range(distinct, 350, FLOWS);
	fixture_close(fixture);
}

#define MATCHES(name, key, flags, ...)                                                                                 \
	static void name(void **state)                                                                                 \
	{                                                                                                              \
		(void)state;                                                                                           \
		matches_user_space((struct client)__VA_ARGS__, key, flags);                                            \
	}
#define TO4(number)                                                                                                    \
	{                                                                                                              \
		.to = "192.0.2.1", .protocol = number                                                                  \
	}
#define TO6(number)                                                                                                    \
	{                                                                                                              \
		.to = "2001:db8::1", .protocol = number                                                                \
	}
MATCHES(ipv4_tcp_as_in_user_space, fixture_key, 0, TO4(IPPROTO_TCP))
MATCHES(ipv4_udp_as_in_user_space, fixture_key, 0, TO4(IPPROTO_UDP))
MATCHES(ipv6_tcp_as_in_user_space, fixture_key, 0, TO6(IPPROTO_TCP))
MATCHES(ipv6_udp_as_in_user_space, fixture_key, 0, TO6(IPPROTO_UDP))
MATCHES(ipv4_with_another_key, other_key, 0, TO4(IPPROTO_TCP))
MATCHES(ipv6_with_another_key, other_key, 0, TO6(IPPROTO_TCP))
MATCHES(ipv4_by_source_as_in_user_space, fixture_key, SERVICE_HASH_SOURCE, TO4(IPPROTO_TCP))
MATCHES(ipv6_by_source_as_in_user_space, fixture_key, SERVICE_HASH_SOURCE, TO6(IPPROTO_UDP))

/*
 * Computed by another implementation, in Python, from SipHash's paper and the
 * words in include/hash.h. They must stay: balancers of one pool agree on every
 * flow, also while one of them still runs an older version.
 */
static void known_flows_known_backends(void **state)
{
	struct client four = FLOW4, six = FLOW6;
	struct fixture *fixture;

	(void)state;
	if (htons(1) == 1) {
		print_message("skipped: the values are those of little-endian hosts\n");
		skip();
	}
	fixture = open_pool(fixture_key, FORWARD_IPIP, 0);
	assert_int_equal(backend_of(fixture, &four), 744);
	assert_int_equal(backend_of(fixture, &six), 769);
	fixture_close(fixture);
	fixture = open_pool(fixture_key, FORWARD_IPIP, SERVICE_HASH_SOURCE);
	assert_int_equal(backend_of(fixture, &four), 678);
	assert_int_equal(backend_of(fixture, &six), 444);
	fixture_close(fixture);
}

/* All that may change within a flow. */
static void one_flow_one_backend(void **state)
{
	struct fixture *fixture = open_pool(fixture_key, FORWARD_IPIP, 0);
	struct client flows[] = {FLOW4, FLOW6};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(flows); i++) {
		__u16 backend = backend_of(fixture, &flows[i]);

		for (unsigned int n = 1; n < 100; n++) {
			struct client client = flows[i];

			client.tos = n;
			client.ttl = n;
			client.ip_length = 60 + n * 13;
			client.padding = n % 5;
			assert_int_equal(backend_of(fixture, &client), backend);
		}
	}
	fixture_close(fixture);
}

/* Of several values of one part of the flow, not all may get the same backend as the first. */
static void assert_matters(struct fixture *fixture, const struct client *flow, const struct client *changed,
			   size_t count)
{
	__u16 backend = backend_of(fixture, flow);
	size_t same = 0;

	for (size_t i = 0; i < count; i++)
		same += backend_of(fixture, &changed[i]) == backend;
	assert_true(same < count);
}

static void every_part_of_the_flow_matters(void **state)
{
	struct fixture *fixture = open_pool(fixture_key, FORWARD_IPIP, 0);
	struct client flows[] = {FLOW4, FLOW6};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(flows); i++) {
		struct client changed[2];

		changed[0] = changed[1] = flows[i];
		changed[0].from_port = 40001;
		changed[1].from_port = 40002;
		assert_matters(fixture, &flows[i], changed, 2);
		changed[0] = changed[1] = flows[i];
		changed[0].to_port = 444;
		changed[1].to_port = 80;
		assert_matters(fixture, &flows[i], changed, 2);
		changed[0] = changed[1] = flows[i];
		changed[0].from = i ? "2001:db8:c::8" : "198.51.100.8";
		changed[1].from = i ? "2001:db9:c::7" : "199.51.100.7";
		assert_matters(fixture, &flows[i], changed, 2);
		changed[0] = flows[i];
		changed[0].to = i ? "2001:db8::2" : "192.0.2.2";
		assert_matters(fixture, &flows[i], changed, 1);
		changed[0] = flows[i];
		changed[0].protocol = IPPROTO_UDP;
		assert_matters(fixture, &flows[i], changed, 1);
	}
	fixture_close(fixture);
}

static void by_source_nothing_else_matters(void **state)
{
	struct fixture *fixture = open_pool(fixture_key, FORWARD_IPIP, SERVICE_HASH_SOURCE);
	struct client flows[] = {FLOW4, FLOW6};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(flows); i++) {
		__u16 backend = backend_of(fixture, &flows[i]);

		for (unsigned int n = 0; n < 100; n++) {
			struct client client = flows[i];

			client.from_port = 1 + n * 601;
			client.to_port = 65535 - n * 13;
			client.protocol = n % 2 ? IPPROTO_UDP : IPPROTO_TCP;
			if (n % 3 == 0)
				client.to = i ? "2001:db8::2" : "192.0.2.2";
			assert_int_equal(backend_of(fixture, &client), backend);
		}
	}
	fixture_close(fixture);
}

static void another_key_another_backend(void **state)
{
	struct fixture *one = open_pool(fixture_key, FORWARD_IPIP, 0), *two = open_pool(other_key, FORWARD_IPIP, 0);
	unsigned int same = 0;
	char address[64];

	(void)state;
	for (unsigned int n = 0; n < 100; n++) {
		struct client client = {.to = n % 2 ? "192.0.2.1" : "2001:db8::1"};

		vary(&client, n, address);
		same += backend_of(one, &client) == backend_of(two, &client);
	}
	assert_in_range(same, 0, 5);
	fixture_close(one);
	fixture_close(two);
}

static void entropy_is_one_of_a_flow(void **state)
{
	struct fixture *fixture = open_pool(fixture_key, FORWARD_GUE, 0);
	struct client flows[] = {FLOW4, FLOW6};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(flows); i++) {
		__u16 port = entropy_of(fixture, &flows[i]);

		assert_in_range(port, 49152, 65535);
		for (unsigned int n = 1; n < 100; n++) {
			struct client client = flows[i];

			client.tos = n;
			client.ttl = n;
			client.ip_length = 60 + n * 13;
			assert_int_equal(entropy_of(fixture, &client), port);
		}
	}
	fixture_close(fixture);
}

/* Routers and NICs spread by the outer ports, so flows of one backend must differ in them, also by source. */
static void assert_entropy_spreads(__u16 flags)
{
	struct fixture *fixture = open_pool(fixture_key, FORWARD_GUE, flags);
	unsigned int low_bits[16] = {0}, high_bits[16] = {0};
	struct client client = FLOW4;

	for (unsigned int n = 0; n < 1600; n++) {
		__u16 port;

		client.from_port = 10000 + n;
		port = entropy_of(fixture, &client);
		assert_in_range(port, 49152, 65535);
		low_bits[port & 15]++;
		high_bits[port >> 10 & 15]++;
	}
	/* 100 are expected in each; five standard deviations are 48 */
	for (int i = 0; i < 16; i++) {
		assert_in_range(low_bits[i], 52, 148);
		assert_in_range(high_bits[i], 52, 148);
	}
	fixture_close(fixture);
}

static void entropy_spreads_over_flows(void **state)
{
	(void)state;
	assert_entropy_spreads(0);
}

static void entropy_spreads_over_flows_of_one_source(void **state)
{
	(void)state;
	assert_entropy_spreads(SERVICE_HASH_SOURCE);
}

/* Flows that the table gives to one backend are spread no less than others. */
static void entropy_is_independent_of_the_slot(void **state)
{
	struct fixture *fixture = open_pool(fixture_key, FORWARD_GUE, 0);
	unsigned int halves[2] = {0};
	struct client client = FLOW4;

	(void)state;
	for (unsigned int n = 0; n < 4000; n++) {
		struct frame out;

		client.from_port = 10000 + n;
		forward_one(fixture, &client, &out);
		if (frame_get16(&out, FRAME_IP + 18) <= SLOTS / 4)
			halves[frame_get16(&out, FRAME_TRANSPORT4) >> 13 & 1]++;
	}
	assert_in_range(halves[0] + halves[1], 850, 1150);
	assert_in_range(halves[0], 400, 600);
	assert_in_range(halves[1], 400, 600);
	fixture_close(fixture);
}

int main(void)
{
	const struct CMUnitTest hash[] = {
		cmocka_unit_test(ipv4_tcp_as_in_user_space),
		cmocka_unit_test(ipv4_udp_as_in_user_space),
		cmocka_unit_test(ipv6_tcp_as_in_user_space),
		cmocka_unit_test(ipv6_udp_as_in_user_space),
		cmocka_unit_test(ipv4_with_another_key),
		cmocka_unit_test(ipv6_with_another_key),
		cmocka_unit_test(ipv4_by_source_as_in_user_space),
		cmocka_unit_test(ipv6_by_source_as_in_user_space),
		cmocka_unit_test(known_flows_known_backends),
		cmocka_unit_test(one_flow_one_backend),
		cmocka_unit_test(every_part_of_the_flow_matters),
		cmocka_unit_test(by_source_nothing_else_matters),
		cmocka_unit_test(another_key_another_backend),
		cmocka_unit_test(entropy_is_one_of_a_flow),
		cmocka_unit_test(entropy_spreads_over_flows),
		cmocka_unit_test(entropy_spreads_over_flows_of_one_source),
		cmocka_unit_test(entropy_is_independent_of_the_slot),
	};

	return cmocka_run_group_tests(hash, NULL, NULL);
}
