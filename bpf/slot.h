/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Stage slot: flow hash, the pool's slot, and the backend that owns it. */
#ifndef SLUICE_SLOT_H
#define SLUICE_SLOT_H

#include "maps.h"
#include "packet.h"

/* Hash of source and destination address and port and the protocol, or of the source address alone. */
static __always_inline __u32 flow_hash(const struct packet *p, bool v6, bool source_only)
{
	if (v6) {
		const struct ipv6hdr *ip = p->ip;
		const __be32 *source = (const __be32 *)&ip->saddr;
		static const __be32 none[4];

		if (source_only)
			return hash_flow6(&settings.key, source, none, 0, 0);
		return hash_flow6(&settings.key, source, (const __be32 *)&ip->daddr, *(const __u32 *)(ip + 1),
				  p->protocol);
	}
	const struct iphdr *ip = p->ip;

	if (source_only)
		return hash_flow4(&settings.key, ip->saddr, 0, 0, 0);
	return hash_flow4(&settings.key, ip->saddr, ip->daddr, *(const __u32 *)(ip + 1), p->protocol);
}

static __always_inline enum reason slot_pick(struct packet *p, bool v6)
{
	const struct service *service = p->service;
	const struct slot *slot;
	__u32 index, pick;

	p->hash = flow_hash(p, v6, false);
	pick = unlikely(service->flags & SERVICE_HASH_SOURCE) ? flow_hash(p, v6, true) : p->hash;
	index = service->slot_first + hash_slot(pick, service->slot_count);
	slot = bpf_map_lookup_elem(&slots, &index);
	if (unlikely(!slot))
		return REASON_no_backend;
	p->backend = slot->owner;
	return p->backend ? REASON_go_on : REASON_no_backend;
}

#endif
