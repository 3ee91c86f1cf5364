/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * JSON as text, member by member, exactly as jansson writes it with JSON_COMPACT. For what is told of every backend:
 * a tree of some fifty allocations for each of 10,000 keeps the loop from turning for much longer than its text does.
 */
#ifndef SLUICE_MEMBER_H
#define SLUICE_MEMBER_H

#include <stdbool.h>

#include "lib/buffer.h"

/*
 * Each adds a member to the object that was begun last, behind a comma where it is not the first one. The name NULL
 * is for what is no member: an array's element, or the whole. Names are our own, and need no escaping.
 */
void member_begin(struct buffer *to, const char *name, char bracket); /* '{' or '[' */
void member_end(struct buffer *to, char bracket);		      /* '}' or ']' */

void member_text(struct buffer *to, const char *name, const char *text); /* null if NULL or empty; none if not UTF-8 */
void member_number(struct buffer *to, const char *name, __s64 number);
void member_number_or_null(struct buffer *to, const char *name, bool known, __u64 number);
void member_real(struct buffer *to, const char *name, double number);
void member_bool(struct buffer *to, const char *name, bool value);
void member_null(struct buffer *to, const char *name);

#endif
