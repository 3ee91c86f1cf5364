/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A JSON array of prefixes, ["203.0.113.0/24", ...], read a piece at a time: a tree of a hundred thousand would keep
 * the loop for too long.
 */
#ifndef SLUICE_PREFIX_LIST_H
#define SLUICE_PREFIX_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/address.h"

struct prefix_list {
	const char *text; /* the caller's, `length` bytes */
	size_t length, at;
	size_t most; /* prefixes that there may be */
	struct prefix *prefixes;
	size_t count, room;
	char *error; /* what is wrong, and where; NULL: nothing so far */
};

/*
 * Reads up to `piece` more. Start with text, length and most set, the rest zero. False: the list is whole, or `error`
 * is set.
 */
bool prefix_list_read(struct prefix_list *list, size_t piece);

/* Frees what it owns. */
void prefix_list_free(struct prefix_list *list);

#endif
