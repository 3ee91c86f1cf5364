/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The maps of the backend host's programs; user/backend/tc_program.c fills them before it attaches. */
#ifndef SLUICE_BACKEND_MAPS_H
#define SLUICE_BACKEND_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "backend_abi.h"
#include "wire.h"

const volatile __u16 gue_port = GUE_PORT; /* host byte order */

/* Prefixes whose encapsulated packets are taken. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BACKEND_MAX_FROM);
	__type(key, struct net_key);
	__type(value, __u8);
} from SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BACKEND_MAX_VIPS);
	__type(key, struct net_key);
	__type(value, __u8);
} vips SEC(".maps");

/* The host's own addresses, VIPs left out. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BACKEND_MAX_OWN);
	__type(key, struct address_key);
	__type(value, __u8);
} own SEC(".maps");

/* By ifindex. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BACKEND_MAX_LINKS);
	__type(key, __u32);
	__type(value, struct link_mss);
} mss SEC(".maps");

/* Of packets with a second hop, whose first fragment has come: the rest follows it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, BACKEND_FRAGMENTS);
	__type(key, struct fragments_key);
	__type(value, struct fragments_owner);
} fragments SEC(".maps");

/* The outer source of the last packet that ended as OUTCOME_not_from; version 0: there was none. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct address_key);
} stranger SEC(".maps");

/* Packets by enum outcome. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, OUTCOME_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} outcomes SEC(".maps");

static __always_inline void count(enum outcome outcome)
{
	__u32 index = outcome;
	__u64 *packets = bpf_map_lookup_elem(&outcomes, &index);

	if (packets)
		(*packets)++;
}

static __always_inline int is_in(void *map, const struct address_key *address)
{
	struct net_key key = {
		.prefixlen = NET_KEY_FIXED_BITS + (address->version == 6 ? 128 : 32),
		.address = *address,
	};

	return bpf_map_lookup_elem(map, &key) != NULL;
}

#endif
