/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "lib/suggest.h"

#include <string.h>

#define LONGEST 64 /* longer words get no suggestion; it bounds the work */

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* Optimal string alignment distance, row by row. */
static unsigned int edit_distance(const char *a, size_t length_a, const char *b, size_t length_b)
{
	unsigned int rows[3][LONGEST + 1];
	unsigned int *before = rows[0], *last = rows[1], *row = rows[2];

	for (unsigned int j = 0; j <= length_b; j++)
		last[j] = j;
	for (unsigned int i = 1; i <= length_a; i++) {
		row[0] = i;
		for (unsigned int j = 1; j <= length_b; j++) {
			unsigned int cost = a[i - 1] != b[j - 1];

			row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}

		unsigned int *spare = before;

		before = last;
		last = row;
		row = spare;
	}
	return last[length_b];
}

void suggest_consider(struct suggestion *suggestion, const char *typed, const char *candidate)
{
	size_t length = strlen(candidate), typed_length = strlen(typed);
	size_t gap = length > typed_length ? length - typed_length : typed_length - length;
	unsigned int limit = length < 4 ? 1 : (unsigned int)length / 3;

	if (length > LONGEST || typed_length > LONGEST || gap > limit)
		return;

	unsigned int distance = edit_distance(typed, typed_length, candidate, length);

	if (distance <= limit && (!suggestion->best || distance < suggestion->distance))
		*suggestion = (struct suggestion){.best = candidate, .distance = distance};
}
