/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/duration.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define DURATION_SHORTEST 1000

static const struct unit {
	const char *name;
	long long milliseconds;
} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 86400 * 1000}};

bool duration_parse(const char *text, long long longest, long long *milliseconds)
{
	long long number;
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	number = strtoll(text, &end, 10);
	if (number > longest)
		return false; /* also with the smallest unit; and nothing below can overflow */
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		*milliseconds = number * units[i].milliseconds;
		return *milliseconds >= DURATION_SHORTEST && *milliseconds <= longest;
	}
	return false;
}
