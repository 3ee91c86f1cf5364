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
 * A reason that few packets have. The empty instruction keeps the ways of two such reasons apart, which the compiler
 * would join: then it would put the reason into a register before it is known, for every packet.
 */
#define ASIDE(reason)                                                                                                  \
	({                                                                                                             \
		asm volatile("" : : "i"(reason));                                                                      \
		reason;                                                                                                \
	})

/* What a stage of the fast path says of a packet that is none of its business. */
#define SLOW_PATH REASON_COUNT

/* What a packet says of its flow. */
#define FLOW_BEGINS 0x1 /* SYN without ACK */
#define FLOW_ENDS   0x2 /* FIN or RST */
#define FLOW_DATA   0x4 /* carries data, or its TCP header could not be read */
#define FLOW_ABOUT  0x8 /* is an ICMP error about it: no packet of the client's */

/* A packet's flow, as stage flow asks for its record. */
struct flow_ask {
	struct flow_tuple tuple;
	struct slot slot;
	struct slot before; /* the slot of the table that the service had before */
	__u32 sequence;	    /* host byte order */
	__u8 move;	    /* enum phase of the service's move */
	__u8 packet;	    /* FLOW_* */
	__u16 service;	    /* index */
};

/*
 * Stages are inlined, on the fast path once a family: `v6` is a constant in each of them then, and the
 * fields below mostly live in registers.
 */
struct packet {
	struct xdp_md *ctx;
	const void *ip;	      /* fast path: the IP header, which parse has checked with the ports behind it */
	struct flow_ask *ask; /* slow path: the flow, read already; else NULL */
	__u32 length;	      /* of the frame as received, in bytes */
	__u16 ip_length;      /* of the IP packet, header included, without Ethernet padding */
	__u8 tos;	      /* IPv4 TOS or IPv6 traffic class: DSCP and ECN */
	__u8 protocol;	      /* IPPROTO_TCP or IPPROTO_UDP: the flow's */
	__u32 hash;	      /* of the flow */
	__u32 backend;	      /* index; 0: none chosen */
	__u32 other;	      /* index of who else may have the flow, for the second hop; 0: nobody */
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

static __always_inline const void *packet_transport(const struct packet *p, bool v6)
{
	return v6 ? (const void *)((const struct ipv6hdr *)p->ip + 1) : (const void *)((const struct iphdr *)p->ip + 1);
}

/* The flow's addresses, one word or four. */
static __always_inline const __be32 *packet_client(const struct packet *p, bool v6)
{
	if (p->ask)
		return p->ask->tuple.source;
	return v6 ? (const __be32 *)&((const struct ipv6hdr *)p->ip)->saddr : &((const struct iphdr *)p->ip)->saddr;
}

static __always_inline const __be32 *packet_vip(const struct packet *p, bool v6)
{
	if (p->ask)
		return p->ask->tuple.destination;
	return v6 ? (const __be32 *)&((const struct ipv6hdr *)p->ip)->daddr : &((const struct iphdr *)p->ip)->daddr;
}

/* Both ports, the client's first, as its packets have them behind the IP header. */
static __always_inline __u32 packet_ports(const struct packet *p, bool v6)
{
	return *(const __u32 *)(p->ask ? &p->ask->tuple.source_port : packet_transport(p, v6));
}

static __always_inline __be16 packet_vip_port(const struct packet *p, bool v6)
{
	return p->ask ? p->ask->tuple.destination_port : ((const __be16 *)packet_transport(p, v6))[1];
}

#endif
