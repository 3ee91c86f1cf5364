/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The VIP table: (address, port, protocol) → service, for both families.
 *
 * A hash table of our own in a mapped array, because the kernel's hash map costs a packet 10 ns where this costs 3. A
 * bucket is two cache lines of four entries; each key has two possible buckets (Azar, Broder, Karlin, Upfal, "Balanced
 * Allocations", 1994), and in the first of them a place of its own. Four of five keys have that place, more where
 * addresses are consecutive, so a look-up mostly is one comparison, which the CPU foresees; the others go where there
 * is more room. A key never moves once it is in, so that a reader never misses it.
 *
 * User space writes through the mapping, in single stores (user/model/vip_table.c).
 * An entry is free while its `tail` is zero; the tail is stored last when an entry
 * is filled, and first when it is removed.
 */
#ifndef SLUICE_VIP_H
#define SLUICE_VIP_H

#include <linux/types.h>

/* What a VIP leads to: the pool's slots, straight away, so that no pool map is needed. */
#define SERVICE_HASH_SOURCE 0x1 /* hash the source address alone */
#define SERVICE_MOVING	    0x2 /* its move (flow.h) has to be looked at */
#define SERVICE_SLOW	    0x4 /* its packets take the slow path: it has options (service_options.h) */

/*
 * An address has an entry of its own, too, with protocol and port 0: what is to become of its packets that no service
 * takes. `index` is one service's of the address, which they are counted for. With ADDRESS_FRAGMENTS_SOURCE it and the
 * table are those of the service that says so.
 */
#define ADDRESS_DROP		 0x10 /* packets to unknown ports; neither: pass */
#define ADDRESS_REJECT		 0x20
#define ADDRESS_ECHO_ANSWER	 0x40 /* ICMP echo requests; neither: pass */
#define ADDRESS_ECHO_DROP	 0x80
#define ADDRESS_FRAGMENTS_SOURCE 0x100 /* fragments go by the source address alone */

struct service {
	__u32 slot_first; /* the pool's first slot in the slots array */
	__u32 slot_count; /* slots of the pool's table; a prime */
	__u16 index;	  /* of its counters; 0 to SLUICE_MAX_SERVICES - 1 */
	__u16 flags;	  /* SERVICE_* */
};
_Static_assert(sizeof(struct service) == 12, "service");

struct vip_entry {
	struct service service; /* first and count share an aligned 8-byte word: changed in one store */
	__u32 tail;		/* vip_tail(): port, protocol and family in one word; 0: free */
	__be32 address[4];	/* IPv4 in word 0, the rest zero */
} __attribute__((aligned(8)));
_Static_assert(sizeof(struct vip_entry) == 32, "vip_entry");

/*
 * A table has as many buckets as entries, hardly more than twice as many, so that hardly one is full and its lines
 * stay in the CPU's cache; where both of a key's are, the table is made anew, twice as large. Their number is a power
 * of two, told as a shift: 64 less the bits that the number of an entry's place has, from the first bucket's first on.
 */
#define VIP_BUCKET_ENTRIES 4
#define VIP_SHIFT_LEAST	   42 /* 1,048,576 buckets: four times as many as the most VIPs and their addresses */
#define VIP_SHIFT_MOST	   54 /* 256 */
#define VIP_BUCKETS(shift) (1U << (62 - (shift)))

struct vip_bucket {
	struct vip_entry entry[VIP_BUCKET_ENTRIES];
};
_Static_assert(sizeof(struct vip_bucket) == 128, "vip_bucket");

/* Port (network byte order; 0 for the entry of any port), protocol and family; never 0. */
static inline __attribute__((always_inline)) __u32 vip_tail(__be16 port, __u8 protocol, int v6)
{
	return (__u32)(__u16)port << 16 | (__u32)protocol << 8 | (v6 ? 6 : 4);
}

static inline __attribute__((always_inline)) __be16 vip_tail_port(__u32 tail)
{
	return (__be16)(tail >> 16);
}

static inline __attribute__((always_inline)) __u8 vip_tail_protocol(__u32 tail)
{
	return (__u8)(tail >> 8);
}

/*
 * Multiplicative hashing (Knuth, TAOCP 6.4): of consecutive numbers it makes places as far apart as there can be; so
 * IPv4 addresses are put in order. The same numbers with another tail would lie beside the former all alike, if both
 * were added; so they are not. VIPs are no secret.
 */
static inline __attribute__((always_inline)) __u64 vip_hash4(__be32 address, __u32 tail)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	const __u32 number = __builtin_bswap32(address);
#else
	const __u32 number = address;
#endif

	return number * 0x9e3779b97f4a7c15ULL ^ tail * 0xc2b2ae3d27d4eb4fULL;
}

static inline __attribute__((always_inline)) __u64 vip_hash6(const __u64 address[2], __u32 tail)
{
	const __u64 number = address[0] * 0xd6e8feb86659fd93ULL + (address[1] ^ address[1] >> 32);

	return number * 0x9e3779b97f4a7c15ULL ^ tail * 0xc2b2ae3d27d4eb4fULL;
}

/* The key's own place, and one of its second bucket: the bucket's number times VIP_BUCKET_ENTRIES, plus a place in it.
 */
static inline __attribute__((always_inline)) __u64 vip_place_first(__u64 hash, __u64 shift)
{
	return hash >> shift;
}

static inline __attribute__((always_inline)) __u64 vip_place_second(__u64 hash, __u64 shift)
{
	return ((hash ^ hash >> 32) * 0xd6e8feb86659fd93ULL) >> shift;
}

#endif
