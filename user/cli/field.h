/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The texts of a table's cells, made from one object of the agent's answer. */
#ifndef SLUICE_FIELD_H
#define SLUICE_FIELD_H

#include <jansson.h>
#include <stddef.h>

/*
 * FIELD_TOTAL and FIELD_RATE: only without, and only while, watching. FIELD_LONG: only with --long.
 * FIELD_USED: only where some object has more to say than "-" or "no".
 */
enum field_when { FIELD_ALWAYS, FIELD_TOTAL, FIELD_RATE, FIELD_LONG, FIELD_USED };

#define FIELD_COLOURED 0x100 /* in the colour that its subject gives the object */

struct field {
	const char *header, *key;
	char *(*text)(const json_t *object, const char *key); /* the cell's text, to be freed */
	unsigned int flags;				      /* GRID_*, FIELD_COLOURED */
	enum field_when when;
};

/* A text, a whole number, yes or no as it is; "-" for what is unknown (null or missing). */
char *field_plain(const json_t *object, const char *key);

/* A list of texts. */
char *field_words(const json_t *object, const char *key);

/* A number in powers of 1,000; a share in per cent. */
char *field_human(const json_t *object, const char *key);
char *field_percent(const json_t *object, const char *key);

/* Seconds, in one unit. */
char *field_seconds(const json_t *object, const char *key);

/* Seconds, minutes, ... since the moment that stands there. */
char *field_age(const json_t *object, const char *key);

/* Of a pool: how many backends are up, and how it is. */
char *field_pool_up(const json_t *object, const char *key);
char *field_pool_state(const json_t *object, const char *key);
const char *field_pool_colour(const json_t *object);

/* What is configured beyond the usual: configured.h. */
char *field_service_configured(const json_t *object, const char *key);
char *field_pool_configured(const json_t *object, const char *key);

/* Of a backend: standing.h. */
char *field_backend_state(const json_t *object, const char *key);
char *field_backend_weight(const json_t *object, const char *key);
char *field_backend_probe(const json_t *object, const char *key);

#endif
