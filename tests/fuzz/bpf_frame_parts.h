/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What bpf_frame.c makes frames of. Each part is added at the frame's end, as far as there is room. */
#ifndef SLUICE_FUZZ_BPF_FRAME_PARTS_H
#define SLUICE_FUZZ_BPF_FRAME_PARTS_H

#include "fuzz/bpf_frame.h"

/* A client and a VIP. */
struct part_flow {
	bool v6;
	bool back; /* the VIP sends */
	__u8 protocol;
	__u8 client[16], vip[16];
	__u16 client_port, vip_port;
};

/* A flow of a world, but not always. */
void part_flow(struct part_flow *out, struct dice *dice);

/* An address of a VIP or a client, or one that is neither. */
void part_address(__u8 *out, struct dice *dice, bool v6, bool vip);

void part_bytes(struct fuzz_frame *frame, const void *bytes, __u32 count);
void part_16(struct fuzz_frame *frame, __u16 value);
void part_filling(struct fuzz_frame *frame, struct dice *dice, __u32 count);

/* The IP header with options or extensions; lengths and checksums are for later. */
void part_ip(struct fuzz_frame *frame, struct dice *dice, const struct part_flow *flow);

/* The transport header and what it carries. */
void part_transport(struct fuzz_frame *frame, struct dice *dice, const struct part_flow *flow);

/* The header of an ICMP error, without what it quotes. */
void part_error_header(struct fuzz_frame *frame, struct dice *dice, bool v6);

#endif
