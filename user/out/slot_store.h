/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Slots are memory shared with the kernel: read and written in single 8-byte words, so that no packet sees half of one.
 */
#ifndef SLUICE_SLOT_STORE_H
#define SLUICE_SLOT_STORE_H

#include <string.h>

#include "flow.h"
#include "out/maps.h"

static inline __u64 slot_as_word(struct slot slot)
{
	__u64 word;

	memcpy(&word, &slot, sizeof(word));
	return word;
}

/* A steady slot's word, without a way through memory: most slots of a large table are compared with it. */
static inline __u64 slot_steady_word(__u16 owner)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? owner : (__u64)owner << 48;
}

static inline __u64 slot_word(const struct slot *slot)
{
	return __atomic_load_n((const __u64 *)slot, __ATOMIC_RELAXED);
}

static inline struct slot slot_load(const struct slot *slot)
{
	__u64 word = slot_word(slot);
	struct slot value;

	memcpy(&value, &word, sizeof(value));
	return value;
}

/* The slot, and what packets read of it, after it. */
static inline void slot_store(const struct maps *maps, __u32 index, struct slot value)
{
	__atomic_store_n((__u64 *)&maps->slots[index], slot_as_word(value), __ATOMIC_RELEASE);
	__atomic_store_n(&maps->owners[index], slot_owner_entry(&value), __ATOMIC_RELEASE);
}

#endif
