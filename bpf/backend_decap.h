/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The stages of decapsulation, in the order in which a packet meets them. */
#ifndef SLUICE_BACKEND_DECAP_H
#define SLUICE_BACKEND_DECAP_H

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/stddef.h>
#include <linux/udp.h>

#include "backend_maps.h"

#define IP_FRAGMENT 0x3fff /* more fragments, or an offset */

#define ECN_MASK    3
#define ECN_NOT_ECT 0
#define ECN_ECT1    1
#define ECN_ECT0    2
#define ECN_CE	    3

struct packet {
	struct address_key source;	/* outer */
	struct address_key destination; /* outer */
	__u32 offset;			/* of the header to be read next, from the frame's start */
	__u32 end;	     /* of the outer IP packet, from the frame's start; Ethernet padding may follow */
	__u32 inner_version; /* 4 or 6 */
	__u8 protocol;	     /* what follows the outer IP header */
	__u8 ecn;	     /* outer */
	__u8 inner_class;    /* inner TOS or traffic class */
	__u8 fragment;
	__u8 gue;
	__u8 hop_left;	 /* of the second hop: how often it may be sent on; 0: there is none, or this is the last */
	__be16 hop_port; /* UDP destination port there */
	struct address_key hop; /* its address */
	__u32 udp;		/* offset of the outer UDP header */
	__u32 hop_data;		/* offset of the second hop, as GUE's private data */
};

static __always_inline int read_outer4(struct __sk_buff *skb, struct packet *packet)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5)
		return 0;
	packet->source.version = 4;
	packet->source.word[0] = ip.saddr;
	packet->destination.version = 4;
	packet->destination.word[0] = ip.daddr;
	packet->offset = ETH_HLEN + ip.ihl * 4;
	packet->end = ETH_HLEN + bpf_ntohs(ip.tot_len);
	packet->protocol = ip.protocol;
	packet->ecn = ip.tos & ECN_MASK;
	packet->fragment = (ip.frag_off & bpf_htons(IP_FRAGMENT)) != 0;
	return 1;
}

static __always_inline int read_outer6(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv6hdr ip;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.version != 6)
		return 0;
	packet->source.version = 6;
	__builtin_memcpy(packet->source.word, &ip.saddr, sizeof(packet->source.word));
	packet->destination.version = 6;
	__builtin_memcpy(packet->destination.word, &ip.daddr, sizeof(packet->destination.word));
	packet->offset = ETH_HLEN + sizeof(ip);
	packet->end = ETH_HLEN + sizeof(ip) + bpf_ntohs(ip.payload_len);
	/* a fragment has an extension header, and so is no tunnel packet at all for find_tunnel() */
	packet->protocol = ip.nexthdr;
	packet->ecn = (ip.flow_lbl[0] >> 4) & ECN_MASK;
	return 1;
}

static __always_inline int read_outer(struct __sk_buff *skb, struct packet *packet)
{
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return read_outer4(skb, packet);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return read_outer6(skb, packet);
	return 0;
}

/* Whether this looks like an encapsulated packet. What does not is none of our business and is not counted. */
static __always_inline int find_tunnel(struct __sk_buff *skb, struct packet *packet)
{
	struct udphdr udp;

	switch (packet->protocol) {
	case IPPROTO_IPIP:
		packet->inner_version = 4;
		return 1;
	case IPPROTO_IPV6:
		packet->inner_version = 6;
		return 1;
	case IPPROTO_UDP:
		break;
	default:
		return 0;
	}
	if (packet->fragment || bpf_skb_load_bytes(skb, packet->offset, &udp, sizeof(udp)) ||
	    udp.dest != bpf_htons(gue_port))
		return 0;
	/*
	 * The UDP checksum is not looked at: the balancer sends none, and the
	 * inner packet's own covers what matters.
	 */
	packet->udp = packet->offset;
	packet->offset += sizeof(udp);
	packet->gue = 1;
	return 1;
}

static __always_inline enum outcome admit_outer(struct packet *packet)
{
	const __u32 first = 0;

	if (!is_in(&from, &packet->source)) {
		bpf_map_update_elem(&stranger, &first, &packet->source, BPF_ANY);
		return OUTCOME_not_from;
	}
	if (!bpf_map_lookup_elem(&own, &packet->destination))
		return OUTCOME_not_own;
	return packet->fragment ? OUTCOME_fragment : OUTCOME_go_on;
}

/* Reads variant 0's private data, `length` bytes. What is no second hop that we know is stepped over. */
static __always_inline void read_second_hop(struct __sk_buff *skb, struct packet *packet, __u32 length)
{
	struct gue_second_hop hop = {};

	if (length == GUE_SECOND_HOP4) {
		if (bpf_skb_load_bytes(skb, packet->offset, &hop, GUE_SECOND_HOP4))
			return;
		packet->hop.version = 4;
	} else if (length == GUE_SECOND_HOP6) {
		if (bpf_skb_load_bytes(skb, packet->offset, &hop, GUE_SECOND_HOP6))
			return;
		packet->hop.version = 6;
	}
	if (hop.version != GUE_SECOND_HOP_VERSION)
		return;
	packet->hop_left = hop.left;
	packet->hop_port = hop.port;
	packet->hop_data = packet->offset;
	__builtin_memcpy(packet->hop.word, hop.address, sizeof(hop.address));
}

/* Finds the inner packet's family, and steps over variant 0's header. */
static __always_inline enum outcome read_gue(struct __sk_buff *skb, struct packet *packet)
{
	struct gue_header gue;

	if (bpf_skb_load_bytes(skb, packet->offset, &gue, sizeof(gue)))
		return OUTCOME_malformed;
	if (GUE_VARIANT(gue.variant_control_length) == 1) {
		packet->inner_version = gue.variant_control_length >> 4;
		return packet->inner_version == 4 || packet->inner_version == 6 ? OUTCOME_go_on
										: OUTCOME_gue_unsupported;
	}
	if (GUE_VARIANT(gue.variant_control_length) != 0 || GUE_CONTROL(gue.variant_control_length) || gue.flags)
		return OUTCOME_gue_unsupported;
	packet->offset += sizeof(gue);
	read_second_hop(skb, packet, GUE_LENGTH(gue.variant_control_length));
	packet->offset += GUE_LENGTH(gue.variant_control_length);
	if (gue.protocol == IPPROTO_IPIP)
		packet->inner_version = 4;
	else if (gue.protocol == IPPROTO_IPV6)
		packet->inner_version = 6;
	else
		return OUTCOME_gue_unsupported;
	return OUTCOME_go_on;
}

/* Checks the inner header against the outer one's length, and its destination. */
static __always_inline enum outcome read_inner(struct __sk_buff *skb, struct packet *packet)
{
	struct address_key destination = {.version = packet->inner_version};
	__u32 length;

	if (packet->end > skb->len)
		return OUTCOME_malformed;
	if (packet->inner_version == 4) {
		struct iphdr ip;

		if (bpf_skb_load_bytes(skb, packet->offset, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5)
			return OUTCOME_malformed;
		length = bpf_ntohs(ip.tot_len);
		if (length < (__u32)ip.ihl * 4)
			return OUTCOME_malformed;
		destination.word[0] = ip.daddr;
		packet->inner_class = ip.tos;
	} else {
		struct ipv6hdr ip;

		if (bpf_skb_load_bytes(skb, packet->offset, &ip, sizeof(ip)) || ip.version != 6)
			return OUTCOME_malformed;
		length = sizeof(ip) + bpf_ntohs(ip.payload_len);
		__builtin_memcpy(destination.word, &ip.daddr, sizeof(destination.word));
		packet->inner_class = ip.priority << 4 | ip.flow_lbl[0] >> 4;
	}
	if (packet->offset + length > packet->end)
		return OUTCOME_malformed;
	return is_in(&vips, &destination) ? OUTCOME_go_on : OUTCOME_not_vip;
}

static __always_inline int store_class4(struct __sk_buff *skb, __u32 offset, __u8 before, __u8 after)
{
	/* version and header length cancel out, so only the word's low byte is given */
	if (bpf_l3_csum_replace(skb, offset + offsetof(struct iphdr, check), bpf_htons(before), bpf_htons(after), 2))
		return -1;
	return bpf_skb_store_bytes(skb, offset + offsetof(struct iphdr, tos), &after, sizeof(after), 0);
}

static __always_inline int store_class6(struct __sk_buff *skb, __u32 offset, __u8 after)
{
	__u8 first[2];

	if (bpf_skb_load_bytes(skb, offset, first, sizeof(first)))
		return -1;
	first[0] = (first[0] & 0xf0) | after >> 4;
	first[1] = (first[1] & 0x0f) | after << 4;
	return bpf_skb_store_bytes(skb, offset, first, sizeof(first), BPF_F_RECOMPUTE_CSUM);
}

/* RFC 6040, section 4.2: what the path signalled on the outer header goes to the inner one. DSCP stays. */
static __always_inline enum outcome merge_ecn(struct __sk_buff *skb, struct packet *packet)
{
	__u8 inner = packet->inner_class & ECN_MASK;
	__u8 merged = inner;
	__u8 class;

	if (packet->ecn == ECN_CE) {
		if (inner == ECN_NOT_ECT)
			return OUTCOME_ecn_drop;
		merged = ECN_CE;
	} else if (packet->ecn == ECN_ECT1 && inner == ECN_ECT0) {
		merged = ECN_ECT1;
	}
	if (merged == inner)
		return OUTCOME_go_on;
	class = (packet->inner_class & ~ECN_MASK) | merged;
	if (packet->inner_version == 4 ? store_class4(skb, packet->offset, packet->inner_class, class)
				       : store_class6(skb, packet->offset, class))
		return OUTCOME_no_room;
	return OUTCOME_go_on;
}

/* Removes what is between the Ethernet header and the inner packet. */
static __always_inline enum outcome strip(struct __sk_buff *skb, struct packet *packet)
{
	/*
	 * The kernel insists that a whole header of the outer family be left. An
	 * inner IPv4 packet can be smaller than an IPv6 header: the outer packet
	 * becomes one of IPv4 first, whose header is 20 bytes shorter. (Lengthening
	 * it with bpf_skb_change_tail() fails on what a tunnel has marked as encapsulated.)
	 */
	if (packet->source.version == 6 && skb->len < packet->offset + sizeof(struct ipv6hdr)) {
		if (bpf_skb_change_proto(skb, bpf_htons(ETH_P_IP), 0))
			return OUTCOME_no_room;
		packet->offset -= sizeof(struct ipv6hdr) - sizeof(struct iphdr);
	}
	/* gso_size is that of the inner segments already: GRO took the outer header off each */
	if (bpf_skb_adjust_room(skb, -(__s32)(packet->offset - ETH_HLEN), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
		return OUTCOME_no_room;
	return packet->gue ? OUTCOME_decap_gue : OUTCOME_decap_ipip;
}

/* The TC action for a decapsulated packet. */
static __always_inline int deliver(struct __sk_buff *skb, struct packet *packet)
{
	__be16 type = packet->inner_version == 6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);

	if (packet->inner_version == packet->source.version)
		return TC_ACT_UNSPEC;
	/*
	 * The kernel still takes it for a packet of the outer family. Mending the
	 * Ethernet header and receiving it anew sets that right on every kernel;
	 * the flags of bpf_skb_adjust_room for it came with 6.3 only.
	 */
	if (bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &type, sizeof(type), 0))
		return TC_ACT_SHOT;
	return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

#endif
