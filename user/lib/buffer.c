/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "lib/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/memory.h"

#define ROOM_FIRST 128

/* For a NUL as well. */
static void make_room(struct buffer *buffer, size_t more)
{
	if (buffer->room - buffer->length > more)
		return;
	if (!buffer->room)
		buffer->room = ROOM_FIRST;
	while (buffer->room - buffer->length <= more)
		buffer->room *= 2;
	buffer->bytes = memory_resize(buffer->bytes, buffer->room, 1);
}

void buffer_add(struct buffer *buffer, const void *bytes, size_t length)
{
	make_room(buffer, length);
	memcpy(buffer->bytes + buffer->length, bytes, length);
	buffer->length += length;
}

void buffer_add_text(struct buffer *buffer, const char *text)
{
	buffer_add(buffer, text, strlen(text));
}

void buffer_add_number(struct buffer *buffer, __s64 number)
{
	__u64 rest = number < 0 ? -(__u64)number : (__u64)number;
	char digits[20], *first = digits + sizeof(digits);

	do {
		*--first = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (number < 0)
		*--first = '-';
	buffer_add(buffer, first, (size_t)(digits + sizeof(digits) - first));
}

void buffer_add_format(struct buffer *buffer, const char *format, ...)
{
	va_list arguments, again;
	int length;

	va_start(arguments, format);
	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, arguments);
	if (length < 0)
		memory_exhausted();
	make_room(buffer, (size_t)length);
	vsnprintf(buffer->bytes + buffer->length, (size_t)length + 1, format, again);
	buffer->length += (size_t)length;
	va_end(again);
	va_end(arguments);
}

char *buffer_take(struct buffer *buffer)
{
	char *text;

	buffer_add(buffer, "", 1);
	text = memory_resize(buffer->bytes, buffer->length, 1);
	*buffer = (struct buffer){0};
	return text;
}
