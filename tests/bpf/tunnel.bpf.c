/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * For test_second_hop.py: encapsulates the client's large TCP packets before they are segmented and hands them to
 * a backend host, so that it gets them joined, as from some NICs. Without a mark they go to host b; with one to host a.
 * The second hop is b.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "wire.h"

#define ADDRESS(last) bpf_htonl(10 << 24 | (last)) /* 10.0.0.1: balancer, .2: a, .3: b */
#define PORT_A	      101			   /* ifindex of the bridge's port towards host a */
#define PORT_B	      102

struct outer {
	struct iphdr ip;
	struct udphdr udp;
	struct gue_header gue;
	__u8 version, left;
	__be16 port;
	__be32 address;
};

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int tunnel(struct __sk_buff *skb)
{
	const __u64 how = BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_FIXED_GSO;
	struct outer outer = {
		.ip = {.version = 4,
		       .ihl = 5,
		       .ttl = 64,
		       .protocol = IPPROTO_UDP,
		       .frag_off = bpf_htons(0x4000),
		       .saddr = ADDRESS(1),
		       .daddr = ADDRESS(skb->mark ? 2 : 3)},
		.udp = {.source = bpf_htons(50000), .dest = bpf_htons(GUE_PORT)},
		.gue = {.variant_control_length = GUE_SECOND_HOP4 / 4, .protocol = IPPROTO_IPIP},
		.version = GUE_SECOND_HOP_VERSION,
		.left = 1,
		.port = bpf_htons(GUE_PORT),
		.address = ADDRESS(3),
	};
	struct iphdr inner;
	__u32 sum;

	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETH_HLEN, &inner, sizeof(inner)))
		return TC_ACT_OK;
	outer.ip.tot_len = bpf_htons(bpf_ntohs(inner.tot_len) + sizeof(outer));
	outer.udp.len = bpf_htons(bpf_ntohs(inner.tot_len) + sizeof(outer) - sizeof(outer.ip));
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&outer.ip, sizeof(outer.ip), 0);
	sum = (sum & 0xffff) + (sum >> 16);
	outer.ip.check = ~((sum & 0xffff) + (sum >> 16));
	if (bpf_skb_adjust_room(skb, sizeof(outer), BPF_ADJ_ROOM_MAC, how) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN, &outer, sizeof(outer), 0))
		return TC_ACT_SHOT;
	return bpf_redirect_peer(skb->mark ? PORT_A : PORT_B, 0);
}
