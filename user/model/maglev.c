/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a table is made of: every backend has a permutation of the slots (an offset
 * and a skip, from a keyed hash of its name), and turns, in order of name. How
 * turns follow says maglev_turns.h, how they fill the table maglev_fill.c.
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
#include "model/maglev_fill.h"
#include "model/maglev_turns.h"

#define MAX_WEIGHT 65535

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

static void build(__u16 *table, __u32 size, const struct maglev_backend **sorted, size_t count, const __u8 key[16])
{
	__u32 lightest = MAX_WEIGHT, heaviest = 0, who = 0;
	struct turns turns;
	struct walk *walks;

	for (size_t i = 0; i < count; i++) {
		__u32 weight = sorted[i]->weight;

		who += weight > 0;
		heaviest = weight > heaviest ? weight : heaviest;
		lightest = weight && weight < lightest ? weight : lightest;
	}
	if (!who) {
		memset(table, 0, size * sizeof(*table));
		return;
	}
	walks = memory_new(who, sizeof(*walks));
	turns_init(&turns, who, lightest, heaviest);
	who = 0;
	for (size_t i = 0; i < count; i++) {
		const struct maglev_backend *backend = sorted[i];

		if (!backend->weight)
			continue;
		walk_init(&walks[who], siphash(key, backend->name, strlen(backend->name)), backend->owner, size);
		turns_add(&turns, who++, backend->weight);
	}
	maglev_fill(table, size, walks, who, &turns);
	turns_free(&turns);
	free(walks);
}

int maglev_build(__u16 *table, __u32 size, const struct maglev_backend *backends, size_t count, const __u8 key[16])
{
	const struct maglev_backend **sorted;
	int err;

	if (size < MAGLEV_MIN_SIZE || size > MAGLEV_MAX_SIZE || !maglev_is_prime(size))
		return -EINVAL;
	sorted = memory_new(count, sizeof(*sorted));
	for (size_t i = 0; i < count; i++)
		sorted[i] = &backends[i];
	err = check(sorted, count);
	if (!err)
		build(table, size, sorted, count, key);
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
