/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* How the driver program `remake` (floor.bpf.c) is told its packets. */
#ifndef SLUICE_BENCH_REMADE_H
#define SLUICE_BENCH_REMADE_H

#include <linux/types.h>

#define REMADE 112 /* bytes: no program changes more of a frame's begin; a multiple of 8 */

/* What `remake` makes of the frame for each packet. */
struct remade {
	__u64 begin[REMADE / 8];
	__u32 length; /* of the frame */
	__s32 pushed; /* bytes that the measured program put before it */
	__u32 at;     /* offset of the word of an address that makes a flow */
	__u32 first;  /* the word of flow 0 */
	__u32 shift;  /* the flow's number is shifted by it and added */
	__u32 fresh;  /* no program has had it yet */
};

#endif
