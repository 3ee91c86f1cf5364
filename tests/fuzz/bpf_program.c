/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "../../bpf/sluice.bpf.c"

/* the program's own list of maps has the name of user space's */
#undef SLUICE_MAPS_H
#include "fuzz/bpf_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FEW 16 /* records of each kind: that they give way to others is to be seen */

static const struct {
	const char *name;
	void *map;
	__u32 type, key_size, value_size, capacity;
} definitions[MAP_COUNT] = {
#define PROGRAM_MAP(map)                                                                                               \
	[MAP_##map] = {#map,                                                                                           \
		       &map,                                                                                           \
		       sizeof(*map.type) / sizeof(int),                                                                \
		       sizeof(*map.key),                                                                               \
		       sizeof(*map.value),                                                                             \
		       sizeof(*map.max_entries) / sizeof(int)},
	MAPS(PROGRAM_MAP)
#undef PROGRAM_MAP
};

static struct {
	struct fuzz_world world;
	struct kernel_map maps[MAP_COUNT];
} worlds[FUZZ_WORLDS];

static unsigned int current;

/* What user space sizes before loading. */
static __u32 capacity_of(enum map map)
{
	switch (map) {
	case MAP_slots:
	case MAP_owners:
		return FUZZ_SLOTS;
	case MAP_flows:
	case MAP_sources:
	case MAP_fragments:
		return FEW;
	case MAP_quic_servers:
	case MAP_prefixes4:
	case MAP_prefixes6:
	case MAP_denied4:
	case MAP_denied6:
	case MAP_rules4:
	case MAP_rules6:
		return 1024;
	default:
		return definitions[map].capacity;
	}
}

static void put(void *of, enum map map, const void *key, const void *value)
{
	if (kernel_update((struct kernel_map *)of + map, key, value, BPF_ANY)) {
		fprintf(stderr, "%s is full\n", definitions[map].name);
		abort();
	}
}

static void make(unsigned int number)
{
	struct kernel_map *maps = worlds[number].maps;

	fuzz_world_make(&worlds[number].world, number);
	for (int i = 0; i < MAP_COUNT; i++) {
		kernel_map_init(&maps[i], definitions[i].type, definitions[i].key_size, definitions[i].value_size,
				capacity_of(i));
		if (i ==
		    MAP_owners) /* read by address, of one value (bpf/array.h): nothing lies between the elements */
			maps[i].stride = sizeof(__u16);
		maps[i].forgets = i == MAP_flows || i == MAP_sources || i == MAP_fragments || i == MAP_buckets;
	}
	maps[MAP_programs].programs[worlds[number].world.settings.slow] = slow;
	fuzz_world_fill(&worlds[number].world,
			&(struct fuzz_maps){.of = maps,
					    .put = put,
					    .vips = {(struct vip_bucket *)maps[MAP_vips].values, VIP_SHIFT_MOST}});
}

/* The settings are constants, and lie where those do. */
static void make_settings_writable(void)
{
	const unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);
	const unsigned long first = (unsigned long)&settings / page * page;

	if (mprotect((void *)first, (unsigned long)(&settings + 1) - first, PROT_READ | PROT_WRITE)) {
		perror("settings");
		abort();
	}
}

void program_init(void)
{
	for (unsigned int i = 0; i < FUZZ_WORLDS; i++)
		make(i);
	make_settings_writable();
}

/* The compiler is not to see that constants are written to: it would not write them. */
static void put_settings(const struct settings *from)
{
	struct settings *to = (struct settings *)&settings;

	barrier_var(to);
	*to = *from;
}

const struct fuzz_world *program_enter(unsigned int number)
{
	const struct fuzz_world *world = &worlds[number].world;

	current = number;
	put_settings(&world->settings);
	for (int i = 0; i < MAP_COUNT; i++) {
		struct kernel_map *map = &worlds[number].maps[i];

		kernel_reset(map);
		memcpy(definitions[i].map, &map, sizeof(map)); /* bpf_helpers.h: the definition's first word */
	}
	return world;
}

int program_run(const struct kernel_frame *frame, __u8 *out, __u32 *out_length)
{
	return kernel_run(sluice, frame, out, out_length);
}

struct count_page *program_counts(void)
{
	return (struct count_page *)worlds[current].maps[MAP_counts].values;
}
