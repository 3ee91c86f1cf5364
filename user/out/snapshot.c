/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/memory.h"

#define SNAPSHOT_FILE "snapshot.json"

int snapshot_folder(const char *folder)
{
	char path[PATH_MAX];
	struct stat info;
	int err = 0;

	snprintf(path, sizeof(path), "%s", folder);
	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755); /* what matters is whether the last one is there */
		*slash = '/';
	}
	if (mkdir(path, 0755) && errno != EEXIST)
		err = -errno;
	else if (stat(path, &info))
		err = -errno;
	else if (!S_ISDIR(info.st_mode))
		err = -ENOTDIR;
	if (err)
		log_error("state folder %s: %s", folder, strerror(-err));
	return err;
}

static int write_synced(const char *path, const json_t *content)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), err = 0;

	if (fd < 0)
		return -errno;
	if (json_dumpfd(content, fd, JSON_COMPACT | JSON_SORT_KEYS) || fsync(fd))
		err = errno ? -errno : -EIO;
	if (close(fd) && !err)
		err = -errno;
	return err;
}

static int sync_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd))
		err = -errno;
	close(fd);
	return err;
}

int snapshot_write(const char *folder, const json_t *content)
{
	char *path = memory_format("%s/" SNAPSHOT_FILE, folder);
	char *fresh = memory_format("%s.new", path);
	int err = write_synced(fresh, content);

	if (!err && rename(fresh, path))
		err = -errno;
	if (err)
		unlink(fresh);
	else
		err = sync_folder(folder);
	if (err)
		log_error("%s: %s", path, strerror(-err));
	free(fresh);
	free(path);
	return err;
}

json_t *snapshot_read(const char *folder, char **why)
{
	char *path = memory_format("%s/" SNAPSHOT_FILE, folder);
	FILE *file = fopen(path, "re");
	json_error_t error;
	json_t *content = NULL;

	*why = NULL;
	if (file) {
		content = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
		if (!content)
			*why = memory_format("%s:%d:%d: %s", path, error.line, error.column, error.text);
		fclose(file);
	} else if (errno != ENOENT && errno != ENOTDIR) {
		*why = memory_format("%s: %s", path, strerror(errno));
	}
	free(path);
	return content;
}
