/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <endian.h>
#include <math.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "model/flow_key.h"

/* A flow as the words that the hash takes. IPv4 uses the first word of each address. */
struct tuple {
	__be32 source[4], destination[4];
	__u32 ports, protocol;
};

/* SplitMix64 (Vigna, public domain): a seed makes each run the same. */
static __u64 random_next(__u64 *seed)
{
	__u64 z = *seed += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* A flow key as the agent makes it, from an unremarkable hash_key. */
static struct flow_key make_key(__u8 number)
{
	struct flow_key key;
	__u8 text[16] = {number};

	flow_key_expand(&key, text);
	return key;
}

static __u32 make_ports(__u16 source, __u16 destination)
{
	__be16 both[2] = {htons(source), htons(destination)};
	__u32 ports;

	memcpy(&ports, both, sizeof(ports));
	return ports;
}

static __u32 hash4(const struct flow_key *key, const struct tuple *t)
{
	return hash_flow4(key, t->source[0], t->destination[0], t->ports, (__u8)t->protocol);
}

static __u32 hash6(const struct flow_key *key, const struct tuple *t)
{
	return hash_flow6(key, t->source, t->destination, t->ports, (__u8)t->protocol);
}

/*
 * Over random keys the hash is strongly universal, so each output bit flips with
 * probability 1/2 whichever input bit did, independently from trial to trial. With
 * n trials the count's standard deviation is sqrt(n) / 2; of the 12,800 counts of both
 * families one is beyond 6 of them once in 40,000 seeds.
 */
#define TRIALS 4096

static void check_avalanche(__u32 (*hash)(const struct flow_key *, const struct tuple *), size_t word, __u32 bits)
{
	static __u32 flips[32][32];
	__u64 seed = word;

	memset(flips, 0, sizeof(flips));
	for (int trial = 0; trial < TRIALS; trial++) {
		struct flow_key key;
		__u32 words[sizeof(struct tuple) / 4], first;
		struct tuple t;

		for (size_t i = 0; i < FLOW_KEY_WORDS; i++)
			key.word[i] = random_next(&seed);
		for (size_t i = 0; i < sizeof(words) / 4; i++)
			words[i] = (__u32)random_next(&seed);
		memcpy(&t, words, sizeof(t));
		first = hash(&key, &t);
		for (__u32 bit = 0; bit < bits; bit++) {
			words[word] ^= 1U << bit;
			memcpy(&t, words, sizeof(t));
			words[word] ^= 1U << bit;
			for (__u32 changed = first ^ hash(&key, &t); changed; changed &= changed - 1)
				flips[bit][__builtin_ctz(changed)]++;
		}
	}
	for (__u32 bit = 0; bit < bits; bit++)
		for (int out = 0; out < 32; out++)
			assert_true(fabs(flips[bit][out] - TRIALS / 2.0) < 6 * sqrt(TRIALS) / 2);
}

static void avalanche4(void **state)
{
	(void)state;
	check_avalanche(hash4, offsetof(struct tuple, source) / 4, 32);
	check_avalanche(hash4, offsetof(struct tuple, destination) / 4, 32);
	check_avalanche(hash4, offsetof(struct tuple, ports) / 4, 32);
	check_avalanche(hash4, offsetof(struct tuple, protocol) / 4, 8);
}

static void avalanche6(void **state)
{
	(void)state;
	for (size_t word = 0; word < offsetof(struct tuple, ports) / 4; word++)
		check_avalanche(hash6, word, 32);
	check_avalanche(hash6, offsetof(struct tuple, ports) / 4, 32);
	check_avalanche(hash6, offsetof(struct tuple, protocol) / 4, 8);
}

/*
 * How many flows each bucket got, against chance: chi-square in standard
 * deviations from its mean. Too even a spread would be no fault, so one side
 * alone is tested. Beyond 6 there is nothing by chance (7 for 100 buckets, whose
 * chi-square has the longer tail): the probability is below 1e-7.
 */
static void check_spread(const __u32 *count, __u32 buckets, double flows)
{
	double expected = flows / buckets, chi_square = 0;

	for (__u32 i = 0; i < buckets; i++)
		chi_square += (count[i] - expected) * (count[i] - expected) / expected;
	assert_true((chi_square - (buckets - 1)) / sqrt(2.0 * (buckets - 1)) < (buckets > 1000 ? 6 : 7));
}

/* Flow number i: what varies from one to the next is what tests are about. */
static struct tuple sequential_ports(__u32 i)
{
	/* an address for each 65,536 ports */
	return (struct tuple){{htonl(0xc6336407 + (i >> 16)), 0, 0, 0},
			      {htonl(0xc000020a), 0, 0, 0},
			      make_ports((__u16)i, 443),
			      IPPROTO_TCP};
}

static struct tuple sequential_sources(__u32 i)
{
	return (struct tuple){
		{htonl(0x0a000000 + i), 0, 0, 0}, {htonl(0xc000020a), 0, 0, 0}, make_ports(40000, 443), IPPROTO_TCP};
}

static struct tuple sources_alone(__u32 i)
{
	return (struct tuple){.source = {htonl(0x0a000000 + i)}};
}

static struct tuple sequential_ports6(__u32 i)
{
	return (struct tuple){{htonl(0x20010db8), 0, 0, htonl(7 + (i >> 16))},
			      {htonl(0x20010db8), htonl(1), 0, htonl(0x10)},
			      make_ports((__u16)i, 443),
			      IPPROTO_UDP};
}

static struct tuple sequential_sources6(__u32 i)
{
	return (struct tuple){{htonl(0x20010db8), 0, 0, htonl(i)},
			      {htonl(0x20010db8), htonl(1), 0, htonl(0x10)},
			      make_ports(40000, 443),
			      IPPROTO_UDP};
}

static struct tuple sequential_networks6(__u32 i)
{
	return (struct tuple){.source = {htonl(0x20010000 + (i >> 16)), htonl(i << 16), 0, htonl(1)}};
}

static __u32 by_slot(__u32 hash, __u32 buckets)
{
	return hash_slot(hash, buckets);
}

static __u32 by_entropy(__u32 hash, __u32 buckets)
{
	return hash_entropy(hash) % buckets;
}

static void spreads_sequential_flows(void **state)
{
	static const struct {
		struct tuple (*flow)(__u32 i);
		__u32 (*hash)(const struct flow_key *key, const struct tuple *t);
	} cases[] = {
		{sequential_ports, hash4},  {sequential_sources, hash4},  {sources_alone, hash4},
		{sequential_ports6, hash6}, {sequential_sources6, hash6}, {sequential_networks6, hash6},
	};
	static const struct {
		__u32 (*of)(__u32 hash, __u32 buckets);
		__u32 buckets;
	} spread[] = {{by_slot, 100}, {by_slot, 65537}, {by_entropy, 256}, {by_entropy, 16384}};
	static __u32 count[65537];

	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
		for (int b = 0; b < 4; b++) {
			for (__u8 number = 0; number < 4; number++) {
				struct flow_key key = make_key(number);
				__u32 buckets = spread[b].buckets, flows = buckets > 1000 ? 10 * 65536 : 65536;

				memset(count, 0, sizeof(count));
				for (__u32 i = 0; i < flows; i++) {
					struct tuple t = cases[c].flow(i);

					count[spread[b].of(cases[c].hash(&key, &t), buckets)]++;
				}
				check_spread(count, buckets, flows);
			}
		}
	}
}

static void slot_stays_in_range(void **state)
{
	static const __u32 sizes[] = {1, 2, 3, 65537, 1U << 24};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		assert_int_equal(hash_slot(0, sizes[i]), 0);
		assert_int_equal(hash_slot(0xffffffff, sizes[i]), sizes[i] - 1);
	}
	assert_int_equal(hash_slot(0x7fffffff, 2), 0);
	assert_int_equal(hash_slot(0x80000000, 2), 1);
}

static void every_field_and_key_counts(void **state)
{
	struct flow_key key = make_key(1), other_key = make_key(2);
	struct tuple t = sequential_ports6(0);
	__u32 words[sizeof(t) / 4], first4 = hash4(&key, &t), first6 = hash6(&key, &t);

	(void)state;
	assert_int_not_equal(hash4(&other_key, &t), first4);
	assert_int_not_equal(hash6(&other_key, &t), first6);
	memcpy(words, &t, sizeof(t));
	for (size_t i = 0; i < sizeof(t) / 4; i++) {
		words[i] ^= 1;
		memcpy(&t, words, sizeof(t));
		words[i] ^= 1;
		assert_int_not_equal(hash6(&key, &t), first6);
		/* of IPv4's addresses there is one word */
		assert_int_equal(hash4(&key, &t) == first4, i % 4 != 0 && i < 8);
	}
	/* what comes back is another flow */
	t = sequential_ports(1);
	struct tuple back = {{t.destination[0], 0, 0, 0}, {t.source[0], 0, 0, 0}, make_ports(443, 1), t.protocol};

	assert_int_not_equal(hash4(&key, &t), hash4(&key, &back));
}

/* Balancers of one pool must agree across versions, so no change may ever alter these. */
static void never_changes(void **state)
{
	struct flow_key key;
	__u8 text[16];
	struct tuple four = sequential_ports(40000), six = sequential_ports6(40000);

	(void)state;
	for (__u8 i = 0; i < sizeof(text); i++)
		text[i] = i;
	flow_key_expand(&key, text);
	assert_int_equal(key.word[0], 0x74f839c593dc67fd);
	assert_int_equal(key.word[FLOW_KEY_WORDS - 1], 0x7904ab04dc717942);
	/* the words of a packet are read in the host's byte order: see hash.h */
	if (__BYTE_ORDER != __LITTLE_ENDIAN)
		skip();
	assert_int_equal(hash4(&key, &four), 0x998309d7);
	assert_int_equal(hash6(&key, &six), 0xe8effd99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(avalanche4),
		cmocka_unit_test(avalanche6),
		cmocka_unit_test(spreads_sequential_flows),
		cmocka_unit_test(slot_stays_in_range),
		cmocka_unit_test(every_field_and_key_counts),
		cmocka_unit_test(never_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
