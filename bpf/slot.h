/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Stage slot: flow hash, the pool's slot, and the backend that owns it; where the slot is not steady, stage flow. */
#ifndef SLUICE_SLOT_H
#define SLUICE_SLOT_H

#include "flow_stage.h"
#include "maps.h"
#include "packet.h"

/* Hash of source and destination address and port and the protocol, or of the source address alone. */
static __always_inline __u32 flow_hash(const struct packet *p, bool v6, bool source_only)
{
	const __be32 *client = packet_client(p, v6), *vip = packet_vip(p, v6);
	static const __be32 none[4];

	if (source_only)
		return v6 ? hash_flow6(&settings.key, client, none, 0, 0) : hash_flow4(&settings.key, *client, 0, 0, 0);
	return v6 ? hash_flow6(&settings.key, client, vip, packet_ports(p, v6), p->protocol)
		  : hash_flow4(&settings.key, *client, *vip, packet_ports(p, v6), p->protocol);
}

static __always_inline __u32 flow_pick(struct flow_ask *ask, const struct service *service, __u64 word, __u32 by_flow,
				       __u32 by_source)
{
	ask->service = service->index;
	*(__u64 *)&ask->slot = word;
	if (service->flags & SERVICE_MOVING)
		ask_move(ask, service, by_flow, by_source);
	return flow_decide(ask);
}

static __always_inline __u32 flow_pick_fast(struct xdp_md *ctx, const struct service *service, __u64 word, __u32 hash,
					    bool v6)
{
	struct packet p = packet_of(ctx);
	struct flow_ask ask = {};

	if (packet_transport(&p, v6) + sizeof(__u32) > packet_end(&p))
		return 0;
	p.protocol = v6 ? ((const struct ipv6hdr *)p.ip)->nexthdr : ((const struct iphdr *)p.ip)->protocol;
	ask_packet(&ask, &p, v6);
	return flow_pick(&ask, service, word, hash, service->flags & SERVICE_MOVING ? flow_hash(&p, v6, true) : 0);
}

/*
 * The way of packets whose flows may have records: the backend, and in the high half who else may have the flow.
 * Functions of their own, so that the steady path keeps its registers and all of them together their 512 bytes of
 * stack. They begin with the frame again, for a struct packet that is handed over would live in memory.
 */
static __noinline __u32 flow_pick4(struct xdp_md *ctx, const struct service *service, __u64 word, __u32 hash)
{
	return flow_pick_fast(ctx, service, word, hash, false);
}

static __noinline __u32 flow_pick6(struct xdp_md *ctx, const struct service *service, __u64 word, __u32 hash)
{
	return flow_pick_fast(ctx, service, word, hash, true);
}

/* On the slow path the flow has been read already. A copy, as Linux 6.1 takes no caller's memory as a map's key. */
__noinline __u32 flow_pick_slow(struct flow_ask *ask, const struct service *service, __u64 word, __u32 hash)
{
	struct flow_ask own;
	const struct packet p = {.ask = &own};

	if (!ask || !service)
		return 0;
	own = *ask;
	return flow_pick(&own, service, word, hash, flow_hash(&p, own.tuple.version == 6, true));
}

static __always_inline struct table_use use_load(const struct service *service)
{
	union {
		__u64 word;
		struct table_use use;
	} loaded;
	const void *both = service; /* of a struct with words of 4 bytes, they would be read one after the other */

	_Static_assert(__builtin_offsetof(struct service, slot_first) == 0, "aligned as the service is");
	loaded.word = *(const volatile __u64 *)both;

	return loaded.use;
}

static __always_inline enum reason slot_pick(struct packet *p, bool v6)
{
	/* the table first: who sees a new one sees that the service is moving, too */
	const struct table_use table = use_load(p->service);
	const __u16 flags = *(const volatile __u16 *)&p->service->flags;
	const __u16 *entry;
	__u32 index, pick;
	__u16 owner;

	p->hash = flow_hash(p, v6, false);
	pick = unlikely(flags & SERVICE_HASH_SOURCE) ? flow_hash(p, v6, true) : p->hash;
	index = table.slot_first + hash_slot(pick, table.slot_count);
	entry = owner_at(index);
	if (unlikely(!entry))
		return ASIDE(REASON_no_backend);
	owner = *(const volatile __u16 *)entry; /* once: the agent may change it meanwhile */
	p->backend = owner & SLUICE_MAX_BACKENDS;
	if (unlikely(owner & OWNER_ASK || flags & SERVICE_MOVING) && settings.features & FEATURE_TRANSITION) {
		const __u64 *slot = slot_at(index);
		__u64 word = slot ? *(const volatile __u64 *)slot : 0;
		__u32 decided = p->ask ? flow_pick_slow(p->ask, p->service, word, p->hash)
				: v6   ? flow_pick6(p->ctx, p->service, word, p->hash)
				       : flow_pick4(p->ctx, p->service, word, p->hash);

		p->backend = decided & 0xffff;
		p->other = decided >> 16;
	}
	return likely(p->backend) ? REASON_go_on : ASIDE(REASON_no_backend);
}

#endif
