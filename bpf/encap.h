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

/* What differs from packet to packet, in the 8-byte words of a header: what XOR puts there. */
struct mending {
	__u64 word[BACKEND_HEADER_MAX / 8];
};

/* `at`: bytes from the frame's start, in a word that is copied whole. `value` as it lies in memory. */
static __always_inline void mend(struct mending *mending, const __u32 at, __u64 value, const __u32 size)
{
	const __u32 bytes = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? at % 8 : 8 - at % 8 - size;

	mending->word[at / 8] ^= value << bytes * 8;
}

/*
 * Makes room for `push` bytes before the packet. Returns the new start of the frame, NULL if the driver left no
 * headroom.
 */
static __always_inline void *push_room(struct packet *p, const __u32 push)
{
	void *to;

	if (unlikely(bpf_xdp_adjust_head(p->ctx, -(int)push)))
		return NULL;
	to = (void *)(long)p->ctx->data;
	if (unlikely(to + sizeof(struct ethhdr) + push > packet_end(p)))
		return NULL;
	assume(to);
	return to;
}

/*
 * Copies Ethernet and outer headers there, mended: each word is written once, and nothing that was written is read
 * again. In 8-byte words, as long as whole ones fit, because the compiler would copy between pointers of unknown
 * alignment byte by byte.
 */
static __always_inline void put_header(__u8 *to, const struct backend *backend, const __u32 push,
				       const struct mending *mending)
{
	const __u32 total = sizeof(struct ethhdr) + push;
	const __u8 *from = backend->header;

	_Static_assert(BACKEND_HEADER_MAX % 2 == 0, "the rest is copied in 2-byte words");
#pragma unroll
	for (__u32 i = 0; i + 8 <= BACKEND_HEADER_MAX; i += 8)
		if (i + 8 <= total)
			*(__u64 *)(to + i) = *(const __u64 *)(from + i) ^ mending->word[i / 8];
#pragma unroll
	for (__u32 i = 0; i < 6; i += 2)
		if (i < total % 8)
			*(__u16 *)(to + total - total % 8 + i) = *(const __u16 *)(from + total - total % 8 + i);
}

static __always_inline void mend_udp(struct packet *p, struct udphdr *udp)
{
	udp->source = bpf_htons(ENTROPY_PORT(p->hash));
	udp->len = bpf_htons(p->ip_length + sizeof(*udp));
}

/* Of the outer source, so that receivers' NICs spread what has no ports over their queues. */
static __always_inline __be32 entropy(const struct packet *p, const struct backend *backend)
{
	return bpf_htonl(hash_entropy(p->hash)) & backend->source_mask;
}

/* Offsets in a frame whose IP header follows the Ethernet header. */
#define OUTER4(field) (sizeof(struct ethhdr) + offsetof(struct iphdr, field))
#define OUTER6(field) (sizeof(struct ethhdr) + offsetof(struct ipv6hdr, field))

/* What only some configurations ask for. Returns its part of the header's sum. */
static __always_inline __u32 mend_more4(struct mending *mending, const struct packet *p, const struct backend *backend,
					bool gue)
{
	__u32 sum = 0;

	if (feature(FEATURE_ID) && !(*(const __be16 *)(backend->header + OUTER4(frag_off)) & bpf_htons(IP4_DF))) {
		__u16 id = bpf_get_prandom_u32(); /* RFC 6864 wants it to differ while fragments may be on their way */

		mend(mending, OUTER4(id), id, sizeof(id));
		sum += id;
	}
	if (!gue && feature(FEATURE_ENTROPY)) {
		__u32 bits = entropy(p, backend);

		mend(mending, OUTER4(saddr), bits, sizeof(bits));
		sum += (bits & 0xffff) + (bits >> 16);
	}
	return sum;
}

static __always_inline enum reason encap_in4(struct packet *p, const struct backend *backend, bool v6, bool gue)
{
	const __u32 push = sizeof(struct iphdr) + (gue ? sizeof(struct udphdr) : 0);
	const __u8 protocol = v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	__u32 total = p->ip_length + push;
	struct mending mending = {};
	__u16 length, base;
	void *frame;
	__u32 sum;

	if (unlikely(total > backend->mtu))
		return ASIDE(REASON_too_big);
	frame = push_room(p, push);
	if (unlikely(!frame))
		return ASIDE(REASON_no_headroom);
	length = bpf_htons(total);
	base = *(const __u16 *)(backend->header + OUTER4(check));
	mend(&mending, OUTER4(tos), p->tos, 1);
	mend(&mending, OUTER4(tot_len), length, sizeof(length));
	/* the header holds its sum without these; each is half of a 16-bit word, but for the source's */
	sum = base + length + bpf_htons(p->tos);
	if (!gue) {
		mend(&mending, OUTER4(protocol), protocol, 1);
		sum += bpf_htons(protocol);
	}
	if (feature(FEATURE_ID | FEATURE_ENTROPY))
		sum += mend_more4(&mending, p, backend, gue);
	mend(&mending, OUTER4(check), base ^ checksum_finish(sum), sizeof(base));
	put_header(frame, backend, push, &mending);
	if (gue)
		mend_udp(p, frame + sizeof(struct ethhdr) + sizeof(struct iphdr));
	return REASON_go_on;
}

static __always_inline enum reason encap_in6(struct packet *p, const struct backend *backend, bool v6, bool gue)
{
	const __u32 push = sizeof(struct ipv6hdr) + (gue ? sizeof(struct udphdr) : 0);
	__u32 payload = p->ip_length + push - sizeof(struct ipv6hdr);
	/* RFC 6438: the flow label; the template has the version alone */
	const __be32 first = bpf_htonl((__u32)p->tos << 20 | (hash_entropy(p->hash) & 0xfffff));
	struct mending mending = {};
	struct ipv6hdr *ip;
	void *frame;

	if (unlikely(payload + sizeof(struct ipv6hdr) > backend->mtu))
		return ASIDE(REASON_too_big);
	frame = push_room(p, push);
	if (unlikely(!frame))
		return ASIDE(REASON_no_headroom);
	mend(&mending, sizeof(struct ethhdr), ((const __u16 *)&first)[0], 2);
	mend(&mending, sizeof(struct ethhdr) + 2, ((const __u16 *)&first)[1], 2);
	mend(&mending, OUTER6(payload_len), bpf_htons(payload), 2);
	if (!gue)
		mend(&mending, OUTER6(nexthdr), v6 ? IPPROTO_IPV6 : IPPROTO_IPIP, 1);
	put_header(frame, backend, push, &mending);
	ip = frame + sizeof(struct ethhdr);
	if (gue)
		mend_udp(p, (struct udphdr *)(ip + 1));
	else if (feature(FEATURE_ENTROPY))
		ip->saddr.s6_addr32[3] |= entropy(p, backend);
	return REASON_go_on;
}

static __always_inline enum reason encap_l2(struct packet *p, const struct backend *backend)
{
	void *frame = (void *)(long)p->ctx->data;
	const void *from = backend->header; /* of an array of bytes, words would be read in parts */

	if (unlikely(p->ip_length > backend->mtu))
		return ASIDE(REASON_too_big);
	if (unlikely(frame + sizeof(struct ethhdr) > packet_end(p)))
		return ASIDE(REASON_malformed);
	/* both MACs; the packet's own type stays */
	*(__u64 *)frame = *(const __u64 *)from;
	*(__u32 *)(frame + 8) = *(const __u32 *)(from + 8);
	return REASON_go_on;
}

static __always_inline enum reason encap_push(struct packet *p, const struct backend *backend, __u8 encap, bool v6)
{
	if (likely(encap == ENCAP_IPIP4))
		return encap_in4(p, backend, v6, false);
	switch (encap) {
	case ENCAP_NONE:
		return ASIDE(REASON_no_next_hop);
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
		return ASIDE(REASON_local);
	}
	return ASIDE(SLOW_PATH);
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
	const struct backend *backend = backend_at(p->backend);
	enum reason reason;

	barrier_var(backend); /* or it is found anew wherever it is used */
	reason = encap_push(p, backend, backend->encap, v6);
	if (unlikely(reason)) /* nothing has been changed yet by a packet that is too big */
		return reason == REASON_too_big ? SLOW_PATH : reason;
	return send_out(p, backend);
}

#endif
