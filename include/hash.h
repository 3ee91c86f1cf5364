/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The flow hash: one definition for the XDP program, the agent and the tests.
 *
 * Pair-multiply-shift (Thorup, "High Speed Hashing for Integers and Strings",
 * section 3.5): over 32-bit words x and 64-bit secrets k,
 *
 *     top 32 bits of  (k0 + x1)(k1 + x0) + (k2 + x3)(k3 + x2) + ... + k_last
 *
 * It is strongly universal: whoever neither knows the key nor watches where
 * packets go cannot choose tuples whose pairs collide more often than chance. The
 * products are independent of one another, so a CPU computes them side by side.
 * Of sequential ports and addresses, though, such a sum is an arithmetic progression, which some keys spread badly. So
 * its halves are put together and multiplied: not linear any more, high bits as even as chance with each of thousands
 * of keys tried, and three steps shorter than a finalizer of two multiplications. The guarantee stays: of the sums of
 * two flows one is uniform, and of the other, given the first one and its own low half, the high half is (two 32-bit
 * words differ by less than 32 powers of two); and for each low half the hash is a bijection of the high one.
 *
 * Addresses and ports enter as they stand in the packet (network byte order
 * read as a native word), so all balancers of one pool must share endianness.
 */
#ifndef SLUICE_HASH_H
#define SLUICE_HASH_H

#include <linux/types.h>

#define FLOW_KEY_WORDS 11

struct flow_key {
	__u64 word[FLOW_KEY_WORDS];
};

static inline __attribute__((always_inline)) __u32 hash_finish(__u64 sum)
{
	const __u32 high = sum >> 32;

	return (high ^ high >> 16 ^ (__u32)sum) * 0x85ebca6bU;
}

static inline __attribute__((always_inline)) __u64 hash_pair(const volatile struct flow_key *key, int i, __u32 a,
							     __u32 b)
{
	return (key->word[i] + b) * (key->word[i + 1] + a);
}

/*
 * Hash of an IPv4 flow. `ports` is source and destination port as the packet's
 * first four transport bytes hold them. For affinity by source pass 0 for
 * everything but `source`.
 */
static inline __attribute__((always_inline)) __u32 hash_flow4(const volatile struct flow_key *key, __be32 source,
							      __be32 destination, __u32 ports, __u8 protocol)
{
	return hash_finish(hash_pair(key, 0, (__u32)source, (__u32)destination) + hash_pair(key, 2, ports, protocol) +
			   key->word[FLOW_KEY_WORDS - 1]);
}

/* Hash of an IPv6 flow; arguments as above, addresses as four words in packet order. */
static inline __attribute__((always_inline)) __u32 hash_flow6(const volatile struct flow_key *key,
							      const __be32 source[4], const __be32 destination[4],
							      __u32 ports, __u8 protocol)
{
	__u64 sum = hash_pair(key, 0, (__u32)source[0], (__u32)source[1]) +
		    hash_pair(key, 2, (__u32)source[2], (__u32)source[3]);

	sum += hash_pair(key, 4, (__u32)destination[0], (__u32)destination[1]) +
	       hash_pair(key, 6, (__u32)destination[2], (__u32)destination[3]);
	sum += hash_pair(key, 8, ports, protocol);
	return hash_finish(sum + key->word[FLOW_KEY_WORDS - 1]);
}

/*
 * Of a flow's hash, what receivers of its outer packets may spread them by: low bits of this. The hash's own low bits
 * are less even than its high ones, which choose the slot.
 */
static inline __attribute__((always_inline)) __u32 hash_entropy(__u32 hash)
{
	return hash ^ hash >> 16;
}

/*
 * The slot, 0 to slots - 1, of a flow hash: the high half of a product instead
 * of a division (Lemire, "Fast Random Integer Generation in an Interval", 2019).
 */
static inline __attribute__((always_inline)) __u32 hash_slot(__u32 hash, __u32 slots)
{
	return ((__u64)hash * slots) >> 32;
}

#endif
