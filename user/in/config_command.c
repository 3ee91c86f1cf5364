/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Programs to be run: never by a shell, so a command is a list. */
#include <stdio.h>
#include <string.h>

#include "in/config_read.h"

#define MAX_ARGUMENTS	64
#define MAX_ARGUMENT	4095
#define MAX_USER	32
#define DEFAULT_TIMEOUT 10000
#define DEFAULT_RATE	60
#define MAX_RATE	6000
#define LIST_SHOWN	60

static const char command_expected[] = "a list of a program and its arguments, such as [/usr/local/bin/check, --quick]";

/* "/bin/check -v" was written where [/bin/check, -v] is needed. */
static void explain_list(struct source *source, const struct node *node)
{
	size_t used = 0;
	char list[2 * LIST_SHOWN] = "", words[LIST_SHOWN], *save, *word;

	if (strlen(node->text) < sizeof(words) && !strpbrk(node->text, "\"'\\|&;<>()$`*?[]{}#,~")) {
		strcpy(words, node->text);
		for (word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save))
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "", word);
	}
	if (used)
		source_error(source, node->offset, "a command is a list, as no shell splits it into words: write [%s]",
			     list);
	else
		source_error(source, node->offset,
			     "a command is a list, as no shell reads it: write [/path/of/the/program, argument, ...]");
}

static bool read_argument(struct reading *reading, const struct node *node, bool program, const char **out)
{
	struct source *source = reading->source;
	const char *text;

	if (!value_text(source, node, program ? "the path of a program" : "an argument, in quotes if it is empty",
			&text))
		return false;
	if (strlen(text) > MAX_ARGUMENT) {
		source_error(source, node->offset, "an argument of %zu bytes: at most %d are allowed", strlen(text),
			     MAX_ARGUMENT);
		return false;
	}
	if (program && (text[0] != '/' || text[strlen(text) - 1] == '/')) {
		source_error(source, node->offset,
			     "'%.64s' is no absolute path of a program: no PATH is searched, write it such as "
			     "/usr/local/bin/check",
			     text);
		return false;
	}
	*out = arena_strdup(reading->config->arena, text);
	return true;
}

bool command_read(struct reading *reading, const struct node *node, const char ***out)
{
	struct source *source = reading->source;
	size_t count = 0, good = 0;
	const char **argv;

	if (node->kind == NODE_SCALAR && !value_is_nothing(node)) {
		explain_list(source, node);
		return false;
	}
	if (node->kind != NODE_LIST) {
		value_unexpected(source, node, command_expected);
		return false;
	}
	if (!node->first) {
		source_error(source, node->offset, "the list is empty: expected %s", command_expected);
		return false;
	}
	argv = arena_array(reading->config->arena, MAX_ARGUMENTS + 2, sizeof(*argv));
	for (const struct node *child = node->first; child; child = child->next, count++) {
		if (count > MAX_ARGUMENTS) {
			source_error(source, child->offset, "more than %d arguments", MAX_ARGUMENTS);
			return false;
		}
		good += read_argument(reading, child, count == 0, &argv[count]);
	}
	*out = argv;
	return good == count;
}

bool command_read_user(struct reading *reading, const struct node *node, const char **out)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	const char *name;

	if (!value_text(reading->source, node, "the name of a user", &name))
		return false;
	if (!*name || name[0] == '-' || name[strspn(name, allowed)] || strlen(name) > MAX_USER) {
		source_error(reading->source, node->offset,
			     "'%.64s' is no user name: 1 to %d letters, digits, '.', '_' and '-'", name, MAX_USER);
		return false;
	}
	*out = arena_strdup(reading->config->arena, name);
	return true;
}

enum { KEY_COMMAND, KEY_USER, KEY_TIMEOUT, KEY_RATE, NOTIFY_KEYS };

static const struct value_key notify_keys[NOTIFY_KEYS] = {
	[KEY_COMMAND] = {.name = "command", .needed = "a program and its arguments, such as [/usr/local/bin/tell]"},
	[KEY_USER] = {.name = "user"},
	[KEY_TIMEOUT] = {.name = "timeout"},
	[KEY_RATE] = {.name = "rate"},
};

void notify_read(struct reading *reading, const struct node *key)
{
	struct config_notify *notify = &reading->config->notify;
	const struct node *found[NOTIFY_KEYS];

	/* all below it commented out */
	if (value_is_nothing(key->value) ||
	    !value_keys(reading->source, key->value, key->offset, "notify", notify_keys, NOTIFY_KEYS, found))
		return;
	*notify = (struct config_notify){.user = "nobody", .timeout_ms = DEFAULT_TIMEOUT, .rate = DEFAULT_RATE};
	if (found[KEY_COMMAND])
		command_read(reading, found[KEY_COMMAND]->value, &notify->command);
	if (found[KEY_USER])
		command_read_user(reading, found[KEY_USER]->value, &notify->user);
	if (found[KEY_TIMEOUT])
		value_duration(reading->source, found[KEY_TIMEOUT]->value, &notify->timeout_ms);
	if (found[KEY_RATE])
		value_number(reading->source, found[KEY_RATE]->value, 1, MAX_RATE, &notify->rate);
}
