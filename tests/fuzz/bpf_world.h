/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the fuzzed dataplane is configured to. All worlds are alike but for their features; a thing that needs a
 * feature is there where the world has it. Services, pools and backends bear one number, so that a wrong choice shows:
 *
 *   number  VIPs                         pool's slots
 *   n       192.0.2.n   2001:db8::n      7n to 7n + 6, mostly of backend n
 *
 * Each has 443/tcp and 443/udp; some have any port, options, and a policy for unknown ports and pings. Service 3 has
 * the prefixes. This and the other bpf_ files but bpf_kernel.c and bpf_program.c serve the packet tests, too.
 */
#ifndef SLUICE_FUZZ_BPF_WORLD_H
#define SLUICE_FUZZ_BPF_WORLD_H

#include <linux/types.h>
#include <stdbool.h>

#include "abi.h"
#include "model/vip_table.h"
#include "out/maps.h"

#define FUZZ_WORLDS  12
#define FUZZ_NUMBERS 24 /* 1 to FUZZ_NUMBERS - 1 */
#define FUZZ_POOL    7	/* slots */
#define FUZZ_SLOTS   (FUZZ_POOL * FUZZ_NUMBERS)
#define FUZZ_RECORDS 1024 /* of each kind, in the kernel */
#define FUZZ_INSIDE  1	  /* the interface that frames come from mostly: lo, which exists wherever tests run */
#define FUZZ_OUTSIDE 7

struct fuzz_world {
	const char *name;
	struct settings settings;
	struct backend backends[FUZZ_NUMBERS];
	struct service services[FUZZ_NUMBERS], addresses[FUZZ_NUMBERS];
	struct service_options options[FUZZ_NUMBERS];
};

/* Where a world's maps are. */
struct fuzz_maps {
	void *of;
	void (*put)(void *of, enum map map, const void *key, const void *value);
	struct vip_table vips;
};

/* Numbers are 0 to FUZZ_WORLDS - 1. */
void fuzz_world_make(struct fuzz_world *world, unsigned int number);

void fuzz_world_fill(const struct fuzz_world *world, const struct fuzz_maps *maps);

/* Whether the address is a VIP; one word of it, or four. */
bool fuzz_world_is_vip(const struct fuzz_world *world, const __be32 *address, bool v6);

#endif
