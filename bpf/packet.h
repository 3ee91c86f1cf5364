/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The packet context that the stages hand on. */
#ifndef SLUICE_PACKET_H
#define SLUICE_PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "reasons.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/*
 * Stages are inlined once a family: `v6` is a constant in each of them, and the
 * fields below mostly live in registers.
 */
struct packet {
	struct xdp_md *ctx;
	const void *ip;	 /* IP header; parse has checked it and the ports behind it */
	__u32 length;	 /* of the frame as received, in bytes */
	__u16 ip_length; /* of the IP packet, header included, without Ethernet padding */
	__u8 tos;	 /* IPv4 TOS or IPv6 traffic class: DSCP and ECN */
	__u8 protocol;	 /* IPPROTO_TCP or IPPROTO_UDP */
	__u32 hash;	 /* of the flow */
	__u32 backend;	 /* index; 0: none chosen */
	const struct service *service;
};

static __always_inline void *packet_end(const struct packet *p)
{
	return (void *)(long)p->ctx->data_end;
}

#endif
