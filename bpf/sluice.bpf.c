// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The XDP program: one straight line of stages, a header each. A stage returns
 * REASON_go_on, or the reason (include/reasons.h) at which the packet ends; the
 * reason carries the XDP action, and the exit counts it.
 *
 *   parse    is it a whole TCP or UDP packet?            parse.h
 *   service  which service has its destination?          service.h
 *   slot     flow hash → the pool's slot → backend       slot.h
 *   encap    the backend's finished header before it     encap.h
 *   count    reason, service and backend; XDP action     count.h
 *
 * Until a service is found the packet is passed on untouched.
 */
#include "count.h"
#include "encap.h"
#include "packet.h"
#include "parse.h"
#include "service.h"
#include "slot.h"

static __always_inline enum reason forward(struct packet *p, bool v6)
{
	enum reason reason;

	reason = parse(p, v6);
	if (reason)
		return reason;
	reason = service_find(p, v6);
	if (reason)
		return reason;
	reason = slot_pick(p, v6);
	if (reason)
		return reason;
	return encap(p, v6);
}

SEC("xdp")
int sluice(struct xdp_md *ctx)
{
	struct packet p = {.ctx = ctx, .length = ctx->data_end - ctx->data};
	const struct ethhdr *eth = (void *)(long)ctx->data;
	__be16 type;

	if ((void *)(eth + 1) > packet_end(&p))
		return count(&p, REASON_malformed);
	p.ip = eth + 1;
	type = *(const __be16 *)((void *)eth + 12); /* the struct is packed: it would be read byte by byte */
	if (type == bpf_htons(ETH_P_IP))
		return count(&p, forward(&p, false));
	if (type == bpf_htons(ETH_P_IPV6))
		return count(&p, forward(&p, true));
	return count(&p, REASON_not_ip);
}

char _license[] SEC("license") = "Dual BSD/GPL";
