/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Every backend has a permutation of the slots, and in its turn takes the first
 * slot of it that is still vacant. Turns are played in their order, one by one.
 * But a taken slot stays taken, so a walk may leave it behind long before its turn:
 * looking ahead is never wrong, needs no order, and nothing in it waits for
 * anything else. That matters, for nearly all time goes into probes that find
 * their slot taken, into branches that no CPU can predict, and into cache lines
 * that are not there yet. There are three ways:
 * - before a batch of turns, all who have one and whose next slot is taken go on
 *   together: slot by slot or, when little is vacant, several slots at a time;
 * - a few backends would not gain by that: each notes many vacant slots at once,
 *   and in its turn takes the first one of them that still is;
 * - the very last slots would take half of all probes to find. There the question
 *   is turned round: how far ahead in the permutation is each slot that is left?
 */
#include "model/maglev_fill.h"

#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

#define BATCH 128 /* turns that are played together */
#define FEW   4	  /* of those that look ahead may be left over: they probe in their turns */
#define MANY  64  /* backends: fewer note slots */
#define NOTED 32  /* slots that are looked at to note the vacant ones */

/* Slots that were vacant when they were noted, in the order of the permutation. */
struct notes {
	__u32 slots[NOTED];
	__u32 first, end;
};

struct fill {
	__u16 *table;
	__u32 size;
	__u32 left;   /* slots to fill */
	__u8 *vacant; /* 1 or 0 a slot; twice, for many backends, so that slot + step needs no wrapping */
	struct walk *walks;
	size_t count;
	struct turns *turns;
};

/* a + b modulo size, both below size. Being a minimum keeps compilers from making a branch of it. */
static inline __u32 add(__u32 a, __u32 b, __u32 size)
{
	__u32 sum = a + b, wrapped = sum - size; /* huge if there is nothing to wrap */

	return sum < wrapped ? sum : wrapped;
}

void walk_init(struct walk *walk, __u64 hash, __u16 owner, __u32 size)
{
	/* 64 bits are enough for both numbers: their product is below 2^48 */
	walk->next = (__u32)(hash % size);
	walk->steps[0] = 0;
	walk->steps[1] = (__u32)(hash / size % (size - 1)) + 1;
	for (int k = 2; k <= WALK_WIDTH; k++)
		walk->steps[k] = add(walk->steps[k - 1], walk->steps[1], size);
	walk->owner = owner;
}

static inline void take(struct fill *fill, struct walk *walk, __u32 slot)
{
	fill->table[slot] = walk->owner;
	fill->vacant[slot] = 0;
	walk->next = add(slot, walk->steps[1], fill->size);
}

/*
 * Whether any of `width` slots of the permutation, from the next one on, is vacant.
 * `width` is a constant here and below, 1 or WALK_WIDTH: all is compiled for each.
 */
static __always_inline bool sees_vacant(const struct fill *fill, const struct walk *walk, int width)
{
	const __u8 *vacant = &fill->vacant[walk->next];
	__u8 any = vacant[0];

#pragma GCC unroll 8
	for (int k = 1; k < width; k++)
		any |= vacant[walk->steps[k]];
	return any;
}

/*
 * Moves those whose next slots are taken on, `width` slots at a time, until nearly all see a vacant one. No branch
 * depends on what a probe finds, and nobody is in `who` twice: so who sees a vacant slot does not pass it over.
 */
static __always_inline void look_ahead(const struct fill *fill, const __u32 *who, size_t count, int width)
{
	struct walk *searching[BATCH];
	size_t still = 0;

#pragma GCC unroll 4
	for (size_t i = 0; i < count; i++) {
		struct walk *walk = &fill->walks[who[i]];

		searching[still] = walk;
		still += !sees_vacant(fill, walk, width);
		__builtin_prefetch(&fill->table[walk->next], 1); /* most take this one */
	}
	while (still > FEW) {
		count = still;
		still = 0;
#pragma GCC unroll 4
		for (size_t i = 0; i < count; i++) {
			struct walk *walk = searching[i];

			walk->next = add(walk->next, walk->steps[width], fill->size);
			searching[still] = walk;
			still += !sees_vacant(fill, walk, width);
		}
	}
}

static __always_inline __u32 first_vacant(const struct fill *fill, const struct walk *walk, int width)
{
	__u32 slot = walk->next;

	for (;;) {
		__u32 vacant = 0; /* a bit each, the nearest slot's the lowest */

#pragma GCC unroll 8
		for (int k = width - 1; k >= 0; k--)
			vacant = vacant << 1 | fill->vacant[slot + (k ? walk->steps[k] : 0)];
		if (vacant)
			return width == 1 ? slot : add(slot, walk->steps[__builtin_ctz(vacant)], fill->size);
		slot = add(slot, walk->steps[width], fill->size);
	}
}

/* Plays turns until `left` slots are left, for many backends. Another may have taken a slot since it was seen. */
static __always_inline void probe(struct fill *fill, __u32 left, int width)
{
	const __u32 *who;

	while (fill->left > left) {
		size_t count = turns_next(fill->turns, fill->left - left < BATCH ? fill->left - left : BATCH, &who);

		look_ahead(fill, who, count, width);
		for (size_t i = 0; i < count; i++) {
			struct walk *walk = &fill->walks[who[i]];
			__u32 slot = first_vacant(fill, walk, width);

			take(fill, walk, slot);
			if (width > 1)
				fill->vacant[slot + fill->size] = 0;
		}
		fill->left -= (__u32)count;
	}
}

/* Goes on until a vacant slot is found, and notes all that are found on the way. */
static void note(const struct fill *fill, struct walk *walk, struct notes *notes)
{
	__u32 next = walk->next, skip = walk->steps[1], size = fill->size, end = 0;
	const __u8 *vacant = fill->vacant;

	while (!end)
#pragma GCC unroll 4
		for (int i = 0; i < NOTED; i++) {
			notes->slots[end] = next;
			end += vacant[next];
			next = add(next, skip, size);
		}
	walk->next = next;
	notes->first = 0;
	notes->end = end;
}

/* The first noted slot that is still vacant. */
static inline __u32 noted(const struct fill *fill, struct walk *walk, struct notes *notes)
{
	__u32 slot;

	do {
		if (notes->first == notes->end)
			note(fill, walk, notes);
		slot = notes->slots[notes->first++];
	} while (!fill->vacant[slot]);
	return slot;
}

/* Plays turns until `left` slots are left, for a few backends. */
static void probe_few(struct fill *fill, __u32 left)
{
	struct notes *notes = memory_new(fill->count, sizeof(*notes));
	const __u32 *who;

	while (fill->left > left) {
		size_t count = turns_next(fill->turns, fill->left - left, &who);

		for (size_t i = 0; i < count; i++) {
			struct walk *walk = &fill->walks[who[i]];
			__u32 slot = noted(fill, walk, &notes[who[i]]);

			fill->table[slot] = walk->owner;
			fill->vacant[slot] = 0;
		}
		fill->left -= (__u32)count;
	}
	/* go on where the notes do: they are before `next` */
	for (size_t i = 0; i < fill->count; i++)
		if (notes[i].first < notes[i].end)
			fill->walks[i].next = notes[i].slots[notes[i].first];
	free(notes);
}

/* a^-1 modulo the prime p, by Euclid: a * x = r and a * y = q hold throughout. */
static __u32 inverse(__u32 a, __u32 p)
{
	__u32 r = a, q = p;
	__s32 x = 1, y = 0;

	while (r > 1) {
		__u32 quotient = q / r, rest = q % r;
		__s32 z = y - (__s32)quotient * x;

		q = r;
		r = rest;
		y = x;
		x = z;
	}
	return x < 0 ? (__u32)x + p : (__u32)x;
}

/*
 * The index in `last`, the slots left, of the one that the walk comes to first. It comes to a slot
 * after (slot - next) / skip steps modulo size. As a fraction of size, in 64 bits, that is a product
 * which wraps by itself; its error is less than 2^24, and steps are at least 2^40 apart.
 */
static __u32 nearest(const struct fill *fill, const struct walk *walk, const __u32 *last)
{
	__u64 whole = (__u64)inverse(walk->steps[1], fill->size) << 32;
	__u64 unskip = (whole / fill->size << 32) + (whole % fill->size << 32) / fill->size;
	__u64 least = ~0ULL, next = walk->next;
	__u32 best = 0;

	for (__u32 i = 0; i < fill->left; i++) {
		__u64 ahead = (last[i] - next) * unskip;

		best = ahead < least ? i : best;
		least = ahead < least ? ahead : least;
	}
	return best;
}

/* Fills the slots that are left, without probing. */
static void ask(struct fill *fill)
{
	__u32 *last = memory_new(fill->left, sizeof(*last));
	const __u8 *vacant = fill->vacant;

	for (__u32 i = 0; i < fill->left; i++) {
		vacant = memchr(vacant, 1, fill->size);
		last[i] = (__u32)(vacant++ - fill->vacant);
	}
	while (fill->left) {
		const __u32 *who;
		struct walk *walk;
		__u32 i;

		turns_next(fill->turns, 1, &who);
		walk = &fill->walks[*who];
		i = nearest(fill, walk, last);
		take(fill, walk, last[i]);
		last[i] = last[--fill->left];
	}
	free(last);
}

void maglev_fill(__u16 *table, __u32 size, struct walk *walks, size_t count, struct turns *turns)
{
	bool many = count >= MANY;
	struct fill fill = {.table = table, .size = size, .left = size, .walks = walks, .count = count, .turns = turns};
	__u32 sparse = size / 8, last = 1;

	/* each way ends about where the next one costs as much */
	while (2 * last * last < size)
		last++;
	fill.vacant = memory_new(size, many ? 2 : 1);
	memset(fill.vacant, 1, size);
	if (many) {
		probe(&fill, sparse > last ? sparse : last, 1);
		memcpy(fill.vacant + size, fill.vacant, size);
		probe(&fill, last, WALK_WIDTH);
	} else {
		probe_few(&fill, last);
	}
	ask(&fill);
	free(fill.vacant);
}
