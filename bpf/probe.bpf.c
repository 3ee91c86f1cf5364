/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Takes a probe of a VIP to one certain backend. The probe's socket connects to
 * the VIP; policy routing sends what bears its mark out of lo, whose egress side
 * has this program. It puts the backend's finished outer header, the same that
 * the dataplane uses, before the packet and sends it out of the backend's
 * interface, past whatever routes the host has for the VIP.
 *
 * A marked packet leaves encapsulated for the backend that it names, or not at all.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "backends_map.h"
#include "outer.h"
#include "probe_abi.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* struct backend's header with the two bytes before it, so that each part is aligned. */
struct outer {
	union {
		__u64 word[8];
		struct {
			__u8 pad[2];
			struct ethhdr ethernet;
			union {
				struct {
					struct iphdr ip4;
					struct udphdr udp4;
				};
				struct {
					struct ipv6hdr ip6;
					struct udphdr udp6;
				};
			};
		};
	};
};
_Static_assert(sizeof(struct outer) == 2 + BACKEND_HEADER_MAX, "outer");
_Static_assert(__builtin_offsetof(struct outer, ethernet) == 2, "outer.ethernet");
_Static_assert(__builtin_offsetof(struct backend, header) - 2 == sizeof(__u64), "outer is backend's words from 1 on");

struct packet {
	__u32 length;	   /* of the IP packet, header included */
	__u32 wire_length; /* of the longest that it leaves as: a large TCP packet is segmented later */
	__u32 hash;	   /* of the flow */
	__u8 tos;	   /* IPv4 TOS or IPv6 traffic class */
	bool v6;
};

/* -1 if it is segmented in another way than TCP's. */
static __always_inline int read_segment(struct __sk_buff *skb, struct packet *packet, __u32 ip_header, __u8 protocol)
{
	__u8 data_offset;

	if (protocol != IPPROTO_TCP || bpf_skb_load_bytes(skb, ETH_HLEN + ip_header + 12, &data_offset, 1))
		return -1;
	packet->wire_length = ip_header + (data_offset >> 4) * 4 + skb->gso_size;
	return 0;
}

static __always_inline int read_packet(struct __sk_buff *skb, struct packet *packet)
{
	__u8 first[10]; /* of the IP header: up to IPv4's protocol */

	if (bpf_skb_load_bytes(skb, ETH_HLEN, first, sizeof(first)))
		return -1;
	packet->v6 = skb->protocol == bpf_htons(ETH_P_IPV6);
	packet->tos = packet->v6 ? first[0] << 4 | first[1] >> 4 : first[1];
	packet->hash = bpf_get_hash_recalc(skb);
	packet->length = skb->len - ETH_HLEN;
	packet->wire_length = packet->length;
	if (!skb->gso_size)
		return 0;
	return packet->v6 ? read_segment(skb, packet, sizeof(struct ipv6hdr), first[6])
			  : read_segment(skb, packet, (first[0] & 0xf) * 4, first[9]);
}

static __always_inline void mend_udp(struct udphdr *udp, const struct packet *packet)
{
	udp->source = bpf_htons(ENTROPY_PORT(packet->hash));
	udp->len = bpf_htons(packet->length + sizeof(*udp));
}

static __always_inline void mend4(struct outer *outer, const struct packet *packet, bool gue)
{
	struct iphdr *ip = &outer->ip4;
	__u32 sum;

	ip->tos = packet->tos;
	ip->tot_len = bpf_htons(packet->length + sizeof(*ip) + (gue ? sizeof(struct udphdr) : 0));
	/* the header holds its sum without these; each is half of a 16-bit word */
	sum = ip->check + ip->tot_len + bpf_htons(packet->tos);
	if (gue) {
		mend_udp(&outer->udp4, packet);
	} else {
		ip->protocol = packet->v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
		sum += bpf_htons(ip->protocol);
	}
	ip->check = checksum_finish(sum);
}

static __always_inline void mend6(struct outer *outer, const struct packet *packet, bool gue)
{
	struct ipv6hdr *ip = &outer->ip6;

	*(__be32 *)ip = bpf_htonl(0x60000000 | (__u32)packet->tos << 20);
	ip->payload_len = bpf_htons(packet->length + (gue ? sizeof(struct udphdr) : 0));
	if (gue)
		mend_udp(&outer->udp6, packet);
	else
		ip->nexthdr = packet->v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
}

/*
 * The flags tell the kernel where the inner headers are, so that it still finds
 * the checksum that lo has left to be filled in, and can segment. Segments keep
 * their size: the MTU has been looked at.
 */
static __always_inline int push(struct __sk_buff *skb, struct outer *outer, const __u32 length, __u64 flags)
{
	if (bpf_skb_adjust_room(skb, length, BPF_ADJ_ROOM_MAC, flags | BPF_F_ADJ_ROOM_FIXED_GSO))
		return -1;
	return bpf_skb_store_bytes(skb, 0, &outer->ethernet, sizeof(outer->ethernet) + length, 0);
}

static __always_inline int encap4(struct __sk_buff *skb, struct outer *outer, const struct packet *packet, bool gue)
{
	const __u32 length = sizeof(struct iphdr) + (gue ? sizeof(struct udphdr) : 0);

	mend4(outer, packet, gue);
	return push(skb, outer, length, BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | (gue ? BPF_F_ADJ_ROOM_ENCAP_L4_UDP : 0));
}

static __always_inline int encap6(struct __sk_buff *skb, struct outer *outer, const struct packet *packet, bool gue)
{
	const __u32 length = sizeof(struct ipv6hdr) + (gue ? sizeof(struct udphdr) : 0);

	mend6(outer, packet, gue);
	return push(skb, outer, length, BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 | (gue ? BPF_F_ADJ_ROOM_ENCAP_L4_UDP : 0));
}

/* Both MACs; the packet's own type stays. */
static __always_inline int encap_l2(struct __sk_buff *skb, struct outer *outer)
{
	return bpf_skb_store_bytes(skb, 0, &outer->ethernet, 2 * ETH_ALEN, 0);
}

static __always_inline int encap(struct __sk_buff *skb, const struct backend *backend, const struct packet *packet)
{
	const __u8 kind = backend->encap & ~ENCAP_SLOW; /* once: the agent may change it meanwhile */
	struct outer outer;

	if (packet->wire_length + encap_overhead(kind) > backend->mtu)
		return -1;
		/* in the words that the agent writes, so that no MAC is half old and half new */
#pragma unroll
	for (int i = 0; i < 8; i++)
		outer.word[i] = ((const volatile __u64 *)backend)[1 + i];
	switch (kind) {
	case ENCAP_IPIP4:
		return encap4(skb, &outer, packet, false);
	case ENCAP_IPIP6:
		return encap6(skb, &outer, packet, false);
	case ENCAP_GUE4:
		return encap4(skb, &outer, packet, true);
	case ENCAP_GUE6:
		return encap6(skb, &outer, packet, true);
	case ENCAP_L2:
		return encap_l2(skb, &outer);
	}
	return -1;
}

/* The next hop's VLAN tags, the innermost first. */
static __always_inline int push_tags(struct __sk_buff *skb, const struct backend *backend)
{
#pragma unroll
	for (int i = 1; i >= 0; i--) {
		__u32 tag = bpf_ntohl(backend->tag[i]);

		if (backend->tags > i && bpf_skb_vlan_push(skb, bpf_htons(tag >> 16), tag))
			return -1;
	}
	return 0;
}

SEC("probe")
int sluice_probe(struct __sk_buff *skb)
{
	const struct backend *backend = backend_at(skb->mark & PROBE_INDEX_MASK);
	struct packet packet = {};

	if ((skb->mark & PROBE_MARK_MASK) != PROBE_MARK)
		return TC_ACT_UNSPEC;
	if (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6))
		return TC_ACT_SHOT;
	if (read_packet(skb, &packet) || encap(skb, backend, &packet) || push_tags(skb, backend))
		return TC_ACT_SHOT;
	skb->mark = 0;
	return bpf_redirect(backend->ifindex, 0);
}
