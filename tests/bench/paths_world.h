/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the benchmark of paths fills the program's maps with: a service for each thing that a service may ask for, each
 * with a VIP of both families, TCP and UDP; and as many entries of the deny list and of source rules as there may be.
 *
 * IPv4 VIPs have the lab's backends, IPv6 ones as many in IPv6. Clients are 16.0.1.7 and every 512th address from there
 * on, or every second /64 from 2001:db9:0:1:: on. The deny list has what lies between, so that its look-ups go all the
 * way down and find nothing; rules have some of the clients.
 */
#ifndef SLUICE_BENCH_PATHS_WORLD_H
#define SLUICE_BENCH_PATHS_WORLD_H

#include "bench/packet_lab.h"
#include "bench/paths_frame.h"

#define CLIENTS	      (1 << 14)
#define CLIENT4_STEP  9 /* bits */
#define CLIENT4_FIRST 0x10000107U
#define DENIED4_FIRST 0x10000007U
#define CLIENT6_STEP  1
#define CLIENT6_FIRST 1U /* of an address's second word */
#define DENIED6_FIRST 0U
#define CLIENT6_WORD  0x20010db9U
#define FULL_AGAIN    (1ULL << 62) /* a bucket's state, in nanoseconds: never in this run */
#define SPENT	      (1ULL << 57) /* a limit's interval by which such a state can be */

#define LAB_BACKENDS 100 /* of each kind */

#define FIRST6	   LAB_SLOTS /* slots, then backends' distances to the first kind's */
#define FIRST_TAGS (2 * LAB_SLOTS)
#define FIRST_HERE (3 * LAB_SLOTS)
#define OF6	   LAB_BACKENDS
#define OF_TAGS	   (2 * LAB_BACKENDS)
#define OF_HERE	   (3 * LAB_BACKENDS + 1)

/* Services; their indices. VIPs are 192.0.2.n and 2001:db8::n, n one more than that in decimal. */
enum {
	PLAIN,
	SLOW,
	TAGS,
	HERE,
	DROPS,
	BY_SOURCE,
	LIMIT_SOURCE,
	LIMIT_SERVICE,
	LIMIT_BOTH,
	OVER_SOURCE,
	OVER_SERVICE,
	RULES_FEW,
	RULES_MANY,
	QUIC,
	MSS,
	SERVICES,
	NOBODY = SERVICES /* its address is no VIP */
};

#define NO_LIMIT                                                                                                       \
	{                                                                                                              \
		.interval = 1, .tolerance = 1ULL << 40                                                                 \
	}

static const struct service_options world_options[SERVICES] = {
	[LIMIT_SOURCE] = {.flags = OPTION_LIMITS, .source_packets = NO_LIMIT, .source_bits4 = 32, .source_bits6 = 64},
	[LIMIT_SERVICE] = {.flags = OPTION_LIMITS, .service_packets = NO_LIMIT},
	[LIMIT_BOTH] = {.flags = OPTION_LIMITS,
			.source_packets = NO_LIMIT,
			.service_packets = NO_LIMIT,
			.source_bits4 = 32,
			.source_bits6 = 64},
	[OVER_SOURCE] = {.flags = OPTION_LIMITS, .source_packets = {SPENT, 1}, .source_bits4 = 32, .source_bits6 = 64},
	[OVER_SERVICE] = {.flags = OPTION_LIMITS, .service_packets = {SPENT, 1}},
	[RULES_FEW] = {.flags = OPTION_RULES},
	[RULES_MANY] = {.flags = OPTION_RULES},
	[QUIC] = {.flags = OPTION_QUIC, .quic_server_id_length = {FRAME_SERVER_LENGTH}},
	[MSS] = {.flags = OPTION_MSS_AUTO},
};

/* What becomes of an address's other packets; PLAIN's are answered. */
static const __u16 world_addresses[SERVICES] = {
	[PLAIN] = ADDRESS_REJECT | ADDRESS_ECHO_ANSWER,
	[DROPS] = ADDRESS_DROP | ADDRESS_ECHO_DROP,
	[BY_SOURCE] = ADDRESS_FRAGMENTS_SOURCE,
};

static inline const char *world_vip(int service, bool v6)
{
	static char text[INET6_ADDRSTRLEN];

	snprintf(text, sizeof(text), v6 ? "2001:db8::%d" : "192.0.2.%d", service + 1);
	return text;
}

static inline void world_put(const struct maps *maps, enum map map, const void *key, const void *value)
{
	if (!bpf_map_update_elem(maps->fd[map], key, value, BPF_ANY))
		return;
	fprintf(stderr, "bench: map %s: %s\n", map_name(map), strerror(errno));
	exit(EXIT_FAILURE);
}

static inline void world_backends(const struct maps *maps)
{
	lab_backends(maps, FORWARD_IPIP, false, 1, LAB_BACKENDS);
	lab_backends(maps, FORWARD_IPIP, true, OF6 + 1, LAB_BACKENDS);
	for (__u16 i = 1; i <= LAB_BACKENDS; i++) {
		struct backend *backend = &maps->backends[OF_TAGS + i];

		*backend = maps->backends[i];
		backend->encap |= ENCAP_SLOW;
		backend->tags = 1;
		backend->tag[0] = htonl(0x81000007);
	}
	header_local(&maps->backends[OF_HERE]);
	maps->backends[OF_HERE].flags |= BACKEND_SERVES;
}

static inline void world_slots(const struct maps *maps)
{
	lab_slots(maps, 0, 1, LAB_BACKENDS);
	lab_slots(maps, FIRST6, OF6 + 1, LAB_BACKENDS);
	lab_slots(maps, FIRST_TAGS, OF_TAGS + 1, LAB_BACKENDS);
	for (__u32 i = 0; i < LAB_SLOTS; i++)
		slot_store(maps, FIRST_HERE + i, (struct slot){.owner = OF_HERE});
}

static inline struct service world_service(int index, bool v6)
{
	/* what needs no options is the fast path's */
	static const bool fast[SERVICES] = {
		[PLAIN] = true, [TAGS] = true, [HERE] = true, [DROPS] = true, [BY_SOURCE] = true};

	return (struct service){
		.slot_first = index == TAGS   ? FIRST_TAGS
			      : index == HERE ? FIRST_HERE
			      : v6	      ? FIRST6
					      : 0,
		.slot_count = LAB_SLOTS,
		.index = index,
		.flags = fast[index] ? 0 : SERVICE_SLOW,
	};
}

static inline int world_vips(const struct maps *maps)
{
	static const __u8 protocols[] = {IPPROTO_TCP, IPPROTO_UDP, 0};
	struct plan_vip vips[SERVICES * 2 * 3] = {0};
	struct plan plan = {.vips = vips};

	for (int i = 0; i < SERVICES * 2; i++) {
		const struct service service = world_service(i / 2, i % 2);

		for (int protocol = 0; protocol < 3; protocol++) {
			struct plan_vip *vip = &vips[plan.vip_count++];

			prefix_parse(world_vip(i / 2, i % 2), &vip->address);
			vip->protocol = protocols[protocol];
			vip->port = vip->protocol ? 80 : 0;
			vip->service = service;
			if (!vip->protocol)
				vip->service.flags = world_addresses[i / 2];
		}
	}
	return sync_vips(maps, &plan, VIPS_ALL);
}

static inline void world_denied(const struct maps *maps)
{
	const __u32 says_nothing = 0;

	for (__u32 i = 0; i < SLUICE_MAX_DENIED / 2; i++) {
		const struct deny_key4 key4 = {24, htonl((DENIED4_FIRST & ~255U) + (i << CLIENT4_STEP))};
		const struct deny_key6 key6 = {64, {htonl(CLIENT6_WORD), htonl(DENIED6_FIRST + (i << CLIENT6_STEP))}};

		world_put(maps, MAP_denied4, &key4, &says_nothing);
		world_put(maps, MAP_denied6, &key6, &says_nothing);
	}
}

static inline void world_rules(const struct maps *maps, __u16 service, __u32 count)
{
	const struct rule rule = {.action = RULE_ALLOW};

	for (__u32 i = 0; i < count; i++) {
		const struct rule_key4 key = {.prefixlen = RULE_KEY_FIXED_BITS + 24,
					      .service = service,
					      .address = htonl((CLIENT4_FIRST & ~255U) + (i << CLIENT4_STEP))};

		world_put(maps, MAP_rules4, &key, &rule);
	}
}

/* Whoever is over a limit is so from the first packet on. */
static inline void world_excess(const struct maps *maps)
{
	const struct service_bucket all = {.packets = FULL_AGAIN};
	const struct source_bucket one = {.packets = FULL_AGAIN};
	const __u32 service = OVER_SERVICE;

	world_put(maps, MAP_buckets, &service, &all);
	for (__u32 i = 0; i < CLIENTS; i++) {
		const struct source_key key = {
			.address = {htonl(CLIENT4_FIRST + (i << CLIENT4_STEP))}, .service = OVER_SOURCE, .version = 4};

		world_put(maps, MAP_sources, &key, &one);
	}
}

static inline void world_servers(const struct maps *maps)
{
	struct quic_key key = {.length = FRAME_SERVER_LENGTH, .server_id = FRAME_SERVER_ID};

	for (__u32 backend = 1; backend <= LAB_BACKENDS; backend++, key.server_id[1]++)
		world_put(maps, MAP_quic_servers, &key, &backend);
}

/* Fills maps that are mapped. Negative errno. */
static inline int world_fill(const struct maps *maps)
{
	world_backends(maps);
	world_slots(maps);
	for (__u32 i = 0; i < SERVICES; i++)
		maps->options[i] = world_options[i];
	world_denied(maps);
	world_rules(maps, RULES_FEW, 10);
	world_rules(maps, RULES_MANY, 10000);
	world_excess(maps);
	world_servers(maps);
	return world_vips(maps);
}

#endif
