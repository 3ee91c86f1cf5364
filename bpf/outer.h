/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the XDP program and the TC program of probes mend alike in an outer header. */
#ifndef SLUICE_OUTER_H
#define SLUICE_OUTER_H

#include <linux/types.h>

/* RFC 6335's dynamic ports; 14 bits of entropy, from the end of the hash that does not choose the slot */
#define ENTROPY_PORT(hash) (0xc000 | ((hash)&0x3fff))

static __always_inline __u16 checksum_finish(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

#endif
