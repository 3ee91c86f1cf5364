/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/deny_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/buffer.h"
#include "lib/memory.h"

#define ERRORS_TOLD 10 /* of one file */

/* What is wrong with a text that is no prefix; to be freed. */
static char *explain(const char *text, int err)
{
	if (err == -ERANGE)
		return memory_format("'%s' has bits set beyond its length", text);
	return memory_format("'%.64s' is neither an address nor a prefix", text);
}

/* 0, or a negative errno as prefix_parse(). */
static int add(struct deny_list *list, const char *text)
{
	if (list->count == list->room) {
		list->room = list->room ? 2 * list->room : 64;
		list->prefixes = memory_resize(list->prefixes, list->room, sizeof(*list->prefixes));
	}
	return prefix_parse(text, &list->prefixes[list->count]) ?: (list->count++, 0);
}

bool deny_list_add(struct deny_list *list, const char *text)
{
	int err = add(list, text);
	char *why;

	if (!err)
		return true;
	why = explain(text, err);
	cli_error("%s: give prefixes such as 203.0.113.0/24 or 2001:db8::/32", why);
	free(why);
	return false;
}

/* Cuts off the comment and the blanks around what is left. */
static char *trim(char *line)
{
	size_t length;

	line[strcspn(line, "#;")] = '\0';
	line += strspn(line, " \t\r\n");
	length = strlen(line);
	while (length && strchr(" \t\r\n", line[length - 1]))
		line[--length] = '\0';
	return line;
}

static size_t read_lines(struct deny_list *list, FILE *in, const char *name)
{
	size_t room = 0, wrong = 0, number = 0;
	char *line = NULL;
	ssize_t length;

	while ((length = getline(&line, &room, in)) >= 0) {
		bool whole = !memchr(line, '\0', (size_t)length);
		char *text = trim(line), *why;
		int err = !whole ? -EINVAL : *text ? add(list, text) : 0;

		number++;
		if (!err || ++wrong > ERRORS_TOLD)
			continue;
		why = explain(text, err);
		fprintf(stderr, "%s:%zu: ", name, number);
		cli_print_text(stderr, why);
		fputc('\n', stderr);
		free(why);
	}
	free(line);
	return wrong;
}

bool deny_list_read(struct deny_list *list, const char *file)
{
	const bool standard = strcmp(file, "-") == 0;
	const char *name = standard ? "<stdin>" : file;
	FILE *in = standard ? stdin : fopen(file, "re");
	size_t wrong;

	if (!in) {
		cli_error("%s: cannot be read: %s", name, strerror(errno));
		return false;
	}
	wrong = read_lines(list, in, name);
	if (ferror(in)) {
		cli_error("%s: cannot be read: %s", name, strerror(errno));
		wrong++;
	} else if (wrong) {
		cli_error("%s: %zu line%s wrong, nothing is done", name, wrong, wrong == 1 ? " is" : "s are");
	}
	if (!standard)
		fclose(in);
	return !wrong;
}

char *deny_list_json(const struct deny_list *list)
{
	struct buffer text = {0};
	char one[ADDRESS_TEXT];

	buffer_add_text(&text, "[");
	for (size_t i = 0; i < list->count; i++) {
		buffer_add_text(&text, i ? ",\"" : "\"");
		buffer_add_text(&text, prefix_format(&list->prefixes[i], one));
		buffer_add_text(&text, "\"");
	}
	buffer_add_text(&text, "]");
	return buffer_take(&text);
}

const struct prefix *deny_list_everything(const struct deny_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (!list->prefixes[i].length)
			return &list->prefixes[i];
	return NULL;
}

void deny_list_free(struct deny_list *list)
{
	free(list->prefixes);
}
