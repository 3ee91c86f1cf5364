// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What the packet benchmark measures with and against.
 *
 * `driver` stands before the measured program: it undoes what the former round
 * did to the frame, writes the next flow's addresses and ports, and tail-calls.
 * Its cost, that of bare_tx, is subtracted. What remains of a program that pushes
 * a header is the push and its undoing, the same for every encapsulation.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "remade.h"

#define FRAME 118 /* Ethernet, IPv4, TCP, 64 bytes: what the published figures used */

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} measured SEC(".maps");

__u32 flows_mask; /* flows - 1; a power of two less one */
__u32 next_flow;

SEC("xdp")
int driver(struct xdp_md *ctx)
{
	int longer = (int)(ctx->data_end - ctx->data) - FRAME;
	__u32 flow = next_flow++ & flows_mask;
	struct ethhdr *eth;
	struct iphdr *ip;
	struct tcphdr *tcp;

	if (longer && bpf_xdp_adjust_head(ctx, longer))
		return XDP_ABORTED;
	eth = (void *)(long)ctx->data;
	ip = (void *)(eth + 1);
	tcp = (void *)(ip + 1);
	if ((void *)(tcp + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	*(__be16 *)((void *)eth + 12) = bpf_htons(ETH_P_IP); /* a pushed header has overwritten it */
	/* one odd multiplication spreads neighbouring flows over addresses and ports, one to one */
	flow *= 0x9e3779b1U;
	ip->saddr = bpf_htonl(0x0a000000 | flow >> 12);
	/* both ports in one store: a frame from a NIC lies in the cache, with no half-done stores to wait for */
	*(__be32 *)tcp = bpf_htonl((1024 + (flow & 0xfff)) << 16 | 80);
	bpf_tail_call(ctx, &measured, 0);
	return XDP_ABORTED;
}

struct remade remade;

__u32 remade_count;

/*
 * The driver for programs that change more: it makes the frame's begin and its length anew. Then it waits until that is
 * in the cache, as a frame from a NIC is: a load of bytes that come from two stores would wait for them, in the
 * measured program. A locked instruction does.
 */
SEC("xdp")
int remake(struct xdp_md *ctx)
{
	__u32 flow = next_flow++ * 0x9e3779b1U & flows_mask;
	__be32 *word;
	__u64 *to;
	int longer;

	if (remade.fresh)
		remade.fresh = 0;
	else if (remade.pushed && bpf_xdp_adjust_head(ctx, remade.pushed))
		return XDP_ABORTED;
	longer = (int)remade.length - (int)(ctx->data_end - ctx->data);
	if (longer && bpf_xdp_adjust_tail(ctx, longer))
		return XDP_ABORTED;
	to = (void *)(long)ctx->data;
	word = (void *)to + (remade.at & 127);
	if ((void *)to + REMADE > (void *)(long)ctx->data_end || (void *)(word + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
#pragma unroll
	for (int i = 0; i < REMADE / 8; i++)
		to[i] = remade.begin[i];
	*word = bpf_htonl(remade.first + (flow << remade.shift));
	__sync_fetch_and_add(&remade_count, 1);
	bpf_tail_call(ctx, &measured, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int bare_tx(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_TX;
}

/* The least that an encapsulation can cost: a header that never changes. */
SEC("xdp")
int constant_header(struct xdp_md *ctx)
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
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	if (data + sizeof(struct ethhdr) + push > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
#pragma unroll
	for (int i = 0; i < 4; i++)
		*(__u64 *)(data + 8 * i) = header[i];
	*(__u16 *)(data + 32) = rest;
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
