/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Stage flow: the flow's record, for packets of slots in transition and of services
 * that move. include/flow.h has the rules and why they hold.
 */
#ifndef SLUICE_FLOW_STAGE_H
#define SLUICE_FLOW_STAGE_H

#include <linux/tcp.h>

#include "maps.h"
#include "packet.h"

#define NANOSECONDS 1000000000ULL

/* Of CLOCK_MONOTONIC. */
static __always_inline __u32 second_now(void)
{
	return bpf_ktime_get_coarse_ns() / NANOSECONDS;
}

static __always_inline bool serves(__u16 backend)
{
	return backend_at(backend)->flags & BACKEND_SERVES;
}

static __always_inline void count_tracked(const struct flow_ask *ask)
{
	struct count_page *page = count_page();

	if (page)
		page->tracked[ask->service & (SLUICE_MAX_SERVICES - 1)]++;
}

/* The sequence number guards against FIN and RST of somebody who only knows the tuple. */
static __always_inline void record_touch(struct flow_record *record, const struct flow_ask *ask, __u32 now)
{
	__u32 distance = ask->sequence - record->sequence + FLOW_SEQUENCE_NEAR;

	/* the fast path may have looked at this very packet before it left it to the slow one */
	if (record->flags & FLOW_DOUBTFUL && record->sequence == ask->sequence && record->born == now)
		return;
	if (record->seen != now) /* the line stays shared between CPUs for most packets */
		record->seen = now;
	if (ask->tuple.protocol != IPPROTO_TCP)
		return;
	if (distance >= 2 * FLOW_SEQUENCE_NEAR) {
		if (!(record->flags & FLOW_DOUBTFUL) || ask->packet & FLOW_ENDS)
			return;
		record->flags = 0; /* what made the record was none of the client's */
	}
	if (record->sequence != ask->sequence)
		record->sequence = ask->sequence;
	if (ask->packet & FLOW_ENDS)
		record->flags = FLOW_CLOSING;
	else if (ask->packet & FLOW_DATA && record->flags)
		record->flags = 0;
	else if (record->flags & FLOW_DOUBTFUL && !(ask->packet & FLOW_BEGINS)) /* two that fit each other */
		record->flags = FLOW_CLOSING;
}

/* A record that is not followed is made anew in its place: its flow begins again, or its backend is dead. */
static __always_inline void record_put(const struct flow_ask *ask, struct flow_record *present, __u16 backend,
				       __u32 now)
{
	struct flow_record record = {
		.backend = backend,
		.flags = ask->packet & FLOW_ENDS ? FLOW_CLOSING | FLOW_DOUBTFUL : 0,
		.born = now,
		.seen = now,
		.sequence = ask->sequence,
	};

	if (present)
		*present = record;
	else
		bpf_map_update_elem(&flows, &ask->tuple, &record, BPF_ANY);
}

/* Who else may have the flow that goes to `backend`. */
static __always_inline __u16 flow_other(const struct flow_ask *ask, __u16 backend, __u16 stays)
{
	if (backend != ask->slot.owner)
		return ask->slot.owner;
	if (backend != stays)
		return stays;
	if (ask->slot.previous && backend != ask->slot.previous)
		return ask->slot.previous;
	return ask->move ? slot_unrecorded(&ask->before, ask->tuple.protocol == IPPROTO_TCP) : 0;
}

/* The backend, and in the high half who else may have the flow (0: nobody). */
static __always_inline __u32 flow_decide(const struct flow_ask *ask)
{
	const bool tcp = ask->tuple.protocol == IPPROTO_TCP;
	const bool moving = phase_is_open(ask->move, tcp);
	const __u16 owner = ask->slot.owner;
	__u16 stays = slot_unrecorded(moving ? &ask->before : &ask->slot, tcp), backend, other = 0;
	__u32 now = second_now();
	struct flow_record *record = bpf_map_lookup_elem(&flows, &ask->tuple);
	bool again = record && ask->packet & FLOW_BEGINS && record->flags == FLOW_CLOSING;

	count_tracked(ask);
	if (stays != owner && !serves(stays))
		stays = owner;
	if (record && !again && serves(record->backend)) {
		backend = record->backend;
		if (!(ask->packet & FLOW_ABOUT))
			record_touch(record, ask, now);
	} else {
		backend = ask->packet & FLOW_BEGINS ? owner : stays;
		if (!(ask->packet & FLOW_ABOUT) && backend &&
		    (record || phase_is_recording(ask->slot.phase) || phase_is_recording(ask->move)))
			record_put(ask, record, backend, now);
	}
	if (feature(FEATURE_SECOND_HOP))
		other = flow_other(ask, backend, stays);
	return backend | (__u32)(other != backend ? other : 0) << 16;
}

/* What the packet's TCP header says; `transport` is behind the IP headers, `length` bytes long. */
static __always_inline void ask_tcp(struct flow_ask *ask, const void *end, const void *transport, __u32 length)
{
	const struct tcphdr *tcp = transport;
	__u8 flags;

	if (transport + 14 > end) {
		ask->packet = FLOW_DATA;
		return;
	}
	flags = ((const __u8 *)tcp)[13];
	ask->sequence = bpf_ntohl(tcp->seq);
	if ((flags & 0x12) == 0x02)
		ask->packet = FLOW_BEGINS;
	else if (flags & 0x05)
		ask->packet = FLOW_ENDS;
	else if (length > (__u32)(((const __u8 *)tcp)[12] >> 4) * 4)
		ask->packet = FLOW_DATA;
}

static __always_inline void ask_packet(struct flow_ask *ask, const struct packet *p, bool v6)
{
	const __u32 length = v6 ? bpf_ntohs(((const struct ipv6hdr *)p->ip)->payload_len)
				: bpf_ntohs(((const struct iphdr *)p->ip)->tot_len) - sizeof(struct iphdr);

	__builtin_memcpy(ask->tuple.source, packet_client(p, v6), v6 ? 16 : 4);
	__builtin_memcpy(ask->tuple.destination, packet_vip(p, v6), v6 ? 16 : 4);
	*(__u32 *)&ask->tuple.source_port = packet_ports(p, v6);
	ask->tuple.protocol = p->protocol;
	ask->tuple.version = v6 ? 6 : 4;
	if (p->protocol == IPPROTO_TCP)
		ask_tcp(ask, packet_end(p), packet_transport(p, v6), length);
}

/* The slot that the flow had in its service's former table. `by_flow`, `by_source`: the flow's hashes. */
static __always_inline void ask_move(struct flow_ask *ask, const struct service *service, __u32 by_flow,
				     __u32 by_source)
{
	__u32 index = service->index;
	const struct service_move *move = bpf_map_lookup_elem(&moves, &index);
	const __u64 *slot;
	__u8 phase;

	if (!move)
		return;
	phase = *(const volatile __u8 *)&move->phase;
	if (!move->before.slot_count)
		return;
	index = move->before.slot_first +
		hash_slot(move->flags_before & SERVICE_HASH_SOURCE ? by_source : by_flow, move->before.slot_count);
	slot = slot_at(index);
	if (!slot)
		return;
	*(__u64 *)&ask->before = *(const volatile __u64 *)slot;
	/* the former table is what it was all the time only if the move recorded before and after it was read */
	ask->move = phase_is_recording(phase) ? *(const volatile __u8 *)&move->phase : phase;
}

#endif
