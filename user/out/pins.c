/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/log.h"

#define BPFFS_DEFAULT "/sys/fs/bpf"

static bool on_bpffs(const char *path)
{
	struct statfs info;

	return statfs(path, &info) == 0 && (unsigned int)info.f_type == BPF_FS_MAGIC;
}

/* The folder's parent must be on a bpffs. Only the usual place is mounted unasked: elsewhere it would hide files. */
static int ensure_bpffs(const char *folder)
{
	char copy[PIN_PATH_MAX];
	const char *parent;

	snprintf(copy, sizeof(copy), "%s", folder);
	parent = dirname(copy);
	if (on_bpffs(parent))
		return 0;
	if (strcmp(parent, BPFFS_DEFAULT) != 0) {
		log_error("%s: not on a bpffs: mount one first (mount -t bpf bpf %s)", folder, parent);
		return -EINVAL;
	}
	if (mount("bpf", BPFFS_DEFAULT, "bpf", 0, "mode=0700")) {
		int err = -errno;

		log_error("mounting a bpffs on " BPFFS_DEFAULT ": %s: are you root?", strerror(-err));
		return err;
	}
	log_info("mounted a bpffs on " BPFFS_DEFAULT);
	return 0;
}

static int make_folder(const char *path)
{
	if (mkdir(path, 0700) && errno != EEXIST) {
		int err = -errno;

		log_error("%s: %s", path, strerror(-err));
		return err;
	}
	return 0;
}

int pins_path(char path[PIN_PATH_MAX], const char *folder, const char *sub, const char *name)
{
	int length = sub ? snprintf(path, PIN_PATH_MAX, "%s/%s/%s", folder, sub, name)
			 : snprintf(path, PIN_PATH_MAX, "%s/%s", folder, name);

	return length < PIN_PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int make_folders(const char *folder)
{
	static const char *const subs[] = {PINS_MAPS, PINS_LINKS, PINS_SHARED};
	char path[PIN_PATH_MAX];
	int err = make_folder(folder);

	for (size_t i = 0; i < sizeof(subs) / sizeof(subs[0]) && !err; i++) {
		pins_path(path, folder, NULL, subs[i]);
		err = make_folder(path);
	}
	return err;
}

int pins_open(const char *folder)
{
	int lock, err;

	if (strlen(folder) + 64 > PIN_PATH_MAX) {
		log_error("%s: the path is too long", folder);
		return -ENAMETOOLONG;
	}
	err = ensure_bpffs(folder) ?: make_folders(folder);
	if (err)
		return err;
	lock = file_lock_folder(folder);
	if (lock == -EBUSY)
		log_error("%s: another sluiced runs with this folder: stop it, or give --bpffs another one", folder);
	else if (lock < 0)
		log_error("%s: %s", folder, strerror(-lock));
	return lock;
}

int pins_replace(int fd, const char *path)
{
	char fresh[PIN_PATH_MAX + sizeof(PINS_FRESH)];
	int err;

	snprintf(fresh, sizeof(fresh), "%s" PINS_FRESH, path);
	unlink(fresh); /* left by a crash */
	err = bpf_obj_pin(fd, fresh);
	if (!err && rename(fresh, path)) {
		err = -errno;
		unlink(fresh);
	}
	if (err)
		log_error("pinning %s: %s", path, strerror(-err));
	return err;
}

int pins_repair(int fd, const char *path)
{
	if (fd < 0 || !access(path, F_OK))
		return 0;
	return pins_replace(fd, path) ?: 1;
}

int pins_repair_folder(const char *folder, int *lock)
{
	struct stat held, there;
	char path[PIN_PATH_MAX];
	int err;

	err = pins_path(path, folder, NULL, PINS_MAPS);
	if (err)
		return err;
	if (!access(path, F_OK) && !fstat(*lock, &held) && !stat(folder, &there) && held.st_ino == there.st_ino)
		return make_folders(folder);
	err = ensure_bpffs(folder) ?: make_folders(folder);
	if (err)
		return err;
	err = file_relock_folder(folder, lock);
	if (err < 0)
		log_error("%s: made anew, but not ours: %s", folder, strerror(-err));
	return err;
}

int pins_remove(const char *path)
{
	char fresh[PIN_PATH_MAX + sizeof(PINS_FRESH)];

	snprintf(fresh, sizeof(fresh), "%s" PINS_FRESH, path);
	unlink(fresh);
	if (!unlink(path) || errno == ENOENT)
		return 0;
	log_warning("%s: %s", path, strerror(errno));
	return -errno;
}

static void replace_all(char *text, char from, char to)
{
	for (; *text; text++)
		if (*text == from)
			*text = to;
}

void pins_from_interface(char name[IFNAMSIZ], const char *interface)
{
	snprintf(name, IFNAMSIZ, "%s", interface);
	replace_all(name, '.', ':');
}

void pins_to_interface(char interface[IFNAMSIZ], const char *name)
{
	snprintf(interface, IFNAMSIZ, "%s", name);
	replace_all(interface, ':', '.');
}

int pins_each(const char *folder, const char *sub, int (*each)(const char *path, const char *name, void *argument),
	      void *argument)
{
	char path[PIN_PATH_MAX];
	struct dirent **entries;
	int count, result = 0;

	pins_path(path, folder, NULL, sub);
	/* read whole first: `each` may remove what it is given */
	count = scandir(path, &entries, NULL, alphasort);
	if (count < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		if (!result && entries[i]->d_name[0] != '.' && !pins_path(path, folder, sub, entries[i]->d_name))
			result = each(path, entries[i]->d_name, argument);
		free(entries[i]);
	}
	free(entries);
	return result;
}
