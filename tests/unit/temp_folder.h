/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A folder for a test. Root's is on a tmpfs that only this process and its children
 * see: nothing is left when the process ends, however it does.
 */
#ifndef SLUICE_TEST_TEMP_FOLDER_H
#define SLUICE_TEST_TEMP_FOLDER_H

#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMP_FOLDER_SIZE 32

/* Not over /tmp: the programs under test may be there. Where root may not mount, all have the same /tmp. */
static inline const char *temp_folder_place(void)
{
	static const char *place;

	if (!place && geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("none", "/dev/shm", "tmpfs", 0, "mode=1777") == 0)
		place = "/dev/shm";
	else if (!place)
		place = "/tmp";
	return place;
}

/* Makes it, with this mode; path has room for TEMP_FOLDER_SIZE. Nonzero if that cannot be. */
static inline int temp_folder_make(char *path, mode_t mode)
{
	snprintf(path, TEMP_FOLDER_SIZE, "%s/sluice-test-XXXXXX", temp_folder_place());
	return !mkdtemp(path) || chmod(path, mode);
}

static inline int temp_folder_remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
	(void)info;
	(void)type;
	(void)walk;
	return remove(path);
}

/* With all that is in it. Nonzero if something stays. */
static inline int temp_folder_remove(const char *path)
{
	return nftw(path, temp_folder_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
