/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "backend/prefixes.h"

#include <stdlib.h>

#include "lib/memory.h"

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->length == b->length && address_equal(&a->address, &b->address);
}

bool prefix_is_address(const struct prefix *prefix)
{
	return prefix->length == address_bits(&prefix->address);
}

bool prefixes_have(const struct prefixes *prefixes, const struct prefix *prefix)
{
	for (size_t i = 0; i < prefixes->count; i++)
		if (prefix_equal(&prefixes->items[i], prefix))
			return true;
	return false;
}

void prefixes_add(struct prefixes *prefixes, const struct prefix *prefix)
{
	if (prefixes_have(prefixes, prefix))
		return;
	prefixes->items = memory_resize(prefixes->items, prefixes->count + 1, sizeof(*prefixes->items));
	prefixes->items[prefixes->count++] = *prefix;
}

void prefixes_free(struct prefixes *prefixes)
{
	free(prefixes->items);
	*prefixes = (struct prefixes){0};
}
