/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/snapshot.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "lib/file.h"
#include "lib/log.h"
#include "lib/memory.h"

/* Makes the folder (and its parents) if it is missing. */
static int make_folder(const char *folder)
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
	return err;
}

int snapshot_open(const char *folder)
{
	int lock = make_folder(folder) ?: file_lock_folder(folder);

	if (lock == -EBUSY)
		log_error("another sluiced keeps its state in %s: stop it, or give --state another folder", folder);
	else if (lock < 0)
		log_error("state folder %s: %s", folder, strerror(-lock));
	return lock;
}

int snapshot_repair_folder(const char *folder, int *lock)
{
	int result = file_relock_folder(folder, lock);

	return result == -ENOENT ? make_folder(folder) ?: file_relock_folder(folder, lock) : result;
}

json_t *snapshot_read(const char *folder, const char *name, char **why)
{
	char *path = memory_format("%s/%s.json", folder, name);
	size_t length;
	char *text = file_read(path, &length);
	json_error_t error;
	json_t *content = NULL;

	*why = NULL;
	if (text) {
		content = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
		if (!content)
			*why = memory_format("%s:%d:%d: %s", path, error.line, error.column, error.text);
	} else if (errno != ENOENT && errno != ENOTDIR) {
		*why = memory_format("%s: %s", path, strerror(errno));
	}
	free(text);
	free(path);
	return content;
}

/* Nothing to write: a disk that is full or read-only then neither stops a start nor a reload. */
static bool is_on_disk(const char *path, const char *text, size_t length)
{
	size_t present_length;
	char *present = file_read(path, &present_length);
	bool same = present && present_length == length && memcmp(present, text, length) == 0;

	free(present);
	return same;
}

int snapshot_write_text(const char *folder, const char *name, enum snapshot_how how, const char *text, size_t length)
{
	bool durable = how == SNAPSHOT_DURABLE;
	char *path = memory_format("%s/%s.json", folder, name);
	int err = 0;

	if (!durable || !is_on_disk(path, text, length))
		err = file_replace(path, text, length, durable ? 0 : FILE_QUICK);
	free(path);
	return err;
}

int snapshot_write(const char *folder, const char *name, enum snapshot_how how, const json_t *content)
{
	char *text = json_dumps(content, how == SNAPSHOT_DURABLE ? JSON_COMPACT | JSON_SORT_KEYS : JSON_COMPACT);
	int err = text ? snapshot_write_text(folder, name, how, text, strlen(text)) : -ENOMEM;

	free(text);
	return err;
}

int snapshot_remove(const char *folder, const char *name)
{
	char *path = memory_format("%s/%s.json", folder, name);
	int err = unlink(path) && errno != ENOENT ? -errno : 0;

	if (err)
		log_error("%s: %s", path, strerror(-err));
	free(path);
	return err;
}
