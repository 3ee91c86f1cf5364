/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What bench_packet measures: groups of cases, which are measured side by side. */
#ifndef SLUICE_BENCH_PACKET_CASES_H
#define SLUICE_BENCH_PACKET_CASES_H

#include "bench/packet_drive.h"
#include "bench/packet_world.h"

#define CASES_MAX   24 /* of a group */
#define COMPARISONS 3

/* BASE: that of the environment, over the plain world. */
enum measured { BARE, CONSTANT, READ, FIND, LRU, SLUICE, BASE };

/*
 * With another case of the group, round by round; what is said is the median. All but BARE are net of the bare XDP_TX
 * above them. BEYOND: how much more than the other one it costs, less how much more their floors do.
 */
enum how { NOTHING, TIMES, FASTER, MORE, BEYOND };

struct comparison {
	enum how how;
	int above; /* so many cases: the other one */
	double target;
	int floor; /* likewise: the floor of each of both */
};

struct packet_case {
	const char *name;
	enum measured measured;
	enum which world;
	struct drive_packets packets;
	struct comparison comparisons[COMPARISONS];
};

struct packet_group {
	const char *name, *title;
	struct packet_case cases[CASES_MAX];
};

#define KI(n)	  .flows = (n) << 10
#define MI(n)	  .flows = (n) << 20
#define NOT_OURS  .vip = LAB_VIP + SLUICE_MAX_SERVICES, .action = XDP_PASS
#define OF(...)	  .packets = {__VA_ARGS__}
#define THAN(...) .comparisons = {__VA_ARGS__}
#define WITH(as, cases, ...)                                                                                           \
	{                                                                                                              \
		.how = as, .above = cases, ##__VA_ARGS__                                                               \
	}

/* With its flows in the order of its entries, each of which lies behind the one before, LRU is at its best. */
#define BY_FLOWS(size, times, faster)                                                                                  \
	{"bare XDP_TX", BARE, OF(size)}, {"constant header", CONSTANT, OF(size)},                                      \
		{"plain LRU", LRU, OF(size), THAN(WITH(TIMES, 1))},                                                    \
		{"plain LRU, in order", LRU, OF(size, .step = 1), THAN(WITH(TIMES, 2))},                               \
		{"sluice", SLUICE, OF(size),                                                                           \
		 THAN(WITH(TIMES, 3, .target = times), WITH(FASTER, 1, .target = faster), WITH(FASTER, 2))},           \
	{                                                                                                              \
		"base", BASE, OF(size), THAN(WITH(TIMES, 4), WITH(TIMES, 1))                                           \
	}

static const struct packet_group groups[] = {
	{"flows",
	 "flows: v4 TCP in v4 ipip, 1,000 backends",
	 {BY_FLOWS(.flows = 1, 4.5, 2.8), BY_FLOWS(KI(16), 5, 3.6), BY_FLOWS(MI(1), 7, 9), BY_FLOWS(MI(16), 0, 0)}},
	{"kinds",
	 "kinds: 16 Ki flows, v4 in v4 ipip",
	 {
		 {"bare XDP_TX", BARE, OF(KI(16))},
		 {"TCP", SLUICE, OF(KI(16))},
		 {"TCP SYN", SLUICE, OF(KI(16), .syn = true), THAN(WITH(MORE, 1))},
		 {"bare XDP_TX, UDP", BARE, OF(KI(16), .udp = true)},
		 {"UDP", SLUICE, OF(KI(16), .udp = true), THAN(WITH(MORE, 3))},
	 }},
	{"encaps",
	 "encaps: 16 Ki flows, TCP",
	 {
		 {"bare XDP_TX, v4", BARE, OF(KI(16))},
		 {"v4 in v4 ipip", SLUICE, PLAIN, OF(KI(16))},
		 {"v4 in v4 gue", SLUICE, GUE4, OF(KI(16)), THAN(WITH(TIMES, 1, .target = 1.25))},
		 {"v4 in v6 ipip", SLUICE, IPIP6, OF(KI(16)), THAN(WITH(TIMES, 2, .target = 1.25))},
		 {"v4 in v6 gue", SLUICE, GUE6, OF(KI(16)), THAN(WITH(TIMES, 3, .target = 1.25))},
		 {"v4, l2", SLUICE, L2, OF(KI(16)), THAN(WITH(TIMES, 4))},
		 {"bare XDP_TX, v6", BARE, OF(KI(16), .v6 = true)},
		 {"v6 in v6 ipip", SLUICE, IPIP6, OF(KI(16), .v6 = true), THAN(WITH(TIMES, 6, .target = 1.25))},
		 {"v6 in v6 gue", SLUICE, GUE6, OF(KI(16), .v6 = true), THAN(WITH(TIMES, 7, .target = 1.25))},
		 {"v6 in v4 ipip", SLUICE, PLAIN, OF(KI(16), .v6 = true), THAN(WITH(TIMES, 8, .target = 1.25))},
		 {"v6, l2", SLUICE, L2, OF(KI(16), .v6 = true), THAN(WITH(TIMES, 9))},
		 {"base, v6 in v4 ipip", BASE, OF(KI(16), .v6 = true), THAN(WITH(TIMES, 2))},
	 }},
	{"services",
	 "services: 1 Mi flows, v4 TCP in v4 ipip",
	 {
		 {"bare XDP_TX", BARE, OF(MI(1))},
		 {"1 service", SLUICE, PLAIN, OF(MI(1))},
		 {"bare XDP_TX, 4,096 VIPs", BARE, OF(MI(1), .vips = SLUICE_MAX_SERVICES)},
		 {"4,096 services", SLUICE, SERVICES, OF(MI(1), .vips = SLUICE_MAX_SERVICES),
		  THAN(WITH(MORE, 2, .target = 5))},
	 }},
	{"backends",
	 "backends: 1 Mi flows, v4 TCP in v4 ipip; floors: a header of so many pushed; or found by a slot, and counted",
	 {
		 {"bare XDP_TX", BARE, OF(MI(1))},
		 {"header of 10", READ, FEW, OF(MI(1))},
		 {"slot, header, count of 10", FIND, FEW, OF(MI(1))},
		 {"10 backends", SLUICE, FEW, OF(MI(1))},
		 {"header of 1,000", READ, PLAIN, OF(MI(1)), THAN(WITH(MORE, 3))},
		 {"slot, header, count of 1,000", FIND, PLAIN, OF(MI(1)), THAN(WITH(MORE, 3))},
		 {"1,000 backends", SLUICE, PLAIN, OF(MI(1)),
		  THAN(WITH(MORE, 3), WITH(BEYOND, 3, .floor = 2), WITH(BEYOND, 3, .floor = 1))},
		 {"header of 30,000", READ, MANY, OF(MI(1)), THAN(WITH(MORE, 6))},
		 {"slot, header, count of 30,000", FIND, MANY, OF(MI(1)), THAN(WITH(MORE, 6))},
		 {"30,000 backends", SLUICE, MANY, OF(MI(1)),
		  THAN(WITH(MORE, 6), WITH(BEYOND, 6, .floor = 2), WITH(BEYOND, 6, .target = 10, .floor = 1))},
	 }},
	{"states",
	 "states: 16 Ki flows, v4 TCP in v4 ipip",
	 {
		 {"bare XDP_TX", BARE, OF(KI(16))},
		 {"steady, no limits", SLUICE, PLAIN, OF(KI(16))},
		 {"in transition, data", SLUICE, OPEN, OF(KI(16)), THAN(WITH(MORE, 1))},
		 {"in transition, SYN", SLUICE, OPEN, OF(KI(16), .syn = true), THAN(WITH(MORE, 2))},
		 {"source and service limit", SLUICE, LIMITED, OF(KI(16)), THAN(WITH(MORE, 3))},
		 {"not ours", SLUICE, PLAIN, OF(KI(16), NOT_OURS), THAN(WITH(MORE, 4))},
		 {"not ours, beside limits", SLUICE, LIMITED, OF(KI(16), NOT_OURS), THAN(WITH(MORE, 5))},
		 {"bare XDP_TX, v6", BARE, OF(KI(16), .v6 = true)},
		 {"not ours, v6", SLUICE, PLAIN, OF(KI(16), NOT_OURS, .v6 = true), THAN(WITH(MORE, 7))},
	 }},
};

#define GROUPS (sizeof(groups) / sizeof(*groups))

#endif
