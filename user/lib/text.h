/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Texts from elsewhere, made fit to be shown in a line and to be put into JSON; and times of day as text. */
#ifndef SLUICE_TEXT_H
#define SLUICE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* Length in bytes of the UTF-8 sequence at `text`, 0 if there is none. Overlong forms and surrogates are none. */
size_t text_utf8_length(const char *text, size_t left);

/* Whether the UTF-8 sequence of this length is a control character (C0, DEL, C1), which terminals may obey. */
bool text_is_control(const char *text, size_t length);

/*
 * Copies `length` bytes into `to`, which has room for `room` bytes (at least 1), as one line of UTF-8: a
 * control character becomes a space, what is no UTF-8 a question mark, and what has no room is left
 * out, never in the middle of a character. A NUL follows. Returns the length of what is in `to`.
 */
size_t text_clean(char *to, size_t room, const char *from, size_t length);

#define TEXT_DATE sizeof("2026-01-01T00:00:00Z")

/* A time of day in ISO 8601, UTC; empty where that has no room for its year. Returns `text`. */
char *text_date(time_t when, char text[static TEXT_DATE]);

#endif
