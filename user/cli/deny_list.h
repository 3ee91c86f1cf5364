/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Prefixes from the command line and from files, all of them right or none. */
#ifndef SLUICE_DENY_LIST_H
#define SLUICE_DENY_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/address.h"

struct deny_list {
	struct prefix *prefixes;
	size_t count, room;
};

/* Adds one from the command line; false, after a message, if it is none. */
bool deny_list_add(struct deny_list *list, const char *text);

/*
 * Adds those of a file ("-": standard input): one a line, and what follows a '#' or ';' is a comment. False, after
 * messages with file and line, if it cannot be read or one of them is wrong.
 */
bool deny_list_read(struct deny_list *list, const char *file);

/* The list as a JSON array in a text, to be freed. */
char *deny_list_json(const struct deny_list *list);

/* One that has every address of its family; NULL: there is none. */
const struct prefix *deny_list_everything(const struct deny_list *list);

void deny_list_free(struct deny_list *list);

#endif
