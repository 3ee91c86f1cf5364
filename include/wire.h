/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Wire formats that the kernel's UAPI headers lack.
 *
 * GUE (draft-ietf-intarea-gue-09). Sluice sends variant 1: after UDP the inner
 * IP packet follows directly, its version nibble (4 or 6) telling the family,
 * because 0b01 in the first two bits is "variant 1". sluice-backend also takes
 * variant 0 with its 4-byte header.
 *
 * With a second hop it sends variant 0, without flags, whose private data (the draft's section 3.1: what the
 * length counts beyond the fields that flags announce) is a struct gue_second_hop. Who does not know it steps over it.
 */
#ifndef SLUICE_WIRE_H
#define SLUICE_WIRE_H

#include <linux/types.h>

#define GUE_PORT 6080 /* IANA: gue, UDP */

struct gue_header {		     /* variant 0 */
	__u8 variant_control_length; /* variant (2 bits), control (1), length in 4-byte words beyond the first (5) */
	__u8 protocol;		     /* IANA protocol number when control is 0 */
	__be16 flags;
};
_Static_assert(sizeof(struct gue_header) == 4, "gue_header");

/*
 * Who else may have the connection, version 1. A host that has no socket for a TCP packet sends it on to
 * `address`, with `left` decreased, in an outer packet from itself; with `left` 0 it is the last hop and keeps it.
 * The length of the private data tells the family: 8 bytes with an IPv4 address, 20 with an IPv6 one.
 */
#define GUE_SECOND_HOP_VERSION 1

struct gue_second_hop {
	__u8 version; /* GUE_SECOND_HOP_VERSION */
	__u8 left;    /* hops that may still follow: 1 as the balancer sends it */
	__be16 port;  /* UDP destination port there */
	__be32 address[4];
};
_Static_assert(sizeof(struct gue_second_hop) == 20, "gue_second_hop");

#define GUE_SECOND_HOP4 8  /* bytes of it with an IPv4 address */
#define GUE_SECOND_HOP6 20 /* with an IPv6 one */

#define GUE_VARIANT(first) ((first) >> 6)
#define GUE_CONTROL(first) (((first) >> 5) & 1)
#define GUE_LENGTH(first)  (((first)&0x1f) * 4)

#endif
