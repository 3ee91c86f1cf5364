/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#ifndef SLUICE_TEST_DESCRIPTORS_H
#define SLUICE_TEST_DESCRIPTORS_H

#include <dirent.h>
#include <stddef.h>

/* How many are open, to be compared with how many were. */
static inline size_t descriptors_open(void)
{
	DIR *folder = opendir("/proc/self/fd");
	size_t count = 0;

	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

#endif
