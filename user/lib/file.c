/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/memory.h"

static int write_all(int fd, const char *data, size_t length)
{
	while (length) {
		ssize_t written = write(fd, data, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		data += written;
		length -= (size_t)written;
	}
	return 0;
}

static int write_synced(const char *path, const void *data, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), err;

	if (fd < 0)
		return -errno;
	err = write_all(fd, data, length);
	if (!err && fsync(fd))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	return err;
}

/* Without this a crash could lose the rename. */
static int sync_folder(const char *path)
{
	char *copy = memory_format("%s", path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = fd < 0 || fsync(fd) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	free(copy);
	return err;
}

int file_replace(const char *path, const void *data, size_t length)
{
	char *fresh = memory_format("%s.new", path);
	int err = write_synced(fresh, data, length);

	if (!err && rename(fresh, path))
		err = -errno;
	if (err)
		unlink(fresh);
	free(fresh);
	return err ?: sync_folder(path);
}
