// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What the packet benchmarks measure with and against.
 *
 * `driver` stands before the measured program: it undoes what that did to the frame before, writes the next flow's
 * addresses and ports, and tail-calls. Its cost, that of bare_tx, is subtracted. What remains of a program that pushes
 * a header is the push and its undoing, the same for every encapsulation.
 *
 * It reads the clock itself, slice by slice of a run: the kernel reports a run's mean alone, in whole nanoseconds, and
 * with whatever else the CPU did meanwhile. The first slices bring the program's tables into the cache.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "constant_header.h"
#include "driven.h"
#include "headers.h"
#include "remade.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} measured SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEADERS_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct header);
} headers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEADERS_SLOTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct header_slot);
} header_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEADERS_MAX);
	__type(key, __u32);
	__type(value, struct header_counters);
} header_counters SEC(".maps");

struct driven driven;

__u32 next_flow;  /* goes on over runs, so that short ones meet all flows */
__u32 flows_mask; /* of `remake`: as driven's */

/*
 * A frame from a NIC lies in the cache, with no half-done stores to wait for. So the words that programs read at once
 * are stored at once: both addresses in IPv4, halves of them in IPv6, both ports.
 */
/* `at`: in a header whose alignment the compiler knows, so it would store in parts. */
static __always_inline void store8(void *at, __u64 value)
{
	barrier_var(at);
	*(__be64 *)at = bpf_cpu_to_be64(value);
}

static __always_inline void write_flow4(struct iphdr *ip, __u32 flow, __u32 vip)
{
	store8(&ip->saddr, (__u64)(0x0a000000 | flow >> 12) << 32 | vip);
	*(__be32 *)(ip + 1) = bpf_htonl((1024 + (flow & 0xfff)) << 16 | 80);
}

static __always_inline void write_flow6(struct ipv6hdr *ip, __u32 flow, __u32 vip)
{
	store8(&ip->saddr.s6_addr32[2], 0x0a000000 | flow >> 12);
	store8(&ip->daddr.s6_addr32[2], vip);
	*(__be32 *)(ip + 1) = bpf_htonl((1024 + (flow & 0xfff)) << 16 | 80);
}

static __always_inline void read_clock(void)
{
	const __u32 packet = driven.packet++;

	if (packet % DRIVEN_SLICE == 0)
		driven.begin[packet / DRIVEN_SLICE % DRIVEN_SLICES] = bpf_ktime_get_ns();
}

SEC("xdp")
int driver(struct xdp_md *ctx)
{
	__u32 length = ctx->data_end - ctx->data;
	/* one odd multiplication spreads neighbouring flows over addresses and ports, one to one */
	__u32 flow = (next_flow++ * driven.step & driven.flows_mask) * 0x9e3779b1U;
	__u32 vip = driven.vip + (flow & driven.vips_mask);
	void *frame;

	barrier_var(length); /* of pointers' difference with another number the verifier wants to know nothing */
	read_clock();
	if (length != driven.length && bpf_xdp_adjust_head(ctx, (int)(length - driven.length)))
		return XDP_ABORTED;
	frame = (void *)(long)ctx->data;
	if (frame + sizeof(struct ethhdr) + sizeof(struct ipv6hdr) + 4 > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	/* a pushed header has overwritten the frame's own: 02:00:00:00:02:00 from 02:00:00:00:01:00 */
	*(__be64 *)frame = bpf_cpu_to_be64(0x0200000002000200);
	*(__be32 *)(frame + 8) = bpf_htonl(0x00000100);
	if (driven.v6) {
		*(__be16 *)(frame + 12) = bpf_htons(ETH_P_IPV6);
		write_flow6(frame + sizeof(struct ethhdr), flow, vip);
	} else {
		*(__be16 *)(frame + 12) = bpf_htons(ETH_P_IP);
		write_flow4(frame + sizeof(struct ethhdr), flow, vip);
	}
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

SEC("xdp")
int constant_header(struct xdp_md *ctx)
{
	return push_constant_header(ctx) ? XDP_TX : XDP_ABORTED;
}

__u32 header_count;

/* Any number, from the flow. */
static __always_inline __u32 flow_number(struct xdp_md *ctx)
{
	const struct iphdr *ip = (void *)(long)ctx->data + sizeof(struct ethhdr);

	if ((void *)(ip + 1) + 4 > (void *)(long)ctx->data_end)
		return 0;
	return (ip->saddr ^ *(const __u32 *)(ip + 1)) * 0x9e3779b1U;
}

static __always_inline int push_header(struct xdp_md *ctx, __u32 index)
{
	const struct header *header = bpf_map_lookup_elem(&headers, &index);
	void *frame;

	if (!header || bpf_xdp_adjust_head(ctx, -(int)sizeof(struct iphdr)))
		return XDP_ABORTED;
	frame = (void *)(long)ctx->data;
	if (frame + sizeof(struct ethhdr) + sizeof(struct iphdr) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
#pragma unroll
	for (int i = 0; i < 4; i++)
		*(__u64 *)(frame + 8 * i) = header->word[i];
	*(__u16 *)(frame + 32) = header->word[4];
	return XDP_TX;
}

/* What cache misses force on whoever has so many backends: a header out of `header_count`, picked by the flow. */
SEC("xdp")
int read_header(struct xdp_md *ctx)
{
	return push_header(ctx, (__u64)flow_number(ctx) * header_count >> 32);
}

/* ... and on whoever finds it by a table of slots, and counts each backend's packets. */
SEC("xdp")
int find_header(struct xdp_md *ctx)
{
	__u32 index = (__u64)flow_number(ctx) * HEADERS_SLOTS >> 32;
	const struct header_slot *slot = bpf_map_lookup_elem(&header_slots, &index);
	struct header_counters *counters;

	if (!slot)
		return XDP_ABORTED;
	index = (__u64)slot->number * header_count >> 32;
	counters = bpf_map_lookup_elem(&header_counters, &index);
	if (!counters)
		return XDP_ABORTED;
	counters->packets++;
	counters->bytes += driven.length;
	return push_header(ctx, index);
}

char _license[] SEC("license") = "Dual BSD/GPL";
