/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the benchmark of packets a second and its BPF programs (rate.bpf.c) have in common. */
#ifndef SLUICE_BENCH_RATE_H
#define SLUICE_BENCH_RATE_H

#include <linux/types.h>

#define RATE_FLOWS   (1 << 14)	 /* of each CPU */
#define RATE_CLIENTS 0x0a000000U /* their addresses begin so: 12 bits */
#define RATE_CAUGHT  (118 + 20)	 /* the lab's frame, in IPv4 */

/* Frames of one CPU. */
struct rate_counts {
	__u64 sent, received;
};

struct rate_caught {
	__u64 length; /* 0: nothing yet */
	__u8 data[RATE_CAUGHT];
};

#endif
