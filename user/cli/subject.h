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

#include "cli/field.h"

struct subject {
	const char *name; /* first: for word_find() */
	const char *path;
	const struct field *fields;
	size_t field_count;
	const char *identity[2]; /* keys; the second may be NULL. All NULL: the answer is no list */
	const char *filter[2];	 /* the keys that show's NAMEs are compared with; NULL: it takes no further name */
	const char *filter_noun[2];
	const char *(*colour)(const json_t *object); /* of its coloured fields, or NULL */
	bool counters;				     /* its objects have packets and bytes, hence rates */
	const char *help;
};

extern const struct subject subjects[];
extern const size_t subject_count;

/* What show flows prints: rows of sums, and records one by one. */
extern const struct subject flow_sums, flow_records;

/* Keys that watching adds to objects with counters: numbers, or null where no rate is known. */
#define KEY_PACKET_RATE "packets_per_s"
#define KEY_BIT_RATE	"bits_per_s"

struct view {
	bool rates;    /* in place of totals */
	bool all;      /* of drops: also those without packets */
	bool detailed; /* --long */
};

/* Prints the objects as a table, and what needs more words below it. */
void subject_print(const struct subject *subject, const json_t *objects, const struct view *view);

/* The answer of /v1/bpf, which is several lists. */
void subject_print_bpf(const json_t *bpf);

#endif
