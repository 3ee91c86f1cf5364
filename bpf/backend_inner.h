/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The inner IP header, or one that an ICMP error quotes: addresses, fragment, and where the transport begins. */
#ifndef SLUICE_BACKEND_INNER_H
#define SLUICE_BACKEND_INNER_H

#include "backend_decap.h"
#include "ip_headers.h"

/* Extension headers that are stepped over; a packet with more is this host's. */
#define EXTENSIONS_MAX 8

struct inner {
	struct fragments_key key; /* addresses of any packet; the id of a fragment */
	__u32 version;
	__u32 transport; /* offset of what follows the IP header and its extensions */
	__u32 end;	 /* offset of what follows the packet */
	__u16 more;	 /* not 0: a fragment that others follow */
	__u16 later;	 /* not 0: a fragment that is not the first one, so it has no ports */
	__u8 protocol;	 /* at `transport`; of a later fragment what its header says is in the first one */
};

static __always_inline int read_inner4(struct __sk_buff *skb, __u32 offset, struct inner *inner)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)))
		return 0;
	inner->key.source[0] = ip.saddr;
	inner->key.destination[0] = ip.daddr;
	inner->key.id = ip.id;
	inner->key.protocol = ip.protocol;
	inner->protocol = ip.protocol;
	inner->transport = offset + ip.ihl * 4;
	inner->end = offset + bpf_ntohs(ip.tot_len);
	inner->more = ip.frag_off & bpf_htons(IP4_MORE);
	inner->later = ip.frag_off & bpf_htons(IP4_OFFSET);
	return 1;
}

static __always_inline void read_fragment(const struct ipv6_extension *header, struct inner *inner)
{
	inner->key.id = header->id;
	inner->more = header->offset & bpf_htons(IP6_MORE);
	inner->later = header->offset & bpf_htons(IP6_OFFSET);
}

/* Leaves the protocol of an extension header where it ends: there are too many, or the packet has other stops to make.
 */
static __always_inline int read_extensions(struct __sk_buff *skb, struct inner *inner)
{
	for (int i = 0; i < EXTENSIONS_MAX && is_extension(inner->protocol) && !inner->later; i++) {
		struct ipv6_extension header;

		if (bpf_skb_load_bytes(skb, inner->transport, &header, sizeof(header)))
			return 0;
		if (inner->protocol == IPPROTO_ROUTING && header.left)
			return 1;
		if (inner->protocol == IPPROTO_FRAGMENT) {
			read_fragment(&header, inner);
			header.length = 0;
		}
		inner->protocol = header.next;
		inner->transport += (header.length + 1) * 8;
	}
	return 1;
}

static __always_inline int read_inner6(struct __sk_buff *skb, __u32 offset, struct inner *inner)
{
	struct ipv6hdr ip;

	if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)))
		return 0;
	__builtin_memcpy(inner->key.source, &ip.saddr, sizeof(inner->key.source));
	__builtin_memcpy(inner->key.destination, &ip.daddr, sizeof(inner->key.destination));
	inner->protocol = ip.nexthdr;
	inner->transport = offset + sizeof(ip);
	inner->end = inner->transport + bpf_ntohs(ip.payload_len);
	return read_extensions(skb, inner);
}

/* `inner->version` is set. Returns 0 where headers are missing. */
static __always_inline int read_addresses(struct __sk_buff *skb, __u32 offset, struct inner *inner)
{
	return inner->version == 6 ? read_inner6(skb, offset, inner) : read_inner4(skb, offset, inner);
}

#endif
