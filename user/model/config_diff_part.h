/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The parts of comparing configurations, of which user/model/config_diff.c is the whole. */
#ifndef SLUICE_CONFIG_DIFF_PART_H
#define SLUICE_CONFIG_DIFF_PART_H

#include <jansson.h>
#include <stdio.h>

#include "model/config.h"
#include "model/config_places.h"
#include "model/health.h"

#define DIFF_LISTED 8 /* addresses, ports or sources spelt out in one detail; the rest is counted */

/* Two configurations that are being compared. */
struct diff {
	const struct config *from, *to; /* from: may be NULL */
	const struct health *health;	/* of the backends of `from`, or NULL */
	struct config_places places;	/* of `from` */
	json_t *changes;
};

/* The detail of one change: its parts, joined with ", ". */
struct detail {
	FILE *stream;
	char *text;
	size_t length;
};

void detail_open(struct detail *detail);

void detail_add(struct detail *detail, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Each adds "KEY OLD -> NEW" if the two differ. */
void detail_change_text(struct detail *detail, const char *key, const char *before, const char *after);
void detail_change_number(struct detail *detail, const char *key, __u32 old, __u32 new);
void detail_change_duration(struct detail *detail, const char *key, __u32 old, __u32 new);

/*
 * Reports the change and frees the detail. A "change" without any detail is none. `warning` may be NULL: with it comes
 * what it does to established connections.
 */
void detail_report(struct detail *detail, const struct diff *diff, const char *change, const char *kind,
		   const char *name, const char *warning);

/* A pool with its backends, or a service, that was `old` and becomes `new`; one of them may be NULL. */
void diff_pool(const struct diff *diff, const struct config_pool *old, const struct config_pool *new);
void diff_service(const struct diff *diff, const struct config_service *old, const struct config_service *new);

/* The service's source rules: what each prefix that one of the two has leads to, where that differs. */
void diff_rules(struct detail *detail, const struct diff *diff, const struct config_service *old,
		const struct config_service *new);

/*
 * Whether other rules lead sources to another table, so that connections which they have there break. A prefix that
 * others cover by parts counts as if some source were left to it.
 */
bool diff_rules_move(const struct diff *diff, const struct config_service *old, const struct config_service *new);

/* Whether the table that a pool and a hash make is the same one in both configurations. */
bool diff_is_same_table(const struct config_pool *from, enum hash_by hash_from, const struct config_pool *to,
			enum hash_by hash_to);

/* Whether the backend, one of the pool of that name, may have connections that go on. */
bool diff_is_in_use(const struct diff *diff, const char *pool, const struct config_backend *backend);

/* The same of any of a pool's. */
bool diff_has_in_use(const struct diff *diff, const struct config_pool *pool);

#endif
