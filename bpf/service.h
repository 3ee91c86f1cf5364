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

/* A VIP as its entry has it: `address` is two words for IPv6, the low half of one for IPv4. */
struct vip_wanted {
	__u64 address[2];
	__u32 tail;
};

static __always_inline bool entry_is(const struct vip_entry *entry, const struct vip_wanted *wanted, bool v6)
{
	const __u64 *has = (const __u64 *)entry->address;

	return entry->tail == wanted->tail && (v6 ? has[0] == wanted->address[0] && has[1] == wanted->address[1]
						  : entry->address[0] == (__u32)wanted->address[0]);
}

static __always_inline const struct service *bucket_find(__u64 place, const struct vip_wanted *wanted, bool v6)
{
	const struct vip_entry *entry = vip_entry_at(place & -VIP_BUCKET_ENTRIES);

	barrier_var(entry); /* or it is found anew for each */
	assume(entry);
#pragma unroll
	for (int i = 0; i < VIP_BUCKET_ENTRIES; i++)
		if (entry_is(&entry[i], wanted, v6))
			return &entry[i].service;
	return NULL;
}

static __always_inline __u64 vip_hash(const struct vip_wanted *wanted, bool v6)
{
	return v6 ? vip_hash6(wanted->address, wanted->tail) : vip_hash4(wanted->address[0], wanted->tail);
}

static __always_inline const struct service *vip_find(const struct vip_wanted *wanted, bool v6)
{
	const __u64 hash = vip_hash(wanted, v6);

	return bucket_find(vip_place_first(hash, setting(vip_shift)), wanted, v6)
		       ?: bucket_find(vip_place_second(hash, setting(vip_shift)), wanted, v6);
}

static __always_inline const struct service *prefix_find(const struct vip_wanted *wanted, bool v6)
{
	const __u8 protocol = vip_tail_protocol(wanted->tail);
	const __be16 port = vip_tail_port(wanted->tail);

	if (v6) {
		struct prefix_key6 key = {.prefixlen = PREFIX_KEY_FIXED_BITS + 128, .protocol = protocol, .port = port};

		__builtin_memcpy(key.address, wanted->address, sizeof(key.address));
		return bpf_map_lookup_elem(&prefixes6, &key);
	}
	struct prefix_key4 key = {.prefixlen = PREFIX_KEY_FIXED_BITS + 32,
				  .protocol = protocol,
				  .port = port,
				  .address = (__u32)wanted->address[0]};

	return bpf_map_lookup_elem(&prefixes4, &key);
}

/*
 * Functions of their own, as few packets come here: VIPs that do not have their own place, and what no service has,
 * port or address.
 */
static __always_inline const struct service *find(struct vip_wanted wanted, bool v6)
{
	const struct vip_wanted any = {.address = {wanted.address[0], wanted.address[1]},
				       .tail = vip_tail(0, vip_tail_protocol(wanted.tail), v6)};
	const struct service *found = vip_find(&wanted, v6);

	if (!found && feature(FEATURE_ANY_PORT))
		found = vip_find(&any, v6);
	if (found || !(v6 ? feature(FEATURE_PREFIX6) : feature(FEATURE_PREFIX4)))
		return found;
	found = prefix_find(&wanted, v6);
	if (!found && feature(FEATURE_ANY_PORT))
		found = prefix_find(&any, v6);
	return found;
}

static __noinline const struct service *find4(__u32 tail, __u32 address)
{
	return find((struct vip_wanted){.tail = tail, .address = {address}}, false);
}

static __noinline const struct service *find6(__u32 tail, __u64 first, __u64 second)
{
	return find((struct vip_wanted){.tail = tail, .address = {first, second}}, true);
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
	const struct vip_wanted wanted = {.tail = vip_tail(packet_vip_port(p, v6), p->protocol, v6),
					  .address = {v6 ? words[0] : (__u32)*vip, v6 ? words[1] : 0}};
	const struct vip_entry *own = vip_entry_at(vip_place_first(vip_hash(&wanted, v6), setting(vip_shift)));

	barrier_var(own);
	assume(own);
	if (likely(entry_is(own, &wanted, v6)))
		return &own->service;
	return v6 ? find6(wanted.tail, wanted.address[0], wanted.address[1]) : find4(wanted.tail, wanted.address[0]);
}

#endif
