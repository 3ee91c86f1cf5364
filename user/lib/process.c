/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "lib/process.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/account.h"
#include "lib/arena.h"
#include "lib/clock.h"
#include "lib/memory.h"
#include "lib/spawn.h"
#include "lib/text.h"

#define PATH_ENTRY	"PATH=/usr/sbin:/usr/bin:/sbin:/bin"
#define ACCOUNT_KEPT_MS 60000
#define READ_AT_ONCE	16384
#define DYING_MS	100 /* to wait in process_pool_free() for what was killed */

TAILQ_HEAD(process_list, process);

/* libevent goes by the time at which the present turn of the loop began; timers are added with the time of now. */
struct process_pool {
	struct event_base *base;
	size_t limit, running_count;
	struct process_list waiting, running; /* running: those too whose end nobody waits for any more */
	struct event next;		      /* starts one that waits: one in a turn of the loop */
	char *user;			      /* whose account this is, or NULL */
	struct account account;
	__u64 account_read; /* ms */
};

struct process {
	TAILQ_ENTRY(process) link;
	struct process_pool *pool;
	struct arena *arena;	  /* owns what `spec` points to */
	struct process_spec spec; /* without `done`: killed, only its end is still to be seen */
	bool begun;
	pid_t pid;
	int pidfd, output;     /* or -1 */
	__u64 queued, started; /* us */
	size_t taken;	       /* bytes of output */
	size_t line;	       /* of them in `first` */
	bool line_ended;
	char first[PROCESS_OUTPUT];
	struct event ended, readable, timeout;
};

static const char **copy_list(struct arena *arena, const char *const *from, size_t extra)
{
	size_t count = 0;
	const char **to;

	while (from && from[count])
		count++;
	to = arena_array(arena, count + extra + 1, sizeof(*to));
	for (size_t i = 0; i < count; i++)
		to[extra + i] = arena_strdup(arena, from[i]);
	return to;
}

static void copy_spec(struct process *process, const struct process_spec *from)
{
	const char **environment = copy_list(process->arena, from->environment, 1);

	environment[0] = PATH_ENTRY;
	process->spec = *from;
	process->spec.environment = environment;
	process->spec.command = copy_list(process->arena, from->command, 0);
	process->spec.user = arena_strdup(process->arena, from->user);
	process->spec.input = from->input ? arena_strdup(process->arena, from->input) : NULL;
}

static void process_free(struct process *process)
{
	if (process->begun) {
		event_del(&process->ended);
		event_del(&process->readable);
		event_del(&process->timeout);
		close(process->pidfd);
	}
	if (process->output >= 0)
		close(process->output);
	arena_free(process->arena);
	free(process);
}

/* Starting takes a moment in which nothing else is done: so the loop has its turn between two. */
static void wake(struct process_pool *pool)
{
	const struct timeval at_once = {0};

	if (pool->running_count < pool->limit && !TAILQ_EMPTY(&pool->waiting) &&
	    !event_pending(&pool->next, EV_TIMEOUT, NULL))
		event_add(&pool->next, &at_once);
}

/* Everything of the process is gone before `done` hears of its end. */
static void tell(struct process_pool *pool, const struct process_spec *spec, const struct process_end *end)
{
	process_done_fn done = spec->done;

	wake(pool);
	if (done)
		done(spec->argument, end);
}

static void kill_group(const struct process *process)
{
	kill(-process->pid, SIGKILL);
}

/* The first line that is not empty, as far as there is room. */
static void take_line(struct process *process, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count && !process->line_ended; i++) {
		if (bytes[i] == '\n' || bytes[i] == '\r')
			process->line_ended = process->line > 0;
		else if (process->line < sizeof(process->first))
			process->first[process->line++] = bytes[i];
	}
}

static void close_output(struct process *process)
{
	event_del(&process->readable);
	close(process->output);
	process->output = -1;
}

static void read_output(struct process *process)
{
	char bytes[READ_AT_ONCE];
	ssize_t n = read(process->output, bytes, sizeof(bytes));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close_output(process);
		return;
	}
	take_line(process, bytes, (size_t)n);
	process->taken += (size_t)n;
	if (process->taken >= PROCESS_OUTPUT_MAX)
		event_del(&process->readable); /* left open: the program waits for us, which costs nothing */
}

static void readable_event(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	read_output(argument);
}

static void put_end(const struct process *process, struct process_end *end)
{
	end->seconds = (double)(clock_us() - process->started) / 1e6;
	end->waited = (double)(process->started - process->queued) / 1e6;
	text_clean(end->output, sizeof(end->output), process->first, process->line);
}

/* Reaps it and forgets it. The group cannot be another's before its leader is reaped. */
static void bury(struct process *process, struct process_end *end)
{
	struct process_pool *pool = process->pool;

	kill_group(process);
	if (waitpid(process->pid, &end->status, WNOHANG) != process->pid) {
		end->error = -ECHILD;
		snprintf(end->why, sizeof(end->why), "how %s ended was not to be learned", process->spec.command[0]);
	}
	TAILQ_REMOVE(&pool->running, process, link);
	pool->running_count--;
}

static void ended_event(evutil_socket_t fd, short what, void *argument)
{
	struct process *process = argument;
	struct process_pool *pool = process->pool;
	struct process_spec spec = process->spec;
	struct process_end end = {0};

	(void)fd;
	(void)what;
	if (process->output >= 0 && process->taken < PROCESS_OUTPUT_MAX)
		read_output(process);
	put_end(process, &end);
	bury(process, &end);
	process_free(process);
	tell(pool, &spec, &end);
}

/* Killed, but a process that hangs in the kernel does not die at once: nobody waits for that. */
static void abandon(struct process *process)
{
	process->spec.done = NULL;
	event_del(&process->timeout);
	if (process->output >= 0)
		close_output(process);
	kill_group(process);
}

static void timeout_event(evutil_socket_t fd, short what, void *argument)
{
	struct process *process = argument;
	struct process_pool *pool = process->pool;
	struct process_spec spec = process->spec;
	struct process_end end = {.timed_out = true};
	struct pollfd over = {.fd = process->pidfd, .events = POLLIN};

	/* both may have become due in one turn */
	if (poll(&over, 1, 0) > 0) {
		ended_event(fd, what, argument);
		return;
	}
	if (process->output >= 0 && process->taken < PROCESS_OUTPUT_MAX)
		read_output(process);
	put_end(process, &end);
	abandon(process);
	tell(pool, &spec, &end);
}

/* Who to be, in *account: NULL for who this process is. 0 or a negative errno with its words in `why`. */
static int find_account(struct process_pool *pool, const char *user, const struct account **account,
			char why[PROCESS_WHY])
{
	int err;

	if (!pool->user || strcmp(pool->user, user) || clock_ms() - pool->account_read > ACCOUNT_KEPT_MS) {
		free(pool->user);
		pool->user = NULL;
		account_clear(&pool->account);
		err = account_find(&pool->account, user);
		if (err) {
			snprintf(why, PROCESS_WHY, "cannot run programs as '%s': %s", user,
				 err == -ENOENT ? "there is no such user in /etc/passwd" : strerror(-err));
			return err;
		}
		pool->user = memory_format("%s", user);
		pool->account_read = clock_ms();
	}
	*account = geteuid() == 0 ? &pool->account : NULL;
	if (*account || pool->account.uid == geteuid())
		return 0;
	snprintf(why, PROCESS_WHY, "cannot run programs as '%s': this process is not root, but user %u", user,
		 geteuid());
	return -EPERM;
}

/* A file in memory: nothing has to be written while it runs, and the program may read as slowly as it likes. */
static int open_input(const char *input)
{
	size_t length = input ? strlen(input) : 0;
	int fd;

	if (!input) {
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	fd = memfd_create("input", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, input, length) != (ssize_t)length || lseek(fd, 0, SEEK_SET) < 0) {
		close(fd);
		return -EIO;
	}
	return fd;
}

/* 0; or a negative errno and what could not be done: "run it". */
static int launch(struct process *process, const struct account *account, const char **step)
{
	struct spawn spawn = {.command = process->spec.command,
			      .environment = (char *const *)process->spec.environment,
			      .account = account};
	struct spawned spawned;
	int ends[2], err;

	*step = "open its input and output";
	spawn.input = open_input(process->spec.input);
	if (spawn.input < 0)
		return spawn.input;
	if (pipe2(ends, O_CLOEXEC)) {
		err = -errno;
		close(spawn.input);
		return err;
	}
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	spawn.output = ends[1];
	err = spawn_program(&spawn, &spawned);
	close(spawn.input);
	close(ends[1]);
	process->output = ends[0];
	if (err) {
		*step = spawned.step;
		return err;
	}
	process->pid = spawned.pid;
	process->pidfd = spawned.pidfd;
	process->begun = true;
	return 0;
}

static int begin(struct process *process, char why[PROCESS_WHY])
{
	const struct account *account;
	const char *step;
	int err = find_account(process->pool, process->spec.user, &account, why);

	if (err)
		return err;
	err = launch(process, account, &step);
	if (err)
		snprintf(why, PROCESS_WHY, "cannot %s: %s: %s%s", step, process->spec.command[0], strerror(-err),
			 err == -ENOENT ? " (itself, or the interpreter in its first line)" : "");
	return err;
}

static void watch(struct process *process)
{
	struct event_base *base = process->pool->base;
	const struct timeval timeout = clock_timeval(process->spec.timeout_ms);

	event_assign(&process->ended, base, process->pidfd, EV_READ, ended_event, process);
	event_assign(&process->readable, base, process->output, EV_READ | EV_PERSIST, readable_event, process);
	evtimer_assign(&process->timeout, base, timeout_event, process);
	event_add(&process->ended, NULL);
	event_add(&process->readable, NULL);
	event_base_update_cache_time(base);
	event_add(&process->timeout, &timeout);
}

static void stop_waiting(struct process *process)
{
	if (process->spec.patience_ms)
		event_del(&process->timeout);
	TAILQ_REMOVE(&process->pool->waiting, process, link);
}

static void patience_event(evutil_socket_t fd, short what, void *argument)
{
	struct process *process = argument;
	struct process_pool *pool = process->pool;
	struct process_spec spec = process->spec;
	struct process_end end = {.error = -EAGAIN};

	(void)fd;
	(void)what;
	snprintf(end.why, sizeof(end.why), "%s has waited %u s for one of the %zu programs that run to end",
		 spec.command[0], spec.patience_ms / 1000, pool->limit);
	stop_waiting(process);
	process_free(process);
	tell(pool, &spec, &end);
}

/* How long it will wait for its turn. */
static void watch_patience(struct process *process)
{
	const struct timeval patience = clock_timeval(process->spec.patience_ms);

	evtimer_assign(&process->timeout, process->pool->base, patience_event, process);
	event_add(&process->timeout, &patience);
}

static void next_event(evutil_socket_t fd, short what, void *argument)
{
	struct process_pool *pool = argument;
	struct process *process = TAILQ_FIRST(&pool->waiting);
	struct process_end end = {0};
	struct process_spec spec;

	(void)fd;
	(void)what;
	if (!process || pool->running_count >= pool->limit)
		return;
	stop_waiting(process);
	process->started = clock_us();
	end.error = begin(process, end.why);
	if (!end.error) {
		TAILQ_INSERT_TAIL(&pool->running, process, link);
		pool->running_count++;
		watch(process);
		wake(pool);
		return;
	}
	put_end(process, &end);
	spec = process->spec;
	process_free(process);
	tell(pool, &spec, &end);
}

struct process *process_start(struct process_pool *pool, const struct process_spec *spec)
{
	struct process *process = memory_new(1, sizeof(*process));

	process->pool = pool;
	process->arena = arena_new();
	process->output = -1;
	process->queued = clock_us();
	copy_spec(process, spec);
	TAILQ_INSERT_TAIL(&pool->waiting, process, link);
	if (spec->patience_ms)
		watch_patience(process);
	wake(pool);
	return process;
}

void process_cancel(struct process *process)
{
	if (process->begun) {
		abandon(process);
		return;
	}
	stop_waiting(process);
	process_free(process);
}

struct process_pool *process_pool_new(struct event_base *base, size_t limit)
{
	struct process_pool *pool = memory_new(1, sizeof(*pool));

	/* if whoever started this process has it ignored, the kernel reaps, and nobody learns how a program ended */
	signal(SIGCHLD, SIG_DFL);
	pool->base = base;
	pool->limit = limit;
	TAILQ_INIT(&pool->waiting);
	TAILQ_INIT(&pool->running);
	evtimer_assign(&pool->next, base, next_event, pool);
	return pool;
}

void process_pool_free(struct process_pool *pool)
{
	struct process *process;

	TAILQ_FOREACH(process, &pool->running, link)
	kill_group(process);
	while ((process = TAILQ_FIRST(&pool->running))) {
		struct pollfd over = {.fd = process->pidfd, .events = POLLIN};
		struct process_end end;

		poll(&over, 1, DYING_MS);
		bury(process, &end);
		process_free(process);
	}
	while ((process = TAILQ_FIRST(&pool->waiting))) {
		stop_waiting(process);
		process_free(process);
	}
	event_del(&pool->next);
	free(pool->user);
	account_clear(&pool->account);
	free(pool);
}
