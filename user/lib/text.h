/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Texts from elsewhere, made fit to be shown in a line and to be put into JSON. */
#ifndef SLUICE_TEXT_H
#define SLUICE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

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

#endif
