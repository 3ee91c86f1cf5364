/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the XDP programs and the TC program of probes know alike of an outer header. */
#ifndef SLUICE_OUTER_H
#define SLUICE_OUTER_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/types.h>
#include <linux/udp.h>

#include "abi.h"

/* RFC 6335's dynamic ports; 14 bits of entropy */
#define ENTROPY_PORT(hash) (0xc000 | (hash_entropy(hash) & 0x3fff))

/* Bytes that are put before the IP packet. */
static __always_inline __u32 encap_overhead(__u8 encap)
{
	switch (encap) {
	case ENCAP_IPIP4:
		return sizeof(struct iphdr);
	case ENCAP_IPIP6:
		return sizeof(struct ipv6hdr);
	case ENCAP_GUE4:
		return sizeof(struct iphdr) + sizeof(struct udphdr);
	case ENCAP_GUE6:
		return sizeof(struct ipv6hdr) + sizeof(struct udphdr);
	}
	return 0;
}

/*
 * The complement of both halves' ones' complement sum. Of the product, bits 32 to 47 are both halves added up, and the
 * carry of their sum in bits 16 to 31.
 */
static __always_inline __u16 checksum_finish(__u32 sum)
{
	return ~(sum * 0x100010001ULL >> 32);
}

#endif
