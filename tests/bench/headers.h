/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the programs `read_header` and `find_header` (floor.bpf.c) read. */
#ifndef SLUICE_BENCH_HEADERS_H
#define SLUICE_BENCH_HEADERS_H

#include <linux/types.h>

#define HEADERS_MAX   32768
#define HEADERS_SLOTS 65537

/* One backend's, as far from the next one as the dataplane's. */
struct header {
	__u64 word[16];
};

/* As large as the dataplane's: any number, whose size says which header. */
struct header_slot {
	__u32 number;
	__u32 zero;
};

/* As the dataplane counts. */
struct header_counters {
	__u64 packets, bytes;
};

#endif
