/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The dataplane's maps in this process: descriptors, and those that are mapped into memory. */
#ifndef SLUICE_MAPS_H
#define SLUICE_MAPS_H

#include <linux/types.h>

#include "abi.h"
#include "model/vip_table.h"

#define MAPS(MAP)                                                                                                      \
	MAP(vips)                                                                                                      \
	MAP(prefixes4)                                                                                                 \
	MAP(prefixes6)                                                                                                 \
	MAP(slots)                                                                                                     \
	MAP(owners)                                                                                                    \
	MAP(backends)                                                                                                  \
	MAP(flows)                                                                                                     \
	MAP(moves)                                                                                                     \
	MAP(programs)                                                                                                  \
	MAP(denied4)                                                                                                   \
	MAP(denied6)                                                                                                   \
	MAP(options)                                                                                                   \
	MAP(rules4)                                                                                                    \
	MAP(rules6)                                                                                                    \
	MAP(quic_servers)                                                                                              \
	MAP(buckets)                                                                                                   \
	MAP(sources)                                                                                                   \
	MAP(fragments)                                                                                                 \
	MAP(counts)

enum map {
#define MAP_ENUM(name) MAP_##name,
	MAPS(MAP_ENUM)
#undef MAP_ENUM
		MAP_COUNT
};

struct maps {
	int fd[MAP_COUNT]; /* -1: none */
	__u32 slot_capacity, flow_capacity, source_capacity, fragment_capacity;
	struct vip_table vips;
	struct slot *slots;		 /* slot_capacity of them */
	__u16 *owners;			 /* likewise (slot_store.h) */
	struct backend *backends;	 /* SLUICE_MAX_BACKENDS + 1 of them */
	struct service_move *moves;	 /* SLUICE_MAX_SERVICES of them */
	struct service_options *options; /* SLUICE_MAX_SERVICES of them */
	struct count_page *counts;	 /* one a possible CPU */
	__u32 cpus;
};

const char *map_name(enum map map);

/* No maps; sets cpus. */
void maps_init(struct maps *maps);

/* Closes and unmaps; the kernel's maps live on while something else holds them. */
void maps_close(struct maps *maps);

/*
 * Opens the maps pinned under `folder`. All of them, of the shape that this
 * build expects, or none: -ENOENT if nothing is pinned, -EINVAL if the pins are
 * incomplete or of another shape, another errno if this process has no room to
 * open them (the log says it).
 */
int maps_open_pinned(struct maps *maps, const char *folder);

/* Makes those that are read by address (array.h), where they are not yet, of the sizes in `settings`. Negative errno.
 */
int maps_make_arrays(struct maps *maps, const struct settings *settings);

int maps_pin(const struct maps *maps, const char *folder);

/* Maps VIPs, slots, owners, backends, moves, options and counts into memory. */
int maps_mmap(struct maps *maps);

/* The kernel's id of a map, 0 if there is none. */
__u32 map_id(const struct maps *maps, enum map map);

#endif
