/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The maps, as user space fills them. Keys and values: include/abi.h. */
#ifndef SLUICE_MAPS_H
#define SLUICE_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "backends_map.h"
#include "reasons.h"

/* Constants once the program is loaded, so the verifier drops what is not configured. */
const volatile struct settings settings = {};

/* User space writes it through mmap, as slots below. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VIP_BUCKETS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct vip_bucket);
} vips SEC(".maps");

/* One more than there may be: kernels before 6.13 refuse to change an entry of a full trie. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, SLUICE_MAX_PREFIXES + 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix_key4);
	__type(value, struct service);
} prefixes4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, SLUICE_MAX_PREFIXES + 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix_key6);
	__type(value, struct service);
} prefixes6 SEC(".maps");

/* User space sizes it before loading (settings.slot_capacity). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct slot);
} slots SEC(".maps");

/* Of all CPUs, bounded: the least recently used record gives way. Only slots in transition write to it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024); /* user space sizes it before loading (settings.flow_capacity) */
	__type(key, struct flow_tuple);
	__type(value, struct flow_record);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLUICE_MAX_SERVICES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct service_move);
} moves SEC(".maps");

/* One page a possible CPU: user space sets the number before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct count_page);
} counts SEC(".maps");

#endif
