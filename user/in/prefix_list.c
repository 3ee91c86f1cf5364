/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "in/prefix_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "lib/text.h"

static bool fail(struct prefix_list *list, char *error)
{
	list->error = error;
	return false;
}

/* The next byte that is no blank, which is not taken; 0 at the end. */
static char next(struct prefix_list *list)
{
	while (list->at < list->length && memchr(" \t\r\n", list->text[list->at], 4))
		list->at++;
	return list->at < list->length ? list->text[list->at] : '\0';
}

/* Copies a JSON text into `to`. Of escapes, \/ is the one that a prefix may have. */
static bool take_text(struct prefix_list *list, char to[static ADDRESS_TEXT])
{
	size_t length = 0;

	if (next(list) != '"')
		return false;
	for (list->at++; list->at < list->length && list->text[list->at] != '"'; list->at++) {
		if ((unsigned char)list->text[list->at] < ' ')
			return false; /* nor are there any in JSON: what follows a NUL would not be looked at */
		if (list->text[list->at] == '\\' && list->at + 1 < list->length && list->text[list->at + 1] == '/')
			list->at++;
		if (length + 1 < ADDRESS_TEXT)
			to[length++] = list->text[list->at];
	}
	to[length] = '\0';
	return list->at < list->length && list->text[list->at++] == '"';
}

static bool take_prefix(struct prefix_list *list)
{
	char text[ADDRESS_TEXT], clean[ADDRESS_TEXT];
	struct prefix *prefix;
	size_t number = list->count + 1;
	int err;

	if (!take_text(list, text))
		return fail(list, memory_format("entry %zu: expected a prefix as a text", number));
	if (list->count == list->most)
		return fail(list, memory_format("more than %zu prefixes", list->most));
	if (list->count == list->room) {
		list->room = list->room ? 2 * list->room : 64;
		list->prefixes = memory_resize(list->prefixes, list->room, sizeof(*list->prefixes));
	}
	prefix = &list->prefixes[list->count];
	err = prefix_parse(text, prefix);
	if (!err) {
		list->count++;
		return true;
	}
	text_clean(clean, sizeof(clean), text, strlen(text));
	return fail(list, memory_format(err == -ERANGE ? "entry %zu: '%s' has bits set beyond its length"
						       : "entry %zu: '%s' is neither an address nor a prefix",
					number, clean));
}

static bool take_end(struct prefix_list *list)
{
	list->at++;
	return next(list) || list->at < list->length ? fail(list, memory_format("something follows the list")) : false;
}

/* The array's start, or the comma before the next prefix. True: a prefix has to follow. */
static bool take_between(struct prefix_list *list, bool first)
{
	char c = next(list);

	if (first && c != '[')
		return fail(list, memory_format("expected a list of prefixes: [\"203.0.113.0/24\", ...]"));
	if (first) {
		list->at++;
		return next(list) == ']' ? take_end(list) : true;
	}
	if (c == ']')
		return take_end(list);
	if (c != ',')
		return fail(list, memory_format("after entry %zu: expected ',' or ']'", list->count));
	list->at++;
	return true;
}

bool prefix_list_read(struct prefix_list *list, size_t piece)
{
	for (; piece; piece--)
		if (!take_between(list, !list->at) || !take_prefix(list))
			return false;
	return true;
}

void prefix_list_free(struct prefix_list *list)
{
	free(list->prefixes);
	free(list->error);
}
