/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Stage icmp, beside the straight line: an ICMP error about a packet of a VIP goes to the backend that sent that
 * packet, which path MTU discovery needs. The error quotes it: it is of the client's flow, the other way round. The
 * stages from service on take the flow from the quoted header (packet_client() and so on), and find its backend.
 *
 * Checksum and quoted sequence number are for the backend's kernel to judge.
 */
#ifndef SLUICE_ICMP_H
#define SLUICE_ICMP_H

#include <linux/icmpv6.h>

#include "icmp_types.h"
#include "packet.h"
#include "parse.h"

/* ICMPv6's begins alike. */
struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__u32 rest;
};
_Static_assert(sizeof(struct icmp_header) == ICMP_HEADER_LENGTH, "icmp_header");

#define FRAGMENT_OFFSET 0x1fff
#define QUOTED_MINIMUM	8 /* bytes of transport header: RFC 792 promises that many */

static __always_inline bool icmp_is_error4(const struct icmp_header *icmp)
{
	return icmp->type == ICMP_DEST_UNREACH || icmp->type == ICMP_TIME_EXCEEDED || icmp->type == ICMP_PARAMETERPROB;
}

static __always_inline bool icmp_is_error6(const struct icmp_header *icmp)
{
	return icmp->type == ICMPV6_DEST_UNREACH || icmp->type == ICMPV6_PKT_TOOBIG ||
	       icmp->type == ICMPV6_TIME_EXCEED || icmp->type == ICMPV6_PARAMPROB;
}

static __always_inline bool icmp_read4(struct packet *p)
{
	const struct iphdr *ip = p->ip;
	const struct icmp_header *icmp = (const void *)(ip + 1);
	const struct iphdr *quoted = (const void *)(icmp + 1);
	__u32 length;

	if ((void *)(quoted + 1) + QUOTED_MINIMUM > packet_end(p) || ip->protocol != IPPROTO_ICMP ||
	    !icmp_is_error4(icmp))
		return false;
	length = bpf_ntohs(ip->tot_len);
	if (length > p->length - sizeof(struct ethhdr) || length < 2 * sizeof(*ip) + sizeof(*icmp) + QUOTED_MINIMUM)
		return false;
	if (*(const __u8 *)quoted != 0x45 || quoted->frag_off & bpf_htons(FRAGMENT_OFFSET) ||
	    !is_balanced(quoted->protocol) || quoted->saddr != ip->daddr)
		return false;
	p->ip_length = length;
	p->tos = ip->tos;
	p->protocol = quoted->protocol;
	p->ip = quoted;
	return true;
}

static __always_inline bool is_same6(const struct in6_addr *one, const struct in6_addr *other)
{
	return one->s6_addr32[0] == other->s6_addr32[0] && one->s6_addr32[1] == other->s6_addr32[1] &&
	       one->s6_addr32[2] == other->s6_addr32[2] && one->s6_addr32[3] == other->s6_addr32[3];
}

static __always_inline bool icmp_read6(struct packet *p)
{
	const struct ipv6hdr *ip = p->ip;
	const struct icmp_header *icmp = (const void *)(ip + 1);
	const struct ipv6hdr *quoted = (const void *)(icmp + 1);
	__u32 length;

	if ((void *)(quoted + 1) + QUOTED_MINIMUM > packet_end(p) || ip->nexthdr != IPPROTO_ICMPV6 ||
	    !icmp_is_error6(icmp))
		return false;
	length = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	if (length > p->length - sizeof(struct ethhdr) || length < 2 * sizeof(*ip) + sizeof(*icmp) + QUOTED_MINIMUM)
		return false;
	if (quoted->version != 6 || !is_balanced(quoted->nexthdr) || !is_same6(&quoted->saddr, &ip->daddr))
		return false;
	p->ip_length = length;
	p->tos = bpf_ntohl(*(const __be32 *)ip) >> 20;
	p->protocol = quoted->nexthdr;
	p->ip = quoted;
	return true;
}

/* Of a packet that parse() found to be neither TCP nor UDP. */
static __always_inline enum reason icmp_read(struct packet *p, bool v6)
{
	p->about = v6 ? icmp_read6(p) : icmp_read4(p);
	return p->about ? REASON_go_on : REASON_not_tcp_udp;
}

#endif
