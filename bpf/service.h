/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Stage service: which service has this destination? The most exact entry wins:
 * the address with the port, the address with any port, the longest prefix with
 * the port, the longest prefix with any port. What no service has goes up.
 */
#ifndef SLUICE_SERVICE_H
#define SLUICE_SERVICE_H

#include "maps.h"
#include "packet.h"

/*
 * Keys are written in 8-byte words, because the hash map reads them in words: a
 * load that spans several smaller stores waits until all of them have reached
 * the cache, which costs a packet some 5 ns.
 */
union key4 {
	struct vip_key4 vip;
	__u64 word;
};

union key6 {
	struct vip_key6 vip;
	__u64 word[3];
};

/* Port, protocol and zero: the last four bytes of either key. */
static __always_inline __u32 key_tail(__be16 port, __u8 protocol)
{
	return bpf_htonl((__u32)bpf_ntohs(port) << 16 | (__u32)protocol << 8);
}

static __always_inline const struct service *prefix_find4(const struct vip_key4 *vip)
{
	struct prefix_key4 key = {
		.prefixlen = PREFIX_KEY_FIXED_BITS + 32,
		.protocol = vip->protocol,
		.port = vip->port,
		.address = vip->address,
	};

	return bpf_map_lookup_elem(&prefixes4, &key);
}

static __always_inline const struct service *service_find4(const struct packet *p)
{
	const struct iphdr *ip = p->ip;
	const __be16 port = ((const __be16 *)(ip + 1))[1];
	const __u32 tail = key_tail(port, p->protocol);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	union key4 key = {.word = (__u64)tail << 32 | (__u32)ip->daddr};
#else
	union key4 key = {.word = (__u64)(__u32)ip->daddr << 32 | tail};
#endif
	const struct service *found = bpf_map_lookup_elem(&vips4, &key.vip);

	if (!found && settings.features & FEATURE_ANY_PORT) {
		key.vip.port = 0;
		found = bpf_map_lookup_elem(&vips4, &key.vip);
	}
	if (!found && settings.features & FEATURE_PREFIX4) {
		key.vip.port = port;
		found = prefix_find4(&key.vip);
		if (!found && settings.features & FEATURE_ANY_PORT) {
			key.vip.port = 0;
			found = prefix_find4(&key.vip);
		}
	}
	return found;
}

static __always_inline const struct service *prefix_find6(const struct vip_key6 *vip)
{
	struct prefix_key6 key = {
		.prefixlen = PREFIX_KEY_FIXED_BITS + 128,
		.protocol = vip->protocol,
		.port = vip->port,
	};

	__builtin_memcpy(key.address, vip->address, sizeof(key.address));
	return bpf_map_lookup_elem(&prefixes6, &key);
}

static __always_inline const struct service *service_find6(const struct packet *p)
{
	const struct ipv6hdr *ip = p->ip;
	const __u64 *address = (const __u64 *)&ip->daddr;
	const __be16 port = ((const __be16 *)(ip + 1))[1];
	union key6 key = {.word = {address[0], address[1]}};
	const struct service *found;

	*(__u32 *)&key.word[2] = key_tail(port, p->protocol);
	found = bpf_map_lookup_elem(&vips6, &key.vip);
	if (!found && settings.features & FEATURE_ANY_PORT) {
		key.vip.port = 0;
		found = bpf_map_lookup_elem(&vips6, &key.vip);
	}
	if (!found && settings.features & FEATURE_PREFIX6) {
		key.vip.port = port;
		found = prefix_find6(&key.vip);
		if (!found && settings.features & FEATURE_ANY_PORT) {
			key.vip.port = 0;
			found = prefix_find6(&key.vip);
		}
	}
	return found;
}

static __always_inline enum reason service_find(struct packet *p, bool v6)
{
	p->service = v6 ? service_find6(p) : service_find4(p);
	return p->service ? REASON_go_on : REASON_no_service;
}

#endif
