/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/events_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Far more than we write. What somebody else has put before is not worth the time that reading it would take. */
#define READ_MAX (64L << 20)

/* Nothing but a file, so that a FIFO or a device in its place makes nobody wait. */
static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), err;
	struct stat info;

	if (fd < 0)
		return -errno;
	err = fstat(fd, &info) ? -errno : 0;
	if (!err && S_ISDIR(info.st_mode))
		err = -EISDIR;
	else if (!err && !S_ISREG(info.st_mode))
		err = -EINVAL;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

enum line_kind { LINE_END, LINE_GOOD, LINE_LONG };

/* The next line; NULs and all. *ended: whether its end is in the file. */
static enum line_kind next_line(FILE *file, char line[EVENTS_LINE_MAX], size_t *length, bool *ended)
{
	bool any = false;
	int byte;

	*length = 0;
	while ((byte = getc_unlocked(file)) != EOF && byte != '\n') {
		if (*length + 1 < EVENTS_LINE_MAX)
			line[*length] = (char)byte;
		++*length;
		any = true;
	}
	*ended = byte == '\n';
	if (!any && !*ended)
		return LINE_END;
	if (*length + 1 > EVENTS_LINE_MAX)
		return LINE_LONG;
	line[*length] = '\0';
	return LINE_GOOD;
}

/* The line that the skipping ends in counts as lost, like all before it. */
static void skip_excess(FILE *file, size_t *lost)
{
	struct stat info;
	int byte;

	if (fstat(fileno(file), &info) || info.st_size <= READ_MAX || fseeko(file, info.st_size - READ_MAX, SEEK_SET))
		return;
	++*lost;
	do
		byte = getc_unlocked(file);
	while (byte != EOF && byte != '\n');
}

int events_file_read(const char *path, events_line_fn take, void *argument, size_t *lost, bool *whole)
{
	char line[EVENTS_LINE_MAX];
	enum line_kind kind;
	int fd = open_file(path, O_RDONLY), err;
	bool ended = true, last = true;
	size_t length;
	FILE *file;

	*lost = 0;
	*whole = fd == -ENOENT;
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	file = fdopen(fd, "r");
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	skip_excess(file, lost);
	while ((kind = next_line(file, line, &length, &ended)) != LINE_END) {
		if (kind == LINE_LONG || !take(argument, line, length))
			++*lost;
		last = ended;
	}
	err = ferror(file) ? -EIO : 0;
	*whole = !err && !*lost && last;
	fclose(file);
	return err;
}

int events_file_append(const char *path, const char *text, size_t length)
{
	int fd = open_file(path, O_WRONLY | O_APPEND), err = 0;
	ssize_t written;

	if (fd < 0)
		return fd;
	written = write(fd, text, length);
	if (written < 0)
		err = -errno;
	else if ((size_t)written != length)
		err = -ENOSPC; /* a file takes part of a write only when there is no room for all of it */
	if (close(fd) && !err)
		err = -errno;
	return err;
}
