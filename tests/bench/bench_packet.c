/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * ns a packet of the loaded program, over 1, 16 Ki and 1 Mi flows, beside a bare
 * XDP_TX and a constant-header encapsulation behind the same driver program, in
 * one process and interleaved: round by round, every program after the other.
 * The kernel reports a run's mean in whole nanoseconds, so a figure is the mean
 * of the middle half of the rounds; "net" has the bare XDP_TX's taken off.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "bench/packet_lab.h"

struct subject {
	const char *name;
	int program;
	double ns[3][LAB_ROUNDS_MAX]; /* by flow count, by round */
};

static const struct {
	const char *name;
	__u32 flows;
	double target; /* times the constant-header encapsulation, net */
} sizes[] = {{"1", 1, 5.5}, {"16 Ki", 1 << 14, 6}, {"1 Mi", 1 << 20, 9}};

static json_t *print_results(struct subject subjects[3], int rounds)
{
	json_t *rows = json_array();

	printf("%-8s %-16s %9s %15s %9s %8s %8s\n", "flows", "program", "ns", "middle half", "net ns", "ratio",
	       "target");
	for (int size = 0; size < 3; size++) {
		double floor = lab_figure(subjects[0].ns[size], rounds).mean;
		double base = lab_figure(subjects[1].ns[size], rounds).mean - floor;

		for (int i = 0; i < 3; i++) {
			struct figure ns = lab_figure(subjects[i].ns[size], rounds);
			double net = ns.mean - floor;

			printf("%-8s %-16s %9.1f %7.0f-%-7.0f %9.1f", sizes[size].name, subjects[i].name, ns.mean,
			       ns.low, ns.high, net);
			if (i)
				printf(" %8.2f", net / base);
			if (i == 2)
				printf(" %8.1f", sizes[size].target);
			putchar('\n');
			json_array_append_new(
				rows, json_pack("{sI ss sf sf sf}", "flows", (json_int_t)sizes[size].flows, "program",
						subjects[i].name, "ns", ns.mean, "net_ns", net, "ratio", net / base));
		}
	}
	return rows;
}

static void save_json(const char *path, json_t *rows, int rounds)
{
	struct utsname system;
	json_t *all;

	uname(&system);
	all = json_pack("{ss ss si si so}", "measure", "ns a packet, ipip, IPv4 TCP, 118 bytes", "kernel",
			system.release, "backends", LAB_BACKENDS, "rounds", rounds, "rows", rows);
	if (json_dump_file(all, path, JSON_INDENT(2)))
		fprintf(stderr, "bench: %s: %s\n", path, strerror(errno));
	json_decref(all);
}

int main(int argc, char **argv)
{
	static struct subject subjects[3] = {{.name = "bare XDP_TX"}, {.name = "constant header"}, {.name = "sluice"}};
	int rounds = argc > 1 ? atoi(argv[1]) : 41;
	struct floor_bpf *bench = lab_floor(FEATURE_TRANSITION);
	struct program program;
	struct maps maps;

	if (rounds < 1 || rounds > LAB_ROUNDS_MAX || argc > 3) {
		fprintf(stderr, "usage: bench_packet [ROUNDS (1 to %d)] [JSON FILE]\n", LAB_ROUNDS_MAX);
		return 2;
	}
	lab_pin_cpu();
	if (!bench || lab_load(&program, &maps, FEATURE_TRANSITION, 1024)) {
		fprintf(stderr, "bench: cannot load the programs: %s: are you root?\n", strerror(errno));
		return EXIT_FAILURE;
	}
	subjects[0].program = bpf_program__fd(bench->progs.bare_tx);
	subjects[1].program = bpf_program__fd(bench->progs.constant_header);
	subjects[2].program = program.fd;
	for (int round = -1; round < rounds; round++) /* the first one warms up */
		for (int size = 0; size < 3; size++)
			for (int i = 0; i < 3; i++)
				subjects[i].ns[size][round < 0 ? 0 : round] =
					lab_measure(bench, subjects[i].program, sizes[size].flows, false);
	json_t *rows = print_results(subjects, rounds);

	if (argc > 2)
		save_json(argv[2], rows, rounds);
	else
		json_decref(rows);
	program_close(&program);
	maps_close(&maps);
	floor_bpf__destroy(bench);
	return 0;
}
