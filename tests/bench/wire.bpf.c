// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What bench_peers.py's balancers are measured with.
 *
 * `wire` hands a frame for a balancer over as a bare frame, as a NIC's driver
 * finds it in its ring. Sent any other way it would arrive with the kernel's
 * description of it, an skb, already made: for nothing to those who need one,
 * and to be undone by XDP, at a price that no NIC asks.
 *
 * `fixed` is the least that a balancer can do: all frames go to one server.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* peers.py gives these addresses: 02:00:00:00:KIND:NUMBER */
enum { SERVER = 2, BALANCER = 3 };

#define FIRST_PORT 100 /* interface index of the port to balancer 0 */

SEC("xdp")
int wire(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	if (eth->h_dest[0] != 2 || eth->h_dest[4] != BALANCER)
		return XDP_PASS;
	return bpf_redirect(FIRST_PORT + eth->h_dest[5], 0);
}

SEC("xdp")
int fixed(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end || eth->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	__builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
	eth->h_dest[4] = SERVER;
	eth->h_dest[5] = 0;
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
