/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The least that an encapsulation can cost: an Ethernet and IPv4 header that never changes. */
#ifndef SLUICE_BENCH_CONSTANT_HEADER_H
#define SLUICE_BENCH_CONSTANT_HEADER_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/types.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

/* False: there was no room. */
static __always_inline bool push_constant_header(struct xdp_md *ctx)
{
	static const __u64 header[] = {
		0x0002010000000200,
		0x0045000801000000,
		0x0040000000007c00,
		0x000a01000a9e1140,
	};
	static const __u16 rest = 0x0200;
	const __u32 push = sizeof(struct iphdr);
	void *data;

	if (bpf_xdp_adjust_head(ctx, -(int)push))
		return false;
	data = (void *)(long)ctx->data;
	if (data + sizeof(struct ethhdr) + push > (void *)(long)ctx->data_end)
		return false;
#pragma unroll
	for (int i = 0; i < 4; i++)
		*(__u64 *)(data + 8 * i) = header[i];
	*(__u16 *)(data + 32) = rest;
	return true;
}

#endif
