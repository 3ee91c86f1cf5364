/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* One frame in, and everything that can be seen afterwards: verdict, the whole frame, every counter. */
#ifndef SLUICE_TEST_PACKET_CASE_H
#define SLUICE_TEST_PACKET_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "packet/world.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* How a packet should end. Service 0 stands for "none counts it", so tests number services from 1. */
struct outcome {
	enum reason reason;
	__u16 service;
	__u16 backend; /* of the world; where it was forwarded */
};

struct packet_case {
	const char *name;
	__u32 features;
	void (*setup)(struct fixture *fixture); /* what there is [world_fill] */
	struct client client;
	void (*change)(struct frame *frame); /* to the client's frame before it is sent */
	struct arrival arrival;
	struct outcome outcome;
};

/*
 * Sends the frame and checks verdict and the whole frame afterwards. Adds what
 * should be counted to *counts.
 */
void packet_send(struct fixture *fixture, const struct frame *in, const struct arrival *arrival,
		 const struct outcome *outcome, struct counts *counts);

/* Checks that all that was counted since fixture_open() is *counts. */
void packet_assert_counted(struct fixture *fixture, const struct counts *counts);

/* cmocka's test function; *state is a const struct packet_case *. */
void packet_case_run(void **state);

/* Runs a table of cases, each with a name, as cmocka tests of `run`; returns the number of failures. */
#define CASES_RUN(cases, run)                                                                                          \
	({                                                                                                             \
		struct CMUnitTest cases_tests[ARRAY_SIZE(cases)];                                                      \
		for (size_t case_index = 0; case_index < ARRAY_SIZE(cases); case_index++)                              \
			cases_tests[case_index] = (struct CMUnitTest){                                                 \
				.name = (cases)[case_index].name,                                                      \
				.test_func = run,                                                                      \
				.initial_state = (void *)&(cases)[case_index],                                         \
			};                                                                                             \
		cmocka_run_group_tests_name(#cases, cases_tests, NULL, NULL);                                          \
	})

#define PACKET_CASES_RUN(cases) CASES_RUN(cases, packet_case_run)

#endif
