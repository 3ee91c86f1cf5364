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

static __always_inline bool is_balanced(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

static __always_inline enum reason parse4(struct packet *p)
{
	const struct iphdr *ip = p->ip;
	__u32 available = p->length - sizeof(struct ethhdr);

	if ((void *)(ip + 1) > packet_end(p))
		return REASON_malformed;
	if (unlikely(*(const __u8 *)ip != 0x45) ||
	    unlikely(ip->frag_off & bpf_htons(IP4_MORE | IP4_OFFSET)) || /* or an offset, or more */
	    unlikely(!is_balanced(ip->protocol)))
		return SLOW_PATH;
	p->ip_length = bpf_ntohs(ip->tot_len);
	if (unlikely(p->ip_length > available || p->ip_length < sizeof(*ip) + TRANSPORT_MINIMUM))
		return SLOW_PATH;
	if ((void *)(ip + 1) + PORTS_LENGTH > packet_end(p))
		return REASON_malformed;
	p->tos = ip->tos;
	p->protocol = ip->protocol;
	return REASON_go_on;
}

static __always_inline enum reason parse6(struct packet *p)
{
	const struct ipv6hdr *ip = p->ip;
	__u32 available = p->length - sizeof(struct ethhdr);
	__u32 length;

	if ((void *)(ip + 1) > packet_end(p))
		return REASON_malformed;
	if (unlikely(*(const __u8 *)ip >> 4 != 6) || unlikely(!is_balanced(ip->nexthdr)))
		return SLOW_PATH;
	length = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	if (unlikely(length > available || length < sizeof(*ip) + TRANSPORT_MINIMUM))
		return SLOW_PATH;
	if ((void *)(ip + 1) + PORTS_LENGTH > packet_end(p))
		return REASON_malformed;
	p->ip_length = length;
	p->tos = bpf_ntohl(*(const __be32 *)ip) >> 20;
	p->protocol = ip->nexthdr;
	return REASON_go_on;
}

static __always_inline enum reason parse(struct packet *p, bool v6)
{
	return v6 ? parse6(p) : parse4(p);
}

#endif
