/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The backend host's two TC programs. On ingress: outer → tunnel → admit → inner
 * → second hop → ecn → strip. A packet is left untouched until everything about it is known.
 * On egress: the MSS of connections to a VIP. Bytes are read with
 * bpf_skb_load_bytes, so it does not matter which of them are linear.
 */
#include "backend_maps.h"
#include "backend_decap.h"
#include "backend_hop.h"
#include "backend_mss.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Filters of others that follow ours see the packet too: TC_ACT_UNSPEC asks the next one. */
SEC("tc")
int sluice_decap(struct __sk_buff *skb)
{
	struct packet packet = {};
	enum outcome outcome = OUTCOME_go_on;
	enum whose whose;

	if (skb->pkt_type != PACKET_HOST || skb->vlan_present)
		return TC_ACT_UNSPEC;
	if (!read_outer(skb, &packet) || !find_tunnel(skb, &packet))
		return TC_ACT_UNSPEC;

	outcome = admit_outer(&packet);
	if (outcome == OUTCOME_go_on && packet.gue)
		outcome = read_gue(skb, &packet);
	if (outcome == OUTCOME_go_on)
		outcome = read_inner(skb, &packet);
	if (outcome != OUTCOME_go_on) {
		count(outcome);
		return TC_ACT_UNSPEC;
	}

	whose = second_hop(skb, &packet);
	if (whose == WHOSE_either)
		keep_copy(skb, &packet);
	if (whose != WHOSE_here)
		return send_on(skb, &packet);
	outcome = merge_ecn(skb, &packet);
	if (outcome == OUTCOME_go_on)
		outcome = strip(skb, &packet);
	count(outcome);
	if (outcome == OUTCOME_ecn_drop || outcome == OUTCOME_no_room)
		return TC_ACT_SHOT;
	return deliver(skb, &packet);
}

SEC("tc")
int sluice_mss(struct __sk_buff *skb)
{
	struct segment segment = {};

	if (read_syn(skb, &segment) && clamp_mss(skb, &segment))
		count(OUTCOME_mss_clamped);
	return TC_ACT_UNSPEC;
}
