/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* VLAN tags of frames that are sent on: those that they came with go, those of the next hop come. */
#ifndef SLUICE_TAGS_H
#define SLUICE_TAGS_H

#include "packet.h"

#define TAG_LENGTH 4

/* Takes `tags` tags off. The MACs are lost: whoever sends the frame on writes its own. */
static __always_inline bool tags_strip(struct xdp_md *ctx, __u32 tags, bool v6)
{
	struct ethhdr *ethernet;

	if (bpf_xdp_adjust_head(ctx, (int)(tags * TAG_LENGTH)))
		return false;
	ethernet = (void *)(long)ctx->data;
	if ((void *)(ethernet + 1) > (void *)(long)ctx->data_end)
		return false;
	ethernet->h_proto = v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	return true;
}

static __always_inline bool tags_push(struct xdp_md *ctx, const struct backend *backend, const __u32 tags)
{
	const __u32 shift = tags * TAG_LENGTH;
	__be16 *to;

	if (bpf_xdp_adjust_head(ctx, -(int)shift))
		return false;
	to = (void *)(long)ctx->data;
	if ((void *)to + sizeof(struct ethhdr) + shift > (void *)(long)ctx->data_end)
		return false;
#pragma unroll
	for (int i = 0; i < 6; i++) /* both MACs, in 2-byte words */
		to[i] = to[i + shift / 2];
#pragma unroll
	for (__u32 i = 0; i < tags; i++) {
		to[6 + 2 * i] = ((const __be16 *)&backend->tag[i])[0];
		to[7 + 2 * i] = ((const __be16 *)&backend->tag[i])[1];
	}
	return true;
}

#endif
