/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * No connection breaks: random sequences of everything that changes tables, under traffic, against the reference of
 * reference.h. After each sequence time goes by until all has settled: then the maps must hold the pure tables.
 *
 * Each sequence has its own seed. SEED=N begins with another one, SEQUENCES=N runs more or fewer. One that fails is
 * shortened, step by step, as long as it fails, and printed.
 */
#include "unit/sample.h"

#include <signal.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "packet/sequence.h"

#define SEQUENCES 10000
#define WORKERS	  2 /* processes, each with a program of its own */

/* Leaves out what can be, halves first, as long as it fails. */
static void shorten(struct balancer *balancer, struct sequence *sequence)
{
	for (size_t part = sequence->count / 2; part; part /= 2) {
		for (size_t at = 0; at + part <= sequence->count;) {
			struct sequence shorter = *sequence;

			memmove(&shorter.steps[at], &shorter.steps[at + part],
				(shorter.count - at - part) * sizeof(shorter.steps[0]));
			shorter.count -= part;
			if (sequence_run(balancer, &shorter, NULL, false))
				*sequence = shorter;
			else
				at += part;
		}
	}
}

static void report(struct balancer *balancer, struct sequence *sequence, const char *wrong)
{
	print_error("SEED=%llu SEQUENCES=1: %s\nThe same, shortened:\n", (unsigned long long)sequence->seed, wrong);
	shorten(balancer, sequence);
	wrong = sequence_run(balancer, sequence, NULL, true);
	print_error("%zu steps: %s\n", sequence->count, wrong ? wrong : "it does not fail again");
}

/* Sequences first, first + WORKERS, ... Returns whether all went well. */
static bool work(__u64 first, __u64 count)
{
	struct balancer *balancer = balancer_new();
	struct sequence_tally tally = {0};
	struct sequence sequence;
	bool right = true;

	for (__u64 i = 0; i < count && right; i += WORKERS) {
		const char *wrong;

		sequence_draw(&sequence, first + i);
		wrong = sequence_run(balancer, &sequence, &tally, false);
		if (wrong)
			report(balancer, &sequence, wrong);
		right = !wrong;
	}
	balancer_free(balancer);
	print_message("%llu packets, %llu of them promised, %llu by their record\n", (unsigned long long)tally.packets,
		      (unsigned long long)tally.promised, (unsigned long long)tally.recorded);
	/* or the sequences would be of no use: half of what they are */
	assert_true(!right || count < 1000 ||
		    (tally.promised > tally.packets / 7 && tally.recorded > tally.packets / 40));
	return right;
}

static __u64 number_from(const char *name, __u64 otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

/* Returns whether all went well; the first one that fails ends the others. */
static bool run_workers(__u64 first, __u64 count)
{
	pid_t workers[WORKERS];
	bool right = true;

	fflush(NULL); /* or each worker tells it again */
	for (__u64 i = 0; i < WORKERS; i++) {
		workers[i] = fork();
		assert_true(workers[i] >= 0);
		if (!workers[i])
			exit(i < count && !work(first + i, count - i));
	}
	for (int left = WORKERS; left; left--) {
		int status;
		pid_t ended = wait(&status);

		assert_true(ended > 0);
		right &= !status;
		for (int i = 0; i < WORKERS; i++) {
			if (workers[i] == ended)
				workers[i] = 0;
			if (status && workers[i])
				kill(workers[i], SIGTERM);
		}
	}
	return right;
}

static void test_random_sequences(void **state)
{
	__u64 first, count = number_from("SEQUENCES", SEQUENCES);
	__u32 chosen;

	(void)state;
	if (geteuid() != 0) {
		fprintf(stderr, "skipped: only root may load BPF programs\n");
		skip();
	}
	assert_int_equal(getrandom(&chosen, sizeof(chosen), 0), sizeof(chosen));
	first = number_from("SEED", chosen);
	print_message("SEED=%llu\n", (unsigned long long)first);
	assert_true(run_workers(first, count));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_sequences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
