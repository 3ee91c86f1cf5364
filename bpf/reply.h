/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the balancer answers by itself, in a VIP's name: pings, unknown ports, and packets that are too big for the way
 * to their backend. The answer goes back to whom the frame came from, with the tags that it came with. All of them
 * are bounded (settings.replies).
 *
 * An ICMP error quotes as much as RFC 1812, 4.3.2.3, and RFC 4443, 2.4, want. None is sent about another error, nor to
 * a source that may be many.
 */
#ifndef SLUICE_REPLY_H
#define SLUICE_REPLY_H

#include "limits.h"
#include "outer.h"
#include "slow_read.h"

#define QUOTE_MAX4	(576 - 28) /* the answer is no larger than what every host takes */
#define QUOTE_MAX6	(1280 - 48)
#define REPLY_TTL	64
#define ICMP_PORT	3 /* code of ICMP_DEST_UNREACH: port unreachable */
#define ICMP_FRAGNEEDED 4
#define ICMPV6_PORT	4

struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 rest;
};
_Static_assert(sizeof(struct icmp_header) == ICMP_HEADER_LENGTH, "icmp_header");

static __always_inline void swap_macs(struct ethhdr *ethernet)
{
	__u8 mac[ETH_ALEN];

	__builtin_memcpy(mac, ethernet->h_dest, ETH_ALEN);
	__builtin_memcpy(ethernet->h_dest, ethernet->h_source, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, mac, ETH_ALEN);
}

/* Ones' complement sum of what lies at an even distance before the frame's end, in 16-bit words; an odd byte counts. */
__noinline __u32 sum_to_end(struct xdp_md *ctx, __u32 offset)
{
	const void *end = (const void *)(long)ctx->data_end;
	const __u16 *word = (const void *)(long)ctx->data + (offset & FRAME_REACH);
	__u32 sum = 0;

	for (int i = 0; i < (QUOTE_MAX6 + ICMP_HEADER_LENGTH) / 2 && (const void *)(word + 1) <= end; i++)
		sum += *word++;
	if ((const void *)word + 1 <= end)
		sum += *(const __u8 *)word; /* in network byte order, followed by zero */
	return sum;
}

/* Of the pseudo header (RFC 9293, 3.1; RFC 8200, 8.1); the tuple's addresses, in any order. */
static __always_inline __u32 sum_pseudo(const struct flow_tuple *tuple, __u32 length, __u8 protocol)
{
	__u64 sum = 0;

#pragma unroll
	for (int i = 0; i < 4; i++)
		sum += (__u64)tuple->source[i] + tuple->destination[i];
	sum += bpf_htons(length) + (__u64)bpf_htons(protocol);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (sum & 0xffff) + (sum >> 16);
}

/* Writes an IP header that answers the flow's packet. `length`: of what follows it. */
static __always_inline void put_ip(void *at, const struct slow *s, __u32 length, __u8 protocol, __u8 tos, const bool v6)
{
	const struct flow_tuple *tuple = &s->ask.tuple;

	if (v6) {
		struct ipv6hdr *ip = at;

		*(__be32 *)ip = bpf_htonl(0x60000000 | (__u32)tos << 20);
		ip->payload_len = bpf_htons(length);
		ip->nexthdr = protocol;
		ip->hop_limit = REPLY_TTL;
		__builtin_memcpy(&ip->saddr, tuple->destination, 16);
		__builtin_memcpy(&ip->daddr, tuple->source, 16);
	} else {
		struct iphdr *ip = at;
		__u32 sum = 0;

		*(__u8 *)ip = 0x45;
		ip->tos = tos;
		ip->tot_len = bpf_htons(length + sizeof(*ip));
		ip->id = 0;
		ip->frag_off = bpf_htons(IP4_DF);
		ip->ttl = REPLY_TTL;
		ip->protocol = protocol;
		ip->check = 0;
		ip->saddr = tuple->destination[0];
		ip->daddr = tuple->source[0];
#pragma unroll
		for (int i = 0; i < 10; i++)
			sum += ((const __u16 *)ip)[i];
		ip->check = checksum_finish(sum);
	}
}

/* Makes the frame end at an offset from its start. */
static __always_inline bool cut_frame(struct xdp_md *ctx, const struct slow *s, __u32 end)
{
	return !bpf_xdp_adjust_tail(ctx, (int)end - (int)s->length);
}

/*
 * The frame becomes an ICMP error about itself. `rest` is the ICMP header's second word.
 *
 * The link's header goes forward by what is put between it and the packet.
 */
static __always_inline bool reply_error(struct xdp_md *ctx, struct slow *s, __u8 type, __u8 code, __be32 rest,
					const bool v6)
{
	const __u32 header = v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	const __u32 push = header + sizeof(struct icmp_header);
	__u32 linear = s->linear - s->ip, quote = s->ip_length, sum;
	struct icmp_header *icmp;
	__u16 *to;
	void *ip;

	if (quote > linear)
		quote = linear;
	if (quote > (v6 ? QUOTE_MAX6 : QUOTE_MAX4))
		quote = v6 ? QUOTE_MAX6 : QUOTE_MAX4;
	if (!cut_frame(ctx, s, s->ip + quote) || bpf_xdp_adjust_head(ctx, -(int)push))
		return false;
	to = (void *)(long)ctx->data;
	if ((void *)to + sizeof(struct ethhdr) + TAGS_MAX * 4 + sizeof(struct ipv6hdr) + sizeof(*icmp) >
	    (void *)(long)ctx->data_end)
		return false;
#pragma unroll
	for (__u32 i = 0; i < (sizeof(struct ethhdr) + TAGS_MAX * 4) / 2; i++)
		if (i * 2 < s->ip)
			to[i] = to[i + push / 2];
	swap_macs((void *)to);
	ip = (void *)frame_at(ctx, s->ip, sizeof(struct ipv6hdr) + sizeof(*icmp));
	if (!ip)
		return false;
	icmp = ip + header;
	put_ip(ip, s, quote + sizeof(*icmp), v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, 0, v6);
	*icmp = (struct icmp_header){.type = type, .code = code, .rest = rest};
	sum = sum_to_end(ctx, s->ip + header);
	if (v6)
		sum += sum_pseudo(&s->ask.tuple, quote + sizeof(*icmp), IPPROTO_ICMPV6);
	icmp = (void *)frame_at(ctx, s->ip + header, sizeof(*icmp));
	if (!icmp)
		return false;
	icmp->checksum = checksum_finish(sum);
	return true;
}

/* `mtu`: the largest IP packet that the client may send, in bytes. */
__noinline int reply_too_big(struct xdp_md *ctx, struct slow *s, __u32 mtu)
{
	if (!s)
		return 0;
	return s->v6 ? reply_error(ctx, s, ICMPV6_PKT_TOOBIG, 0, bpf_htonl(mtu), true)
		     : reply_error(ctx, s, ICMP_DEST_UNREACH, ICMP_FRAGNEEDED, bpf_htonl(mtu & 0xffff), false);
}

static __always_inline bool reply_unreachable(struct xdp_md *ctx, struct slow *s)
{
	return s->v6 ? reply_error(ctx, s, ICMPV6_DEST_UNREACH, ICMPV6_PORT, 0, true)
		     : reply_error(ctx, s, ICMP_DEST_UNREACH, ICMP_PORT, 0, false);
}

/* The frame becomes a reset of the segment that it is (RFC 9293, 3.10.7.1). */
static __always_inline bool reply_reset(struct xdp_md *ctx, struct slow *s, const bool v6)
{
	const __u32 header = v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	const struct tcphdr *asked = frame_at(ctx, s->transport, sizeof(*asked));
	struct tcphdr answer = {.source = s->ask.tuple.destination_port, .dest = s->ask.tuple.source_port};
	__u32 sum = 0, length;
	void *frame, *ip;

	if (!asked)
		return false;
	length = s->ip_length - (s->transport - s->ip);
	if (length < (__u32)asked->doff * 4)
		return false;
	length -= (__u32)asked->doff * 4;
	answer.doff = sizeof(answer) / 4;
	answer.rst = 1;
	if (asked->ack) {
		answer.seq = asked->ack_seq;
	} else {
		answer.ack = 1;
		answer.ack_seq = bpf_htonl(bpf_ntohl(asked->seq) + length + asked->syn + asked->fin);
	}
#pragma unroll
	for (__u32 i = 0; i < sizeof(answer) / 2; i++)
		sum += ((const __u16 *)&answer)[i];
	sum += sum_pseudo(&s->ask.tuple, sizeof(answer), IPPROTO_TCP);
	answer.check = checksum_finish(sum);
	if (!cut_frame(ctx, s, s->ip + header + sizeof(answer)))
		return false;
	frame = (void *)frame_at(ctx, 0, sizeof(struct ethhdr));
	ip = (void *)frame_at(ctx, s->ip, header + sizeof(answer));
	if (!frame || !ip)
		return false;
	swap_macs(frame);
	put_ip(ip, s, sizeof(answer), IPPROTO_TCP, 0, v6);
	__builtin_memcpy(ip + header, &answer, sizeof(answer));
	return true;
}

static __always_inline bool is_reset(const struct xdp_md *ctx, const struct slow *s)
{
	const struct tcphdr *tcp = frame_at(ctx, s->transport, sizeof(*tcp));

	return !tcp || tcp->rst;
}

/* To a port that no service has. A fragment cannot be answered so that its sender makes something of it. */
__noinline int reply_reject(struct xdp_md *ctx, struct slow *s)
{
	if (!s || !(s->ask.tuple.protocol == IPPROTO_UDP || s->what & READ_TCP))
		return REASON_unknown_port;
	if (s->what & READ_TCP && is_reset(ctx, s))
		return REASON_unknown_port;
	if (!reply_allowed(true))
		return REASON_reply_limited;
	return (s->what & READ_TCP ? (s->v6 ? reply_reset(ctx, s, true) : reply_reset(ctx, s, false))
				   : reply_unreachable(ctx, s))
		       ? REASON_rejected
		       : REASON_unknown_port;
}

static __always_inline enum reason echo(struct xdp_md *ctx, struct slow *s, const bool v6)
{
	const __u32 header = v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	void *frame = (void *)frame_at(ctx, 0, sizeof(struct ethhdr));
	void *ip = (void *)frame_at(ctx, s->ip, header + sizeof(struct icmp_header));
	struct icmp_header *icmp;
	__u32 sum;

	if (!frame || !ip)
		return REASON_malformed;
	swap_macs(frame);
	icmp = ip + header;
	sum = (__u16)~icmp->checksum + (__u16)~bpf_htons((__u32)icmp->type << 8);
	icmp->type = v6 ? ICMPV6_ECHO_REPLY : ICMP_ECHO_REPLY;
	/* of nothing but zeros the right one is 0xffff, elsewhere it is as good as 0 */
	icmp->checksum = checksum_finish(sum + bpf_htons((__u32)icmp->type << 8)) ?: 0xffff;
	/* type of service: RFC 1122, 3.2.2.6 */
	put_ip(ip, s, s->ip_length - header, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, s->tos, v6);
	return REASON_echo;
}

/* The frame becomes its echo reply: RFC 792; RFC 4443, 4.2. Only the type differs, so the checksum is mended by that.
 */
__noinline int reply_echo(struct xdp_md *ctx, struct slow *s)
{
	if (!s)
		return REASON_malformed;
	if (!reply_allowed(false))
		return REASON_reply_limited;
	return s->v6 ? echo(ctx, s, true) : echo(ctx, s, false);
}

#endif
