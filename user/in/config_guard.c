/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * libfyaml 0.7.12, Debian 12's, has corners that crash or eat memory. None of them
 * is of use in a configuration, so they are refused before it sees them:
 *
 * - directives: it copies the version to the stack, whatever its length;
 * - complex keys ("? key"): a tab after their ':' frees a record twice;
 * - flow collections without end: it queues a whole one before it says anything,
 *   at a kilobyte a value.
 *
 * This looks at bytes without knowing quotes, so it may refuse a strange text in
 * quotes too. It must never miss one of the above.
 */
#include "in/config_guard.h"

#include <string.h>

#define MAX_FLOW_MARKS 500000 /* a configuration at all its limits has fewer */

/* Where the guard is in the text. */
struct guard {
	size_t flow_marks;
	char before;  /* the last byte of this line that is no blank, 0 if there is none */
	bool comment; /* the line is a comment from its start */
};

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n';
}

/* What is wrong at `s`, or NULL. */
static const char *refuse(struct guard *guard, const struct source *source, const char *s)
{
	bool line_start = s == source->text || s[-1] == '\n';

	if (*s == '%' && line_start)
		return "YAML directives (%...) are not supported: remove this line";
	if (*s == '?' && !guard->comment && (is_blank(s[1]) || strchr(",[]{}", s[1])) &&
	    (!guard->before || strchr("-:?,[{", guard->before)))
		return "YAML's complex keys (? key) are not supported: write 'key: value'";
	guard->flow_marks += *s == ',' || *s == '[' || *s == '{';
	if (guard->flow_marks > MAX_FLOW_MARKS)
		return "more than 500000 commas and opening brackets in the file";
	return NULL;
}

bool guard_admits(struct source *source)
{
	struct guard guard = {0};

	for (size_t i = 0; i < source->size; i++) {
		const char *s = source->text + i, *reason = refuse(&guard, source, s);

		if (reason) {
			source_error(source, i, "%s", reason);
			return false;
		}
		if (*s == '\n') {
			guard.before = '\0';
			guard.comment = false;
		} else if (!is_blank(*s)) {
			guard.comment |= *s == '#' && !guard.before;
			guard.before = *s;
		}
	}
	return true;
}
