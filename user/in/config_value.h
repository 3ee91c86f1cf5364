/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Reads single values of the tree: numbers, names, durations, choices, the keys
 * of a map. Each returns true and fills *out, or notes an error and returns
 * false. A NODE_BAD has had its error, so nothing more is said of it.
 */
#ifndef SLUICE_CONFIG_VALUE_H
#define SLUICE_CONFIG_VALUE_H

#include "in/config_tree.h"

/* A key that a map may have. */
struct value_key {
	const char *name;
	const char *needed; /* NULL: optional; else what it is, for the error when it is missing */
	bool unlisted;	    /* do not name it where the keys are told: it is of no use there */
};

/* True for "", ~ and null without quotes. Where a list or map is expected that counts as an empty one. */
bool value_is_nothing(const struct node *node);

/* Notes "expected EXPECTED, found ...". */
void value_unexpected(struct source *source, const struct node *node, const char *expected);

/* "a", "a, b", "a, b and c" into `text`, of which `size` bytes are there: start with "" and i = 0. */
void value_append_word(char *text, size_t size, size_t i, size_t count, const char *last, const char *word);

/* True if the node is a map or list, or nothing. */
bool value_is_map(struct source *source, const struct node *node, const char *expected);
bool value_is_list(struct source *source, const struct node *node, const char *expected);

/*
 * The children of a list, or the one node that stands for a list of itself, whose `next` means nothing. Notes an empty
 * list.
 */
const struct node *value_items(struct source *source, const struct node *node, const char *expected, size_t *count);

/*
 * Sorts the keys of a map: found[i] becomes the key node of keys[i], or NULL.
 * Unknown keys are noted, and missing ones at the offset `at`, with `what` the map is,
 * unless an unknown one looks like a missing one mistyped.
 */
bool value_keys(struct source *source, const struct node *map, size_t at, const char *what,
		const struct value_key *keys, size_t count, const struct node **found);

/* A text that is not nothing; *out is the tree's. */
bool value_text(struct source *source, const struct node *node, const char *expected, const char **out);

/* A decimal number without quotes from `low` to `high`. */
bool value_number(struct source *source, const struct node *node, __u32 low, __u32 high, __u32 *out);

/* One of the names, as its index. */
bool value_choice(struct source *source, const struct node *node, const char *const *names, size_t count, int *out);

/* true or false. */
bool value_bool(struct source *source, const struct node *node, bool *out);

/* The name of a pool, service or backend. `what` is for the error. */
bool value_name(struct source *source, const struct node *node, const char *what, const char **out);

/* "500ms", "2s", "1m", "1h"; in milliseconds. */
bool value_duration(struct source *source, const struct node *node, __u32 *out);

/* The same, or "0s". */
bool value_duration_or_none(struct source *source, const struct node *node, __u32 *out);

/* One with limits of its own, in milliseconds, which `expected` tells. */
bool value_duration_within(struct source *source, const struct node *node, __u32 low, __u32 high, const char *expected,
			   __u32 *out);

/* A text that may have control characters, of 1 to `most` bytes; *out is the tree's. `what` it is, for errors. */
bool value_bytes(struct source *source, const struct node *node, size_t most, const char *what, const char **out);

/* The value of a hex digit. */
__u8 value_hex_digit(char digit);

/* Digits and nothing else, without a leading zero. False if it is no number or above `high`. */
bool value_parse_number(const char *text, size_t length, __u32 high, __u32 *out);

#endif
