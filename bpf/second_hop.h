/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Part of stage encap: who else may have the flow, for a backend that sends on what is not its own (include/wire.h).
 *
 * GUE's header and the second hop go before the packet first. For the outer header, which encap puts before
 * them, they are a part of the packet.
 */
#ifndef SLUICE_SECOND_HOP_H
#define SLUICE_SECOND_HOP_H

#include "maps.h"
#include "packet.h"
#include "wire.h"

/* Of a backend's finished header: what a second hop names of it. */
#define OTHER_ADDRESS4 (sizeof(struct ethhdr) + offsetof(struct iphdr, daddr))
#define OTHER_ADDRESS6 (sizeof(struct ethhdr) + offsetof(struct ipv6hdr, daddr))
#define OTHER_PORT4    (sizeof(struct ethhdr) + sizeof(struct iphdr) + offsetof(struct udphdr, dest))
#define OTHER_PORT6    (sizeof(struct ethhdr) + sizeof(struct ipv6hdr) + offsetof(struct udphdr, dest))

struct hop_data {
	struct gue_header gue;
	struct gue_second_hop hop;
};

/* Room for `length` bytes before the IP packet, if `outer` bytes are left for the outer header then; else nothing. */
static __always_inline struct hop_data *push_data(struct packet *p, const __u32 length, __u32 outer)
{
	struct hop_data *data;

	/* asking for all of it, so that nothing is changed where the driver leaves less */
	if (bpf_xdp_adjust_head(p->ctx, -(int)(length + outer)) || bpf_xdp_adjust_head(p->ctx, outer))
		return NULL;
	data = (void *)(long)p->ctx->data + sizeof(struct ethhdr);
	if ((void *)data + length > packet_end(p))
		return NULL;
	return data;
}

static __always_inline void put_second_hop(struct packet *p, const struct backend *backend, const struct backend *other,
					   bool v6, const bool other6)
{
	const __u32 more = sizeof(struct gue_header) + (other6 ? GUE_SECOND_HOP6 : GUE_SECOND_HOP4);
	__u32 outer =
		sizeof(struct udphdr) + (backend->encap == ENCAP_GUE6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	struct hop_data *data;

	if (p->ip_length + more + outer > backend->mtu)
		return;
	data = push_data(p, more, outer);
	if (!data)
		return;
	data->gue.variant_control_length = (more - sizeof(struct gue_header)) / 4;
	data->gue.protocol = v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	data->gue.flags = 0;
	data->hop.version = GUE_SECOND_HOP_VERSION;
	data->hop.left = 1;
	data->hop.port = *(const __be16 *)(other->header + (other6 ? OTHER_PORT6 : OTHER_PORT4));
#pragma unroll
	for (__u32 i = 0; i < (other6 ? 4 : 1); i++)
		data->hop.address[i] =
			((const __be32 *)(other->header + (other6 ? OTHER_ADDRESS6 : OTHER_ADDRESS4)))[i];
	p->ip_length += more;
}

/*
 * Before the outer header is pushed. A packet that has no room for it, or whose other backend takes no GUE, goes
 * without: that is no reason to drop it. UDP has no use for it, for no backend can tell whose a datagram is.
 */
static __always_inline void push_second_hop(struct packet *p, const struct backend *backend, bool v6)
{
	const struct backend *other = backend_at(p->other);

	if (!(feature(FEATURE_SECOND_HOP)) || likely(!p->other) || p->protocol == IPPROTO_UDP ||
	    !(backend->flags & BACKEND_SECOND_HOP))
		return;
	if (other->encap == ENCAP_GUE4)
		put_second_hop(p, backend, other, v6, false);
	else if (other->encap == ENCAP_GUE6)
		put_second_hop(p, backend, other, v6, true);
}

#endif
