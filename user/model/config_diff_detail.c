/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/config_diff_part.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

void detail_open(struct detail *detail)
{
	*detail = (struct detail){0};
	detail->stream = open_memstream(&detail->text, &detail->length);
	if (!detail->stream)
		abort();
}

void detail_add(struct detail *detail, const char *format, ...)
{
	va_list arguments;

	if (ftell(detail->stream) > 0)
		fputs(", ", detail->stream);
	va_start(arguments, format);
	vfprintf(detail->stream, format, arguments);
	va_end(arguments);
}

void detail_report(struct detail *detail, const struct diff *diff, const char *change, const char *kind,
		   const char *name, const char *warning)
{
	fclose(detail->stream);
	if (detail->length || strcmp(change, "change") != 0) {
		char *what = memory_format("%s%s%s", kind, *name ? " " : "", name);

		json_array_append_new(diff->changes, json_pack("{s:s, s:s, s:s, s:s*}", "change", change, "what", what,
							       "detail", detail->text, "warning", warning));
		free(what);
	}
	free(detail->text);
}

void detail_change_text(struct detail *detail, const char *key, const char *before, const char *after)
{
	if (strcmp(before, after) != 0)
		detail_add(detail, "%s %s -> %s", key, before, after);
}

void detail_change_duration(struct detail *detail, const char *key, __u32 old, __u32 new)
{
	char before[CONFIG_DURATION_TEXT], after[CONFIG_DURATION_TEXT];

	detail_change_text(detail, key, config_duration_format(old, before), config_duration_format(new, after));
}

void detail_change_number(struct detail *detail, const char *key, __u32 old, __u32 new)
{
	if (old != new)
		detail_add(detail, "%s %u -> %u", key, old, new);
}
