/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The worlds in which bench_packet measures: the program, with the features that the agent gives it for such a
 * configuration, over maps of its own. Each has one pool with a table of the default size, so that worlds of more
 * backends differ in nothing else.
 */
#ifndef SLUICE_BENCH_PACKET_WORLD_H
#define SLUICE_BENCH_PACKET_WORLD_H

#include <time.h>

#include "bench/packet_lab.h"
#include "reasons.h"

enum which { PLAIN, IPIP6, GUE4, GUE6, L2, SERVICES, FEW, MANY, OPEN, LIMITED, WORLDS };

static const struct {
	enum forward forward;
	bool v6; /* outside */
	__u16 backends;
	__u16 services;
	bool open; /* all slots are in transition */
	bool limited;
} worlds[WORLDS] = {
	[PLAIN] = {FORWARD_IPIP, false, 1000, 1, false, false},
	[IPIP6] = {FORWARD_IPIP, true, 1000, 1, false, false},
	[GUE4] = {FORWARD_GUE, false, 1000, 1, false, false},
	[GUE6] = {FORWARD_GUE, true, 1000, 1, false, false},
	[L2] = {FORWARD_L2, false, 1000, 1, false, false},
	[SERVICES] = {FORWARD_IPIP, false, 1000, SLUICE_MAX_SERVICES, false, false},
	[FEW] = {FORWARD_IPIP, false, 10, 1, false, false},
	[MANY] = {FORWARD_IPIP, false, 30000, 1, false, false},
	[OPEN] = {FORWARD_IPIP, false, 1000, 1, true, false},
	[LIMITED] = {FORWARD_IPIP, false, 1000, 1, false, true},
};

struct world {
	struct maps maps;
	struct program program;
	struct settings settings;
	bool opened;
};

/* Everybody had another backend before. */
static inline void world_open_slots(const struct maps *maps, __u16 backends)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	for (__u32 i = 0; i < LAB_SLOTS; i++) {
		struct slot slot = {.owner = maps->slots[i].owner, .phase = PHASE_OPEN};

		slot.previous = slot.owner % backends + 1;
		for (int byte = 0; byte < 3; byte++)
			slot.since[byte] = (__u8)((__u32)now.tv_sec >> 8 * byte);
		slot_store(maps, i, slot);
	}
}

/* Of packets, by source and service, that nobody is over. */
static inline void world_limit(const struct maps *maps)
{
	const struct limit high = {.interval = 1, .tolerance = 1ULL << 40};

	maps->options[0] = (struct service_options){.flags = OPTION_LIMITS,
						    .source_packets = high,
						    .service_packets = high,
						    .source_bits4 = CONFIG_DEFAULT_SOURCE_BITS4,
						    .source_bits6 = CONFIG_DEFAULT_SOURCE_BITS6};
}

/* Negative errno. */
static inline int world_open(struct world *world, enum which which)
{
	const __u16 backends = worlds[which].backends;
	int err;

	world->settings = (struct settings){
		.features = program_features() | FEATURE_TRANSITION |
			    (worlds[which].limited ? FEATURE_SLOW | FEATURE_LIMITS : 0),
		/* nobody asks for records in a steady world */
		.flow_capacity = worlds[which].open ? CONFIG_DEFAULT_FLOW_RECORDS : 1024,
		.vip_shift = vip_table_shift(worlds[which].services * LAB_SERVICE_VIPS),
	};
	world->opened = true;
	err = lab_load_with(&world->program, &world->maps, &world->settings);
	if (err)
		return err;
	lab_backends(&world->maps, worlds[which].forward, worlds[which].v6, 1, backends);
	lab_slots(&world->maps, 0, 1, backends);
	if (worlds[which].open)
		world_open_slots(&world->maps, backends);
	if (worlds[which].limited)
		world_limit(&world->maps);
	return lab_vips(&world->maps, worlds[which].services, worlds[which].limited ? SERVICE_SLOW : 0);
}

static inline void world_close(struct world *world)
{
	if (!world->opened)
		return;
	program_close(&world->program);
	maps_close(&world->maps);
	world->opened = false;
}

/* Packets that ended so. */
static inline __u64 world_counted(const struct world *world, enum reason reason)
{
	__u64 sum = 0;

	for (__u32 cpu = 0; cpu < world->maps.cpus; cpu++)
		sum += world->maps.counts[cpu].reason[reason].packets;
	return sum;
}

#endif
