/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A configuration file's bytes, and what is wrong with them. Positions are byte offsets into the text. */
#ifndef SLUICE_CONFIG_SOURCE_H
#define SLUICE_CONFIG_SOURCE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/arena.h"

#define SOURCE_MAX_SIZE (64U << 20)
#define SOURCE_NOWHERE	((size_t)-1) /* for errors of the file as a whole */

struct source_error {
	size_t offset;
	const char *message;
};

struct source {
	const char *path;
	struct arena *arena; /* holds text and errors */
	char *text;	     /* UTF-8, lines end in LF, NUL after the end */
	size_t size;
	__u32 *lines_before; /* line feeds before each block of the text */
	struct source_error *errors;
	size_t error_count; /* may exceed those kept */
};

/*
 * Reads the file and checks its bytes: UTF-8 without control characters. `path`
 * and `arena` must outlive *source. 0; or a negative errno (-EINVAL for what the
 * file holds), and then an error is noted.
 */
int source_read(struct source *source, struct arena *arena, const char *path);

/* The same for `length` bytes of text, which are copied; `name` stands for the path. */
int source_take(struct source *source, struct arena *arena, const char *name, const char *text, size_t length);

/* Notes an error at an offset, or of the file as a whole at SOURCE_NOWHERE. */
void source_error(struct source *source, size_t offset, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The line, from 1, of an offset. */
size_t source_line(const struct source *source, size_t offset);

/* The offset of a line and column, both from 1, column in characters; clamped to the text. */
size_t source_offset(const struct source *source, size_t line, size_t column);

/* True if the bytes are UTF-8 without control characters; else *bad is the first one's offset. */
bool source_text_plain(const char *text, size_t size, size_t *bad);

/* Overwrites the value at an offset, a secret, so that no error shows it. */
void source_hide(struct source *source, size_t offset);

/* All errors as one text, in order of position, to be freed. Hides in source->text what may be a secret. */
char *source_errors_text(struct source *source);

#endif
