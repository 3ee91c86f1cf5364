/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What operators ask for beyond pools and VIPs, written into the program's maps: the deny list, source rules, limits,
 * QUIC servers. Prefixes are "ADDRESS/LENGTH". What cannot be written fails the running test.
 */
#ifndef SLUICE_TEST_POLICY_H
#define SLUICE_TEST_POLICY_H

#include "packet/world.h"

#define POLICY_FEATURES (FEATURE_SLOW | FEATURE_RULES | FEATURE_LIMITS | FEATURE_QUIC)

/* An interval that no test outlasts, so that a bucket gets nothing back while one runs. */
#define HOUR 3600000000000ULL
#define LIMIT(burst)                                                                                                   \
	{                                                                                                              \
		.interval = HOUR, .tolerance = HOUR * ((burst)-1)                                                      \
	}

/* world_fill(), but with all services on the slow path. */
void policy_fill(struct fixture *fixture);

/* Gives a service options, in its place in the map. */
void policy_options(struct fixture *fixture, __u16 service, const struct service_options *options);

void policy_deny(struct fixture *fixture, const char *prefix);
void policy_allow(struct fixture *fixture, const char *prefix); /* takes it off the deny list again */

/* `pool`: number of the world's service whose table is to serve; of RULE_POOL alone. */
void policy_rule(struct fixture *fixture, __u16 service, const char *prefix, enum rule_action action, __u16 pool);

/* A QUIC server ID, `length` bytes, of a backend. */
void policy_server(struct fixture *fixture, __u32 pool, __u8 config, const void *id, __u8 length, __u32 backend);

#endif
