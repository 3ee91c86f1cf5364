/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Stage encap: the backend's finished header goes before the packet; length,
 * TOS, protocol, checksum and entropy are mended. The client's packet itself is
 * not touched.
 *
 * DSCP and ECN are copied outward (RFC 6040, section 4.1, normal mode).
 */
#ifndef SLUICE_ENCAP_H
#define SLUICE_ENCAP_H

#include "ip_headers.h"
#include "maps.h"
#include "outer.h"
#include "packet.h"
#include "second_hop.h"

/*
 * Makes room for `push` bytes and copies Ethernet and outer headers there: in
 * 8-byte words, as long as whole ones fit, because the compiler would copy
 * between pointers of unknown alignment byte by byte. Returns the new start of
 * the frame, NULL if the driver left no headroom.
 */
static __always_inline void *push_header(struct packet *p, const struct backend *backend, const __u32 push)
{
	const __u32 total = sizeof(struct ethhdr) + push;
	const __u8 *from = backend->header;
	__u8 *to;

	if (unlikely(bpf_xdp_adjust_head(p->ctx, -(int)push)))
		return NULL;
	to = (void *)(long)p->ctx->data;
	if ((void *)(to + total) > packet_end(p))
		return NULL;
	_Static_assert(BACKEND_HEADER_MAX % 2 == 0, "the rest is copied in 2-byte words");
#pragma unroll
	for (__u32 i = 0; i + 8 <= BACKEND_HEADER_MAX; i += 8)
		if (i + 8 <= total)
			*(__u64 *)(to + i) = *(const __u64 *)(from + i);
#pragma unroll
	for (__u32 i = 0; i < 6; i += 2)
		if (i < total % 8)
			*(__u16 *)(to + total - total % 8 + i) = *(const __u16 *)(from + total - total % 8 + i);
	return to;
}

static __always_inline void mend_udp(struct packet *p, struct udphdr *udp)
{
	udp->source = bpf_htons(ENTROPY_PORT(p->hash));
	udp->len = bpf_htons(p->ip_length + sizeof(*udp));
}

/* Of the outer source, so that receivers' NICs spread what has no ports over their queues. */
static __always_inline __be32 entropy(const struct packet *p, const struct backend *backend)
{
	return bpf_htonl(p->hash) & backend->source_mask;
}

static __always_inline enum reason encap_in4(struct packet *p, const struct backend *backend, bool v6, bool gue)
{
	const __u32 push = sizeof(struct iphdr) + (gue ? sizeof(struct udphdr) : 0);
	__u32 total = p->ip_length + push;
	struct iphdr *ip;
	void *frame;
	__u32 sum;

	if (unlikely(total > backend->mtu))
		return REASON_too_big;
	frame = push_header(p, backend, push);
	if (!frame)
		return REASON_no_headroom;
	ip = frame + sizeof(struct ethhdr);
	ip->tos = p->tos;
	ip->tot_len = bpf_htons(total);
	/* the header holds its sum without these; each is half of a 16-bit word, but for the source's */
	sum = ip->check + ip->tot_len + bpf_htons(p->tos);
	if (settings.features & FEATURE_ID && !(ip->frag_off & bpf_htons(IP4_DF))) {
		ip->id = bpf_get_prandom_u32(); /* RFC 6864 wants it to differ while fragments may be on their way */
		sum += ip->id;
	}
	if (gue) {
		mend_udp(p, (struct udphdr *)(ip + 1));
	} else {
		ip->protocol = v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
		sum += bpf_htons(v6 ? IPPROTO_IPV6 : IPPROTO_IPIP);
		if (settings.features & FEATURE_ENTROPY) {
			__u32 bits = entropy(p, backend);

			ip->saddr |= bits;
			sum += (bits & 0xffff) + (bits >> 16);
		}
	}
	ip->check = checksum_finish(sum);
	return REASON_go_on;
}

static __always_inline enum reason encap_in6(struct packet *p, const struct backend *backend, bool v6, bool gue)
{
	const __u32 push = sizeof(struct ipv6hdr) + (gue ? sizeof(struct udphdr) : 0);
	__u32 payload = p->ip_length + push - sizeof(struct ipv6hdr);
	struct ipv6hdr *ip;
	void *frame;

	if (unlikely(payload + sizeof(struct ipv6hdr) > backend->mtu))
		return REASON_too_big;
	frame = push_header(p, backend, push);
	if (!frame)
		return REASON_no_headroom;
	ip = frame + sizeof(struct ethhdr);
	*(__be32 *)ip = bpf_htonl(0x60000000 | (__u32)p->tos << 20 | (p->hash & 0xfffff)); /* RFC 6438 */
	ip->payload_len = bpf_htons(payload);
	if (gue) {
		mend_udp(p, (struct udphdr *)(ip + 1));
	} else {
		ip->nexthdr = v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
		if (settings.features & FEATURE_ENTROPY)
			ip->saddr.s6_addr32[3] |= entropy(p, backend);
	}
	return REASON_go_on;
}

static __always_inline enum reason encap_l2(struct packet *p, const struct backend *backend)
{
	void *frame = (void *)(long)p->ctx->data;

	if (unlikely(p->ip_length > backend->mtu))
		return REASON_too_big;
	if (frame + sizeof(struct ethhdr) > packet_end(p))
		return REASON_malformed;
	/* both MACs; the packet's own type stays */
	*(__u64 *)frame = *(const __u64 *)backend->header;
	*(__u32 *)(frame + 8) = *(const __u32 *)(backend->header + 8);
	return REASON_go_on;
}

static __always_inline const struct backend *backend_find(const struct packet *p)
{
	__u32 index = p->backend; /* a copy: a packet whose address is taken would live in memory */

	return bpf_map_lookup_elem(&backends, &index);
}

static __always_inline enum reason encap_push(struct packet *p, const struct backend *backend, __u8 encap, bool v6)
{
	switch (encap) {
	case ENCAP_NONE:
		return REASON_no_next_hop;
	case ENCAP_IPIP4:
		return encap_in4(p, backend, v6, false);
	case ENCAP_IPIP6:
		return encap_in6(p, backend, v6, false);
	case ENCAP_GUE4:
		push_second_hop(p, backend, v6);
		return encap_in4(p, backend, v6, true);
	case ENCAP_GUE6:
		push_second_hop(p, backend, v6);
		return encap_in6(p, backend, v6, true);
	case ENCAP_L2:
		return encap_l2(p, backend);
	case ENCAP_LOCAL:
		return REASON_local;
	}
	return SLOW_PATH;
}

static __always_inline enum reason send_out(const struct packet *p, const struct backend *backend)
{
	if (likely(backend->ifindex == p->ctx->ingress_ifindex))
		return REASON_forwarded;
	bpf_redirect(backend->ifindex, 0);
	return REASON_redirected;
}

static __always_inline enum reason encap(struct packet *p, bool v6)
{
	const struct backend *backend = backend_find(p);
	enum reason reason;

	if (!backend)
		return REASON_no_backend;
	reason = encap_push(p, backend, backend->encap, v6);
	if (unlikely(reason)) /* nothing has been changed yet by a packet that is too big */
		return reason == REASON_too_big ? SLOW_PATH : reason;
	return send_out(p, backend);
}

#endif
