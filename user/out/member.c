/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/member.h"

#include <jansson.h>
#include <string.h>

#include "lib/text.h"

static void add_name(struct buffer *to, const char *name)
{
	char last = to->length ? to->bytes[to->length - 1] : '[';

	if (last != '{' && last != '[')
		buffer_add(to, ",", 1);
	if (!name)
		return;
	buffer_add(to, "\"", 1);
	buffer_add_text(to, name);
	buffer_add(to, "\":", 2);
}

void member_begin(struct buffer *to, const char *name, char bracket)
{
	add_name(to, name);
	buffer_add(to, &bracket, 1);
}

void member_end(struct buffer *to, char bracket)
{
	buffer_add(to, &bracket, 1);
}

static void add_escape(struct buffer *to, char c)
{
	static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* each character, and how it is escaped */

	for (const char *letter = letters; *letter; letter += 2) {
		if (*letter != c)
			continue;
		buffer_add_format(to, "\\%c", letter[1]);
		return;
	}
	buffer_add_format(to, "\\u%04X", c);
}

/* False if it is no UTF-8. */
static bool add_escaped(struct buffer *to, const char *text)
{
	const char *end = text + strlen(text), *plain = text;

	for (size_t length; text < end; text += length) {
		length = (unsigned char)*text < 0x80 ? 1 : text_utf8_length(text, (size_t)(end - text));
		if (!length)
			return false;
		if (length > 1 || (*text >= ' ' && *text != '"' && *text != '\\'))
			continue;
		buffer_add(to, plain, (size_t)(text - plain));
		add_escape(to, *text);
		plain = text + 1;
	}
	buffer_add(to, plain, (size_t)(end - plain));
	return true;
}

void member_text(struct buffer *to, const char *name, const char *text)
{
	size_t before = to->length;

	if (!text || !*text) {
		member_null(to, name);
		return;
	}
	add_name(to, name);
	buffer_add(to, "\"", 1);
	if (add_escaped(to, text))
		buffer_add(to, "\"", 1);
	else
		to->length = before;
}

void member_number(struct buffer *to, const char *name, __s64 number)
{
	add_name(to, name);
	buffer_add_number(to, number);
}

void member_number_or_null(struct buffer *to, const char *name, bool known, __u64 number)
{
	if (known)
		member_number(to, name, (__s64)number);
	else
		member_null(to, name);
}

void member_real(struct buffer *to, const char *name, double number)
{
	json_t *real = json_real(number);
	char text[40];

	/* jansson's form of a real has rules of its own */
	add_name(to, name);
	buffer_add(to, text, json_dumpb(real, text, sizeof(text), JSON_ENCODE_ANY));
	json_decref(real);
}

void member_bool(struct buffer *to, const char *name, bool value)
{
	add_name(to, name);
	buffer_add_text(to, value ? "true" : "false");
}

void member_null(struct buffer *to, const char *name)
{
	add_name(to, name);
	buffer_add_text(to, "null");
}
