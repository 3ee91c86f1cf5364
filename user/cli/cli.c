/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/cli.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cli_error(const char *format, ...)
{
	va_list arguments;

	fflush(stdout); /* what was printed before stays before */
	fputs("sluice: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

void cli_print_json(const json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
}

const char *cli_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

long long cli_number(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

void cli_print_text(FILE *out, const char *text)
{
	/* UTF-8 lives above 0x7f; the control characters there (C1) are 0xc2 0x80 to 0x9f */
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c < ' ' || *c == 0x7f) {
			fputc(' ', out);
		} else if (*c == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f) {
			fputc(' ', out);
			c++;
		} else {
			fputc(*c, out);
		}
	}
}

bool cli_is_terminal(void)
{
	return isatty(STDOUT_FILENO);
}

bool cli_has_colours(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return cli_is_terminal() && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

const char *cli_colour(const char *name)
{
	static const struct {
		const char *name, *escape;
	} colours[] = {{"red", "\033[31m"}, {"green", "\033[32m"}, {"yellow", "\033[33m"}};

	if (!cli_has_colours())
		return "";
	for (size_t i = 0; name && i < sizeof(colours) / sizeof(colours[0]); i++)
		if (strcmp(colours[i].name, name) == 0)
			return colours[i].escape;
	return "\033[0m";
}

bool cli_reader_is_gone(void)
{
	struct pollfd output = {.fd = STDOUT_FILENO};

	return poll(&output, 1, 0) == 1 && (output.revents & POLLERR);
}
