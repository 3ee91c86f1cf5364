/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What talk.c and echo.c agree on. */
#ifndef SLUICE_TEST_TALK_H
#define SLUICE_TEST_TALK_H

#include <linux/types.h>
#include <sys/resource.h>

#define ECHO_NAME 16 /* bytes of the server's name at the beginning of a connection */

/* As many open files as this process may have. 0, or -1 with errno. */
static inline int files_raise(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return -1;
	files.rlim_cur = files.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &files);
}

#endif
