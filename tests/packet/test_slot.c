/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A pool's slots: their range, what becomes of packets that nobody can take, and changes under traffic. */
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "packet/packet_case.h"

#define FLOW4(address)                                                                                                 \
	{                                                                                                              \
		.from = CLIENT4, .to = address, .from_port = 40000, .to_port = 443                                     \
	}
#define FLOW6(address)                                                                                                 \
	{                                                                                                              \
		.from = CLIENT6, .to = address, .from_port = 40000, .to_port = 443                                     \
	}
#define UDP4(address)                                                                                                  \
	{                                                                                                              \
		.from = CLIENT4, .to = address, .from_port = 9, .to_port = 443, .protocol = IPPROTO_UDP                \
	}
#define UDP6(address)                                                                                                  \
	{                                                                                                              \
		.from = CLIENT6, .to = address, .from_port = 9, .to_port = 443, .protocol = IPPROTO_UDP                \
	}

static void no_owner(struct fixture *fixture)
{
	world_fill(fixture);
	fixture_slots(fixture, WORLD_POOL_SLOTS * IPIP4, WORLD_POOL_SLOTS, 0);
}

static void beyond_the_array(struct fixture *fixture)
{
	struct service service = {.slot_first = FIXTURE_SLOTS, .slot_count = 7, .index = 1};

	world_fill(fixture);
	fixture_vip(fixture, V4_IPIP4, 443, IPPROTO_TCP, &service);
	fixture_vip(fixture, V6_IPIP4, 443, IPPROTO_TCP, &service);
}

static void unknown_encap(struct fixture *fixture)
{
	struct backend entry = {.encap = 200, .ifindex = FIXTURE_INTERFACE, .mtu = 1500};

	world_fill(fixture);
	fixture_backend_raw(fixture, IPIP4, &entry);
}

#define DROPPED(why, number)                                                                                           \
	{                                                                                                              \
		.reason = REASON_##why, .service = number                                                              \
	}
#define DROP(text, how, why, number)                                                                                   \
	{.name = text ": IPv4 TCP", .setup = how, .client = FLOW4(V4_##number), .outcome = DROPPED(why, number)},      \
		{.name = text ": IPv4 UDP",                                                                            \
		 .setup = how,                                                                                         \
		 .client = UDP4(V4_##number),                                                                          \
		 .outcome = DROPPED(why, number)},                                                                     \
		{.name = text ": IPv6 TCP",                                                                            \
		 .setup = how,                                                                                         \
		 .client = FLOW6(V6_##number),                                                                         \
		 .outcome = DROPPED(why, number)},                                                                     \
	{                                                                                                              \
		.name = text ": IPv6 UDP", .setup = how, .client = UDP6(V6_##number), .outcome = DROPPED(why, number)  \
	}

static const struct packet_case dropped[] = {
	DROP("no backend in the pool", no_owner, no_backend, IPIP4),
	DROP("no next hop", NULL, no_next_hop, UNRESOLVED),
	DROP("a backend that was never written", NULL, no_next_hop, UNWRITTEN),
	DROP("a forwarding mode of a later version", unknown_encap, no_next_hop, IPIP4),
	{.name = "slots beyond the array",
	 .setup = beyond_the_array,
	 .client = FLOW4(V4_IPIP4),
	 .outcome = DROPPED(no_backend, IPIP4)},
	{.name = "IPv6: slots beyond the array",
	 .setup = beyond_the_array,
	 .client = FLOW6(V6_IPIP4),
	 .outcome = DROPPED(no_backend, IPIP4)},
};

/* A fixture with one pool of 5 slots from 4000 on; what lies around it belongs to nobody. */
static struct fixture *open_second_pool(void)
{
	struct service service = {.slot_first = 4000, .slot_count = 5, .index = 1};
	struct fixture *fixture;

	fixture_need_root();
	fixture = fixture_open(0);
	world_backends(fixture);
	fixture_slots(fixture, 3000, 1096, 0);
	fixture_vip(fixture, "192.0.2.1", 443, IPPROTO_TCP, &service);
	fixture_vip(fixture, "2001:db8::1", 443, IPPROTO_TCP, &service);
	return fixture;
}

static void flow(struct frame *in, unsigned int number)
{
	struct client four = FLOW4("192.0.2.1"), six = FLOW6("2001:db8::1");
	struct client *client = number % 2 ? &four : &six;

	client->from_port = 1000 + number;
	frame_client(in, client);
}

/* Every slot of the range is used and none around it; each flow is counted for the one that has it. */
static void a_pool_uses_its_slots_alone(void **state)
{
	struct counts *counts = calloc(1, sizeof(*counts));
	struct fixture *fixture = open_second_pool();
	const struct flow_key *key = fixture_flow_key(fixture);
	unsigned int used[5] = {0};
	struct frame in;

	(void)state;
	assert_non_null(counts);
	for (__u16 i = 0; i < 5; i++)
		fixture_slots(fixture, 4000 + i, 1, 1 + i);
	for (unsigned int n = 1; n < 1000; n += 2) {
		struct outcome outcome = {REASON_forwarded, .service = 1};
		__be32 ip[6];
		__u32 slot;

		flow(&in, n);
		memcpy(ip, in.data + FRAME_IP, sizeof(ip));
		slot = hash_slot(hash_flow4(key, ip[3], ip[4], ip[5], IPPROTO_TCP), 5);
		used[slot]++;
		outcome.backend = 1 + slot;
		packet_send(fixture, &in, NULL, &outcome, counts);
	}
	for (int i = 0; i < 5; i++)
		assert_in_range(used[i], 50, 150);
	packet_assert_counted(fixture, counts);
	fixture_close(fixture);
	free(counts);
}

/* What the agent writes is what the next packet sees. */
static void a_changed_slot_takes_effect(void **state)
{
	static const __u16 owners[] = {IPIP4, GUE6, 0, L2, IPIP6, 0, IPIP4};
	struct counts *counts = calloc(1, sizeof(*counts));
	struct fixture *fixture = open_second_pool();
	struct frame in;

	(void)state;
	assert_non_null(counts);
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		struct outcome outcome = {
			.reason = owners[i] ? REASON_forwarded : REASON_no_backend, .service = 1, .backend = owners[i]};

		fixture_slots(fixture, 4000, 5, owners[i]);
		for (unsigned int n = 0; n < 50; n++) {
			flow(&in, n);
			packet_send(fixture, &in, NULL, &outcome, counts);
		}
	}
	packet_assert_counted(fixture, counts);
	fixture_close(fixture);
	free(counts);
}

/* Two services that share a pool share its slots and count for themselves. */
static void two_services_share_a_pool(void **state)
{
	struct service second = {.slot_first = 4000, .slot_count = 5, .index = 2};
	struct counts *counts = calloc(1, sizeof(*counts));
	struct fixture *fixture = open_second_pool();
	struct frame in;

	(void)state;
	assert_non_null(counts);
	fixture_slots(fixture, 4000, 5, GUE4);
	fixture_vip(fixture, "192.0.2.1", 80, IPPROTO_TCP, &second);
	for (unsigned int n = 0; n < 20; n++) {
		struct outcome outcome = {REASON_forwarded, .service = 1 + n % 2, .backend = GUE4};

		frame_client(&in, &(struct client){.from = CLIENT4,
						   .to = "192.0.2.1",
						   .from_port = 5000 + n,
						   .to_port = n % 2 ? 80 : 443,
						   .padding = n});
		packet_send(fixture, &in, NULL, &outcome, counts);
	}
	packet_assert_counted(fixture, counts);
	fixture_close(fixture);
	free(counts);
}

static const struct case_group groups[] = {
	GROUP("Nobody to send it to", dropped),
};

int main(int argc, char **argv)
{
	const struct CMUnitTest pools[] = {
		cmocka_unit_test(a_pool_uses_its_slots_alone),
		cmocka_unit_test(a_changed_slot_takes_effect),
		cmocka_unit_test(two_services_share_a_pool),
	};
	int failed = GROUPS_RUN(argc, argv, groups);

	return groups_are_listed(argc, argv) ? failed : failed + cmocka_run_group_tests(pools, NULL, NULL);
}
