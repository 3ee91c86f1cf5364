/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Running programs on the side. They are real; after each test nothing of them may be left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/memory.h"
#include "lib/process.h"
#include "unit/descriptors.h"
#include "unit/patience.h"
#include "unit/shell.h"
#include "unit/temp_folder.h"

#define LIMIT 4

struct fixture {
	struct event_base *base;
	struct event *patience;
	struct process_pool *pool;
	char folder[TEMP_FOLDER_SIZE]; /* that anybody may write to */
	size_t descriptors;
	__u32 patience_ms; /* this and the input are for what is started from now on */
	const char *input;
	size_t done;
	struct process_end end; /* the last one */
};

static int setup(void **state)
{
	struct fixture *fixture = memory_new(1, sizeof(*fixture));

	fixture->descriptors = descriptors_open();
	fixture->base = event_base_new();
	fixture->patience = patience_new(fixture->base);
	fixture->pool = process_pool_new(fixture->base, LIMIT);
	*state = fixture;
	return temp_folder_make(fixture->folder, 0777);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	int err;

	if (fixture->pool)
		process_pool_free(fixture->pool);
	err = temp_folder_remove(fixture->folder);
	event_free(fixture->patience);
	event_base_free(fixture->base);
	assert_int_equal(descriptors_open(), fixture->descriptors);
	/* no child, dead or alive */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	free(fixture);
	return err;
}

static void done(void *argument, const struct process_end *end)
{
	struct fixture *fixture = argument;

	fixture->end = *end;
	fixture->done++;
}

static struct process *start(struct fixture *fixture, const char *script, __u32 timeout_ms)
{
	const char *command[] = {"/bin/sh", "-c", script, "sh", fixture->folder, NULL};
	const char *environment[] = {"COLOUR=blue", "EMPTY=", NULL};

	return process_start(fixture->pool, &(struct process_spec){.command = command,
								   .environment = environment,
								   .user = "nobody",
								   .timeout_ms = timeout_ms,
								   .patience_ms = fixture->patience_ms,
								   .input = fixture->input,
								   .done = done,
								   .argument = fixture});
}

static void wait_for(struct fixture *fixture, size_t count)
{
	while (fixture->done < count)
		event_base_loop(fixture->base, EVLOOP_ONCE);
}

/* Runs the script, which gets the folder as $1, to its end. */
static const struct process_end *run(struct fixture *fixture, const char *script, __u32 timeout_ms)
{
	fixture->done = 0;
	start(fixture, script, timeout_ms);
	assert_int_equal(fixture->done, 0);
	wait_for(fixture, 1);
	return &fixture->end;
}

static void says(struct fixture *fixture, const char *script, const char *output)
{
	const struct process_end *end = run(fixture, script, 30000);

	assert_int_equal(end->error, 0);
	assert_false(end->timed_out);
	assert_string_equal(end->output, output);
}

/* The pid that a script wrote into the folder's `pid`, once it is there. */
static pid_t written_pid(struct fixture *fixture)
{
	char path[128];
	int pid = 0;

	snprintf(path, sizeof(path), "%s/pid", fixture->folder);
	for (;;) {
		FILE *file = fopen(path, "re");
		int found = file ? fscanf(file, "%d\n", &pid) : 0;

		if (file)
			fclose(file);
		if (found == 1)
			return pid;
		event_base_loop(fixture->base, EVLOOP_NONBLOCK);
	}
}

static bool is_dead(pid_t pid)
{
	char path[64], state = 'Z';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return true;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 'Z'; /* it went away meanwhile */
	fclose(file);
	return state == 'Z' || state == 'X';
}

/* Killed ones die in their own time, and orphans are reaped by another process. */
static void await_death(pid_t pid)
{
	const struct timespec moment = {.tv_nsec = 2000000};

	for (int i = 0; i < 10000 && !is_dead(pid); i++)
		nanosleep(&moment, NULL);
	assert_true(is_dead(pid));
}

static void test_ends(void **state)
{
	const struct process_end *end;

	end = run(*state, "exit 0", 30000);
	assert_int_equal(end->error, 0);
	assert_int_equal(end->status, 0);
	end = run(*state, "exit 3", 30000);
	assert_true(WIFEXITED(end->status));
	assert_int_equal(WEXITSTATUS(end->status), 3);
	end = run(*state, "kill -TERM $$", 30000);
	assert_true(WIFSIGNALED(end->status));
	assert_int_equal(WTERMSIG(end->status), SIGTERM);
	assert_true(end->seconds > 0);
}

static void test_output_is_its_first_line(void **state)
{
	says(*state, "echo; echo; echo one; echo two", "one");
	says(*state, "echo oops >&2; exit 1", "oops");
	says(*state, "printf 'a\\001b\\033[0m \\377 \\303\\244 no end'", "a b [0m ? \303\244 no end");
	says(*state, "true", "");
}

static void test_environment_is_what_was_given(void **state)
{
	setenv("SECRET", "of this process", 1);
	says(*state, "echo \"$PATH $COLOUR,$EMPTY,$SECRET\"", "/usr/sbin:/usr/bin:/sbin:/bin blue,,");
	says(*state, "pwd", "/");
	says(*state, "umask", "0022");
}

static void test_gets_nothing_of_this_process(void **state)
{
	sigset_t blocked, before;
	int fd = open("/dev/null", O_RDONLY), kept = fcntl(fd, F_DUPFD, 200);

	/* no descriptor, no ignored or blocked signal, no terminal, no way to more rights */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	says(*state, "ls /proc/self/fd | tr '\\n' ' '", "0 1 2 3 ");
	says(*state, "grep -h 'SigIgn\\|SigBlk' /proc/self/status | tr -d '\\n'",
	     "SigBlk: 0000000000000000SigIgn: 0000000000000000");
	says(*state, "grep NoNewPrivs /proc/self/status", "NoNewPrivs: 1");
	says(*state, "test $(cut -d' ' -f6 /proc/$$/stat) = $$ && echo own session", "own session");
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(fd);
	close(kept);
}

static void test_runs_as_its_user(void **state)
{
	says(*state, "id -un", "nobody");
	says(*state, "id -Gn", "nogroup");
	says(*state, "grep -c 'Cap[IPEA][a-z]*:.*[1-9a-f]' /proc/self/status", "0");
	/* of this process nothing has changed */
	assert_int_equal(getuid(), 0);
	assert_int_equal(prctl(PR_GET_DUMPABLE), 1);
}

static void test_input(void **state)
{
	struct fixture *fixture = *state;
	char *large = memory_new(1, 300001);

	fixture->input = "a line\n";
	says(fixture, "cat /dev/stdin", "a line");
	/* more than a pipe holds; and one who does not read it */
	memset(large, 'x', 300000);
	fixture->input = large;
	says(fixture, "wc -c", "300000");
	says(fixture, "exec <&-; echo done", "done");
	fixture->input = NULL;
	says(fixture, "wc -c", "0");
	free(large);
}

static void cannot_run(struct fixture *fixture, const char *path, const char *user, int error, const char *why)
{
	const char *command[] = {path, NULL};

	fixture->done = 0;
	process_start(
		fixture->pool,
		&(struct process_spec){
			.command = command, .user = user, .timeout_ms = 30000, .done = done, .argument = fixture});
	wait_for(fixture, 1);
	assert_int_equal(fixture->end.error, error);
	if (!strstr(fixture->end.why, why))
		fail_msg("\"%s\" instead of \"%s\"", fixture->end.why, why);
}

static void test_what_cannot_be_run(void **state)
{
	struct fixture *fixture = *state;
	char script[128];

	snprintf(script, sizeof(script), "%s/script", fixture->folder);
	shell_run("echo '#!/no/interpreter' >%s && chmod 755 %s", script, script);
	cannot_run(fixture, "/no/such/program", "nobody", -ENOENT, "cannot run it: /no/such/program: No such file");
	cannot_run(fixture, script, "nobody", -ENOENT, "or the interpreter in its first line");
	cannot_run(fixture, "/etc/passwd", "nobody", -EACCES, "/etc/passwd: Permission denied");
	cannot_run(fixture, "/root/anything", "nobody", -EACCES, "Permission denied");
	cannot_run(fixture, "/bin/true", "no-such-user", -ENOENT, "as 'no-such-user': there is no such user");
	chmod(script, 0700); /* it is root's */
	cannot_run(fixture, script, "nobody", -EACCES, "Permission denied");
	says(fixture, "echo fine", "fine");
}

static void test_no_descriptors(void **state)
{
	struct fixture *fixture = *state;
	struct rlimit before, none;

	getrlimit(RLIMIT_NOFILE, &before);
	none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
	start(fixture, "true", 30000);
	setrlimit(RLIMIT_NOFILE, &none);
	wait_for(fixture, 1);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(fixture->end.error, -EMFILE);
}

/* As an agent that is not root: in a child, for there is no way back. */
static void test_another_user_takes_root(void **state)
{
	struct fixture *fixture = *state;
	pid_t child = fork();
	int status;

	if (!child) {
		bool right;

		if (event_reinit(fixture->base) || setresuid(1, 1, 1))
			_exit(2);
		start(fixture, "true", 30000);
		wait_for(fixture, 1);
		right = fixture->end.error == -EPERM && strstr(fixture->end.why, "this process is not root");
		_exit(!right);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_timeout_kills_the_whole_group(void **state)
{
	struct fixture *fixture = *state;
	pid_t grandchild;

	start(fixture, "trap '' TERM INT HUP; sh -c 'echo $$ >$0/pid; echo begun; sleep 1000' $1 & wait; sleep 1000",
	      200);
	grandchild = written_pid(fixture);
	wait_for(fixture, 1);
	assert_true(fixture->end.timed_out);
	assert_int_equal(fixture->end.error, 0);
	assert_string_equal(fixture->end.output, "begun");
	assert_true(fixture->end.seconds >= 0.19);
	await_death(grandchild);
}

static void test_end_kills_what_is_left_of_the_group(void **state)
{
	struct fixture *fixture = *state;

	/* it keeps the output open, too */
	run(fixture, "sleep 1000 & echo $! >$1/pid; echo done", 30000);
	assert_string_equal(fixture->end.output, "done");
	assert_int_equal(fixture->end.status, 0);
	await_death(written_pid(fixture));
}

static void test_cancel(void **state)
{
	struct fixture *fixture = *state;
	struct process *running = start(fixture, "echo $$ >$1/pid; sleep 1000", 30000), *waiting[LIMIT];
	pid_t pid = written_pid(fixture);

	for (int i = 0; i < LIMIT; i++)
		waiting[i] = start(fixture, "sleep 1000", 30000);
	for (int i = 0; i < LIMIT; i++)
		process_cancel(waiting[i]);
	process_cancel(running);
	await_death(pid);
	/* its place is free again in the end */
	for (int i = 0; i < LIMIT; i++)
		start(fixture, "true", 30000);
	wait_for(fixture, LIMIT);
	assert_int_equal(fixture->done, LIMIT);
}

static void test_pool_kills_what_runs_when_freed(void **state)
{
	struct fixture *fixture = *state;
	pid_t pid;

	start(fixture, "sleep 1000 & echo $! >$1/pid; wait", 30000);
	for (int i = 0; i < 2 * LIMIT; i++)
		start(fixture, "sleep 1000", 30000);
	pid = written_pid(fixture);
	process_pool_free(fixture->pool);
	fixture->pool = NULL;
	await_death(pid);
	assert_int_equal(fixture->done, 0);
}

/* The one who waits for reading is the program. */
static void test_output_without_end(void **state)
{
	const struct process_end *end = run(*state, "exec yes", 300);

	assert_true(end->timed_out);
	assert_string_equal(end->output, "y");
	end = run(*state, "head -c 900000 /dev/zero; echo", 30000);
	assert_int_equal(end->status, 0);
}

static size_t lines_in(const char *folder, const char *name)
{
	char path[128];
	size_t lines = 0;
	FILE *file;
	int c;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while ((c = fgetc(file)) != EOF)
		lines += c == '\n';
	fclose(file);
	return lines;
}

#define MANY 40

static void test_only_so_many_at_once(void **state)
{
	struct fixture *fixture = *state;

	/* each waits until the test lets it go */
	for (int i = 0; i < MANY; i++)
		start(fixture, "echo >>$1/begun; while ! test -e $1/go; do sleep 0.01; done; echo >>$1/ended", 50000);
	while (lines_in(fixture->folder, "begun") < LIMIT)
		event_base_loop(fixture->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	for (int i = 0; i < 100; i++)
		event_base_loop(fixture->base, EVLOOP_NONBLOCK);
	assert_int_equal(lines_in(fixture->folder, "begun"), LIMIT);
	shell_run("touch %s/go", fixture->folder);
	wait_for(fixture, MANY);
	assert_int_equal(lines_in(fixture->folder, "ended"), MANY);
	assert_true(fixture->end.waited > 0);
}

/* Waiting is not part of the timeout. */
static void test_timeout_begins_with_the_start(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 3 * LIMIT; i++)
		start(fixture, "sleep 0.3; exit 7", 5000);
	for (int i = 1; i <= 3 * LIMIT; i++) {
		wait_for(fixture, (size_t)i);
		assert_false(fixture->end.timed_out);
	}
	assert_true(fixture->end.waited > 0.5);
	assert_int_equal(WEXITSTATUS(fixture->end.status), 7);
}

static void test_patience(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < LIMIT; i++)
		start(fixture, "sleep 1000", 60000);
	fixture->patience_ms = 100;
	start(fixture, "true", 1000);
	wait_for(fixture, 1);
	assert_int_equal(fixture->end.error, -EAGAIN);
	assert_non_null(strstr(fixture->end.why, "/bin/sh has waited"));
}

/* As by a parent that does not care for its children: ignored signals are inherited. */
static void test_child_signal_was_ignored(void **state)
{
	struct fixture *fixture = *state;

	process_pool_free(fixture->pool);
	signal(SIGCHLD, SIG_IGN);
	fixture->pool = process_pool_new(fixture->base, LIMIT);
	start(fixture, "exit 7", 60000);
	wait_for(fixture, 1);
	assert_int_equal(fixture->end.error, 0);
	assert_int_equal(WEXITSTATUS(fixture->end.status), 7);
}

static void test_dies_with_this_process(void **state)
{
	struct fixture *fixture = *state;
	pid_t agent = fork(), pid;

	if (!agent) {
		event_reinit(fixture->base);
		start(fixture, "echo $$ >$1/pid; exec sleep 1000", 60000);
		for (;;)
			event_base_loop(fixture->base, EVLOOP_ONCE);
	}
	pid = written_pid(fixture);
	kill(agent, SIGKILL);
	waitpid(agent, NULL, 0);
	await_death(pid);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ends),
		TEST(test_output_is_its_first_line),
		TEST(test_environment_is_what_was_given),
		TEST(test_gets_nothing_of_this_process),
		TEST(test_runs_as_its_user),
		TEST(test_input),
		TEST(test_what_cannot_be_run),
		TEST(test_no_descriptors),
		TEST(test_another_user_takes_root),
		TEST(test_timeout_kills_the_whole_group),
		TEST(test_end_kills_what_is_left_of_the_group),
		TEST(test_cancel),
		TEST(test_pool_kills_what_runs_when_freed),
		TEST(test_output_without_end),
		TEST(test_only_so_many_at_once),
		TEST(test_timeout_begins_with_the_start),
		TEST(test_patience),
		TEST(test_child_signal_was_ignored),
		TEST(test_dies_with_this_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
