// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* For the veth peers of the balancer's interfaces: without any program there, what XDP sends into a veth is lost. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
