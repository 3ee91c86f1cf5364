// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The XDP programs: straight lines of stages, a header each. A stage returns
 * REASON_go_on, or the reason (include/reasons.h) at which the packet ends; the
 * reason carries the XDP action, and the exit counts it.
 *
 *   parse    is it a plain, whole TCP or UDP packet?     parse.h
 *   service  which service has its destination?          service.h
 *   deny     is its source on the deny list?             deny.h
 *   slot     flow hash → the pool's slot → backend       slot.h
 *   flow     in transitions: the flow's record           flow_stage.h
 *   encap    the backend's finished header before it     encap.h
 *   count    reason, service and backend; XDP action     count.h
 *
 * What is not plain, and services that ask for more, go to a second program by a tail call: slow.h. So the fast
 * path keeps its registers, and each of the two has 512 bytes of stack and the verifier's patience for itself.
 *
 * Until a service is found the packet is passed on untouched.
 */
#include "count.h"
#include "deny.h"
#include "encap.h"
#include "packet.h"
#include "parse.h"
#include "service.h"
#include "slot.h"
#include "slow.h"

/*
 * For packets that are not forwarded by the fast path. Not inlined, for then all that they need would be kept in
 * registers, and put there, for every packet.
 */
static __noinline int leave(struct xdp_md *ctx, const struct service *service, enum reason reason)
{
	const struct packet p = {.ctx = ctx, .length = ctx->data_end - ctx->data, .service = service};

	return count(&p, reason);
}

/* `reason`: if there is no slow path. */
static __always_inline int leave_slow(struct xdp_md *ctx, const struct service *service, enum reason reason)
{
	bpf_tail_call(ctx, &programs, setting(slow));
	return leave(ctx, service, reason);
}

static __always_inline enum reason forward(struct packet *p, bool v6)
{
	if (unlikely(is_group_mac(p->ip - sizeof(struct ethhdr))))
		return ASIDE(REASON_not_unicast);
	if (unlikely(is_martian(packet_client(p, v6), packet_vip(p, v6), v6))) /* of another VLAN it is the host's */
		return p->service->flags & SERVICE_SLOW ? ASIDE(SLOW_PATH) : ASIDE(REASON_martian);
	if (is_denying(v6)) {
		if (p->service->flags & SERVICE_SLOW) /* asks by itself */
			return ASIDE(SLOW_PATH);
		if (is_denied(packet_client(p, v6), v6))
			return ASIDE(REASON_denied);
	}
	return slot_pick(p, v6) ?: encap(p, v6);
}

static __always_inline int balance(struct packet *p, bool v6)
{
	enum reason reason;

	if (unlikely(!parse(p, v6)))
		return leave_slow(p->ctx, NULL, REASON_no_service);
	p->service = service_find(p, v6);
	if (unlikely(!p->service))
		return feature(FEATURE_ADDRESS) ? leave_slow(p->ctx, NULL, REASON_no_service)
						: count(p, REASON_no_service);
	reason = forward(p, v6);
	if (likely(reason == REASON_forwarded))
		return count(p, REASON_forwarded);
	if (reason == SLOW_PATH)
		return leave_slow(p->ctx, p->service, REASON_no_slow_path);
	if (reason == REASON_redirected)
		return count(p, REASON_redirected);
	return leave(p->ctx, reason == REASON_not_unicast ? NULL : p->service, reason); /* not counted for it */
}

SEC("balancer")
int sluice(struct xdp_md *ctx)
{
	struct packet p = packet_of(ctx);
	__be16 type;

	if (unlikely(p.ip + PARSE_MINIMUM > packet_end(&p)))
		return leave_slow(ctx, NULL, REASON_malformed);
	type = *(const __be16 *)(p.ip - 2); /* struct ethhdr is packed: it would be read byte by byte */
	if (likely(type == bpf_htons(ETH_P_IP)))
		return balance(&p, false);
	if (type == bpf_htons(ETH_P_IPV6))
		return balance(&p, true);
	if (type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD))
		return leave_slow(ctx, NULL, REASON_not_ip);
	return count(&p, REASON_not_ip);
}

SEC("balancer")
int slow(struct xdp_md *ctx)
{
	struct slow s = {.linear = ctx->data_end - ctx->data};
	struct packet p = {.ctx = ctx, .ask = &s.ask};
	struct service service = {};

	s.length = feature(FEATURE_MULTI) ? bpf_xdp_get_buff_len(ctx) : s.linear;
	p.length = s.length;
	return count(&p, slow_path(&p, &s, &service));
}

char _license[] SEC("license") = "Dual BSD/GPL";
