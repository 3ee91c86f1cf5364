/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "in/config_value.h"

#include <stdio.h>
#include <string.h>

#include "lib/suggest.h"
#include "model/config.h"

#define MIN_DURATION 10
#define MAX_DURATION 3600000

bool value_is_nothing(const struct node *node)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};

	if (node->kind != NODE_SCALAR || node->quoted)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(node->text, words[i]) == 0)
			return true;
	return false;
}

void value_unexpected(struct source *source, const struct node *node, const char *expected)
{
	if (node->kind == NODE_LIST || node->kind == NODE_MAP)
		source_error(source, node->offset, "expected %s, found a %s", expected,
			     node->kind == NODE_LIST ? "list" : "map");
	else if (value_is_nothing(node))
		source_error(source, node->offset, "expected %s, found nothing", expected);
	else if (node->kind == NODE_SCALAR)
		source_error(source, node->offset, "expected %s, found '%.64s'", expected, node->text);
	else if (node->kind == NODE_BYTES)
		source_error(source, node->offset, "a text with a control character in it");
}

bool value_is_map(struct source *source, const struct node *node, const char *expected)
{
	if (node->kind == NODE_MAP || value_is_nothing(node))
		return true;
	value_unexpected(source, node, expected);
	return false;
}

bool value_is_list(struct source *source, const struct node *node, const char *expected)
{
	if (node->kind == NODE_LIST || value_is_nothing(node))
		return true;
	value_unexpected(source, node, expected);
	return false;
}

const struct node *value_items(struct source *source, const struct node *node, const char *expected, size_t *count)
{
	if (node->kind == NODE_LIST && !node->first)
		source_error(source, node->offset, "the list is empty: expected %s", expected);
	*count = node->kind == NODE_LIST ? node->count : 1;
	return node->kind == NODE_LIST ? node->first : node;
}

#define WORDS_TEXT 400

void value_append_word(char *text, size_t size, size_t i, size_t count, const char *last, const char *word)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s%s", i == 0 ? "" : i + 1 == count ? last : ", ", word);
}

/* Returns how many there are. */
static size_t join_keys(char text[static WORDS_TEXT], const struct value_key *keys, size_t count)
{
	size_t listed = 0;

	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		listed += !keys[i].unlisted;
	for (size_t i = 0, at = 0; i < count; i++)
		if (!keys[i].unlisted)
			value_append_word(text, WORDS_TEXT, at++, listed, " and ", keys[i].name);
	return listed;
}

/* Returns the key that was meant, if one is near. */
static const char *unknown_key(struct source *source, const struct node *key, const char *what,
			       const struct value_key *keys, size_t count)
{
	struct suggestion suggestion = {0};
	char known[WORDS_TEXT];

	for (size_t i = 0; i < count; i++)
		if (!keys[i].unlisted)
			suggest_consider(&suggestion, key->text, keys[i].name);
	if (suggestion.best)
		source_error(source, key->offset, "unknown key '%.64s': did you mean '%s'?", key->text,
			     suggestion.best);
	else if (join_keys(known, keys, count))
		source_error(source, key->offset, "unknown key '%.64s': %s can have %s", key->text, what, known);
	return suggestion.best;
}

bool value_keys(struct source *source, const struct node *map, size_t at, const char *what,
		const struct value_key *keys, size_t count, const struct node **found)
{
	char known[WORDS_TEXT], expected[WORDS_TEXT + 24];
	__u32 mistyped = 0; /* bit i: an unknown key was probably meant to be keys[i] */

	memset(found, 0, count * sizeof(*found));
	if (map->kind != NODE_MAP && !value_is_nothing(map)) {
		bool several = join_keys(known, keys, count) > 1;

		snprintf(expected, sizeof(expected), "a map with the key%s %s", several ? "s" : "", known);
		value_unexpected(source, map, expected);
		return false;
	}
	for (const struct node *key = map->first; key; key = key->next) {
		size_t i = 0;

		while (i < count && strcmp(keys[i].name, key->text) != 0)
			i++;
		if (i < count) {
			found[i] = key;
			continue;
		}

		const char *meant = unknown_key(source, key, what, keys, count);

		for (i = 0; i < count; i++)
			mistyped |= (__u32)(meant == keys[i].name) << i;
	}
	for (size_t i = 0; i < count; i++)
		if (!found[i] && keys[i].needed && !(mistyped >> i & 1))
			source_error(source, at, "%s needs the key '%s': %s", what, keys[i].name, keys[i].needed);
	return true;
}

bool value_text(struct source *source, const struct node *node, const char *expected, const char **out)
{
	if (node->kind != NODE_SCALAR || value_is_nothing(node)) {
		value_unexpected(source, node, expected);
		return false;
	}
	*out = node->text;
	return true;
}

bool value_parse_number(const char *text, size_t length, __u32 high, __u32 *out)
{
	__u32 number = 0;

	if (length == 0 || length > 9 || strspn(text, "0123456789") < length || (length > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < length; i++)
		number = number * 10 + (__u32)(text[i] - '0');
	if (number > high)
		return false;
	*out = number;
	return true;
}

bool value_number(struct source *source, const struct node *node, __u32 low, __u32 high, __u32 *out)
{
	char expected[80];
	__u32 number;

	if (node->kind == NODE_SCALAR && value_parse_number(node->text, strlen(node->text), high, &number) &&
	    number >= low) {
		if (!node->quoted) {
			*out = number;
			return true;
		}
		source_error(source, node->offset, "expected a number, found the text '%s': remove the quotes",
			     node->text);
		return false;
	}
	snprintf(expected, sizeof(expected), "a whole number from %u to %u", low, high);
	value_unexpected(source, node, expected);
	return false;
}

bool value_choice(struct source *source, const struct node *node, const char *const *names, size_t count, int *out)
{
	struct suggestion suggestion = {0};
	char expected[WORDS_TEXT] = "";

	for (size_t i = 0; node->kind == NODE_SCALAR && i < count; i++) {
		if (strcmp(names[i], node->text) == 0) {
			*out = (int)i;
			return true;
		}
		suggest_consider(&suggestion, node->text, names[i]);
	}
	for (size_t i = 0; i < count; i++)
		value_append_word(expected, sizeof(expected), i, count, " or ", names[i]);
	if (suggestion.best)
		source_error(source, node->offset, "expected %s, found '%.64s': did you mean '%s'?", expected,
			     node->text, suggestion.best);
	else
		value_unexpected(source, node, expected);
	return false;
}

bool value_bool(struct source *source, const struct node *node, bool *out)
{
	static const char *const names[] = {"false", "true"};
	int chosen;

	if (!value_choice(source, node, names, 2, &chosen))
		return false;
	*out = chosen;
	return true;
}

bool value_name(struct source *source, const struct node *node, const char *what, const char **out)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	const char *name = node->text;
	char expected[64];

	if (node->kind != NODE_SCALAR || value_is_nothing(node)) {
		snprintf(expected, sizeof(expected), "the name of a %s", what);
		value_unexpected(source, node, expected);
		return false;
	}
	if (!*name)
		source_error(source, node->offset, "the name of a %s is empty", what);
	else if (name[strspn(name, allowed)])
		source_error(source, node->offset, "bad name '%.64s': use letters, digits, '.', '_' and '-'", name);
	else if (strlen(name) > CONFIG_NAME_MAX)
		source_error(source, node->offset, "a name of %zu characters: at most %d are allowed", strlen(name),
			     CONFIG_NAME_MAX);
	else
		*out = name;
	return *name && !name[strspn(name, allowed)] && strlen(name) <= CONFIG_NAME_MAX;
}

static const struct {
	const char *unit;
	__u32 milliseconds;
} units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

/* From `low` to `high` milliseconds. */
static bool parse_duration(const struct node *node, __u32 low, __u32 high, __u32 *out)
{
	size_t digits = node->kind == NODE_SCALAR ? strspn(node->text, "0123456789") : 0;
	__u32 number;

	for (size_t i = 0; digits && i < sizeof(units) / sizeof(*units); i++) {
		__u32 unit = units[i].milliseconds;

		if (strcmp(node->text + digits, units[i].unit) == 0 &&
		    value_parse_number(node->text, digits, high / unit, &number) && number * unit >= low) {
			*out = number * unit;
			return true;
		}
	}
	return false;
}

bool value_duration_within(struct source *source, const struct node *node, __u32 low, __u32 high, const char *expected,
			   __u32 *out)
{
	if (parse_duration(node, low, high, out))
		return true;
	value_unexpected(source, node, expected);
	return false;
}

bool value_duration(struct source *source, const struct node *node, __u32 *out)
{
	return value_duration_within(source, node, MIN_DURATION, MAX_DURATION,
				     "a duration from 10ms to 60m, such as 500ms, 2s or 1m", out);
}

bool value_duration_or_none(struct source *source, const struct node *node, __u32 *out)
{
	if (node->kind == NODE_SCALAR && strcmp(node->text, "0s") == 0)
		*out = 0;
	else if (!parse_duration(node, MIN_DURATION, MAX_DURATION, out)) {
		value_unexpected(source, node, "a duration from 10ms to 60m, such as 500ms, 30s or 1m, or 0s for none");
		return false;
	}
	return true;
}

bool value_bytes(struct source *source, const struct node *node, size_t most, const char *what, const char **out)
{
	size_t length;

	if ((node->kind != NODE_SCALAR && node->kind != NODE_BYTES) || value_is_nothing(node)) {
		value_unexpected(source, node, what);
		return false;
	}
	length = strlen(node->text);
	if (length == 0)
		source_error(source, node->offset, "expected %s, found an empty text: leave the key out", what);
	else if (length > most)
		source_error(source, node->offset, "%s of %zu bytes: at most %zu are allowed", what, length, most);
	else
		*out = node->text;
	return length > 0 && length <= most;
}

__u8 value_hex_digit(char digit)
{
	return (__u8)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
}
