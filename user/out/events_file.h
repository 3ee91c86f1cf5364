/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The file of events: lines that are read once, and appended to or replaced whole. For events.c alone. */
#ifndef SLUICE_EVENTS_FILE_H
#define SLUICE_EVENTS_FILE_H

#include <stdbool.h>
#include <stddef.h>

#define EVENTS_LINE_MAX 2048 /* longer than any line of ours, its NUL included */

/* Takes a line without its end; false if it is of no use. */
typedef bool (*events_line_fn)(void *argument, const char *line, size_t length);

/*
 * Hands every line to `take`. *lost counts those that it did not want and those that are too long; *whole says
 * whether lines may be appended: all were taken and the last one has its end. A missing file is
 * empty. 0, or a negative errno if it cannot be read (to the end).
 */
int events_file_read(const char *path, events_line_fn take, void *argument, size_t *lost, bool *whole);

/*
 * Appends in one write, to a file that is there. 0 or a negative errno: then part of the text may be in the file.
 * Never waits for a reader or the disk.
 */
int events_file_append(const char *path, const char *text, size_t length);

#endif
