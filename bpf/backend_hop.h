/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The second hop: a packet that is not this host's goes to the other backend that may have its connection. The
 * outer header is turned round towards it, without a change of length; the inner packet stays as it is.
 *
 * It leaves by the interface that it came from, for other hops cannot be asked for: bpf_fib_lookup() answers where
 * forwarding is on, alone.
 */
#ifndef SLUICE_BACKEND_HOP_H
#define SLUICE_BACKEND_HOP_H

#include "backend_decap.h"
#include "backend_flow.h"
#include "outer.h"

static __always_inline int turn4(struct __sk_buff *skb, const struct packet *packet, struct iphdr *ip)
{
	struct iphdr former = *ip;
	__u32 sum;

	ip->ttl--;
	ip->saddr = packet->destination.word[0];
	ip->daddr = packet->hop.word[0];
	/* RFC 1624 */
	sum = bpf_csum_diff((__be32 *)&former, sizeof(former), (__be32 *)ip, sizeof(*ip), (__u16)~former.check);
	ip->check = checksum_finish(sum);
	/* the header's sum is what it was, so the kernel's own of the packet stays right */
	return bpf_skb_store_bytes(skb, ETH_HLEN, ip, sizeof(*ip), 0);
}

static __always_inline int turn6(struct __sk_buff *skb, const struct packet *packet, struct ipv6hdr *ip)
{
	ip->hop_limit--;
	__builtin_memcpy(&ip->saddr, packet->destination.word, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, packet->hop.word, sizeof(ip->daddr));
	return bpf_skb_store_bytes(skb, ETH_HLEN, ip, sizeof(*ip), BPF_F_RECOMPUTE_CSUM);
}

static __always_inline enum outcome turn_ip(struct __sk_buff *skb, const struct packet *packet)
{
	union {
		struct iphdr ip4;
		struct ipv6hdr ip6;
	} outer;

	if (packet->hop.version == 4) {
		if (bpf_skb_load_bytes(skb, ETH_HLEN, &outer.ip4, sizeof(outer.ip4)))
			return OUTCOME_no_room;
		if (outer.ip4.ttl <= 1)
			return OUTCOME_hop_expired;
		return turn4(skb, packet, &outer.ip4) ? OUTCOME_no_room : OUTCOME_forwarded;
	}
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &outer.ip6, sizeof(outer.ip6)))
		return OUTCOME_no_room;
	if (outer.ip6.hop_limit <= 1)
		return OUTCOME_hop_expired;
	return turn6(skb, packet, &outer.ip6) ? OUTCOME_no_room : OUTCOME_forwarded;
}

static __always_inline long store_left(struct __sk_buff *skb, const struct packet *packet, __u8 left)
{
	return bpf_skb_store_bytes(skb, packet->hop_data + offsetof(struct gue_second_hop, left), &left, sizeof(left),
				   BPF_F_RECOMPUTE_CSUM);
}

static __always_inline enum outcome turn(struct __sk_buff *skb, const struct packet *packet)
{
	__be16 to[3] = {packet->hop_port}; /* destination port; length; no checksum */

	if (bpf_skb_load_bytes(skb, packet->udp + offsetof(struct udphdr, len), &to[1], sizeof(to[1])) ||
	    bpf_skb_store_bytes(skb, packet->udp + offsetof(struct udphdr, dest), to, sizeof(to),
				BPF_F_RECOMPUTE_CSUM) ||
	    store_left(skb, packet, packet->hop_left - 1))
		return OUTCOME_no_room;
	return turn_ip(skb, packet);
}

/*
 * Whoever may send to the VIPs could make this host send anywhere else, so it does to its peers alone: they send to it
 * just as well, so its --from has them.
 */
static __always_inline int may_send_on(const struct packet *packet)
{
	if (!is_in(&from, &packet->hop)) {
		count(OUTCOME_hop_not_from);
		return 0;
	}
	if (packet->hop.version != packet->source.version) {
		count(OUTCOME_hop_family);
		return 0;
	}
	return 1;
}

/* Who gets the packet. */
static __always_inline enum whose second_hop(struct __sk_buff *skb, const struct packet *packet)
{
	enum whose whose;

	if (!packet->hop_left || bpf_map_lookup_elem(&own, &packet->hop))
		return WHOSE_here;
	whose = whose_is(skb, packet);
	return whose == WHOSE_here || may_send_on(packet) ? whose : WHOSE_here;
}

/* A copy is received anew, without a hop left. What becomes of it is no matter to the packet itself. */
static __always_inline void keep_copy(struct __sk_buff *skb, const struct packet *packet)
{
	if (!store_left(skb, packet, 0))
		bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS);
}

/* The TC action. */
static __always_inline int send_on(struct __sk_buff *skb, const struct packet *packet)
{
	enum outcome outcome = turn(skb, packet);

	count(outcome);
	return outcome == OUTCOME_forwarded ? bpf_redirect_neigh(skb->ifindex, NULL, 0, 0) : TC_ACT_SHOT;
}

#endif
