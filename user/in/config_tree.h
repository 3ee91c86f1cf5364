/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A YAML document as a tree of scalars, lists and maps, each with its position. */
#ifndef SLUICE_CONFIG_TREE_H
#define SLUICE_CONFIG_TREE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "in/config_source.h"

enum node_kind {
	NODE_BAD, /* an error of it is already noted: say nothing more */
	NODE_SCALAR,
	NODE_BYTES, /* a scalar with control characters in it, which few values may have */
	NODE_LIST,
	NODE_MAP,
};

struct node {
	enum node_kind kind;
	bool quoted;	    /* a scalar in quotes */
	__u32 offset;	    /* in the source */
	__u32 count;	    /* children of a list, keys of a map */
	const char *text;   /* of a scalar or bytes: UTF-8, with control characters in bytes alone, never NUL */
	struct node *first; /* child or key */
	struct node *next;  /* sibling */
	struct node *value; /* of a key */
};

/*
 * Reads the source's one document into its arena. Every key of a map is a scalar
 * and unique. Errors are noted in the source. NULL if nothing can be made of it,
 * because of its syntax or because it is empty.
 */
const struct node *tree_read(struct source *source);

#endif
