/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "lib/siphash.h"

#include <endian.h>
#include <string.h>

static __u64 load_le64(const __u8 *bytes)
{
	__u64 word;

	memcpy(&word, bytes, sizeof(word));
	return le64toh(word);
}

static __u64 rotate_left(__u64 x, unsigned int bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_rounds(__u64 v[4], int rounds)
{
	while (rounds--) {
		v[0] += v[1];
		v[1] = rotate_left(v[1], 13) ^ v[0];
		v[0] = rotate_left(v[0], 32);
		v[2] += v[3];
		v[3] = rotate_left(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotate_left(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotate_left(v[1], 17) ^ v[2];
		v[2] = rotate_left(v[2], 32);
	}
}

static void compress(__u64 v[4], __u64 word)
{
	v[3] ^= word;
	sip_rounds(v, 2);
	v[0] ^= word;
}

__u64 siphash(const __u8 key[16], const void *data, size_t length)
{
	__u64 k0 = load_le64(key), k1 = load_le64(key + 8);
	__u64 v[4] = {k0 ^ 0x736f6d6570736575ULL, k1 ^ 0x646f72616e646f6dULL, k0 ^ 0x6c7967656e657261ULL,
		      k1 ^ 0x7465646279746573ULL};
	const __u8 *bytes = data;
	size_t whole = length & ~(size_t)7;
	__u8 last[8] = {0};

	for (size_t i = 0; i < whole; i += 8)
		compress(v, load_le64(bytes + i));
	/* a null `data` of length 0 is allowed, so memcpy must not see it */
	if (length > whole)
		memcpy(last, bytes + whole, length - whole);
	last[7] = (__u8)length;
	compress(v, load_le64(last));
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
