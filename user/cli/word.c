/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/word.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/memory.h"
#include "lib/suggest.h"

static const char *word_name(const void *table, size_t i, size_t size)
{
	return *(const char *const *)((const char *)table + i * size);
}

/* The names that start so, or all if `prefix` is empty; to be freed. */
static char *list_names(const char *prefix, const void *table, size_t count, size_t size)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		memory_exhausted();
	for (size_t i = 0, listed = 0; i < count; i++)
		if (strncmp(prefix, word_name(table, i, size), strlen(prefix)) == 0)
			fprintf(out, "%s%s", listed++ ? ", " : "", word_name(table, i, size));
	fclose(out);
	return text;
}

static void unknown_word(const char *kind, const char *typed, const void *table, size_t count, size_t size)
{
	struct suggestion suggestion = {0};
	char *names;

	for (size_t i = 0; i < count; i++)
		suggest_consider(&suggestion, typed, word_name(table, i, size));
	if (suggestion.best) {
		cli_error("unknown %s '%s': did you mean '%s'?", kind, typed, suggestion.best);
		return;
	}
	names = list_names("", table, count, size);
	cli_error("unknown %s '%s': choose one of %s", kind, typed, names);
	free(names);
}

int word_find(const char *kind, const char *typed, const void *table, size_t count, size_t size)
{
	int found = -1, matches = 0;
	char *names;

	for (size_t i = 0; i < count; i++) {
		const char *name = word_name(table, i, size);

		if (strcmp(typed, name) == 0)
			return (int)i;
		if (*typed && strncmp(typed, name, strlen(typed)) == 0) {
			found = (int)i;
			matches++;
		}
	}
	if (matches == 1)
		return found;
	if (!matches) {
		unknown_word(kind, typed, table, count, size);
	} else {
		names = list_names(typed, table, count, size);
		cli_error("%s '%s' is ambiguous: %s", kind, typed, names);
		free(names);
	}
	return -1;
}
