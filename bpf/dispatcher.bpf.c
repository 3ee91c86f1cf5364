// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A dispatcher for libxdp, by its protocol, for where libxdp's own does not do:
 * kernels from 6.13 on, and 6.12 and 6.6 with later fixes, let no extension change
 * the packet where the function that it replaces did not. Before version 1.5.5
 * libxdp's functions did not. libxdp gives the names and fills in `conf`.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <xdp/prog_dispatcher.h>

#define SLOTS(SLOT) SLOT(0) SLOT(1) SLOT(2) SLOT(3) SLOT(4) SLOT(5) SLOT(6) SLOT(7) SLOT(8) SLOT(9)
_Static_assert(MAX_DISPATCHER_ACTIONS == 10, "SLOTS are as many as libxdp's");

/* volatile, for it is zero only until libxdp loads it */
static volatile const struct xdp_dispatcher_config conf;

/* What a program replaces. The helper does nothing; that it is there lets the program call it and its like. */
#define SLOT_FUNCTION(number)                                                                                          \
	__attribute__((noinline)) int prog##number(struct xdp_md *ctx)                                                 \
	{                                                                                                              \
		volatile int result = XDP_DISPATCHER_RETVAL;                                                           \
                                                                                                                       \
		if (!ctx)                                                                                              \
			return XDP_ABORTED;                                                                            \
		bpf_xdp_adjust_tail(ctx, 0);                                                                           \
		return result;                                                                                         \
	}
SLOTS(SLOT_FUNCTION)

/* libxdp replaces this one to find out what the kernel supports; it must be reachable, but is never called. */
__attribute__((noinline)) int compat_test(struct xdp_md *ctx)
{
	volatile int result = XDP_DISPATCHER_RETVAL;

	return ctx ? result : XDP_ABORTED;
}

#define CALL_SLOT(number)                                                                                              \
	if (conf.num_progs_enabled <= number)                                                                          \
		return XDP_PASS;                                                                                       \
	result = prog##number(ctx);                                                                                    \
	if (!((1U << result) & conf.chain_call_actions[number]))                                                       \
		return result;

SEC("xdp")
int xdp_dispatcher(struct xdp_md *ctx)
{
	int result;

	SLOTS(CALL_SLOT)
	if (conf.num_progs_enabled > MAX_DISPATCHER_ACTIONS)
		compat_test(ctx);
	return XDP_PASS;
}

/* libxdp loads it to find out what the kernel supports. */
SEC("xdp")
int xdp_pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
__uint(dispatcher_version, XDP_DISPATCHER_VERSION) SEC(XDP_METADATA_SECTION);
