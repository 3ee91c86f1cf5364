/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Files that are never seen half written. */
#ifndef SLUICE_FILE_H
#define SLUICE_FILE_H

#include <stddef.h>

/*
 * Replaces the file whole, mode 0644: write to PATH.new, fsync, rename, fsync of
 * the folder. A crash leaves the old one or the new one. 0 or a negative errno.
 */
int file_replace(const char *path, const void *data, size_t length);

#endif
