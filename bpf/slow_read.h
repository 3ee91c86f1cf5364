/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Stage parse of the slow path: VLAN tags, IPv4 options, IPv6 extension headers, fragments, and the packet that an
 * ICMP error is about. It leaves the flow in `ask`, the client's side first, wherever the packet had it.
 *
 * Headers are looked for in the first FRAME_REACH bytes, and in the first buffer of a packet that has several.
 * IPv4's header checksum, ICMP's and a quoted sequence number are for the backend's kernel to judge; TTL and hop limit
 * for nobody: a VIP's host, which the backend is, takes what comes with 1 or 0 (RFC 1122, 3.2.1.7).
 */
#ifndef SLUICE_SLOW_READ_H
#define SLUICE_SLOW_READ_H

#include <linux/icmpv6.h>

#include "flow_stage.h"
#include "icmp_types.h"
#include "ip_headers.h"
#include "packet.h"
#include "parse.h"
#include "service.h"

#define FRAME_REACH    1023 /* a mask, so that the verifier knows an offset's bound */
#define TAGS_MAX       2
#define EXTENSIONS_MAX 6
#define QUOTED_MINIMUM 8 /* bytes of transport header: RFC 792 promises that many */

/*
 * Functions that are not static are verified by themselves, once, whatever calls them: so the verifier's work stays
 * small. Their pointers may be NULL, for all that it knows.
 */

/* What a packet is. */
#define READ_FIRST  0x1	  /* a datagram's first fragment */
#define READ_LATER  0x2	  /* a further one: there are no ports */
#define READ_MORE   0x4	  /* has IPv4 options or IPv6 extension headers */
#define READ_BAD    0x8	  /* cut short */
#define READ_MANY   0x10  /* more extension headers than are read, or a route to go on */
#define READ_ECHO   0x20  /* an ICMP echo request */
#define READ_TCP    0x40  /* `ask.packet` and the header's first 20 bytes are there */
#define READ_QUOTED 0x80  /* an ICMP error */
#define READ_GROUP  0x200 /* to a broadcast or multicast MAC */
#define READ_VIP    0x100 /* to a VIP: a service's packet, or of a port that none has */

struct slow {
	struct flow_ask ask;
	__u32 length;	     /* of the frame, all its buffers */
	__u32 linear;	     /* of its first buffer */
	__be32 id;	     /* of a fragment's datagram */
	__u16 ip, transport; /* offsets in the frame, of the packet's own headers */
	__u16 ip_length;
	__u16 vlan; /* innermost tag, 0: none */
	__u16 what; /* READ_* */
	__u8 tags, tos, v6;
};

/* `size` bytes at an offset, or NULL. */
static __always_inline const void *frame_at(const struct xdp_md *ctx, __u32 offset, const __u32 size)
{
	const void *at = (const void *)(long)ctx->data + (offset & FRAME_REACH);

	return at + size > (const void *)(long)ctx->data_end ? NULL : at;
}

/* What extension headers lead to, in one word, which a function may return. */
union walked {
	__u64 word;
	struct {
		__be32 id;
		__u16 transport;
		__u8 protocol;
		__u8 what;
	};
};

/* RFC 8200, section 4. Returns union walked. */
__noinline __u64 walk6(struct xdp_md *ctx, __u32 offset, __u32 next)
{
	union walked walked = {.protocol = next};

#pragma unroll
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		const struct ipv6_extension *one;
		__u32 length = sizeof(*one);

		if (!is_extension(walked.protocol))
			break;
		one = offset < FRAME_REACH ? frame_at(ctx, offset, sizeof(*one)) : NULL;
		if (!one) {
			walked.what |= READ_BAD;
			break;
		}
		walked.what |= READ_MORE;
		if (walked.protocol == IPPROTO_FRAGMENT) {
			walked.id = one->id;
			if (one->offset & bpf_htons(IP6_OFFSET))
				walked.what |= READ_LATER;
			else if (one->offset & bpf_htons(IP6_MORE))
				walked.what |= READ_FIRST;
		} else {
			length = (one->length + 1U) * 8;
			if (walked.protocol == IPPROTO_ROUTING && one->left)
				walked.what |= READ_MANY;
		}
		walked.protocol = one->next;
		offset += length;
		if (walked.what & READ_LATER)
			break;
	}
	if (!(walked.what & READ_LATER) && is_extension(walked.protocol))
		walked.what |= READ_MANY;
	if (offset >= FRAME_REACH)
		walked.what |= READ_MANY;
	walked.transport = offset;
	return walked.word;
}

/* The Ethernet header's type, behind tags (IEEE 802.1Q); 0 if the frame is cut short. */
static __always_inline __be16 read_link(struct xdp_md *ctx, struct slow *s)
{
	const struct ethhdr *ethernet = frame_at(ctx, 0, sizeof(*ethernet));
	__be16 type;

	if (!ethernet)
		return 0;
	type = ethernet->h_proto;
	s->what = is_group_mac(ethernet->h_dest) ? READ_GROUP : 0;
	s->ip = sizeof(*ethernet);
#pragma unroll
	for (int i = 0; i < TAGS_MAX; i++) {
		const __be16 *tag;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		tag = frame_at(ctx, s->ip, 4);
		if (!tag)
			return 0;
		s->vlan = bpf_ntohs(tag[0]) & 0xfff;
		type = tag[1];
		s->ip += 4;
		s->tags++;
	}
	return type;
}

/* An IPv4 header at an offset: addresses, protocol and fragment; the whole length in *length. */
static __always_inline bool read_header4(struct xdp_md *ctx, struct slow *s, __u32 offset, __u32 *length)
{
	const struct iphdr *ip = frame_at(ctx, offset, sizeof(*ip));
	__u32 header, fragment;

	if (!ip)
		return false;
	header = (*(const __u8 *)ip & 0xf) * 4;
	if (*(const __u8 *)ip >> 4 != 4 || header < sizeof(*ip))
		return false;
	fragment = bpf_ntohs(ip->frag_off);
	s->what |= (header > sizeof(*ip) ? READ_MORE : 0) | (fragment & IP4_OFFSET ? READ_LATER
							     : fragment & IP4_MORE ? READ_FIRST
										   : 0);
	s->ask.tuple.source[0] = ip->saddr;
	s->ask.tuple.destination[0] = ip->daddr;
	s->ask.tuple.protocol = ip->protocol;
	s->id = (__be32)ip->id;
	s->tos = ip->tos;
	s->transport = offset + header;
	*length = bpf_ntohs(ip->tot_len);
	return true;
}

static __always_inline bool read_header6(struct xdp_md *ctx, struct slow *s, __u32 offset, __u32 *length)
{
	const struct ipv6hdr *ip = frame_at(ctx, offset, sizeof(*ip));
	union walked walked;

	if (!ip || *(const __u8 *)ip >> 4 != 6)
		return false;
	__builtin_memcpy(s->ask.tuple.source, &ip->saddr, 16);
	__builtin_memcpy(s->ask.tuple.destination, &ip->daddr, 16);
	s->tos = bpf_ntohl(*(const __be32 *)ip) >> 20;
	*length = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	walked.word = walk6(ctx, offset + sizeof(*ip), ip->nexthdr);
	s->what |= walked.what;
	s->ask.tuple.protocol = walked.protocol;
	s->id = walked.id;
	s->transport = walked.transport;
	return !(walked.what & READ_BAD);
}

static __always_inline bool read_header(struct xdp_md *ctx, struct slow *s, __u32 offset, __u32 *length)
{
	return s->v6 ? read_header6(ctx, s, offset, length) : read_header4(ctx, s, offset, length);
}

static __always_inline void read_tcp(struct xdp_md *ctx, struct slow *s)
{
	const void *tcp = frame_at(ctx, s->transport, sizeof(struct tcphdr));
	const __u32 length = s->ip_length - (s->transport - s->ip);

	s->ask.packet = FLOW_DATA;
	if (!tcp || length < (__u32)(((const __u8 *)tcp)[12] >> 4) * 4) /* the rest would be padding */
		return;
	s->ask.packet = 0;
	s->what |= READ_TCP;
	ask_tcp(&s->ask, (const void *)(long)ctx->data_end, tcp, length);
}

static __always_inline bool icmp_is_error(__u8 type, bool v6)
{
	if (v6)
		return type == ICMPV6_DEST_UNREACH || type == ICMPV6_PKT_TOOBIG || type == ICMPV6_TIME_EXCEED ||
		       type == ICMPV6_PARAMPROB;
	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

static __always_inline bool is_same_address(const __be32 one[4], const __be32 other[4])
{
	return one[0] == other[0] && one[1] == other[1] && one[2] == other[2] && one[3] == other[3];
}

/* Ports of what an error quotes: it is of the client's flow, the other way round. */
__noinline int read_quoted(struct xdp_md *ctx, struct slow *s)
{
	struct flow_tuple *tuple = &s->ask.tuple;
	const __be16 *ports;
	__u32 inner, length;
	__u16 transport, what;
	__be32 to[4];
	__u8 tos;

	if (!s)
		return REASON_not_tcp_udp;
	transport = s->transport;
	inner = transport + ICMP_HEADER_LENGTH;
	what = s->what;
	tos = s->tos;
	__builtin_memcpy(to, tuple->destination, sizeof(to));
	s->what = 0;
	if (!read_header(ctx, s, inner, &length) || s->what & (READ_LATER | READ_MANY) ||
	    !is_balanced(tuple->protocol) || !is_same_address(tuple->source, to))
		return REASON_not_tcp_udp;
	ports = frame_at(ctx, s->transport, QUOTED_MINIMUM);
	if (!ports || (__u32)(s->transport - s->ip) + QUOTED_MINIMUM > s->ip_length)
		return REASON_not_tcp_udp;
	__builtin_memcpy(tuple->source, tuple->destination, sizeof(tuple->source));
	__builtin_memcpy(tuple->destination, to, sizeof(to));
	tuple->source_port = ports[1];
	tuple->destination_port = ports[0];
	s->ask.packet = FLOW_ABOUT;
	s->what = what | READ_QUOTED;
	s->tos = tos;
	s->transport = transport;
	return REASON_go_on;
}

static __always_inline enum reason read_icmp(struct xdp_md *ctx, struct slow *s)
{
	const __u8 *icmp = frame_at(ctx, s->transport, ICMP_HEADER_LENGTH);

	if (!icmp || (__u32)(s->transport - s->ip) + ICMP_HEADER_LENGTH > s->ip_length)
		return REASON_not_tcp_udp;
	if (icmp[0] == (s->v6 ? ICMPV6_ECHO_REQUEST : ICMP_ECHO) && icmp[1] == 0) {
		s->what |= READ_ECHO;
		return REASON_go_on;
	}
	return icmp_is_error(icmp[0], s->v6) && !(s->what & READ_FIRST) ? (enum reason)read_quoted(ctx, s)
									: REASON_not_tcp_udp;
}

static __always_inline enum reason read_transport(struct xdp_md *ctx, struct slow *s)
{
	struct flow_tuple *tuple = &s->ask.tuple;
	const __be16 *ports;

	if (s->what & READ_LATER)
		return REASON_go_on;
	if (s->what & READ_MANY)
		return REASON_extensions;
	if (tuple->protocol == (s->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return read_icmp(ctx, s);
	if (!is_balanced(tuple->protocol))
		return REASON_not_tcp_udp;
	ports = frame_at(ctx, s->transport, PORTS_LENGTH);
	if (!ports || (__u32)(s->transport - s->ip) + TRANSPORT_MINIMUM > s->ip_length)
		return REASON_malformed;
	tuple->source_port = ports[0];
	tuple->destination_port = ports[1];
	if (tuple->protocol == IPPROTO_TCP)
		read_tcp(ctx, s);
	return REASON_go_on;
}

static __always_inline enum reason slow_read(struct xdp_md *ctx, struct slow *s)
{
	__be16 type = read_link(ctx, s);
	__u32 length;

	if (!type)
		return REASON_malformed;
	if (type != bpf_htons(ETH_P_IP) && type != bpf_htons(ETH_P_IPV6))
		return REASON_not_ip;
	s->v6 = type == bpf_htons(ETH_P_IPV6);
	s->ask.tuple.version = s->v6 ? 6 : 4;
	if (!read_header(ctx, s, s->ip, &length) || length > s->length - s->ip ||
	    length < (__u32)(s->transport - s->ip))
		return REASON_malformed;
	s->ip_length = length;
	return read_transport(ctx, s);
}

#endif
