/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * How a table is filled. Every backend has a permutation of the slots (an
 * offset and a skip, from a keyed hash of its name) and in its turn takes the
 * first slot of it that is still free. Turns come in rounds. The heaviest
 * backend has one in every round; another earns its weight a round and pays the
 * heaviest weight for a turn. All start with half of that, which rounds shares
 * to the nearest slot. Backends of one weight then have their turns in the same
 * rounds whatever the heaviest weight is, so a change of it moves few slots.
 *
 * Asking every backend in every round would cost rounds x backends, which
 * weights of 1 and 65535 make billions. So the rounds ahead are a ring of
 * queues: who has a turn joins the queue of the round of its next one.
 *
 * The very last slots would take half of all probes to find. There the question
 * is turned round: how far ahead in the permutation is each slot that is left?
 */
#include "model/maglev.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/siphash.h"

#define MAX_WEIGHT 65535
#define NOBODY	   UINT_MAX
#define LAST	   128 /* slots that are asked, not probed for: about where the two cost the same */

/* A backend with a weight. Small, for all of them should stay in the first-level cache. */
struct candidate {
	__u32 next; /* the slot that its permutation comes to next */
	__u32 skip;
	__u32 behind; /* who follows it in its queue, or NOBODY */
	__u16 owner;
	__u16 weight;
	__u16 gap;    /* heaviest weight / weight: its turns are so many rounds apart, or one more */
	__u16 rest;   /* heaviest weight % weight */
	__u16 credit; /* what its latest turn left over; less than weight */
};

struct queue {
	__u32 head, tail; /* candidates, or NOBODY; tail counts only if head is one */
};

struct build {
	struct candidate *candidates; /* in order of name */
	size_t count;
	__u32 heaviest;
	struct queue *rounds; /* a ring as long as the longest wait for a turn */
	__u32 ring_size;
	__u32 round;  /* the current one's place in the ring */
	__u64 *taken; /* a bit a slot: probing the table itself would miss the cache */
	__u32 size;
};

bool maglev_is_prime(__u32 n)
{
	if (n < 4)
		return n > 1;
	if (n % 2 == 0)
		return false;
	for (__u32 i = 3; i <= n / i; i += 2)
		if (n % i == 0)
			return false;
	return true;
}

__u32 maglev_nearest_prime(__u32 n)
{
	if (n < MAGLEV_MIN_SIZE)
		n = MAGLEV_MIN_SIZE;
	if (n > MAGLEV_MAX_SIZE)
		n = MAGLEV_MAX_SIZE;
	for (__u32 distance = 0;; distance++) {
		if (n >= distance && maglev_is_prime(n - distance))
			return n - distance;
		if (n + distance <= MAGLEV_MAX_SIZE && maglev_is_prime(n + distance))
			return n + distance;
	}
}

static void enqueue(struct build *build, __u32 round, __u32 who)
{
	struct queue *queue = &build->rounds[round < build->ring_size ? round : round - build->ring_size];

	if (queue->head == NOBODY)
		queue->head = who;
	else
		build->candidates[queue->tail].behind = who;
	queue->tail = who;
	build->candidates[who].behind = NOBODY;
}

/* Rounds from this turn to the next: ceil((heaviest - credit) / weight), without dividing. */
static __u32 rounds_to_next(struct candidate *candidate)
{
	if (candidate->credit >= candidate->rest) {
		candidate->credit -= candidate->rest;
		return candidate->gap;
	}
	candidate->credit += candidate->weight - candidate->rest;
	return candidate->gap + 1U;
}

/* Whose turn it is. It is queued for its next turn at once: that does not depend on the slot it gets. */
static struct candidate *next_turn(struct build *build)
{
	struct candidate *candidate;
	__u32 who;

	while ((who = build->rounds[build->round].head) == NOBODY)
		build->round = build->round + 1 < build->ring_size ? build->round + 1 : 0;
	candidate = &build->candidates[who];
	build->rounds[build->round].head = candidate->behind;
	enqueue(build, build->round + rounds_to_next(candidate), who);
	return candidate;
}

static __u32 step(const struct build *build, const struct candidate *candidate, __u32 slot)
{
	slot += candidate->skip;
	return slot >= build->size ? slot - build->size : slot;
}

static bool is_taken(const struct build *build, __u32 slot)
{
	return build->taken[slot / 64] >> slot % 64 & 1;
}

/* A backend that has come to `slot` in its permutation takes it. */
static void take(struct build *build, struct candidate *candidate, __u32 slot, __u16 *table)
{
	build->taken[slot / 64] |= 1ULL << slot % 64;
	table[slot] = candidate->owner;
	candidate->next = step(build, candidate, slot);
}

/* a^-1 modulo the prime p: a^(p - 2), by Fermat. */
static __u32 inverse(__u32 a, __u32 p)
{
	__u64 result = 1, square = a;

	for (__u32 exponent = p - 2; exponent; exponent >>= 1) {
		if (exponent & 1)
			result = result * square % p;
		square = square * square % p;
	}
	return (__u32)result;
}

/* The index in `last`, the free slots, of the one that the candidate's permutation comes to first. */
static __u32 nearest(const struct build *build, const struct candidate *candidate, const __u32 *last, __u32 left)
{
	__u64 unskip = inverse(candidate->skip, build->size);
	__u32 best = 0, least = build->size;

	for (__u32 i = 0; i < left; i++) {
		__u32 ahead = last[i] + build->size - candidate->next;
		__u32 steps = (__u32)(ahead * unskip % build->size);

		if (steps < least) {
			least = steps;
			best = i;
		}
	}
	return best;
}

static void fill(struct build *build, __u16 *table)
{
	__u32 left = build->size, last[LAST], found = 0;

	for (; left > LAST; left--) {
		struct candidate *candidate = next_turn(build);
		__u32 slot = candidate->next;

		while (is_taken(build, slot))
			slot = step(build, candidate, slot);
		take(build, candidate, slot, table);
	}
	for (__u32 slot = 0; found < left; slot++)
		if (!is_taken(build, slot))
			last[found++] = slot;
	for (; left; left--) {
		struct candidate *candidate = next_turn(build);
		__u32 i = nearest(build, candidate, last, left);

		take(build, candidate, last[i], table);
		last[i] = last[left - 1];
	}
}

static void prepare(struct build *build, const struct maglev_backend *backend, __u32 who, const __u8 key[16])
{
	struct candidate *candidate = &build->candidates[who];
	/* 64 bits are enough for both numbers: their product is below 2^48 */
	__u64 hash = siphash(key, backend->name, strlen(backend->name));
	__u32 credit = build->heaviest / 2, first;

	candidate->next = (__u32)(hash % build->size);
	candidate->skip = (__u32)(hash / build->size % (build->size - 1)) + 1;
	candidate->owner = backend->owner;
	candidate->weight = (__u16)backend->weight;
	candidate->gap = (__u16)(build->heaviest / backend->weight);
	candidate->rest = (__u16)(build->heaviest % backend->weight);

	first = (build->heaviest - credit + backend->weight - 1) / backend->weight;
	candidate->credit = (__u16)(credit + first * backend->weight - build->heaviest);
	enqueue(build, first - 1, who);
}

static int by_name(const void *a, const void *b)
{
	const struct maglev_backend *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

/* The backends in order of name, in memory that the caller frees. */
static int sort(const struct maglev_backend *backends, size_t count, const struct maglev_backend ***out)
{
	const struct maglev_backend **sorted = calloc(count + 1, sizeof(*sorted));

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		sorted[i] = &backends[i];
	qsort(sorted, count, sizeof(*sorted), by_name);
	for (size_t i = 0; i < count; i++) {
		if (sorted[i]->weight > MAX_WEIGHT || (i && by_name(&sorted[i - 1], &sorted[i]) == 0)) {
			free(sorted);
			return -EINVAL;
		}
	}
	*out = sorted;
	return 0;
}

static int build_init(struct build *build, const struct maglev_backend **sorted, size_t count, const __u8 key[16])
{
	__u32 lightest = MAX_WEIGHT, who = 0;

	for (size_t i = 0; i < count; i++) {
		__u32 weight = sorted[i]->weight;

		if (!weight)
			continue;
		build->count++;
		build->heaviest = weight > build->heaviest ? weight : build->heaviest;
		lightest = weight < lightest ? weight : lightest;
	}
	/* the next turn is at most gap + 1 rounds ahead and must not wrap round to this one */
	build->ring_size = build->heaviest / lightest + 2;
	build->candidates = calloc(build->count, sizeof(*build->candidates));
	build->rounds = calloc(build->ring_size, sizeof(*build->rounds));
	build->taken = calloc(build->size / 64 + 1, sizeof(*build->taken));
	if ((build->count && !build->candidates) || !build->rounds || !build->taken)
		return -ENOMEM;
	for (__u32 i = 0; i < build->ring_size; i++)
		build->rounds[i].head = NOBODY;
	for (size_t i = 0; i < count; i++)
		if (sorted[i]->weight)
			prepare(build, sorted[i], who++, key);
	return 0;
}

static void build_free(struct build *build)
{
	free(build->candidates);
	free(build->rounds);
	free(build->taken);
}

int maglev_build(__u16 *table, __u32 size, const struct maglev_backend *backends, size_t count, const __u8 key[16])
{
	struct build build = {.size = size};
	const struct maglev_backend **sorted;
	int err;

	if (size < MAGLEV_MIN_SIZE || size > MAGLEV_MAX_SIZE || !maglev_is_prime(size) || count >= NOBODY)
		return -EINVAL;
	err = sort(backends, count, &sorted);
	if (err)
		return err;
	err = build_init(&build, sorted, count, key);
	if (err)
		goto out;
	if (build.count)
		fill(&build, table);
	else
		memset(table, 0, size * sizeof(*table));
out:
	build_free(&build);
	free(sorted);
	return err;
}

void maglev_build_all(struct maglev_job *jobs, size_t count, const __u8 key[16])
{
	for (size_t i = 0; i < count; i++)
		jobs[i].result = maglev_build(jobs[i].table, jobs[i].size, jobs[i].backends, jobs[i].count, key);
}
