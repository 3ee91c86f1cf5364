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
 * Nearly all time goes into probes that find their slot taken, and into branches
 * that no CPU can predict. So the filling has three parts:
 * - while much is vacant, all whose next slot is taken go on together, once a
 *   round and slot by slot. A taken slot stays taken, so looking early is never
 *   wrong, and none of it waits for anything else. A few backends would not gain:
 *   they probe in their turns, several slots of the permutation at a time;
 * - then both: all go on together, several slots at a time;
 * - the very last slots would take half of all probes to find. There the question
 *   is turned round: how far ahead in the permutation is each slot that is left?
 */
#include "model/maglev.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "lib/siphash.h"

#define MAX_WEIGHT 65535
#define CHUNK	   8  /* slots that are probed together */
#define MANY	   64 /* backends: fewer are too few to look ahead together */
#define FEW	   4  /* of those that look ahead may be left over: they probe in their turns */

/* A backend with a weight. Small, for all of them should stay in the first-level cache. */
struct candidate {
	struct candidate *behind; /* who follows it in its queue, unless it is the last one */
	__u32 next;		  /* the slot that its permutation comes to next */
	__u32 skip;
	__u16 owner;
	__u16 weight;
	__u16 gap;    /* heaviest weight / weight: its turns are so many rounds apart, or one more */
	__u16 rest;   /* heaviest weight % weight */
	__u16 credit; /* what its latest turn left over; less than weight */
};

struct queue {
	struct candidate *head;
	struct candidate **tail; /* where who comes next is entered: &head, or the last one's `behind` */
};

struct build {
	struct candidate *candidates; /* in order of name */
	size_t count;
	__u32 heaviest;
	bool equal; /* all have one weight: every round is all of them in order, and no queue is needed */
	__u32 turn; /* if equal: whose turn is next in this round */

	struct queue *rounds; /* a ring as long as the longest wait for a turn */
	__u32 ring_size;
	__u32 round; /* the current one's place in the ring */

	__u16 *table;
	__u32 size;
	__u32 left;		      /* slots to fill */
	__u8 *vacant;		      /* 1 or 0 a slot; twice, so that slot + step needs no wrapping */
	__u32 (*steps)[CHUNK + 1];    /* of each candidate: k times its skip, modulo size */
	struct candidate **searching; /* who had a turn in this round and does not know a vacant slot for the next */
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

static void next_round(struct build *build)
{
	build->round = build->round + 1 < build->ring_size ? build->round + 1 : 0;
	build->turn = 0;
}

static void enqueue(struct build *build, __u32 round, struct candidate *candidate)
{
	struct queue *queue = &build->rounds[round < build->ring_size ? round : round - build->ring_size];

	*queue->tail = candidate;
	queue->tail = &candidate->behind;
}

static struct candidate *dequeue(struct queue *queue)
{
	struct candidate *candidate = queue->head;

	if (queue->tail == &candidate->behind)
		queue->tail = &queue->head;
	else
		queue->head = candidate->behind;
	return candidate;
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
static inline struct candidate *next_turn(struct build *build)
{
	struct queue *queue = &build->rounds[build->round];
	struct candidate *candidate;

	if (build->equal) {
		if (build->turn == build->count)
			next_round(build);
		return &build->candidates[build->turn++];
	}
	/* the heaviest is in every round, so the next one is not empty */
	if (queue->tail == &queue->head) {
		next_round(build);
		queue = &build->rounds[build->round];
	}
	candidate = dequeue(queue);
	enqueue(build, build->round + rounds_to_next(candidate), candidate);
	return candidate;
}

/* a + b modulo size, both below size. The builtin keeps compilers from making a branch of it. */
static inline __u32 add(__u32 a, __u32 b, __u32 size)
{
	__u32 wrapped;

	return __builtin_sub_overflow(a + b, size, &wrapped) ? a + b : wrapped;
}

/*
 * Which of `width` slots of a permutation, from `next` on, are vacant: a bit each, the nearest the lowest.
 * `width` is a constant here and below: 1, or up to CHUNK. All is compiled anew for each.
 */
static __always_inline __u32 look(const struct build *build, __u32 next, const __u32 *steps, int width)
{
	__u32 vacant = 0;

	if (width == 1)
		return build->vacant[next];
#pragma GCC unroll 8
	for (int k = width - 1; k >= 0; k--)
		vacant = vacant << 1 | build->vacant[next + steps[k]];
	return vacant;
}

/* Moves those who are searching on, all by `width` slots at a time, until nearly all see a vacant one. */
static __always_inline void look_ahead(struct build *build, size_t searching, int width)
{
	while (searching > FEW) {
		size_t still = 0;

		for (size_t i = 0; i < searching; i++) {
			struct candidate *candidate = build->searching[i];
			const __u32 *steps = build->steps[candidate - build->candidates];
			__u32 stride = width == 1 ? candidate->skip : steps[width];

			candidate->next = add(candidate->next, stride, build->size);
			build->searching[still] = candidate;
			still += !look(build, candidate->next, steps, width);
		}
		searching = still;
	}
}

/* The candidate takes the slot that its permutation has come to. */
static inline void take(struct build *build, struct candidate *candidate, __u32 slot)
{
	build->table[slot] = candidate->owner;
	build->vacant[slot] = 0;
	candidate->next = add(slot, candidate->skip, build->size);
	build->left--;
}

/* Plays turns until `left` slots are left. */
static __always_inline void probe(struct build *build, __u32 left, int width)
{
	__u32 round = build->round, searching = 0;

	while (build->left > left) {
		struct candidate *candidate = next_turn(build);
		const __u32 *steps = build->steps[candidate - build->candidates];
		__u32 stride = width == 1 ? candidate->skip : steps[width], slot, vacant;

		if (build->round != round) {
			look_ahead(build, searching, width);
			round = build->round;
			searching = 0;
		}
		slot = candidate->next;
		while (!(vacant = look(build, slot, steps, width)))
			slot = add(slot, stride, build->size);
		if (width > 1) {
			slot = add(slot, steps[__builtin_ctz(vacant)], build->size);
			build->vacant[slot + build->size] = 0;
		}
		take(build, candidate, slot);
		if (build->count < MANY)
			continue;
		build->searching[searching] = candidate;
		searching += !look(build, candidate->next, steps, width);
	}
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
 * The index in `last`, the slots left, of the one that the candidate's permutation comes to first. It
 * comes to a slot after (slot - next) / skip steps modulo size. As a fraction of size, in 64 bits, that
 * is a product which wraps by itself; its error is less than 2^24, and steps are at least 2^40 apart.
 */
static __u32 nearest(const struct build *build, const struct candidate *candidate, const __u32 *last)
{
	__u64 whole = (__u64)inverse(candidate->skip, build->size) << 32;
	__u64 unskip = (whole / build->size << 32) + (whole % build->size << 32) / build->size;
	__u64 least = ~0ULL, next = candidate->next;
	__u32 best = 0;

	for (__u32 i = 0; i < build->left; i++) {
		__u64 ahead = (last[i] - next) * unskip;

		best = ahead < least ? i : best;
		least = ahead < least ? ahead : least;
	}
	return best;
}

/* Fills the slots that are left, without probing. */
static void ask(struct build *build)
{
	__u32 *last = memory_new(build->left, sizeof(*last));
	const __u8 *vacant = build->vacant;

	for (__u32 i = 0; i < build->left; i++) {
		vacant = memchr(vacant, 1, build->size);
		last[i] = (__u32)(vacant++ - build->vacant);
	}
	while (build->left) {
		struct candidate *candidate = next_turn(build);
		__u32 i = nearest(build, candidate, last);

		take(build, candidate, last[i]);
		last[i] = last[build->left];
	}
	free(last);
}

static void fill(struct build *build)
{
	/* each part begins about where the one before would cost as much */
	bool many = build->count >= MANY;
	__u32 middle = many ? build->size / 8 : build->size / 4, last = 1;

	while (2 * last * last < build->size)
		last++;
	middle = middle > last ? middle : last;
	if (many)
		probe(build, middle, 1);
	memcpy(build->vacant + build->size, build->vacant, build->size);
	if (!many)
		probe(build, middle, CHUNK / 2);
	probe(build, last, CHUNK);
	ask(build);
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
	for (int k = 0; k < CHUNK; k++)
		build->steps[who][k + 1] = add(build->steps[who][k], candidate->skip, build->size);

	first = (build->heaviest - credit + backend->weight - 1) / backend->weight;
	candidate->credit = (__u16)(credit + first * backend->weight - build->heaviest);
	enqueue(build, first - 1, candidate);
}

static int by_name(const void *a, const void *b)
{
	const struct maglev_backend *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

static bool in_order(const struct maglev_backend **backends, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (by_name(&backends[i - 1], &backends[i]) >= 0)
			return false;
	return true;
}

/* Refuses a wrong weight and equal names; puts the backends in order of name. */
static int check(const struct maglev_backend **backends, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (backends[i]->weight > MAX_WEIGHT)
			return -EINVAL;
	/* they nearly always come in order */
	if (in_order(backends, count))
		return 0;
	qsort(backends, count, sizeof(*backends), by_name);
	return in_order(backends, count) ? 0 : -EINVAL;
}

static void build_init(struct build *build, const struct maglev_backend **sorted, size_t count, const __u8 key[16])
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
	build->equal = lightest == build->heaviest;
	/* the next turn is at most gap + 1 rounds ahead and must not wrap round to this one */
	build->ring_size = build->heaviest / lightest + 2;
	build->rounds = memory_new(build->ring_size, sizeof(*build->rounds));
	for (__u32 i = 0; i < build->ring_size; i++)
		build->rounds[i].tail = &build->rounds[i].head;
	build->candidates = memory_new(build->count, sizeof(*build->candidates));
	build->searching = memory_new(build->count, sizeof(*build->searching));
	build->steps = memory_new(build->count, sizeof(*build->steps));
	build->vacant = memory_new(build->size, 2);
	memset(build->vacant, 1, build->size);
	build->left = build->size;
	for (size_t i = 0; i < count; i++)
		if (sorted[i]->weight)
			prepare(build, sorted[i], who++, key);
}

static void build_free(struct build *build)
{
	free(build->rounds);
	free(build->candidates);
	free(build->searching);
	free(build->steps);
	free(build->vacant);
}

int maglev_build(__u16 *table, __u32 size, const struct maglev_backend *backends, size_t count, const __u8 key[16])
{
	struct build build = {.table = table, .size = size};
	const struct maglev_backend **sorted;
	int err;

	if (size < MAGLEV_MIN_SIZE || size > MAGLEV_MAX_SIZE || !maglev_is_prime(size))
		return -EINVAL;
	sorted = memory_new(count, sizeof(*sorted));
	for (size_t i = 0; i < count; i++)
		sorted[i] = &backends[i];
	err = check(sorted, count);
	if (!err) {
		build_init(&build, sorted, count, key);
		if (build.count)
			fill(&build);
		else
			memset(table, 0, size * sizeof(*table));
		build_free(&build);
	}
	free(sorted);
	return err;
}

/* Jobs that several threads share. */
struct work {
	struct maglev_job *jobs;
	size_t count;
	size_t next; /* the first job that nobody has begun; atomic */
	const __u8 *key;
};

static void *work(void *argument)
{
	struct work *work = argument;
	size_t i;

	while ((i = __atomic_fetch_add(&work->next, 1, __ATOMIC_RELAXED)) < work->count) {
		struct maglev_job *job = &work->jobs[i];

		job->result = maglev_build(job->table, job->size, job->backends, job->count, work->key);
	}
	return NULL;
}

static size_t usable_cpus(void)
{
	cpu_set_t cpus;

	return sched_getaffinity(0, sizeof(cpus), &cpus) ? 1 : (size_t)CPU_COUNT(&cpus);
}

void maglev_build_all(struct maglev_job *jobs, size_t count, const __u8 key[16])
{
	struct work shared = {.jobs = jobs, .count = count, .key = key};
	size_t cpus = usable_cpus(), wanted = count < cpus ? count : cpus, helpers = 0;
	pthread_t *threads = memory_new(wanted, sizeof(*threads));
	sigset_t all, before;

	/* helpers inherit the mask: signals belong to the caller's event loop */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (helpers + 1 < wanted && !pthread_create(&threads[helpers], NULL, work, &shared))
		helpers++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	work(&shared);
	while (helpers)
		pthread_join(threads[--helpers], NULL);
	free(threads);
}
