/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What `sluice show` can show: one table of subjects, each with its path, its
 * columns and the keys that identify one of its objects.
 */
#ifndef SLUICE_SUBJECT_H
#define SLUICE_SUBJECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* The cell's text, to be freed. */
typedef char *(*field_text_fn)(const json_t *object, const char *key);

/* FIELD_TOTAL and FIELD_RATE: only without, and only while, watching. */
enum field_when { FIELD_ALWAYS, FIELD_TOTAL, FIELD_RATE };

struct field {
	const char *header, *key;
	field_text_fn text;
	unsigned int flags; /* GRID_* */
	enum field_when when;
};

struct subject {
	const char *name; /* first: for word_find() */
	const char *path;
	const struct field *fields;
	size_t field_count;
	const char *identity[2]; /* keys; the second may be NULL. All NULL: the answer is no list */
	const char *filter;	 /* the key that show's NAME is compared with, or NULL */
	const char *filter_noun;
	bool counters; /* its objects have packets and bytes, hence rates */
	const char *help;
};

extern const struct subject subjects[];
extern const size_t subject_count;

/* Keys that watching adds to objects with counters: numbers, or null where no rate is known. */
#define KEY_PACKET_RATE "packets_per_s"
#define KEY_BIT_RATE	"bits_per_s"

/* Prints the objects as a table; of drops those with packets alone unless `all`. */
void subject_print(const struct subject *subject, const json_t *objects, bool rates, bool all);

/* The answer of /v1/bpf, which is several lists. */
void subject_print_bpf(const json_t *bpf);

#endif
