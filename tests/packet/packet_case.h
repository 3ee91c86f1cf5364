/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* One frame in, and everything that can be seen afterwards: verdict, the whole frame, every counter. */
#ifndef SLUICE_TEST_PACKET_CASE_H
#define SLUICE_TEST_PACKET_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "packet/world.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Of a client of the world, to port 443, and more of struct client. */
#define CLIENT4_TO(vip, ...)                                                                                           \
	{                                                                                                              \
		.from = CLIENT4, .to = vip, .from_port = 40000, .to_port = 443, ##__VA_ARGS__                          \
	}
#define CLIENT6_TO(vip, ...)                                                                                           \
	{                                                                                                              \
		.from = CLIENT6, .to = vip, .from_port = 40000, .to_port = 443, ##__VA_ARGS__                          \
	}
#define UDP .protocol = IPPROTO_UDP

/* What is done to a frame before it is sent. */
#define CHANGE(name, statement)                                                                                        \
	static void name(struct frame *frame)                                                                          \
	{                                                                                                              \
		statement;                                                                                             \
	}

/* How a packet should end. Service 0 stands for "none counts it", so tests number services from 1. */
struct outcome {
	enum reason reason;
	__u16 service;
	__u16 backend;		     /* of the world; where it was forwarded */
	__u16 mtu;		     /* too_big_told: which is told */
	const struct target *target; /* how that backend is reached [as in the world] */
};

/* Sent to the backend of that number, by its service, XDP_TX or redirected; or not, counted for a service or for none.
 */
#define TAKEN(number)                                                                                                  \
	{                                                                                                              \
		.reason = REASON_forwarded, .service = number, .backend = number                                       \
	}
#define TAKEN_OUT(number)                                                                                              \
	{                                                                                                              \
		.reason = REASON_redirected, .service = number, .backend = number                                      \
	}
#define COUNTED(why, number)                                                                                           \
	{                                                                                                              \
		.reason = REASON_##why, .service = number                                                              \
	}
#define ENDS(why)                                                                                                      \
	{                                                                                                              \
		.reason = REASON_##why                                                                                 \
	}

/* A frame that comes before a case's own. */
struct packet_step {
	struct client client;
	void (*change)(struct frame *frame);
	struct arrival arrival;
	struct outcome outcome;
};

struct packet_case {
	const char *name;
	__u32 features;
	struct limit replies;			    /* of the balancer's own answers */
	void (*setup)(struct fixture *fixture);	    /* what there is [world_fill] */
	const struct packet_step *before;	    /* ends with a step of REASON_go_on [no steps] */
	void (*meanwhile)(struct fixture *fixture); /* what happens between them and the case's own frame */
	struct client client;
	void (*change)(struct frame *frame); /* to the client's frame before it is sent */
	struct arrival arrival;
	struct outcome outcome;
};

#define BEFORE(...)                                                                                                    \
	(const struct packet_step[])                                                                                   \
	{                                                                                                              \
		__VA_ARGS__,                                                                                           \
		{                                                                                                      \
			.outcome = {.reason = REASON_go_on }                                                           \
		}                                                                                                      \
	}

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

/* A table of cases. Each begins with its name. */
struct case_group {
	const char *title; /* of a chapter in doc/packets.md */
	const void *cases;
	size_t count, size;
	void (*run)(void **state);
	enum reason (*reason)(const void *test); /* how a case's packet ends; NULL: the table is not listed */
};

#define GROUP_OF(text, table, how, reason_of)                                                                          \
	{                                                                                                              \
		.title = text, .cases = table, .count = ARRAY_SIZE(table), .size = sizeof((table)[0]), .run = how,     \
		.reason = reason_of                                                                                    \
	}

#define GROUP(text, table) GROUP_OF(text, table, packet_case_run, packet_case_reason)

enum reason packet_case_reason(const void *test);

/* Runs the tables; with "--list" prints them instead, as a part of doc/packets.md. Returns the number of failures. */
int groups_run(int argc, char **argv, const struct case_group *groups, size_t count);

#define GROUPS_RUN(argc, argv, groups) groups_run(argc, argv, groups, ARRAY_SIZE(groups))

/* Whether they are to be listed alone. */
bool groups_are_listed(int argc, char **argv);

/* Runs a table of cases, each with a name, as cmocka tests of `run`; returns the number of failures. */
#define CASES_RUN(table, how) groups_run(0, NULL, &(const struct case_group)GROUP_OF(#table, table, how, NULL), 1)

#define PACKET_CASES_RUN(table) CASES_RUN(table, packet_case_run)

#endif
