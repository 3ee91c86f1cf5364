/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A growing list of prefixes. */
#ifndef SLUICE_BACKEND_PREFIXES_H
#define SLUICE_BACKEND_PREFIXES_H

#include "lib/address.h"

struct prefixes {
	struct prefix *items;
	size_t count;
};

/* Appends a prefix unless it is there. */
void prefixes_add(struct prefixes *prefixes, const struct prefix *prefix);

bool prefixes_have(const struct prefixes *prefixes, const struct prefix *prefix);

void prefixes_free(struct prefixes *prefixes);

bool prefix_equal(const struct prefix *a, const struct prefix *b);

/* Whether the prefix is one address. */
bool prefix_is_address(const struct prefix *prefix);

#endif
