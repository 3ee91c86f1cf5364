/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Bytes that grow at their end. One that is all zero is empty. */
#ifndef SLUICE_BUFFER_H
#define SLUICE_BUFFER_H

#include <linux/types.h>
#include <stddef.h>

struct buffer {
	char *bytes; /* `length` of them, and room for as many as `room` */
	size_t length, room;
};

void buffer_add(struct buffer *buffer, const void *bytes, size_t length);
void buffer_add_text(struct buffer *buffer, const char *text);
void buffer_add_number(struct buffer *buffer, __s64 number); /* in decimal digits */
void buffer_add_format(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The bytes with a NUL behind them, to be freed; never NULL. The buffer is empty afterwards. */
char *buffer_take(struct buffer *buffer);

#endif
