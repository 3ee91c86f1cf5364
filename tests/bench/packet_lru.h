/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The LRU balancer (lru.bpf.c) with one VIP, its backends and a table for so many flows. */
#ifndef SLUICE_BENCH_PACKET_LRU_H
#define SLUICE_BENCH_PACKET_LRU_H

#include "bench/lru.h"
#include "bench/packet_lab.h"

#include "lru.skel.h"

/* More than there are flows: the kernel begins to replace before a map is full. */
static inline __u32 lru_entries(__u32 flows)
{
	return flows + flows / 8 + (1 << 14);
}

/* Bytes that the kernel needs for such a map, about. */
static inline __u64 lru_memory(__u32 flows)
{
	__u64 buckets = 1;

	while (buckets < lru_entries(flows))
		buckets *= 2;
	return 16 * buckets + lru_entries(flows) * (48ULL + sizeof(struct lru_flow) + 8);
}

/* Bytes that can be had without taking them from somebody; 0: not known. */
static inline __u64 memory_available(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib * 1024;
}

static inline int lru_put(struct bpf_map *map, const void *key, const void *value)
{
	return bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY) ? -errno : 0;
}

static inline int lru_fill(struct lru_bpf *lru, __u16 backends)
{
	const struct lru_vip vip = {.address = {htonl(LAB_VIP)}, .port = htons(80), .protocol = IPPROTO_TCP};
	const __u32 number = 0;
	struct maglev_backend *members = memory_new(backends, sizeof(*members));
	char(*names)[16] = memory_new(backends, sizeof(*names));
	__u16 *owner = memory_new(LRU_RING, sizeof(*owner));
	int err = lru_put(lru->maps.vips, &vip, &number);

	for (__u32 i = 1; i <= backends && !err; i++) {
		const struct lru_backend backend = {
			.source = htonl(0x0ac80001), .destination = htonl(0x0ac90000 + i), .mac = {2, 0, 0, 0, 0, 1}};

		snprintf(names[i - 1], sizeof(names[i - 1]), "backend%u", i - 1);
		members[i - 1] = (struct maglev_backend){.name = names[i - 1], .weight = 100, .owner = (__u16)i};
		err = lru_put(lru->maps.backends, &i, &backend);
	}
	maglev_build(owner, LRU_RING, members, backends, lab_key);
	for (__u32 i = 0; i < LRU_RING && !err; i++) {
		const __u32 one = owner[i];

		err = lru_put(lru->maps.rings, &i, &one);
	}
	free(owner);
	free(names);
	free(members);
	return err;
}

/* NULL: errno tells why not. `features` as lab_floor()'s. */
static inline struct lru_bpf *lru_open(__u32 flows, __u16 backends, __u32 features)
{
	struct lru_bpf *lru;
	int err;

	errno = ENOMEM;
	if (memory_available() < lru_memory(flows) + lru_memory(flows) / 4)
		return NULL;
	lru = lru_bpf__open();
	if (!lru)
		return NULL;
	bpf_program__set_expected_attach_type(lru->progs.lru, 0);
	if (features & FEATURE_MULTI)
		bpf_program__set_flags(lru->progs.lru, BPF_F_XDP_HAS_FRAGS);
	bpf_map__set_max_entries(lru->maps.flows, lru_entries(flows));
	err = lru_bpf__load(lru) ?: lru_fill(lru, backends);
	if (!err)
		return lru;
	lru_bpf__destroy(lru);
	errno = -err;
	return NULL;
}

#endif
