/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* How the driver program `driver` (floor.bpf.c) is told its packets, and what it says of the time. */
#ifndef SLUICE_BENCH_DRIVEN_H
#define SLUICE_BENCH_DRIVEN_H

#include <linux/types.h>

#define DRIVEN_SLICE  256 /* packets */
#define DRIVEN_SLICES 512 /* whose begin is remembered, a power of two */

struct driven {
	__u32 length;		    /* of the frame */
	__u32 v6;		    /* it is IPv6 */
	__u32 flows_mask;	    /* flows - 1; a power of two less one */
	__u32 step;		    /* to the next flow, odd: all flows come by */
	__u32 vips_mask;	    /* likewise; a flow has one of them */
	__u32 vip;		    /* the last word of the first one, host byte order */
	__u32 packet;		    /* the next one's number in its run */
	__u64 begin[DRIVEN_SLICES]; /* of slices, in nanoseconds */
};

#endif
