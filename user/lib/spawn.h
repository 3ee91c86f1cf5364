/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Starting a program: no copy of this process's memory is made, however large it is, and the program
 * gets nothing of this process but what is named here. This process stands still until
 * the kernel has opened the program: some hundred microseconds, more if it lies on a slow disk.
 */
#ifndef SLUICE_SPAWN_H
#define SLUICE_SPAWN_H

#include <sys/types.h>

#include "lib/account.h"

struct spawn {
	const char *const *command;    /* argv and NULL; command[0] is the path */
	char *const *environment;      /* all of it, and NULL */
	const struct account *account; /* to run as; NULL: as this process does */
	int input, output;	       /* for standard input; for standard output and error */
};

struct spawned {
	pid_t pid; /* also its process group and session */
	int pidfd;
	const char *step; /* what failed, in words: "run it" */
};

/* 0, or a negative errno and the step that failed; then there is nothing to wait for. */
int spawn_program(const struct spawn *spawn, struct spawned *out);

#endif
