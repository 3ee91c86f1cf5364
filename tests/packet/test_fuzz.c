/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Random packets, and mutations of them, through the program that the kernel has loaded, in each of the fuzzer's
 * worlds: what tests/fuzz/bpf_check.h lists holds of every one. The seed is printed; SEED=NUMBER in the environment
 * repeats a run, INPUTS=NUMBER is another number of packets a world.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <cmocka.h>

#include "fuzz/bpf_check.h"
#include "out/program.h"
#include "packet/fixture.h"

#define INPUTS	    10000
#define ONE_BUFFER  3000 /* bytes of the largest frame that needs no second one, in a test run */
#define FIRST_LEAST 64	 /* bytes of the first buffer: drivers leave it the headers at least */

struct lab {
	struct fuzz_world world;
	struct maps maps;
	struct program program;
	unsigned int cpu;
	bool splits; /* test runs take the length of the first buffer: Linux 6.18 */
	unsigned long seen[REASON_COUNT];
};

static __u64 number_of(const char *name, __u64 otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static __u64 random_seed(void)
{
	__u64 seed;

	assert_int_equal(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
	return seed;
}

static void put(void *of, enum map map, const void *key, const void *value)
{
	const struct maps *maps = of;
	const __u32 index = *(const __u32 *)key;

	if (map == MAP_slots)
		maps->slots[index] = *(const struct slot *)value;
	else if (map == MAP_owners)
		maps->owners[index] = *(const __u16 *)value;
	else if (map == MAP_backends)
		maps->backends[index] = *(const struct backend *)value;
	else if (bpf_map_update_elem(maps->fd[map], key, value, BPF_ANY))
		fail_msg("%s: %s", map_name(map), strerror(errno));
}

/* Counts are one CPU's: it stays on that one. */
static void stay_on_cpu(struct lab *lab)
{
	cpu_set_t set;

	lab->cpu = (unsigned int)sched_getcpu();
	CPU_ZERO(&set);
	CPU_SET(lab->cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

static void lab_open(struct lab *lab, unsigned int number)
{
	fuzz_world_make(&lab->world, number);
	program_init(&lab->program);
	maps_init(&lab->maps);
	if (!(program_features() & FEATURE_MULTI))
		lab->world.settings.features &= ~FEATURE_MULTI;
	if (program_load(&lab->program, &lab->maps, &lab->world.settings) || maps_mmap(&lab->maps))
		fail_msg("world \"%s\" does not load", lab->world.name);
	fuzz_world_fill(&lab->world, &(struct fuzz_maps){.of = &lab->maps, .put = put, .vips = lab->maps.vips});
}

static void lab_close(struct lab *lab)
{
	maps_close(&lab->maps);
	program_close(&lab->program);
}

/* The verdict, or a negative errno. `linear`: of the first buffer, 0: as it comes. */
static int run(const struct lab *lab, const struct fuzz_frame *in, __u32 linear, struct fuzz_frame *out)
{
	struct xdp_md ctx = {.data_end = linear ? linear : in->length, .ingress_ifindex = FUZZ_INSIDE};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->data, .data_size_in = in->length, .data_out = out->data,
		    .data_size_out = sizeof(out->data), .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = 1);

	if (bpf_prog_test_run_opts(lab->program.fd, &options))
		return -errno;
	out->length = options.data_size_out;
	return (int)options.retval;
}

/* Whether the kernel takes a frame's first buffer to be as long as a test says. */
static bool takes_first_buffer(struct lab *lab)
{
	struct fuzz_frame frame = {.length = 2 * FIRST_LEAST}, out;
	int verdict = run(lab, &frame, FIRST_LEAST, &out);

	memset(&lab->maps.counts[lab->cpu], 0, sizeof(struct count_page));
	return verdict >= 0;
}

static __u32 first_buffer(const struct lab *lab, const struct fuzz_frame *in, struct dice *dice)
{
	if (!lab->splits || in->length <= FIRST_LEAST || dice_below(dice, 2))
		return 0;
	return FIRST_LEAST + dice_below(dice, in->length - FIRST_LEAST);
}

static void check(struct lab *lab, const struct fuzz_frame *in, __u32 linear)
{
	static struct fuzz_frame out;
	struct outcome outcome = {.world = &lab->world,
				  .in = in,
				  .out = &out,
				  .linear = linear,
				  .from = FUZZ_INSIDE,
				  .short_of_room = in->length > ONE_BUFFER || linear};
	const char *wrong;

	outcome.verdict = run(lab, in, linear, &out);
	if (outcome.verdict < 0)
		fail_msg("test run with %u bytes, %u in the first buffer: %s", in->length, linear,
			 strerror(-outcome.verdict));
	wrong = check_counts(&outcome, &lab->maps.counts[lab->cpu]);
	if (!wrong)
		wrong = check_outcome(&outcome);
	if (wrong) {
		check_print(&outcome, wrong);
		fail_msg("%s", wrong);
	}
	lab->seen[outcome.reason]++;
}

/* The next frame, of which some follow the one before. */
static void make(struct fuzz_frame *out, const struct fuzz_frame *before, struct dice *dice, __u32 most)
{
	if (before->length && !dice_below(dice, 3))
		frame_follow(out, before, dice);
	else
		frame_make(out, dice);
	for (__u32 times = dice_below(dice, 4); times > 1; times--)
		frame_damage(out, dice);
	if (out->length > most)
		out->length = most;
}

static void run_world(struct lab *lab, unsigned int number, struct dice *dice, __u64 inputs)
{
	static struct fuzz_frame frames[2];
	bool multi;

	lab_open(lab, number);
	multi = lab->world.settings.features & FEATURE_MULTI;
	lab->splits = multi && takes_first_buffer(lab);
	frames[1].length = 0;
	for (__u64 n = 0; n < inputs; n++) {
		struct fuzz_frame *in = &frames[n % 2];

		make(in, &frames[(n + 1) % 2], dice, multi ? FUZZ_FRAME_MAX : ONE_BUFFER);
		check(lab, in, first_buffer(lab, in, dice));
	}
	lab_close(lab);
}

/* Or the packets would be of no use. Headroom there is always; the rest is not to be. */
static void check_seen(const struct lab *lab)
{
	for (int i = REASON_forwarded; i < REASON_COUNT; i++)
		if (!lab->seen[i] && i != REASON_no_headroom && i != REASON_no_slow_path)
			fail_msg("no packet ended with reason %d", i);
}

/* Each world has its own dice: it can be repeated alone, and a failure in one leaves the others as they are. */
static void all_worlds(void **state)
{
	const __u64 inputs = number_of("INPUTS", INPUTS), seed = number_of("SEED", random_seed());
	struct lab *lab = calloc(1, sizeof(*lab));

	(void)state;
	fixture_need_root();
	assert_non_null(lab);
	print_message("SEED=0x%llx\n", seed);
	stay_on_cpu(lab);
	for (unsigned int i = 0; i < FUZZ_WORLDS; i++) {
		struct dice dice = {seed + i};

		run_world(lab, i, &dice, inputs);
	}
	if (inputs >= INPUTS)
		check_seen(lab);
	free(lab);
}

int main(void)
{
	const struct CMUnitTest fuzz[] = {
		cmocka_unit_test(all_worlds),
	};

	return cmocka_run_group_tests(fuzz, NULL, NULL);
}
