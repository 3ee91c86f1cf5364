/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Stage parse: is this a whole TCP or UDP packet, without VLAN tags, IPv4 options and IPv6 extension headers? Whatever
 * is not takes the slow path.
 */
#ifndef SLUICE_PARSE_H
#define SLUICE_PARSE_H

#include "ip_headers.h"
#include "packet.h"

#define PORTS_LENGTH	  4 /* source and destination port: all that is read of TCP and UDP */
#define TRANSPORT_MINIMUM 8 /* the UDP header, the shorter one */
#define PARSE_MINIMUM	  (sizeof(struct iphdr) + PORTS_LENGTH) /* all that is read of IPv4 */

static __always_inline bool is_balanced(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

static __always_inline bool parse4(struct packet *p)
{
	const struct iphdr *ip = p->ip;

	if (unlikely(*(const __u8 *)ip != 0x45) ||
	    unlikely(ip->frag_off & bpf_htons(IP4_MORE | IP4_OFFSET)) || /* or an offset, or more */
	    unlikely(!is_balanced(ip->protocol)))
		return false;
	p->ip_length = bpf_ntohs(ip->tot_len);
	p->tos = ip->tos;
	p->protocol = ip->protocol;
	return likely(p->ip_length <= p->length - sizeof(struct ethhdr) &&
		      p->ip_length >= sizeof(*ip) + TRANSPORT_MINIMUM);
}

static __always_inline bool parse6(struct packet *p)
{
	const struct ipv6hdr *ip = p->ip;
	__u32 length;

	if (unlikely((const void *)(ip + 1) + PORTS_LENGTH > packet_end(p)) || unlikely(*(const __u8 *)ip >> 4 != 6) ||
	    unlikely(!is_balanced(ip->nexthdr)))
		return false;
	length = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	p->ip_length = length;
	p->tos = bpf_ntohl(*(const __be32 *)ip) >> 20;
	p->protocol = ip->nexthdr;
	return likely(length <= p->length - sizeof(struct ethhdr) && length >= sizeof(*ip) + TRANSPORT_MINIMUM);
}

/* False: the slow path looks at it. The frame has PARSE_MINIMUM bytes behind the Ethernet header. */
static __always_inline bool parse(struct packet *p, bool v6)
{
	return v6 ? parse6(p) : parse4(p);
}

#endif
