/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The slow path's line: the same stages for what the fast path does not read, and those that it has not.
 *
 *   read      tags, options, extension headers, fragments, ICMP   slow_read.h
 *   service   which service; else the address's unknown port      service.h, reply.h
 *   deny      the deny list                                       deny.h
 *   rules     the service's sources                               rules.h
 *   limits    token buckets                                       limits.h
 *   quic      a connection ID that names its server               quic.h
 *   slot      and flow, as on the fast path                       slot.h, flow_stage.h
 *   fragment  further ones follow the first                       fragment.h
 *   mtu       what is too big is told to the client; MSS          reply.h, mss.h
 *   tags      those of the next hop                               tags.h
 *   encap     as on the fast path                                 encap.h
 *
 * A packet that goes to the host is the one that came: nothing is changed before the last three.
 */
#ifndef SLUICE_SLOW_H
#define SLUICE_SLOW_H

#include "deny.h"
#include "encap.h"
#include "fragment.h"
#include "limits.h"
#include "mss.h"
#include "quic.h"
#include "reply.h"
#include "rules.h"
#include "service.h"
#include "slot.h"
#include "slow_read.h"
#include "tags.h"

/* The address's own entry, if it is a VIP. */
static __noinline const struct service *address_find(const struct slow *s)
{
	const struct flow_tuple *tuple = &s->ask.tuple;
	const __u64 *words = (const __u64 *)tuple->destination;
	const struct vip_wanted wanted = {.tail = vip_tail(0, 0, s->v6),
					  .address = {s->v6 ? words[0] : (__u32)words[0], s->v6 ? words[1] : 0}};

	return vip_find(&wanted, s->v6)
		       ?: feature(FEATURE_PREFIX4 | FEATURE_PREFIX6) ? prefix_find(&wanted, s->v6)
								     : NULL;
}

/* Of a packet to a VIP that no service takes, a ping say. */
static __always_inline enum reason unknown(struct packet *p, struct slow *s, const struct service *address)
{
	const struct flow_tuple *tuple = &s->ask.tuple;
	const bool echo = s->what & READ_ECHO;

	if (s->what & READ_QUOTED ||
	    !(address->flags & (echo ? ADDRESS_ECHO_ANSWER | ADDRESS_ECHO_DROP : ADDRESS_DROP | ADDRESS_REJECT)))
		return echo ? REASON_not_tcp_udp : REASON_no_service;
	if (s->what & READ_GROUP)
		return REASON_not_unicast;
	p->service = address;
	if (is_martian(tuple->source, tuple->destination, s->v6))
		return REASON_martian;
	if (is_denied(tuple->source, s->v6))
		return REASON_denied;
	if (!echo)
		return address->flags & ADDRESS_REJECT ? reply_reject(p->ctx, s) : REASON_unknown_port;
	if (address->flags & ADDRESS_ECHO_DROP)
		return REASON_echo_dropped;
	/* options are the host's to read, and so is a datagram that has to be put together */
	return s->what & (READ_MORE | READ_FIRST) ? REASON_not_tcp_udp : reply_echo(p->ctx, s);
}

/* What the service's options say of a packet. An ICMP error only follows its flow. */
static __always_inline enum reason take_options(struct packet *p, struct slow *s, struct service *service,
						const struct service_options *one)
{
	const __u32 own = service->slot_first;
	enum reason reason;

	if (feature(FEATURE_RULES) && one->flags & OPTION_RULES) {
		reason = rules_apply(&s->ask.tuple, service, s->v6);
		if (reason)
			return reason;
	}
	if (s->what & READ_QUOTED)
		return REASON_go_on;
	if (feature(FEATURE_LIMITS) && one->flags & OPTION_LIMITS) {
		reason = limits_apply(&s->ask.tuple, one, service->index, s->ask.packet & FLOW_BEGINS);
		if (reason)
			return reason;
	}
	/* the server IDs are those of the service's own pool */
	if (feature(FEATURE_QUIC) && one->flags & OPTION_QUIC && s->ask.tuple.protocol == IPPROTO_UDP &&
	    !(s->what & READ_LATER) && service->slot_first == own)
		p->backend = quic_pick(
			one, (const void *)(long)p->ctx->data + (s->transport & FRAME_REACH) + sizeof(struct udphdr),
			packet_end(p));
	return REASON_go_on;
}

/* Whose it is. `service` is the copy that rules may change; `one` are its options, or NULL. */
static __always_inline enum reason pick(struct packet *p, struct slow *s, struct service *service,
					const struct service_options *one)
{
	enum reason reason;

	if (!(s->what & READ_QUOTED)) {
		if (is_martian(s->ask.tuple.source, s->ask.tuple.destination, s->v6))
			return REASON_martian;
		if (is_denied(s->ask.tuple.source, s->v6))
			return REASON_denied;
	}
	if (one) {
		reason = take_options(p, s, service, one);
		if (reason)
			return reason;
	}
	if (p->backend) {
		p->hash = flow_hash(p, s->v6, false);
		return REASON_go_on;
	}
	return slot_pick(p, s->v6);
}

static __always_inline const struct service_options *options_of(__u32 service)
{
	return feature(FEATURE_SLOW) ? bpf_map_lookup_elem(&options, &service) : NULL;
}

/* Whether the service, whose options may be NULL, is bound to another VLAN. */
static __always_inline bool is_other_vlan(const struct slow *s, const struct service_options *one)
{
	return one && one->vlan && one->vlan != s->vlan;
}

/* Whether the packet may have ports, further on in its datagram: what an IPv6 extension header hides nobody knows. */
static __always_inline bool may_have_ports(const struct slow *s)
{
	const __u8 protocol = s->ask.tuple.protocol;

	return is_balanced(protocol) || (s->v6 && is_extension(protocol));
}

/* A fragment of a service that has them go by their source: no ports, in none of them. */
static __always_inline bool take_by_source(struct slow *s, struct service *service, const struct service *address)
{
	if (!address || !(address->flags & ADDRESS_FRAGMENTS_SOURCE) ||
	    !(s->what & READ_LATER || service->index == address->index))
		return false;
	*service = *address;
	service->flags = SERVICE_HASH_SOURCE | (address->flags & SERVICE_MOVING);
	*(__u32 *)&s->ask.tuple.source_port = 0;
	return true;
}

static __always_inline const struct service_options *options_find(const struct packet *p)
{
	return p->service && p->service->flags & SERVICE_SLOW ? options_of(p->service->index) : NULL;
}

static __always_inline enum reason find_and_pick(struct packet *p, struct slow *s, struct service *service)
{
	const struct service_options *one;
	const struct service *address;

	p->service = s->what & READ_ECHO ? NULL : service_find(p, s->v6);
	one = options_find(p);
	if (!p->service || is_other_vlan(s, one)) {
		p->service = NULL;
		address = address_find(s);
		if (!address)
			return s->what & READ_ECHO ? REASON_not_tcp_udp : REASON_no_service;
		s->what |= READ_VIP;
		return unknown(p, s, address);
	}
	s->what |= READ_VIP;
	if (s->what & READ_GROUP) {
		p->service = NULL;
		return REASON_not_unicast;
	}
	*service = *p->service;
	p->service = service;
	if (feature(FEATURE_ADDRESS) && s->what & READ_FIRST)
		take_by_source(s, service, address_find(s));
	return pick(p, s, service, one);
}

/* With what further fragments end, where the first one ended with `reason`. */
static __always_inline enum reason reason_of_rest(enum reason reason)
{
	return reason == REASON_rejected ? REASON_unknown_port : reason;
}

static __always_inline void note_first(const struct packet *p, const struct slow *s, enum reason reason)
{
	const struct fragment where = {
		.seen = second_now(),
		.hash = p->hash,
		.backend = reason ? 0 : p->backend,
		.service = p->service ? p->service->index : 0,
		.reason = reason ? reason_of_rest(reason) : p->other,
	};

	fragment_put(s, &where);
}

static __always_inline enum reason follow_first(struct packet *p, struct slow *s, struct service *service)
{
	const struct service *address = address_find(s);
	const struct service_options *one;
	const struct fragment *found;

	if (!address)
		return REASON_fragment;
	if (s->what & READ_GROUP)
		return REASON_not_unicast;
	if (may_have_ports(s) && take_by_source(s, service, address)) {
		one = options_of(service->index);
		if (is_other_vlan(s, one))
			return REASON_fragment;
		p->service = service;
		return pick(p, s, service, one);
	}
	found = fragment_find(s);
	if (!found)
		return REASON_fragment_lost;
	if (!found->backend)
		return (enum reason)found->reason ?: REASON_fragment_lost;
	service->index = found->service;
	p->service = service;
	p->hash = found->hash;
	p->backend = found->backend;
	p->other = found->reason;
	if (is_denied(s->ask.tuple.source, s->v6))
		return REASON_denied;
	one = options_of(service->index);
	return feature(FEATURE_LIMITS) && one && one->flags & OPTION_LIMITS
		       ? limits_apply(&s->ask.tuple, one, service->index, false)
		       : REASON_go_on;
}

/* `room`: for the IP packet, on the way to the backend. */
__noinline int clamp(struct xdp_md *ctx, __u32 transport, __u32 service, __u32 room, __u32 v6)
{
	const struct service_options *one = bpf_map_lookup_elem(&options, &service);
	struct tcphdr *tcp = (void *)frame_at(ctx, transport, sizeof(*tcp));
	const __u32 headers = (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) + sizeof(*tcp);

	if (!one || !tcp || !(one->mss || one->flags & OPTION_MSS_AUTO))
		return 0;
	if (one->flags & OPTION_MSS_AUTO && room > headers)
		mss_clamp(tcp, (const void *)(long)ctx->data_end, room - headers);
	else if (one->mss)
		mss_clamp(tcp, (const void *)(long)ctx->data_end, one->mss);
	return 0;
}

static __always_inline enum reason tell_too_big(struct packet *p, struct slow *s, __u32 room)
{
	if (s->what & (READ_QUOTED | READ_LATER)) /* RFC 1122, 3.2.2: about first fragments alone */
		return REASON_too_big;
	if (!reply_allowed(true))
		return REASON_reply_limited;
	return reply_too_big(p->ctx, s, room) ? REASON_too_big_told : REASON_too_big;
}

static __always_inline enum reason push_tags(struct packet *p, const struct backend *backend)
{
	if (!backend->tags)
		return REASON_go_on;
	return (backend->tags == 1 ? tags_push(p->ctx, backend, 1) : tags_push(p->ctx, backend, 2))
		       ? REASON_go_on
		       : REASON_no_headroom;
}

static __always_inline enum reason slow_send(struct packet *p, struct slow *s)
{
	const struct backend *backend = backend_at(p->backend);
	const __u8 encap = backend->encap & ~ENCAP_SLOW;
	enum reason reason;
	__u32 room;

	if (encap == ENCAP_LOCAL)
		return REASON_local;
	if (encap == ENCAP_NONE || encap > ENCAP_LOCAL)
		return REASON_no_next_hop;
	room = backend->mtu - encap_overhead(encap);
	if (s->ip_length > room)
		return tell_too_big(p, s, room);
	if (feature(FEATURE_SLOW) && s->what & READ_TCP && s->ask.packet & FLOW_BEGINS)
		clamp(p->ctx, s->transport, p->service->index, room, s->v6);
	if (s->tags && !tags_strip(p->ctx, s->tags, s->v6))
		return REASON_malformed;
	reason = encap_push(p, backend, encap, s->v6) ?: push_tags(p, backend);
	return reason ?: send_out(p, backend);
}

/* Of what no service can have, and no ping: it is the host's, all its fragments. */
static __always_inline bool is_foreign(const struct slow *s)
{
	return !may_have_ports(s) && s->ask.tuple.protocol != (s->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

static __always_inline enum reason slow_path(struct packet *p, struct slow *s, struct service *service)
{
	enum reason reason = slow_read(p->ctx, s);

	if (reason) {
		if (s->what & READ_FIRST && address_find(s))
			note_first(p, s, reason);
		return reason;
	}
	p->ip_length = s->ip_length;
	p->tos = s->tos;
	p->protocol = s->ask.tuple.protocol;
	if (s->what & READ_LATER) {
		reason = is_foreign(s) ? REASON_not_tcp_udp : follow_first(p, s, service);
	} else {
		reason = find_and_pick(p, s, service);
		if (s->what & READ_FIRST && s->what & READ_VIP)
			note_first(p, s, reason);
	}
	return reason ?: slow_send(p, s);
}

#endif
