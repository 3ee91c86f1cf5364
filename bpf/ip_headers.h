/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What linux/ip.h and linux/ipv6.h leave out: fragment bits of IPv4 (RFC 791), extension headers of IPv6 (RFC 8200). */
#ifndef SLUICE_IP_HEADERS_H
#define SLUICE_IP_HEADERS_H

#include <linux/in.h>
#include <linux/types.h>

/* Of iphdr.frag_off, host byte order. */
#define IP4_OFFSET 0x1fff /* in units of 8 bytes */
#define IP4_MORE   0x2000
#define IP4_DF	   0x4000

/* Of a fragment header's `offset`, likewise. */
#define IP6_OFFSET 0xfff8 /* in bytes */
#define IP6_MORE   0x0001

/* What extension headers have in common, and as much of each as we read: none is shorter. */
struct ipv6_extension {
	__u8 next;
	__u8 length; /* in units of 8 bytes beyond the first; reserved in a fragment's */
	union {
		__be16 offset; /* of a fragment, and flags */
		struct {
			__u8 type;
			__u8 left; /* segments, of a routing header */
		};
	};
	__be32 id; /* of a fragment */
};
_Static_assert(sizeof(struct ipv6_extension) == 8, "ipv6_extension");

/* Those that are stepped over. */
static __always_inline int is_extension(__u8 protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING || protocol == IPPROTO_DSTOPTS ||
	       protocol == IPPROTO_FRAGMENT;
}

#endif
