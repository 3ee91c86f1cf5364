/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What every benchmark in C takes and leaves: [ROUNDS] [JSON FILE], and a file of the same shape as figures.py's.
 *
 *     {"measure": TEXT, "kernel": RELEASE, PARAMETERS..., "rounds": N, "rows": [{...}, ...]}
 *
 * A row begins with what it is of (texts and whole numbers), then come its figures (with a point), named after their
 * unit; `low` and `high` are the ends of the first one's middle half, F_low and F_high of another one's. The target of
 * a figure F is F_at_most or F_at_least beside it: summary.py finds it there.
 */
#ifndef SLUICE_BENCH_RESULTS_H
#define SLUICE_BENCH_RESULTS_H

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

/* The number of rounds, [rounds]. Ends the program if the arguments are wrong. */
static inline int results_rounds(int argc, char **argv, int rounds, int max)
{
	char *end = "";

	if (argc > 1)
		rounds = (int)strtol(argv[1], &end, 10);
	if (argc <= 3 && !*end && rounds >= 1 && rounds <= max)
		return rounds;
	fprintf(stderr, "usage: %s [ROUNDS (1 to %d)] [JSON FILE]\n", argv[0], max);
	exit(2);
}

/* Writes the file that the arguments name, if they do. `parameters`, an object, and `rows` are freed. */
static inline void results_save(int argc, char **argv, const char *measure, int rounds, json_t *parameters,
				json_t *rows)
{
	struct utsname system;
	json_t *all;

	uname(&system);
	all = json_pack("{ss ss}", "measure", measure, "kernel", system.release);
	json_object_update(all, parameters);
	json_object_set_new(all, "rounds", json_integer(rounds));
	json_object_set(all, "rows", rows);
	if (argc > 2 && json_dump_file(all, argv[2], JSON_INDENT(2)))
		fprintf(stderr, "bench: %s: %s\n", argv[2], strerror(errno));
	json_decref(all);
	json_decref(parameters);
	json_decref(rows);
}

#endif
