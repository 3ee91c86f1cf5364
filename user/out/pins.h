/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The folder on a bpffs where everything of ours is pinned, and the names in it. */
#ifndef SLUICE_PINS_H
#define SLUICE_PINS_H

#include <net/if.h>

#define PIN_PATH_MAX 512

/* Subfolders; the program itself is DIR/prog. */
#define PINS_MAPS   "maps"
#define PINS_LINKS  "links"  /* bpf_links, by interface */
#define PINS_SHARED "shared" /* programs in libxdp's dispatchers, by interface */

/* A pin's name ends so until it takes its place; no interface has a space in its name. */
#define PINS_FRESH " new"

/*
 * Makes the folder and its subfolders and takes its lock, which ends with the
 * process. Mounts a bpffs on /sys/fs/bpf if the folder lies there and nothing is
 * mounted. Returns the lock's descriptor, -EBUSY if another process has it, or
 * another negative errno; the reason is in the log.
 */
int pins_open(const char *folder);

/* The path of a pin; `sub` may be NULL. -ENAMETOOLONG if it does not fit. */
int pins_path(char path[PIN_PATH_MAX], const char *folder, const char *sub, const char *name);

/* Pins the object under a path that may be taken: the new pin replaces the old one atomically. */
int pins_replace(int fd, const char *path);

/* Pins the object under a path where nothing is any more. 1: done, 0: something is there, or a negative errno. */
int pins_repair(int fd, const char *path);

/* Makes the folder and its subfolders anew if they are gone; the lock of a folder that is gone is worth nothing. 1, 0
 * or a negative errno as pins_repair(). */
int pins_repair_folder(const char *folder, int *lock);

/* Removes a pin, and what pins_replace() left of it if a crash came between. One that is missing is no error. */
int pins_remove(const char *path);

/* A bpffs allows no dot in a name, an interface no colon: eth0.10 is pinned as eth0:10. */
void pins_from_interface(char name[IFNAMSIZ], const char *interface);
void pins_to_interface(char interface[IFNAMSIZ], const char *name);

/* Calls `each` for every pin in a subfolder until it returns non-zero, which is returned. A missing folder is empty. */
int pins_each(const char *folder, const char *sub, int (*each)(const char *path, const char *name, void *argument),
	      void *argument);

#endif
