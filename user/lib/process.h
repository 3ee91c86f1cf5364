/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Programs that are run on the side: in a process group of their own, with a
 * timeout after which the whole group is killed, as an unprivileged user, and
 * only so many at once; the rest waits in turn. Nothing here blocks the loop.
 *
 * A program gets no way to more rights than it is started with (no setuid, no file capabilities) and is killed
 * if this process dies. When it ends, what is left of its group is killed, too. What a program starts in a session of
 * its own (setsid(1), daemons) has left the group and is not found again: it lives on.
 */
#ifndef SLUICE_PROCESS_H
#define SLUICE_PROCESS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

struct process_pool;
struct process;

/* At most `limit` run at once; the waiting ones' timeout counts from their start. */
struct process_pool *process_pool_new(struct event_base *base, size_t limit);

/* Kills what runs. Nothing is reported any more. */
void process_pool_free(struct process_pool *pool);

#define PROCESS_OUTPUT 160 /* of standard output and error, the first line that is kept */

#define PROCESS_WHY	   240
#define PROCESS_OUTPUT_MAX (1 << 20) /* bytes of output that are taken; a program that writes more stands still */

struct process_end {
	int error;	       /* negative errno: it could not be run (its path, its user, no memory) */
	char why[PROCESS_WHY]; /* if error: in words, "cannot run /x: No such file or directory" */
	int status;	       /* as of waitpid(2), if error is 0 and it did not time out */
	bool timed_out;
	char output[PROCESS_OUTPUT]; /* first line that is not empty, UTF-8 without control characters; or "" */
	double seconds;		     /* that it ran */
	double waited;		     /* seconds for its turn, before */
};

typedef void (*process_done_fn)(void *argument, const struct process_end *end);

struct process_spec {
	const char *const *command;	/* argv and NULL */
	const char *const *environment; /* "NAME=value" and NULL: all that it gets, beside PATH */
	const char *user;     /* that it runs as. A process that is not root can only run programs as itself */
	const char *input;    /* for its standard input, or NULL: /dev/null */
	__u32 timeout_ms;     /* from its start */
	__u32 patience_ms;    /* for its turn: then it has failed to run, with -EAGAIN. 0: it waits for ever */
	process_done_fn done; /* called once, from the loop, unless cancelled */
	void *argument;
};

/* The spec is copied. Never NULL; what goes wrong is told to `done`. */
struct process *process_start(struct process_pool *pool, const struct process_spec *spec);

/* Kills the whole group, if it has begun; `done` is not called. */
void process_cancel(struct process *process);

#endif
