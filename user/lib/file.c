/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
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

/* What an earlier crash left may have another mode, so it is not taken again. */
static int write_fresh(const char *path, const void *data, size_t length, unsigned int how)
{
	int fd, err;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, how & FILE_PRIVATE ? 0600 : 0644);
	if (fd < 0)
		return -errno;
	err = write_all(fd, data, length);
	if (!err && !(how & FILE_QUICK) && fsync(fd))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	return err;
}

/* Without this a crash could undo what was done to its entries. */
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

int file_replace(const char *path, const void *data, size_t length, unsigned int how)
{
	char *fresh = memory_format("%s.new", path);
	int err = write_fresh(fresh, data, length, how);

	if (!err && rename(fresh, path))
		err = -errno;
	if (err)
		unlink(fresh);
	free(fresh);
	if (err || how & FILE_QUICK)
		return err;
	return sync_folder(path);
}

char *file_read(const char *path, size_t *length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	size_t room = 4096;
	char *data = memory_new(room, 1);

	for (*length = 0; fd >= 0;) {
		ssize_t got = read(fd, data + *length, room - 1 - *length);

		if (got < 0 && errno == EINTR)
			continue;
		err = got < 0 ? errno : 0;
		if (got <= 0)
			break;
		*length += (size_t)got;
		if (*length == room - 1)
			data = memory_resize(data, room *= 2, 1);
	}
	err = fd < 0 ? errno : err;
	if (fd >= 0)
		close(fd);
	data[*length] = '\0';
	if (!err)
		return data;
	free(data);
	errno = err;
	return NULL;
}

int file_remove(const char *path)
{
	if (unlink(path))
		return errno == ENOENT ? 0 : -errno;
	return sync_folder(path);
}

int file_lock_folder(const char *folder)
{
	int lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	if (lock >= 0 && !flock(lock, LOCK_EX | LOCK_NB))
		return lock;
	err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (lock >= 0)
		close(lock);
	return err;
}

int file_relock_folder(const char *folder, int *lock)
{
	struct stat held, there;
	int fresh;

	if (!fstat(*lock, &held) && !stat(folder, &there) && held.st_ino == there.st_ino && held.st_dev == there.st_dev)
		return 0;
	fresh = file_lock_folder(folder);
	if (fresh < 0)
		return fresh;
	close(*lock);
	*lock = fresh;
	return 1;
}
