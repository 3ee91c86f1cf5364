// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What the benchmark of packets a second sends with, measures against and receives with.
 *
 * `generate` runs on frames that the kernel keeps in a small pool: one comes back as the measured program left it, but
 * for its length. So all that is written is the Ethernet header, which a pushed one overwrote, and the next flow's
 * addresses and ports. IP's checksum stays as it was: nobody on the way looks at it.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "constant_header.h"
#include "rate.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rate_counts);
} counts SEC(".maps");

struct ethhdr begin; /* of every frame */
__u32 out;	     /* interface that frames are redirected to */
struct rate_caught caught;

static __always_inline struct rate_counts *count(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&counts, &zero);
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct rate_counts *counts = count();
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);
	__u32 flow;

	if (!counts || (void *)(tcp + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	flow = (counts->sent++ & (RATE_FLOWS - 1)) + bpf_get_smp_processor_id() * RATE_FLOWS;
	flow *= 0x9e3779b1U; /* spreads neighbouring flows over addresses and ports, one to one */
	__builtin_memcpy(eth, &begin, sizeof(begin));
	ip->saddr = bpf_htonl(RATE_CLIENTS | flow >> 12);
	*(__be32 *)tcp = bpf_htonl((1024 + (flow & 0xfff)) << 16 | 80);
	return XDP_TX;
}

SEC("xdp")
int receive(struct xdp_md *ctx)
{
	struct rate_counts *counts = count();

	(void)ctx;
	if (counts)
		counts->received++;
	return XDP_DROP;
}

/* In place of `receive`: keeps the frame, if it is as long as an encapsulated one. */
SEC("xdp")
int catch_frame(struct xdp_md *ctx)
{
	if (!bpf_xdp_load_bytes(ctx, 0, caught.data, sizeof(caught.data)))
		caught.length = ctx->data_end - ctx->data;
	return XDP_DROP;
}

SEC("xdp")
int bare_tx(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_TX;
}

SEC("xdp")
int bare_redirect(struct xdp_md *ctx)
{
	(void)ctx;
	return bpf_redirect(out, 0);
}

SEC("xdp")
int constant_tx(struct xdp_md *ctx)
{
	return push_constant_header(ctx) ? XDP_TX : XDP_ABORTED;
}

SEC("xdp")
int constant_redirect(struct xdp_md *ctx)
{
	return push_constant_header(ctx) ? bpf_redirect(out, 0) : XDP_ABORTED;
}

char _license[] SEC("license") = "Dual BSD/GPL";
