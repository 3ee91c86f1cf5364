/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Files that are never seen half written, and folders that one process has for itself. */
#ifndef SLUICE_FILE_H
#define SLUICE_FILE_H

#include <stddef.h>

enum file_how {
	FILE_PRIVATE = 1, /* mode 0600 instead of 0644: it holds a secret */
	FILE_QUICK = 2,	  /* no fsync: a slow disk holds nobody up, but a crash of the host may lose it */
};

/*
 * Replaces the file whole: write to PATH.new, fsync, rename, fsync of the
 * folder. A crash leaves the old one or the new one. `how` is 0 or some of the
 * above. 0 or a negative errno.
 */
int file_replace(const char *path, const void *data, size_t length, unsigned int how);

/*
 * All that is in a regular file, with a NUL behind it, to be freed; its length goes to *length. NULL with errno: EISDIR
 * and so on.
 */
char *file_read(const char *path, size_t *length);

/* Removes the file, and a crash of the host does not bring it back. 0, also if there was none; or a negative errno. */
int file_remove(const char *path);

/*
 * Takes the folder's lock, which ends with the process: a descriptor that programs it runs do not get; -EBUSY if
 * another process has it, or another negative errno. Logs nothing.
 */
int file_lock_folder(const char *folder);

/*
 * Takes the lock anew if the folder of that name is another one than the locked one, whose lock is then worth nothing.
 * 1: done; 0: it is the same; or a negative errno as above, with *lock as it was.
 */
int file_relock_folder(const char *folder, int *lock);

#endif
