/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the parts of the reports share. For report*.c alone. */
#ifndef SLUICE_REPORT_PART_H
#define SLUICE_REPORT_PART_H

#include <stdbool.h>
#include <time.h>

#include "lib/account.h"
#include "lib/buffer.h"
#include "out/report.h"

/*
 * Jansson's set functions take a failed allocation's NULL and say so; a reply that lacks a key is all that follows.
 * The keys are our own, so that nobody need check that they are UTF-8.
 */
static inline void set(json_t *object, const char *key, json_t *value)
{
	json_object_set_new_nocheck(object, key, value);
}

static inline void append(json_t *array, json_t *value)
{
	json_array_append_new(array, value);
}

/* NULL or empty text is null. */
static inline json_t *text_or_null(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

static inline json_t *count_json(__u64 count)
{
	return json_integer((json_int_t)count);
}

/* 0 where that time is over. */
static inline __u64 left_ms(__u64 until, __u64 now)
{
	return until > now ? until - now : 0;
}

#define REPORT_MAC sizeof("02:00:00:00:00:01")

/* Returns `text`. */
char *report_mac_format(const __u8 mac[6], char text[static REPORT_MAC]);

#define REPORT_TAGS 64

/* report_interfaces.c: "802.1ad 100, 802.1Q 10", the outermost first; empty if there are none. Returns `text`. */
char *report_tags_format(const struct next_hop *hop, char text[static REPORT_TAGS]);

/* The first `count` counters, to be freed; NULL if they cannot be read, which is shown as null and not as 0. */
struct counters *report_counters(const struct report *report, enum counted what, __u32 count);

/* Sets "packets" and "bytes". */
void report_set_counters(json_t *object, const struct counters *counters);
void report_add_counters(struct counters *sum, const struct counters *one);

/* Whether the state folder has everything, as far as is known. */
bool report_saved(const struct report *report);

/* report_backends.c: how many backends of the pool packets can be sent to. */
size_t report_resolved(const struct report *report, const struct config_pool *pool);

/* What is known of a backend. JSON and metrics are both made from it, so that they agree. */
struct backend_view {
	const struct config_pool *pool;
	const struct config_backend *config;
	const struct health_backend *health;
	__u64 weights; /* of all the pool's backends now, together */
	__u16 index;
	bool resolved;			 /* packets can be sent to it */
	struct next_hop hop;		 /* hop.why: why they cannot */
	__u32 slots;			 /* of the wanted tables */
	const struct counters *counters; /* NULL if they cannot be read */
	bool swept;			 /* records are known */
	__u32 records;			 /* live flow records that name it */
};

typedef void (*backend_view_fn)(void *argument, const struct backend_view *view);

/* Calls for each of the backends, in the config's order. */
void report_each_backend(const struct report *report, backend_view_fn each, void *argument);

/* report_health.c: the name of one user, read once. */
struct report_user {
	bool known;
	uid_t uid;
	char name[ACCOUNT_NAME]; /* empty: none of that uid */
};

/* Adds what the judgement knows of a backend, with the part of `weights` (its pool's) that it has. */
void report_add_health(struct buffer *to, const struct prober *prober, const struct health_backend *backend,
		       __u64 weights, __u64 now, struct report_user *user);

/* report_flows.c: "open", ... */
const char *report_phase_name(__u8 phase);

/* The sweep's last pass; NULL if there was none yet. */
const struct swept *report_swept(const struct report *report);

/* Packets for which a record was looked for, by service index, to be freed; NULL if they cannot be read. */
__u64 *report_tracked(const struct report *report);

/* How many slots of the pool's table have which phase. */
void report_phases(const struct report *report, size_t pool, __u32 phases[static SWEEP_PHASES]);

/* Adds how full the flow map is. */
void report_set_flow_totals(json_t *status, const struct report *report);

/* What there is of transitions in a pool. `tracked`, `counters`: of all services, or NULL. */
void report_set_pool_flows(json_t *object, const struct report *report, size_t pool, const __u64 *tracked,
			   const struct counters *counters);

/* report_options.c: what a service asks for beyond its pool; a pool's outer header, QUIC and who sends it sources. */
void report_set_service_options(json_t *object, const struct config *config, const struct config_service *service);
void report_set_pool_options(json_t *object, const struct config *config, size_t pool);

/* report_health.c: the sum of its backends' weights now. */
__u64 report_weights(const struct health_pool *pool);

/* What it knows of a pool, by its index in the configuration. */
void report_set_pool_health(json_t *object, const struct state *state, size_t pool);

/* How many backends this host cannot probe now. */
size_t report_troubled(const struct state *state);

/* Sets the numbers of backends in each state, and of pools that have too few. */
void report_set_health_totals(json_t *status, const struct state *state);

#endif
