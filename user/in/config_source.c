/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "in/config_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/memory.h"
#include "lib/text.h"

#define LINE_BLOCK    4096
#define MAX_ERRORS    10000 /* kept; the others are only counted */
#define SHOWN_BEFORE  80    /* bytes of a long line that are shown before the caret ... */
#define SHOWN_AFTER   60    /* ... and from it on */
#define SECRET_DIGITS 24    /* so many hex digits in a row may be of hash_key: not to be shown */

/* Nearly all that a configuration is made of, and it needs no closer look. */
static bool is_printable(char byte)
{
	return byte >= 0x20 && byte < 0x7f;
}

bool source_text_plain(const char *text, size_t size, size_t *bad)
{
	for (size_t i = 0, length; i < size; i += length) {
		length = is_printable(text[i]) ? 1 : text_utf8_length(text + i, size - i);
		if (is_printable(text[i]))
			continue;
		*bad = i;
		if (!length || text_is_control(text + i, length))
			return false;
	}
	return true;
}

/* Drops what is no UTF-8: a quoted text may have been cut within a character. */
static void repair_utf8(char *text)
{
	size_t left = strlen(text);
	char *out = text;

	for (size_t length; left; left -= length, text += length) {
		length = text_utf8_length(text, left);
		memmove(out, text, length);
		out += length;
		if (!length)
			length = 1;
	}
	*out = '\0';
}

void source_error(struct source *source, size_t offset, const char *format, ...)
{
	va_list arguments;
	char *message;

	if (source->error_count++ >= MAX_ERRORS)
		return;
	va_start(arguments, format);
	if (vasprintf(&message, format, arguments) < 0)
		abort();
	va_end(arguments);
	repair_utf8(message);

	/* at the end is after the last line's text, not on an empty line of its own */
	if (offset != SOURCE_NOWHERE && offset >= source->size)
		for (offset = source->size; offset && source->text[offset - 1] == '\n';)
			offset--;
	if (!source->errors)
		source->errors = arena_array(source->arena, MAX_ERRORS, sizeof(*source->errors));
	source->errors[source->error_count - 1] = (struct source_error){
		.offset = offset,
		.message = arena_strdup(source->arena, message),
	};
	free(message);
}

static void keep_bytes(struct source *source, const char *bytes, size_t size)
{
	source->text = arena_alloc(source->arena, size + 2); /* a line feed and NUL may follow */
	memcpy(source->text, bytes, size);
	source->size = size;
}

static int read_whole(struct source *source, int fd)
{
	size_t room = 65536;
	char *bytes = memory_new(room, 1);

	for (;;) {
		ssize_t got = read(fd, bytes + source->size, room - source->size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int rc = -errno;

			free(bytes);
			return rc;
		}
		source->size += (size_t)got;
		if (!got || source->size > SOURCE_MAX_SIZE)
			break;
		if (source->size == room) {
			char *larger = realloc(bytes, room *= 2);

			if (!larger)
				abort();
			bytes = larger;
		}
	}
	if (source->size > SOURCE_MAX_SIZE) {
		source->size = 0;
	} else {
		keep_bytes(source, bytes, source->size);
	}
	free(bytes);
	return source->text ? 0 : -EFBIG;
}

/* Reads the bytes, with no text left if the file as a whole is unfit. */
static int open_and_read(struct source *source)
{
	/* O_NONBLOCK, so that a FIFO without a writer is empty instead of waited for */
	int fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;
	struct stat status;

	if (fd < 0) {
		rc = -errno;
		source_error(source, SOURCE_NOWHERE, "the configuration cannot be opened: %s", strerror(-rc));
		return rc;
	}
	if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
		source_error(source, SOURCE_NOWHERE, "this is a directory: name the configuration file in it");
		rc = -EISDIR;
		goto close;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	rc = read_whole(source, fd);
	if (rc == -EFBIG)
		source_error(source, SOURCE_NOWHERE, "the file is larger than %u MiB", SOURCE_MAX_SIZE >> 20);
	else if (rc)
		source_error(source, SOURCE_NOWHERE, "the configuration cannot be read: %s", strerror(-rc));
close:
	close(fd);
	return rc;
}

/*
 * Drops a byte order mark and the CRs of CRLF line ends, neither of which moves a
 * column. Ends the last line, because libfyaml 0.7.12 reads on after a backslash at
 * the very end.
 */
static void normalize(struct source *source)
{
	char *text = source->text, *end = text + source->size, *out = text;

	if (source->size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	for (; text < end; text++)
		if (*text != '\r' || text + 1 == end || text[1] != '\n')
			*out++ = *text;
	if (out > source->text && out[-1] != '\n')
		*out++ = '\n';
	*out = '\0';
	source->size = (size_t)(out - source->text);
}

static void index_lines(struct source *source)
{
	__u32 lines = 0;

	source->lines_before = arena_array(source->arena, source->size / LINE_BLOCK + 1, sizeof(__u32));
	for (size_t i = 0; i < source->size; i++) {
		if (i % LINE_BLOCK == 0)
			source->lines_before[i / LINE_BLOCK] = lines;
		lines += source->text[i] == '\n';
	}
	if (source->size % LINE_BLOCK == 0)
		source->lines_before[source->size / LINE_BLOCK] = lines;
}

static int check_bytes(struct source *source)
{
	for (size_t i = 0, length; i < source->size; i += length) {
		const char *s = source->text + i;

		length = is_printable(*s) ? 1 : text_utf8_length(s, source->size - i);
		if (is_printable(*s))
			continue;
		if (!length) {
			source_error(source, i, "the file is not UTF-8: byte 0x%02x", (unsigned char)s[0]);
			return -EINVAL;
		}
		if (text_is_control(s, length) && s[0] != '\n' && s[0] != '\t') {
			source_error(source, i, "control character 0x%02x", (unsigned char)s[length - 1]);
			return -EINVAL;
		}
	}
	return 0;
}

/* What both ways of getting the bytes have in common. */
static int take_bytes(struct source *source)
{
	normalize(source);
	if (strspn(source->text, " \t\n") == source->size) {
		source_error(source, SOURCE_NOWHERE,
			     "the file is empty: 'interfaces' and 'hash_key' are needed at least");
		return -EINVAL;
	}
	index_lines(source);
	return check_bytes(source);
}

int source_read(struct source *source, struct arena *arena, const char *path)
{
	*source = (struct source){.path = path, .arena = arena};
	return open_and_read(source) ?: take_bytes(source);
}

int source_take(struct source *source, struct arena *arena, const char *name, const char *text, size_t length)
{
	*source = (struct source){.path = name, .arena = arena};
	if (length > SOURCE_MAX_SIZE) {
		source_error(source, SOURCE_NOWHERE, "the file is larger than %u MiB", SOURCE_MAX_SIZE >> 20);
		return -EFBIG;
	}
	keep_bytes(source, text, length);
	return take_bytes(source);
}

size_t source_line(const struct source *source, size_t offset)
{
	size_t line = source->lines_before[offset / LINE_BLOCK] + 1;

	for (size_t i = offset - offset % LINE_BLOCK; i < offset; i++)
		line += source->text[i] == '\n';
	return line;
}

static bool starts_character(const char *s)
{
	return (*s & 0xc0) != 0x80;
}

size_t source_offset(const struct source *source, size_t line, size_t column)
{
	const char *s = source->text, *end = s + source->size;

	for (size_t i = 1; i < line; i++) {
		const char *next = memchr(s, '\n', (size_t)(end - s));

		if (!next)
			return source->size;
		s = next + 1;
	}
	for (size_t i = 1; i < column && s < end && *s != '\n'; i++)
		do
			s++;
		while (s < end && !starts_character(s));
	return (size_t)(s - source->text);
}

/* A place in the text; errors come in order of position, so it only ever moves on. */
struct cursor {
	size_t offset, line_start;
	size_t line, column; /* from 1; the column in characters */
};

static void advance(struct cursor *cursor, const struct source *source, size_t offset)
{
	for (; cursor->offset < offset; cursor->offset++) {
		if (source->text[cursor->offset] == '\n') {
			cursor->line++;
			cursor->column = 1;
			cursor->line_start = cursor->offset + 1;
		} else {
			cursor->column += starts_character(source->text + cursor->offset + 1);
		}
	}
}

static size_t put_character(FILE *out, const char *s, size_t left)
{
	size_t length = text_utf8_length(s, left);

	if (!length || (text_is_control(s, length) && *s != '\t'))
		putc('?', out);
	else
		fwrite(s, 1, length, out);
	return length ? length : 1;
}

/* The cursor's line, as far as it is worth showing, and a caret line below it; nothing of a blank line. */
static void write_line(FILE *out, const struct source *source, const struct cursor *cursor)
{
	const char *at = source->text + cursor->offset, *start = source->text + cursor->line_start, *from = start;
	size_t left = source->size - cursor->offset, shown = left < SHOWN_AFTER ? left : SHOWN_AFTER;
	const char *newline = memchr(at, '\n', shown), *end = newline ? newline : at + shown;
	bool cut = !newline && end < source->text + source->size;
	char first = start[strspn(start, " \t")];

	if (!first || first == '\n')
		return;
	if (at - start > SHOWN_BEFORE)
		for (from = at - SHOWN_BEFORE; !starts_character(from);)
			from++;
	while (cut && !starts_character(end))
		end++;

	fputs(from > start ? "..." : "", out);
	for (const char *s = from; s < end;)
		s += put_character(out, s, (size_t)(end - s));
	fputs(cut ? "...\n" : "\n", out);
	fputs(from > start ? "   " : "", out);
	for (const char *s = from; s < at; s++)
		if (starts_character(s))
			putc(*s == '\t' ? '\t' : ' ', out);
	fputs("^\n", out);
}

/* The text goes to logs: what looks like hash_key, be it under a mistyped key, goes not. */
static void hide_digits(struct source *source)
{
	for (char *s = source->text, *end = s ? s + source->size : s; s < end; s++) {
		size_t digits = strspn(s, "0123456789abcdefABCDEF");

		if (digits >= SECRET_DIGITS)
			memset(s, '*', digits);
		s += digits;
	}
}

void source_hide(struct source *source, size_t offset)
{
	char *value = source->text + offset;
	bool quoted = *value == '"' || *value == '\'';
	const char end[] = {quoted ? *value : ',', '\n', quoted ? '\n' : '}', '\0'};

	value += quoted;
	memset(value, '*', strcspn(value, end));
}

/* qsort() need not keep the order of equal elements: their own order is that of their addresses. */
static int compare_error(const void *a, const void *b)
{
	const struct source_error *const *x = a, *const *y = b;

	if ((*x)->offset != (*y)->offset)
		return (*x)->offset < (*y)->offset ? -1 : 1;
	return *x < *y ? -1 : *x > *y;
}

char *source_errors_text(struct source *source)
{
	size_t count = source->error_count < MAX_ERRORS ? source->error_count : MAX_ERRORS;
	const struct source_error **order = arena_array(source->arena, count, sizeof(*order));
	struct cursor cursor = {.line = 1, .column = 1};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	for (size_t i = 0; i < count; i++)
		order[i] = &source->errors[i];
	qsort(order, count, sizeof(*order), compare_error);
	hide_digits(source);
	for (size_t i = 0; i < count; i++) {
		if (order[i]->offset == SOURCE_NOWHERE) {
			fprintf(out, "%s: error: %s\n", source->path, order[i]->message);
			continue;
		}
		advance(&cursor, source, order[i]->offset);
		fprintf(out, "%s:%zu:%zu: error: %s\n", source->path, cursor.line, cursor.column, order[i]->message);
		write_line(out, source, &cursor);
	}
	if (source->error_count == count)
		fprintf(out, "%zu error%s\n", count, count == 1 ? "" : "s");
	else
		fprintf(out, "%zu errors, of which %zu are shown\n", source->error_count, count);
	fclose(out);
	return text;
}
