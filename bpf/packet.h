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
#include "icmp_types.h"
#include "reasons.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/*
 * Stages are inlined once a family: `v6` is a constant in each of them, and the
 * fields below mostly live in registers.
 */
struct packet {
	struct xdp_md *ctx;
	const void *ip;	 /* IP header that tells the flow; parse or icmp has checked it and the ports behind it */
	__u32 length;	 /* of the frame as received, in bytes */
	__u16 ip_length; /* of the IP packet, header included, without Ethernet padding */
	__u8 tos;	 /* IPv4 TOS or IPv6 traffic class: DSCP and ECN */
	__u8 protocol;	 /* IPPROTO_TCP or IPPROTO_UDP: the flow's */
	bool about;	 /* an ICMP error about the flow: `ip` is the header that it quotes, of a VIP's packet */
	__u32 hash;	 /* of the flow */
	__u32 backend;	 /* index; 0: none chosen */
	__u32 other;	 /* index of who else may have the flow, for the second hop; 0: nobody */
	const struct service *service;
};

static __always_inline struct packet packet_of(struct xdp_md *ctx)
{
	return (struct packet){
		.ctx = ctx,
		.ip = (const void *)(long)ctx->data + sizeof(struct ethhdr),
		.length = ctx->data_end - ctx->data,
	};
}

static __always_inline void *packet_end(const struct packet *p)
{
	return (void *)(long)p->ctx->data_end;
}

/* The frame's start. A quoted IP header lies behind another one, and that of ICMP. */
static __always_inline const void *packet_frame(const struct packet *p, bool v6)
{
	const __u32 before = (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) + ICMP_HEADER_LENGTH;

	return p->ip - sizeof(struct ethhdr) - (p->about ? before : 0);
}

static __always_inline const __be32 *packet_source(const struct packet *p, bool v6)
{
	return v6 ? (const __be32 *)&((const struct ipv6hdr *)p->ip)->saddr : &((const struct iphdr *)p->ip)->saddr;
}

static __always_inline const __be32 *packet_destination(const struct packet *p, bool v6)
{
	return v6 ? (const __be32 *)&((const struct ipv6hdr *)p->ip)->daddr : &((const struct iphdr *)p->ip)->daddr;
}

static __always_inline const void *packet_transport(const struct packet *p, bool v6)
{
	return v6 ? (const void *)((const struct ipv6hdr *)p->ip + 1) : (const void *)((const struct iphdr *)p->ip + 1);
}

/* The flow's addresses, one word or four. */
static __always_inline const __be32 *packet_client(const struct packet *p, bool v6)
{
	return p->about ? packet_destination(p, v6) : packet_source(p, v6);
}

static __always_inline const __be32 *packet_vip(const struct packet *p, bool v6)
{
	return p->about ? packet_source(p, v6) : packet_destination(p, v6);
}

static __always_inline __be16 packet_client_port(const struct packet *p, bool v6)
{
	return ((const __be16 *)packet_transport(p, v6))[p->about ? 1 : 0];
}

static __always_inline __be16 packet_vip_port(const struct packet *p, bool v6)
{
	return ((const __be16 *)packet_transport(p, v6))[p->about ? 0 : 1];
}

/* Both ports, as the first four bytes that the client's packets have behind the IP header. */
static __always_inline __u32 packet_ports(const struct packet *p, bool v6)
{
	__u32 ports = *(const __u32 *)packet_transport(p, v6);

	return p->about ? ports << 16 | ports >> 16 : ports;
}

#endif
