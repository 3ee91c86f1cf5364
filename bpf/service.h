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

/* The entry of a bucket that has this key; `address` is two words for IPv6, the low half of one for IPv4. */
static __always_inline const struct service *bucket_find(__u64 index, __u32 tail, const __u64 address[2], bool v6)
{
	const struct vip_bucket *bucket = vip_bucket_at(index);

	barrier_var(bucket); /* or it is found anew for each entry */
	assume(bucket);
#pragma unroll
	for (int i = 0; i < VIP_BUCKET_ENTRIES; i++) {
		const struct vip_entry *entry = &bucket->entry[i];
		const __u64 *has = (const __u64 *)entry->address;

		if (entry->tail == tail &&
		    (v6 ? has[0] == address[0] && has[1] == address[1] : entry->address[0] == (__u32)address[0]))
			return &entry->service;
	}
	return NULL;
}

static __always_inline const struct service *vip_find(__be16 port, __u8 protocol, const __u64 address[2], bool v6)
{
	__u32 tail = vip_tail(port, protocol, v6);
	__u64 folded = v6 ? vip_fold6(address, tail) : vip_fold4(address[0], tail);
	const struct service *found = bucket_find(vip_bucket_first(folded, settings.vip_shift), tail, address, v6);

	return likely(found) ? found : bucket_find(vip_bucket_second(folded, settings.vip_shift), tail, address, v6);
}

static __always_inline const struct service *prefix_find(__be16 port, __u8 protocol, const __u64 address[2], bool v6)
{
	if (v6) {
		struct prefix_key6 key = {.prefixlen = PREFIX_KEY_FIXED_BITS + 128, .protocol = protocol, .port = port};

		__builtin_memcpy(key.address, address, sizeof(key.address));
		return bpf_map_lookup_elem(&prefixes6, &key);
	}
	struct prefix_key4 key = {.prefixlen = PREFIX_KEY_FIXED_BITS + 32,
				  .protocol = protocol,
				  .port = port,
				  .address = (__u32)address[0]};

	return bpf_map_lookup_elem(&prefixes4, &key);
}

static __always_inline const struct service *find(__be16 port, __u8 protocol, const __u64 address[2], bool v6)
{
	const struct service *found = vip_find(port, protocol, address, v6);

	if (!found && settings.features & FEATURE_ANY_PORT)
		found = vip_find(0, protocol, address, v6);
	if (found || !(settings.features & (v6 ? FEATURE_PREFIX6 : FEATURE_PREFIX4)))
		return found;
	found = prefix_find(port, protocol, address, v6);
	if (!found && settings.features & FEATURE_ANY_PORT)
		found = prefix_find(0, protocol, address, v6);
	return found;
}

/* Broadcast or multicast (IEEE 802, the I/G bit): every balancer of the segment gets such a frame and would send it on.
 */
static __always_inline bool is_group_mac(const __u8 *mac)
{
	return mac[0] & 1;
}

/* Sources that no client can have: RFC 1122, 3.2.1.3; RFC 6890; RFC 4291, 2.5. Nor the VIP itself. */
static __always_inline bool is_martian(const __be32 *source, const __be32 *vip, bool v6)
{
	__u8 first = *(const __u8 *)source;

	if (!v6)
		return (__u8)(first - 1) >= 223 || first == 127 || *source == *vip; /* 0, and from 224 on */
	if (first == 0xff || (first == 0xfe && (((const __u8 *)source)[1] & 0xc0) == 0x80))
		return true;
	if (!source[0] && !source[1] && (!source[2] || source[2] == bpf_htonl(0xffff)))
		return true;
	return ((const __u64 *)source)[1] == ((const __u64 *)vip)[1] &&
	       ((const __u64 *)source)[0] == ((const __u64 *)vip)[0];
}

/* NULL: no service has it. */
static __always_inline const struct service *service_find(const struct packet *p, bool v6)
{
	const __be32 *vip = packet_vip(p, v6);
	const __u64 *words = (const __u64 *)vip;
	const __u64 address[2] = {v6 ? words[0] : (__u32)*vip, v6 ? words[1] : 0};

	return find(packet_vip_port(p, v6), p->protocol, address, v6);
}

#endif
