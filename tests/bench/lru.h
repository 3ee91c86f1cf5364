/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Keys and values of the LRU balancer (lru.bpf.c). */
#ifndef SLUICE_BENCH_LRU_H
#define SLUICE_BENCH_LRU_H

#include <linux/types.h>

#define LRU_VIPS     512
#define LRU_RING     65537
#define LRU_BACKENDS 4096

struct lru_vip {
	__be32 address[4]; /* IPv4 in word 0, the rest zero */
	__be16 port;
	__u8 protocol;
	__u8 zero;
};

struct lru_flow {
	__be32 source[4], destination[4]; /* likewise */
	__be16 source_port, destination_port;
	__u8 protocol;
	__u8 zero[3];
};

struct lru_backend {
	__be32 source, destination; /* of the outer header */
	__u8 mac[6];		    /* of the next hop */
	__u8 zero[2];
};

struct lru_counters {
	__u64 packets, bytes;
};

#endif
