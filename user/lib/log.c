/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "lib/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum log_level highest = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	highest = level;
}

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error: ";
	case LOG_LEVEL_WARNING:
		return "warning: ";
	case LOG_LEVEL_DEBUG:
		return "debug: ";
	case LOG_LEVEL_INFO:
		break;
	}
	return "";
}

/* Of UTF-8 that was cut: a journal takes half a character for binary data. */
static void end_between_characters(char *line)
{
	size_t length = strlen(line);

	while (length && (line[length - 1] & 0xc0) == 0x80)
		length--;
	if (length && line[length - 1] & 0x80)
		length--;
	line[length] = '\0';
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[4096];
	va_list arguments;
	int length;

	if (level > highest)
		return;
	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (length >= (int)sizeof(line))
		end_between_characters(line);
	if (getenv("JOURNAL_STREAM"))
		fprintf(stderr, "<%d>%s\n", (int)level, line);
	else
		fprintf(stderr, "%s%s\n", level_name(level), line);
}
