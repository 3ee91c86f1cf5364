/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The maps, as user space fills them. Keys and values: include/abi.h. */
#ifndef SLUICE_MAPS_H
#define SLUICE_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "backends_map.h"
#include "reasons.h"
#include "setting.h"

/* User space writes it through mmap, as slots below. Both, backends and counts are read by address: array.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VIP_BUCKETS(VIP_SHIFT_MOST));
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct vip_bucket);
} vips SEC(".maps");

/* `place`: vip_place_first() or its like, with setting(vip_shift). */
static __always_inline const struct vip_entry *vip_entry_at(__u64 place)
{
	return (const struct vip_entry *)array_of(vips) + place;
}

/*
 * One more than there may be, which is an entry more for each prefix itself: kernels before 6.13 refuse to change an
 * entry of a full trie.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 2 * SLUICE_MAX_PREFIXES + 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix_key4);
	__type(value, struct service);
} prefixes4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 2 * SLUICE_MAX_PREFIXES + 1);
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

/* NULL: there is no such slot. */
static __always_inline const __u64 *slot_at(__u32 index)
{
	return index < setting(slot_capacity) ? (const __u64 *)(array_of(slots) + index) : NULL;
}

/* As many: what packets read first (flow.h). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u16);
} owners SEC(".maps");

/* NULL: there is no such slot. */
static __always_inline const __u16 *owner_at(__u32 index)
{
	return index < setting(slot_capacity) ? array_of(owners) + index : NULL;
}

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

/* The slow path's program: two places, so that a new pair of programs never calls a former one's. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} programs SEC(".maps");

/* As the prefixes above: one more than there may be. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, SLUICE_MAX_DENIED + 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct deny_key4);
	__type(value, __u32);
} denied4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, SLUICE_MAX_DENIED + 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct deny_key6);
	__type(value, __u32);
} denied6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLUICE_MAX_SERVICES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct service_options);
} options SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, SLUICE_MAX_RULES + 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct rule_key4);
	__type(value, struct rule);
} rules4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, SLUICE_MAX_RULES + 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct rule_key6);
	__type(value, struct rule);
} rules6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SLUICE_MAX_QUIC_SERVERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct quic_key);
	__type(value, __u32);
} quic_servers SEC(".maps");

/* Of services; the last one is for what the dataplane answers by itself. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLUICE_MAX_SERVICES + 1);
	__type(key, __u32);
	__type(value, struct service_bucket);
} buckets SEC(".maps");

/* Bounded: the least recently seen source gives way. User space sizes it before loading (settings.source_capacity). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct source_key);
	__type(value, struct source_bucket);
} sources SEC(".maps");

/* Likewise (settings.fragment_capacity). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct fragment_key);
	__type(value, struct fragment);
} fragments SEC(".maps");

/* One page a possible CPU: user space sets the number before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct count_page);
} counts SEC(".maps");

/* This CPU's. NULL: user space did not know of the CPU. */
static __always_inline struct count_page *count_page(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return cpu < setting(cpus) ? array_of(counts) + cpu : NULL;
}

#endif
