/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "fuzz/bpf_world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/flow_key.h"
#include "model/header.h"
#include "model/vip_table.h"
#include "wire.h"

#define SECOND 1000000000ULL /* in nanoseconds */
#define VLAN   100	     /* of services that are bound to one */
#define SLOW_ALL                                                                                                       \
	(FEATURE_SLOW | FEATURE_DENY4 | FEATURE_DENY6 | FEATURE_ENTROPY | FEATURE_RULES | FEATURE_LIMITS |             \
	 FEATURE_QUIC | FEATURE_ID)
#define FAST_ALL                                                                                                       \
	(FEATURE_ANY_PORT | FEATURE_PREFIX4 | FEATURE_PREFIX6 | FEATURE_TRANSITION | FEATURE_SECOND_HOP |              \
	 FEATURE_ADDRESS)

static const struct {
	const char *name;
	__u32 features;
	bool replies; /* are bounded */
} kinds[FUZZ_WORLDS] = {
	{"plain", 0, false},
	{"prefixes", FEATURE_ANY_PORT | FEATURE_PREFIX4 | FEATURE_PREFIX6, true},
	{"transition", FEATURE_TRANSITION, false},
	{"second hop", FEATURE_TRANSITION | FEATURE_SECOND_HOP, false},
	{"unknown ports", FEATURE_ADDRESS | FEATURE_PREFIX4 | FEATURE_PREFIX6, false},
	{"limits", FEATURE_SLOW | FEATURE_LIMITS, true},
	{"rules and deny list", FEATURE_SLOW | FEATURE_RULES | FEATURE_DENY4 | FEATURE_DENY6 | FEATURE_TRANSITION,
	 false},
	{"QUIC", FEATURE_SLOW | FEATURE_QUIC | FEATURE_TRANSITION, false},
	{"MSS, VLANs and entropy", FEATURE_SLOW | FEATURE_ENTROPY | FEATURE_ID, false},
	{"everything", FAST_ALL | SLOW_ALL, true},
	{"several buffers", FEATURE_MULTI | FEATURE_ADDRESS, false},
	{"everything in several buffers", FAST_ALL | SLOW_ALL | FEATURE_MULTI, false},
};

/* Of the server IDs. That of number n has nothing but bytes n. */
static const __u8 quic_lengths[QUIC_CONFIGS] = {1, 4, 8, 0, 0, 3, QUIC_SERVER_ID_MAX};

static const __u8 hash_key[16] = {0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78,
				  0x87, 0x96, 0xa5, 0xb4, 0xc3, 0xd2, 0xe1, 0xf0};

/* How a backend is reached. */
struct way {
	enum forward forward;
	const char *address; /* NULL: the entry is all zero */
	__u32 ifindex, mtu;
	__u8 tags;
	bool unresolved, local, masked, dead, no_df;
};

static const struct way ways[FUZZ_NUMBERS] = {
	[1] = {FORWARD_IPIP, "10.1.0.11", FUZZ_INSIDE, 1600},
	[2] = {FORWARD_IPIP, "2001:db8:1::12", FUZZ_INSIDE, 1600},
	[3] = {FORWARD_GUE, "10.1.0.13", FUZZ_INSIDE, 1600},
	[4] = {FORWARD_GUE, "2001:db8:1::14", FUZZ_INSIDE, 1600},
	[5] = {FORWARD_L2, "10.1.0.15", FUZZ_INSIDE, 1500},
	[6] = {FORWARD_IPIP, "10.2.0.16", FUZZ_OUTSIDE, 1500, .no_df = true},
	[7] = {FORWARD_IPIP, "2001:db8:2::17", FUZZ_OUTSIDE, 1500},
	[8] = {FORWARD_GUE, "10.2.0.18", FUZZ_OUTSIDE, 1500},
	[9] = {FORWARD_GUE, "2001:db8:2::19", FUZZ_OUTSIDE, 1400},
	[10] = {FORWARD_L2, "2001:db8:2::20", FUZZ_OUTSIDE, 1500},
	[11] = {FORWARD_IPIP, "10.1.0.21", FUZZ_INSIDE, 1600, .unresolved = true},
	[12] = {FORWARD_IPIP, NULL, 0, 0},
	[13] = {FORWARD_IPIP, "10.1.0.23", FUZZ_INSIDE, 1500, .local = true},
	[14] = {FORWARD_IPIP, "10.1.0.24", FUZZ_INSIDE, 1500, .tags = 1},
	[15] = {FORWARD_L2, "10.1.0.25", FUZZ_INSIDE, 1500, .tags = 2},
	[16] = {FORWARD_GUE, "2001:db8:2::26", FUZZ_OUTSIDE, 1500, .tags = 1},
	[17] = {FORWARD_IPIP, "10.1.0.27", FUZZ_INSIDE, 1500, .masked = true, .no_df = true},
	[18] = {FORWARD_IPIP, "2001:db8:2::28", FUZZ_OUTSIDE, 1500, .masked = true},
	[19] = {FORWARD_GUE, "10.1.0.29", FUZZ_INSIDE, 9000, .no_df = true},
	[20] = {FORWARD_GUE, "10.1.0.30", FUZZ_INSIDE, 1500, .dead = true},
	[21] = {FORWARD_IPIP, "2001:db8:1::31", FUZZ_INSIDE, 0xffff},
	[22] = {FORWARD_GUE, "2001:db8:1::32", FUZZ_INSIDE, 1280},
	[23] = {FORWARD_IPIP, "10.1.0.33", FUZZ_INSIDE, 600},
};

static struct address address_of(const char *text)
{
	struct address address;

	if (address_parse(text, &address))
		abort();
	return address;
}

static void make_backend(struct backend *out, const struct way *way, __u32 features)
{
	const struct address destination = address_of(way->address);
	struct config_pool pool = {
		.forward = way->forward, .gue_port = GUE_PORT, .outer = {.df = !way->no_df, .ttl = 64}};
	struct next_hop hop = {
		.resolved = !way->unresolved,
		.ifindex = way->ifindex,
		.out_ifindex = way->ifindex,
		.address = destination,
		.source = address_of(destination.family == AF_INET6 ? "2001:db8:1::2" : "10.1.0.2"),
		.mac = {0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0x01},
		.source_mac = {0x02, 0x11, 0x22, 0x33, 0x44, 0x02},
		.mtu = way->mtu,
		.tags = way->tags,
		.tag = {htonl(0x81000000 | 200), htonl(0x81006000 | 300)},
		.on_link = true,
	};

	if (way->masked && features & FEATURE_ENTROPY) {
		pool.outer.source4 = (struct prefix){address_of("10.1.0.0"), 17};
		pool.outer.source6 = (struct prefix){address_of("2001:db8:1:1::"), 64};
	}
	if (way->local)
		header_local(out);
	else
		header_build(out, &pool, &destination, &hop);
	out->flags = (way->dead ? 0 : BACKEND_SERVES) |
		     (way->forward == FORWARD_GUE && features & FEATURE_SECOND_HOP ? BACKEND_SECOND_HOP : 0);
}

/* An address of the world's own block: n in its last bits. */
static void vip_of(unsigned int number, bool v6, __be32 out[4])
{
	memset(out, 0, 16);
	out[0] = htonl(v6 ? 0x20010db8 : 0xc0000200 + number);
	if (v6)
		out[3] = htonl(number);
}

static struct service make_service(unsigned int number, __u32 features)
{
	return (struct service){
		.slot_first = FUZZ_POOL * number,
		.slot_count = FUZZ_POOL,
		.index = (__u16)number,
		.flags = (number % 6 == 5 ? SERVICE_HASH_SOURCE : 0) |
			 (features & FEATURE_TRANSITION && number % 4 == 1 ? SERVICE_MOVING : 0) |
			 (features & FEATURE_SLOW && number % 5 ? SERVICE_SLOW : 0),
	};
}

static struct service make_address(unsigned int number, __u32 features)
{
	static const __u16 ports[] = {0, ADDRESS_DROP, ADDRESS_REJECT, ADDRESS_REJECT};
	static const __u16 echoes[] = {ADDRESS_ECHO_ANSWER, ADDRESS_ECHO_ANSWER, 0, ADDRESS_ECHO_ANSWER,
				       ADDRESS_ECHO_DROP};
	struct service address = make_service(number, features);

	address.flags &= SERVICE_MOVING;
	address.flags |= echoes[number % 5];
	if (features & FEATURE_ADDRESS)
		address.flags |= ports[number % 4] | (number % 7 == 3 ? ADDRESS_FRAGMENTS_SOURCE : 0);
	return address;
}

static struct limit make_limit(__u32 rate, __u32 burst)
{
	const __u64 interval = SECOND / rate;

	return (struct limit){.interval = interval, .tolerance = interval * (burst - 1)};
}

static void make_options(struct service_options *out, unsigned int number, __u32 features)
{
	*out = (struct service_options){.source_bits4 = number % 2 ? 32 : 24, .source_bits6 = number % 2 ? 64 : 48};
	if (features & FEATURE_LIMITS) {
		out->flags |= OPTION_LIMITS | (number % 3 ? 0 : OPTION_EXCESS_PASS);
		if (number % 4)
			out->source_packets = make_limit(1, number);
		if (number % 4 != 1)
			out->service_connections = make_limit(1, 3);
		if (number % 4 == 2)
			out->source_connections = make_limit(1, 2);
		if (number % 4 == 3)
			out->service_packets = make_limit(1, 5);
	}
	if (features & FEATURE_RULES && number % 4 != 2)
		out->flags |= OPTION_RULES;
	if (features & FEATURE_QUIC && number % 6 != 1) {
		out->flags |= OPTION_QUIC;
		out->quic_pool = number % 3;
		memcpy(out->quic_server_id_length, quic_lengths, sizeof(quic_lengths));
	}
	if (number % 3 == 0)
		out->mss = 1200;
	else if (number % 3 == 1)
		out->flags |= OPTION_MSS_AUTO;
	if (number % 7 == 6)
		out->vlan = VLAN;
}

void fuzz_world_make(struct fuzz_world *world, unsigned int number)
{
	const __u32 features = kinds[number].features;

	*world = (struct fuzz_world){.name = kinds[number].name};
	world->settings = (struct settings){
		.features = features,
		.slot_capacity = FUZZ_SLOTS,
		.flow_capacity = FUZZ_RECORDS,
		.fragment_capacity = FUZZ_RECORDS,
		.source_capacity = FUZZ_RECORDS,
		.slow = number % 2,
		.cpus = 1,
		.vip_shift = VIP_SHIFT_MOST,
		.replies = kinds[number].replies ? make_limit(1, 2) : (struct limit){0},
	};
	flow_key_expand(&world->settings.key, hash_key);
	for (unsigned int n = 1; n < FUZZ_NUMBERS; n++) {
		if (ways[n].address)
			make_backend(&world->backends[n], &ways[n], features);
		world->services[n] = make_service(n, features);
		world->addresses[n] = make_address(n, features);
		make_options(&world->options[n], n, features);
	}
}

static void put_vips(const struct fuzz_world *world, const struct fuzz_maps *maps, unsigned int n, bool v6)
{
	const struct service *service = &world->services[n];
	struct address address = {.family = v6 ? AF_INET6 : AF_INET};
	const struct {
		__u16 port;
		__u8 protocol;
		bool wanted;
		const struct service *service;
	} entries[] = {
		{443, IPPROTO_TCP, true, service},
		{443, IPPROTO_UDP, true, service},
		{0, IPPROTO_TCP, world->settings.features & FEATURE_ANY_PORT && n % 4 == 0, service},
		{0, 0, true, &world->addresses[n]},
	};

	vip_of(n, v6, address.word);
	for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
		struct vip_entry entry = vip_key(&address, entries[i].port, entries[i].protocol);

		entry.service = *entries[i].service;
		if (entries[i].wanted && vip_table_set(maps->vips, &entry))
			abort();
	}
}

#define PREFIX4	       0xcb007140 /* 203.0.113.64/26 */
#define PREFIX4_LENGTH 26
#define PREFIX6_LENGTH 48 /* of 2001:db8:7:: */

static void put_prefix(const struct fuzz_maps *maps, __u16 port, __u8 protocol, bool v6, const struct service *service)
{
	struct prefix_key4 key4 = {PREFIX_KEY_FIXED_BITS + PREFIX4_LENGTH, 0, protocol, htons(port), htonl(PREFIX4)};
	struct prefix_key6 key6 = {PREFIX_KEY_FIXED_BITS + PREFIX6_LENGTH,
				   0,
				   protocol,
				   htons(port),
				   {htonl(0x20010db8), htonl(0x00070000)}};

	if (v6)
		maps->put(maps->of, MAP_prefixes6, &key6, service);
	else
		maps->put(maps->of, MAP_prefixes4, &key4, service);
}

static void put_prefixes(const struct fuzz_world *world, const struct fuzz_maps *maps)
{
	for (int v6 = 0; v6 < 2; v6++) {
		if (!(world->settings.features & (v6 ? FEATURE_PREFIX6 : FEATURE_PREFIX4)))
			continue;
		put_prefix(maps, 443, IPPROTO_UDP, v6, &world->services[3]);
		if (world->settings.features & FEATURE_ANY_PORT)
			put_prefix(maps, 0, IPPROTO_TCP, v6, &world->services[3]);
		put_prefix(maps, 0, 0, v6, &world->addresses[3]);
	}
}

#define EMPTY 12 /* the service whose pool has nobody, in part of its slots */

/* Slots in all phases, and moves; each as an agent may leave it. */
static void put_slots(const struct fuzz_world *world, const struct fuzz_maps *maps, __u32 n)
{
	const bool transition = world->settings.features & FEATURE_TRANSITION;
	struct service_move move = {
		.now = {FUZZ_POOL * n, FUZZ_POOL},
		.before = {FUZZ_POOL * (n % 5 + 1), FUZZ_POOL},
		.flags_before = n % 8 == 1 ? SERVICE_HASH_SOURCE : 0,
		.phase = (n >> 2) % 4,
	};

	for (__u32 i = 0; i < FUZZ_POOL; i++) {
		struct slot slot = {.owner = n == EMPTY && i < 3 ? 0 : (__u16)n};
		__u32 index = FUZZ_POOL * n + i;
		__u16 owner;

		if (transition && i) {
			slot.phase = i % 4;
			slot.previous = slot.phase && i < 6 ? 1 + (n + i) % (FUZZ_NUMBERS - 1) : 0;
		}
		owner = slot_owner_entry(&slot);
		maps->put(maps->of, MAP_slots, &index, &slot);
		maps->put(maps->of, MAP_owners, &index, &owner);
	}
	if (transition)
		maps->put(maps->of, MAP_moves, &n, &move);
}

/* 198.51.100.16/28, 198.51.100.240, and 2001:db8:d::/64. */
static void put_denied(const struct fuzz_world *world, const struct fuzz_maps *maps)
{
	const struct deny_key4 some = {28, htonl(0xc6336410)}, one = {32, htonl(0xc63364f0)};
	const struct deny_key6 some6 = {64, {htonl(0x20010db8), htonl(0x000d0000)}};
	const __u32 value = 1;

	if (world->settings.features & FEATURE_DENY4) {
		maps->put(maps->of, MAP_denied4, &some, &value);
		maps->put(maps->of, MAP_denied4, &one, &value);
	}
	if (world->settings.features & FEATURE_DENY6)
		maps->put(maps->of, MAP_denied6, &some6, &value);
}

/* Of 198.51.100.0/24, .32/27 are denied, but .40, which is allowed; .64/26 go to the next pool. */
static void put_rules(const struct fuzz_maps *maps, __u16 n)
{
	const struct rule deny = {.action = RULE_DENY}, allow = {.action = RULE_ALLOW};
	const struct rule pool = {.action = RULE_POOL, .table = {FUZZ_POOL * (n % 5 + 1), FUZZ_POOL}};
	const struct rule_key4 from4[] = {{RULE_KEY_FIXED_BITS + 27, n, 0, htonl(0xc6336420)},
					  {RULE_KEY_FIXED_BITS + 32, n, 0, htonl(0xc6336428)},
					  {RULE_KEY_FIXED_BITS + 26, n, 0, htonl(0xc6336440)}};
	const struct rule_key6 from6[] = {{RULE_KEY_FIXED_BITS + 48, n, 0, {htonl(0x20010db8), htonl(0x000e0000)}},
					  {RULE_KEY_FIXED_BITS + 32, n, 0, {htonl(0x20010db8)}}};

	maps->put(maps->of, MAP_rules4, &from4[0], &deny);
	maps->put(maps->of, MAP_rules4, &from4[1], &allow);
	maps->put(maps->of, MAP_rules4, &from4[2], &pool);
	maps->put(maps->of, MAP_rules6, &from6[0], &deny);
	maps->put(maps->of, MAP_rules6, &from6[1], n % 2 ? &pool : &allow);
}

static void put_quic(const struct fuzz_maps *maps, __u32 n)
{
	for (__u32 pool = 0; pool < 3; pool++)
		for (__u8 config = 0; config < QUIC_CONFIGS; config++) {
			struct quic_key key = {.pool = pool, .config = config, .length = quic_lengths[config]};

			if (!key.length)
				continue;
			memset(key.server_id, (int)n, key.length);
			maps->put(maps->of, MAP_quic_servers, &key, &n);
		}
}

void fuzz_world_fill(const struct fuzz_world *world, const struct fuzz_maps *maps)
{
	put_prefixes(world, maps);
	put_denied(world, maps);
	for (__u32 n = 1; n < FUZZ_NUMBERS; n++) {
		maps->put(maps->of, MAP_backends, &n, &world->backends[n]);
		put_slots(world, maps, n);
		put_vips(world, maps, n, false);
		put_vips(world, maps, n, true);
		if (world->settings.features & FEATURE_SLOW)
			maps->put(maps->of, MAP_options, &n, &world->options[n]);
		if (world->settings.features & FEATURE_RULES)
			put_rules(maps, (__u16)n);
		if (world->settings.features & FEATURE_QUIC && n < 20)
			put_quic(maps, n);
	}
}

bool fuzz_world_is_vip(const struct fuzz_world *world, const __be32 *address, bool v6)
{
	const __u32 features = world->settings.features;
	const __u32 first = ntohl(address[0]);

	if (!v6)
		return (first > 0xc0000200 && first < 0xc0000200 + FUZZ_NUMBERS) ||
		       (features & FEATURE_PREFIX4 &&
			first >> (32 - PREFIX4_LENGTH) == PREFIX4 >> (32 - PREFIX4_LENGTH));
	if (first != 0x20010db8)
		return false;
	if (features & FEATURE_PREFIX6 && ntohl(address[1]) >> 16 == 7)
		return true;
	return !address[1] && !address[2] && ntohl(address[3]) && ntohl(address[3]) < FUZZ_NUMBERS;
}
