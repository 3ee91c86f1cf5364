/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* SipHash-2-4 (Aumasson, Bernstein, 2012): a keyed 64-bit hash of short texts. */
#ifndef SLUICE_SIPHASH_H
#define SLUICE_SIPHASH_H

#include <linux/types.h>
#include <stddef.h>

/* The value is the same on hosts of either byte order. */
__u64 siphash(const __u8 key[16], const void *data, size_t length);

#endif
