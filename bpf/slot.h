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

static __always_inline __u16 flags_load(const struct service *service)
{
	return *(const volatile __u16 *)&service->flags;
}

/* Who owns the slot, perhaps with OWNER_ASK; 0: nobody. Once: the agent may change it meanwhile. */
static __always_inline __u16 owner_load(const __u16 *owner)
{
	return *(const volatile __u16 *)owner;
}

static __always_inline __u32 slot_index(struct table_use table, __u32 hash)
{
	return table.slot_first + hash_slot(hash, table.slot_count);
}

/* What a packet's slot is, of whatever service. */
struct slot_found {
	__u32 index;
	__u16 owner; /* perhaps with OWNER_ASK */
	__u16 flags; /* the service's */
};

static __always_inline struct slot_found slot_find(const struct service *service, __u32 by_flow, __u32 by_source)
{
	const struct table_use table = use_load(service);
	const __u16 flags = flags_load(service);
	const __u32 index = slot_index(table, flags & SERVICE_HASH_SOURCE ? by_source : by_flow);
	const __u16 *owner = owner_at(index);

	if (!owner)
		return (struct slot_found){};
	return (struct slot_found){.index = index, .owner = owner_load(owner), .flags = flags};
}

static __always_inline bool may_have_record(const struct slot_found *found)
{
	return feature(FEATURE_TRANSITION) && (found->owner & OWNER_ASK || found->flags & SERVICE_MOVING);
}

/* The backend, and in the high half who else may have the flow. `ask` has the flow. */
static __always_inline __u32 pick_recorded(struct flow_ask *ask, const struct slot_found *found,
					   const struct service *service, __u32 by_flow, __u32 by_source)
{
	const __u64 *slot = slot_at(found->index);

	if (!slot)
		return 0;
	*(__u64 *)&ask->slot = *(const volatile __u64 *)slot;
	ask->service = service->index;
	if (found->flags & SERVICE_MOVING)
		ask_move(ask, service, by_flow, by_source);
	return flow_decide(ask);
}

static __always_inline __u32 pick_fast(struct xdp_md *ctx, const struct service *service, __u32 hash, bool v6)
{
	struct packet p = packet_of(ctx);
	struct slot_found found;
	struct flow_ask ask = {};
	__u32 by_source;

	if (packet_transport(&p, v6) + sizeof(__u32) > packet_end(&p))
		return 0;
	by_source = flow_hash(&p, v6, true);
	found = slot_find(service, hash, by_source);
	if (!may_have_record(&found))
		return found.owner & SLUICE_MAX_BACKENDS;
	p.protocol = v6 ? ((const struct ipv6hdr *)p.ip)->nexthdr : ((const struct iphdr *)p.ip)->protocol;
	ask_packet(&ask, &p, v6);
	return pick_recorded(&ask, &found, service, hash, by_source);
}

/*
 * The way of packets whose flows may have records, and of services that hash by source. Functions of their own, so
 * that the steady path keeps its registers and all of them together their 512 bytes of stack. They begin with the
 * frame again, for a struct packet that is handed over would live in memory.
 */
static __noinline __u32 pick4(struct xdp_md *ctx, const struct service *service, __u32 hash)
{
	return pick_fast(ctx, service, hash, false);
}

static __noinline __u32 pick6(struct xdp_md *ctx, const struct service *service, __u32 hash)
{
	return pick_fast(ctx, service, hash, true);
}

/* On the slow path the flow has been read already. A copy, as Linux 6.1 takes no caller's memory as a map's key. */
__noinline __u32 pick_slow(struct flow_ask *ask, const struct service *service, __u32 hash)
{
	struct flow_ask own;
	const struct packet p = {.ask = &own};
	struct slot_found found;
	__u32 by_source;

	if (!ask || !service)
		return 0;
	own = *ask;
	by_source = flow_hash(&p, own.tuple.version == 6, true);
	found = slot_find(service, hash, by_source);
	return may_have_record(&found) ? pick_recorded(&own, &found, service, hash, by_source)
				       : found.owner & SLUICE_MAX_BACKENDS;
}

/* On the fast path a service's steady slots, as nearly all are; whatever else there is about a slot takes a call. */
static __always_inline enum reason slot_pick(struct packet *p, bool v6)
{
	/* the table first: who sees a new one sees that the service is moving, too */
	const struct table_use table = use_load(p->service);
	const __u16 flags = flags_load(p->service);
	const __u16 *entry;
	__u32 decided;
	__u64 owner;

	p->hash = flow_hash(p, v6, false);
	if (likely(!p->ask && !flags)) {
		entry = owner_at(slot_index(table, p->hash));
		owner = likely(entry) ? owner_load(entry) : 0;
		barrier_var(owner); /* or its sign is looked at, of which the verifier learns no bound */
		p->backend = owner;
		if (likely(owner <= SLUICE_MAX_BACKENDS))
			return likely(owner) ? REASON_go_on : ASIDE(REASON_no_backend);
	}
	if (!p->ask && flags & SERVICE_SLOW)
		return ASIDE(SLOW_PATH);
	decided = p->ask ? pick_slow(p->ask, p->service, p->hash)
		  : v6	 ? pick6(p->ctx, p->service, p->hash)
			 : pick4(p->ctx, p->service, p->hash);
	p->backend = decided & SLUICE_MAX_BACKENDS;
	p->other = decided >> 16;
	return likely(p->backend) ? REASON_go_on : ASIDE(REASON_no_backend);
}

#endif
