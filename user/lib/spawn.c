/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The child shares this process's memory until it runs the program (as after vfork(2)),
 * so it may call nothing but the kernel: no allocation, and raw calls where the C library
 * would have all threads change their user. It runs on a stack of its own, within its parent's, which
 * stands still meanwhile. No signal handler of ours may run in it: they are all blocked
 * until none is left.
 */
#include "lib/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_STACK 16384
#define EXIT_UNRUN  127

struct child {
	const struct spawn *spawn;
	pid_t parent;
	const char *volatile step; /* under way */
	volatile int error;	   /* of it */
};

/*
 * By the system call: the C library keeps two signals for itself, which its own posix_spawn() leaves
 * ignored, so that they come from make(1), say.
 */
static int default_signals(void)
{
	static const unsigned long usual[8]; /* the kernel's struct sigaction: SIG_DFL, no flags, nothing blocked */
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		syscall(SYS_rt_sigaction, number, usual, NULL, 8); /* SIGKILL and SIGSTOP refuse */
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Both away from 0, 1 and 2 first: this process may have been started without those. */
static int place_descriptors(const struct spawn *spawn)
{
	int input = fcntl(spawn->input, F_DUPFD, 3), output = fcntl(spawn->output, F_DUPFD, 3);

	if (input < 0 || output < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
		return -1;
	return (int)syscall(SYS_close_range, 3U, ~0U, 0U);
}

static int become(const struct account *account)
{
	/* what a service manager may have given an agent that is not root */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (!account)
		return 0;
	if (syscall(SYS_setgroups, account->group_count, account->groups) ||
	    syscall(SYS_setresgid, account->gid, account->gid, account->gid))
		return -1;
	return (int)syscall(SYS_setresuid, account->uid, account->uid, account->uid);
}

/* After become(): a change of user takes the death signal back. */
static int fetter(const struct child *child)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return -1;
	if (getppid() != child->parent)
		_exit(EXIT_UNRUN);
	umask(022);
	return chdir("/");
}

static int run_child(void *argument)
{
	struct child *child = argument;
	const struct spawn *spawn = child->spawn;

	child->step = "prepare it";
	if (default_signals() || setsid() < 0 || place_descriptors(spawn))
		goto failed;
	child->step = "change to its user";
	if (become(spawn->account))
		goto failed;
	child->step = "confine it";
	if (fetter(child))
		goto failed;
	child->step = "run it";
	execve(spawn->command[0], (char *const *)spawn->command, spawn->environment);
failed:
	child->error = errno;
	_exit(EXIT_UNRUN);
}

int spawn_program(const struct spawn *spawn, struct spawned *out)
{
	struct child child = {.spawn = spawn, .parent = getpid(), .step = "start a process"};
	char stack[CHILD_STACK] __attribute__((aligned(16)));
	int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), error = 0;
	sigset_t all, before;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	out->pid = clone(run_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &child,
			 &out->pidfd);
	if (out->pid < 0)
		error = errno;
	/* a change of user makes the memory that it was done in, ours, one that leaves no core dump */
	if (dumpable == 1)
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	sigprocmask(SIG_SETMASK, &before, NULL);
	out->step = child.step;
	if (!error && child.error) {
		error = child.error;
		waitpid(out->pid, NULL, 0);
		close(out->pidfd);
	}
	return -error;
}
