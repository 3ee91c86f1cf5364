/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Lowers the MSS option of SYN and SYN-ACK segments that a VIP sends, so that
 * the client's segments still fit the path once the balancer has encapsulated them.
 */
#ifndef SLUICE_BACKEND_MSS_H
#define SLUICE_BACKEND_MSS_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/stddef.h>
#include <linux/tcp.h>

#include "backend_maps.h"
#include "tcp_options.h"

#define TCP_FLAGS 13 /* offset of the byte that has SYN */
#define TCP_SYN	  0x02

struct segment {
	struct address_key source;
	__u32 offset;  /* of the TCP header, from the frame's start */
	__u32 options; /* of the options */
	__u32 end;     /* of the options */
};

static __always_inline int read_source(struct __sk_buff *skb, struct segment *segment)
{
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		struct iphdr ip;

		if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.protocol != IPPROTO_TCP ||
		    (ip.frag_off & bpf_htons(0x1fff)))
			return 0;
		segment->source.version = 4;
		segment->source.word[0] = ip.saddr;
		segment->offset = ETH_HLEN + ip.ihl * 4;
		return 1;
	}
	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr ip;

		if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.nexthdr != IPPROTO_TCP)
			return 0;
		segment->source.version = 6;
		__builtin_memcpy(segment->source.word, &ip.saddr, sizeof(segment->source.word));
		segment->offset = ETH_HLEN + sizeof(ip);
		return 1;
	}
	return 0;
}

/* Whether this is a SYN or SYN-ACK from a VIP. */
static __always_inline int read_syn(struct __sk_buff *skb, struct segment *segment)
{
	__u8 bytes[2]; /* data offset, flags */

	if (!read_source(skb, segment) ||
	    bpf_skb_load_bytes(skb, segment->offset + TCP_FLAGS - 1, bytes, sizeof(bytes)))
		return 0;
	segment->options = segment->offset + sizeof(struct tcphdr);
	segment->end = segment->offset + (bytes[0] >> 4) * 4;
	return (bytes[1] & TCP_SYN) && is_in(&vips, &segment->source);
}

static __always_inline int lower_mss(struct __sk_buff *skb, struct segment *segment, __u32 at, __u16 limit)
{
	__be16 before, after = bpf_htons(limit);

	if (bpf_skb_load_bytes(skb, at, &before, sizeof(before)) || bpf_ntohs(before) <= limit)
		return 0;
	if (bpf_skb_store_bytes(skb, at, &after, sizeof(after), 0))
		return 0;
	/* at an odd offset the two bytes stand in two words, each in the other's place */
	if ((at - segment->offset) & 1) {
		before = (before >> 8) | (before << 8);
		after = (after >> 8) | (after << 8);
	}
	bpf_l4_csum_replace(skb, segment->offset + offsetof(struct tcphdr, check), before, after, sizeof(after));
	return 1;
}

/* Returns whether it lowered the segment's MSS. */
static __always_inline int clamp_mss(struct __sk_buff *skb, struct segment *segment)
{
	__u32 ifindex = skb->ifindex;
	const struct link_mss *link = bpf_map_lookup_elem(&mss, &ifindex);
	__u32 at = segment->options;
	__u16 limit;

	if (!link)
		return 0;
	limit = segment->source.version == 6 ? link->mss6 : link->mss4;
	if (!limit)
		return 0;
	for (int i = 0; i < TCP_OPTIONS_MAX; i++) {
		__u8 option[2]; /* kind, length */

		/* no option that matters to us ends within less than its kind and length */
		if (at + sizeof(option) > segment->end || bpf_skb_load_bytes(skb, at, option, sizeof(option)) ||
		    option[0] == TCP_OPTION_END)
			return 0;
		if (option[0] == TCP_OPTION_NOP) {
			at++;
			continue;
		}
		if (option[0] == TCP_OPTION_MSS)
			return option[1] == TCP_OPTION_MSS_LENGTH && at + TCP_OPTION_MSS_LENGTH <= segment->end &&
			       lower_mss(skb, segment, at + 2, limit);
		if (option[1] < 2)
			return 0;
		at += option[1];
	}
	return 0;
}

#endif
