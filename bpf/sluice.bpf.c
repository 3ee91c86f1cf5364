// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The XDP program: one straight line of stages, a header each. A stage returns
 * REASON_go_on, or the reason (include/reasons.h) at which the packet ends; the
 * reason carries the XDP action, and the exit counts it.
 *
 *   parse    is it a whole TCP or UDP packet?            parse.h
 *   icmp     else: an ICMP error about one of ours?      icmp.h
 *   service  which service has its destination?          service.h
 *   slot     flow hash → the pool's slot → backend       slot.h
 *   flow     in transitions: the flow's record           flow_stage.h
 *   encap    the backend's finished header before it     encap.h
 *   count    reason, service and backend; XDP action     count.h
 *
 * Until a service is found the packet is passed on untouched.
 */
#include "count.h"
#include "encap.h"
#include "icmp.h"
#include "packet.h"
#include "parse.h"
#include "service.h"
#include "slot.h"

static __always_inline enum reason forward(struct packet *p, bool v6)
{
	enum reason reason;

	reason = service_find(p, v6);
	if (reason)
		return reason;
	reason = slot_pick(p, v6);
	if (reason)
		return reason;
	return encap(p, v6);
}

static __always_inline int forward_icmp(struct xdp_md *ctx, bool v6)
{
	struct packet p = packet_of(ctx);

	return count(&p, icmp_read(&p, v6) ?: forward(&p, v6));
}

/* Functions of their own, so that TCP and UDP keep their registers. */
static __noinline int forward_icmp4(struct xdp_md *ctx)
{
	return forward_icmp(ctx, false);
}

static __noinline int forward_icmp6(struct xdp_md *ctx)
{
	return forward_icmp(ctx, true);
}

static __always_inline int balance(struct packet *p, bool v6)
{
	enum reason reason = parse(p, v6);

	if (unlikely(reason == REASON_not_tcp_udp))
		return v6 ? forward_icmp6(p->ctx) : forward_icmp4(p->ctx);
	return count(p, reason ?: forward(p, v6));
}

SEC("xdp")
int sluice(struct xdp_md *ctx)
{
	struct packet p = packet_of(ctx);
	__be16 type;

	if (p.ip > packet_end(&p))
		return count(&p, REASON_malformed);
	type = *(const __be16 *)(p.ip - 2); /* struct ethhdr is packed: it would be read byte by byte */
	if (type == bpf_htons(ETH_P_IP))
		return balance(&p, false);
	if (type == bpf_htons(ETH_P_IPV6))
		return balance(&p, true);
	return count(&p, REASON_not_ip);
}

char _license[] SEC("license") = "Dual BSD/GPL";
