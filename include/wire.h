/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Wire formats that the kernel's UAPI headers lack.
 *
 * GUE (draft-ietf-intarea-gue-09). Sluice sends variant 1: after UDP the inner
 * IP packet follows directly, its version nibble (4 or 6) telling the family,
 * because 0b01 in the first two bits is "variant 1". sluice-backend also takes
 * variant 0 with its 4-byte header.
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

#define GUE_VARIANT(first) ((first) >> 6)
#define GUE_CONTROL(first) (((first) >> 5) & 1)
#define GUE_LENGTH(first)  (((first)&0x1f) * 4)

#endif
