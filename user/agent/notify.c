/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Admission is by a bucket of tokens: full, it holds `burst`; one comes back every
 * `refill` ms. An event that gets one waits in the queue for the program; one that
 * does not is `held` until there is a token, and left out if another one comes before.
 */
#include "agent/notify.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/account.h"
#include "lib/arena.h"
#include "lib/clock.h"
#include "lib/memory.h"
#include "lib/process.h"

#define MINUTE_MS 60000
#define TROUBLE	  240

struct waiting {
	STAILQ_ENTRY(waiting) link;
	json_t *event;
	__u64 suppressed; /* events left out before it */
};

STAILQ_HEAD(waiting_list, waiting);

struct notify {
	struct event_base *base;
	struct arena *arena;  /* of the configuration */
	const char **command; /* NULL: nobody is told */
	const char *user;
	__u32 timeout_ms, rate, burst, refill_ms;

	__u32 tokens;
	__u64 counted; /* up to when the tokens are reckoned */
	json_t *held;
	__u64 suppressed; /* not told to the program yet */
	struct event admit;

	struct waiting_list queue;
	size_t queued;
	struct process_pool *pool;
	struct process *process; /* or NULL */
	__u64 running;		 /* the event that it runs for */

	notify_trouble_fn trouble;
	notify_told_fn told;
	void *argument;
	__u64 quiet_until;	   /* 0: nothing was said yet */
	size_t failures, left_out; /* not said yet */
	char failure[TROUBLE];	   /* the last one */
	struct event say;
};

/* "run it: exit status 1; 3 failures; 17 events were left out, ..." */
static void say(struct notify *notify)
{
	char failures[TROUBLE + 64] = "", left_out[96] = "";
	char *text;

	if (notify->failures > 1)
		snprintf(failures, sizeof(failures), "%zu runs failed, the last one: %s", notify->failures,
			 notify->failure);
	else if (notify->failures)
		snprintf(failures, sizeof(failures), "%s", notify->failure);
	if (notify->left_out)
		snprintf(left_out, sizeof(left_out),
			 "%s%zu events were left out: more than %u a minute, or a slow program",
			 notify->failures ? "; " : "", notify->left_out, notify->rate);
	text = memory_format("notify: %s%s", failures, left_out);
	notify->failures = notify->left_out = 0;
	notify->quiet_until = clock_ms() + MINUTE_MS;
	notify->trouble(notify->argument, text);
	free(text);
}

static void add_timer(struct notify *notify, struct event *timer, __u64 ms)
{
	const struct timeval in = clock_timeval(ms);

	if (event_pending(timer, EV_TIMEOUT, NULL))
		return;
	event_base_update_cache_time(notify->base);
	event_add(timer, &in);
}

/* On a later turn: a listener to events may be the one who brought this one. */
static void want_to_say(struct notify *notify)
{
	__u64 now = clock_ms();

	add_timer(notify, &notify->say, notify->quiet_until > now ? notify->quiet_until - now : 0);
}

static void say_event(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	say(argument);
}

static void leave_out(struct notify *notify)
{
	notify->suppressed++;
	notify->left_out++;
	want_to_say(notify);
}

__attribute__((format(printf, 2, 3))) static void fail(struct notify *notify, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(notify->failure, sizeof(notify->failure), format, arguments);
	va_end(arguments);
	notify->failures++;
	want_to_say(notify);
}

static void run_next(struct notify *notify);

static void ended(void *argument, const struct process_end *end)
{
	struct notify *notify = argument;
	const char *colon = end->output[0] ? ": " : "";

	notify->process = NULL;
	if (end->error)
		fail(notify, "%s", end->why);
	else if (end->timed_out)
		fail(notify, "the program was killed, not done within %.0f ms%s%s", end->seconds * 1000, colon,
		     end->output);
	else if (WIFSIGNALED(end->status))
		fail(notify, "the program was killed by signal %d%s%s", WTERMSIG(end->status), colon, end->output);
	else if (end->status)
		fail(notify, "the program ended with exit status %d%s%s", WEXITSTATUS(end->status), colon, end->output);
	notify->told(notify->argument, notify->running);
	run_next(notify);
}

static const char *text_of(const json_t *event, const char *key)
{
	const char *text = json_string_value(json_object_get(event, key));

	return text ? text : "";
}

static char *line_of(const struct waiting *waiting)
{
	json_t *copy = json_copy(waiting->event);
	char *json, *line;

	json_object_set_new(copy, "suppressed", json_integer((json_int_t)waiting->suppressed));
	json = json_dumps(copy, JSON_COMPACT);
	json_decref(copy);
	if (!json)
		memory_exhausted();
	line = memory_format("%s\n", json);
	free(json);
	return line;
}

static void run(struct notify *notify, const struct waiting *waiting)
{
	static const struct {
		const char *variable, *key;
	} texts[] = {{"SLUICE_TIME", "time"}, {"SLUICE_EVENT", "event"},     {"SLUICE_SEVERITY", "severity"},
		     {"SLUICE_POOL", "pool"}, {"SLUICE_BACKEND", "backend"}, {"SLUICE_TEXT", "text"}};
	enum { COUNT = sizeof(texts) / sizeof(*texts) };
	char *environment[COUNT + 3] = {0}, *line = line_of(waiting);
	json_int_t id = json_integer_value(json_object_get(waiting->event, "id"));

	for (size_t i = 0; i < COUNT; i++)
		environment[i] = memory_format("%s=%s", texts[i].variable, text_of(waiting->event, texts[i].key));
	environment[COUNT] = memory_format("SLUICE_ID=%lld", (long long)id);
	environment[COUNT + 1] = memory_format("SLUICE_SUPPRESSED=%llu", waiting->suppressed);
	notify->running = (__u64)id;
	notify->process =
		process_start(notify->pool, &(struct process_spec){.command = notify->command,
								   .environment = (const char *const *)environment,
								   .user = notify->user,
								   .input = line,
								   .timeout_ms = notify->timeout_ms,
								   .done = ended,
								   .argument = notify});
	for (size_t i = 0; environment[i]; i++)
		free(environment[i]);
	free(line);
}

static void forget(struct waiting *waiting)
{
	json_decref(waiting->event);
	free(waiting);
}

static struct waiting *take_first(struct notify *notify)
{
	struct waiting *first = STAILQ_FIRST(&notify->queue);

	if (first) {
		STAILQ_REMOVE_HEAD(&notify->queue, link);
		notify->queued--;
	}
	return first;
}

static void run_next(struct notify *notify)
{
	struct waiting *first;

	if (notify->process)
		return;
	first = take_first(notify);
	if (!first)
		return;
	run(notify, first);
	forget(first);
}

static void refill(struct notify *notify)
{
	__u64 now = clock_ms(), more = (now - notify->counted) / notify->refill_ms;

	notify->counted += more * notify->refill_ms;
	if (more < notify->burst - notify->tokens) {
		notify->tokens += (__u32)more;
		return;
	}
	notify->tokens = notify->burst;
	notify->counted = now;
}

/* Queues the held event if it may be. */
static void admit(struct notify *notify)
{
	struct waiting *waiting;

	if (!notify->held)
		return;
	refill(notify);
	if (!notify->tokens || notify->queued >= NOTIFY_QUEUE) {
		add_timer(notify, &notify->admit, notify->refill_ms);
		return;
	}
	notify->tokens--;
	waiting = memory_new(1, sizeof(*waiting));
	waiting->event = notify->held;
	waiting->suppressed = notify->suppressed;
	notify->held = NULL;
	notify->suppressed = 0;
	STAILQ_INSERT_TAIL(&notify->queue, waiting, link);
	notify->queued++;
	run_next(notify);
}

static void admit_event(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	admit(argument);
}

void notify_event(struct notify *notify, const json_t *event)
{
	if (!notify->command)
		return;
	if (notify->held) {
		json_decref(notify->held);
		leave_out(notify);
	}
	notify->held = json_incref((json_t *)event);
	admit(notify);
}

static void drop_waiting(struct notify *notify)
{
	struct waiting *waiting;

	while ((waiting = take_first(notify)))
		forget(waiting);
	json_decref(notify->held);
	notify->held = NULL;
	notify->suppressed = 0;
	event_del(&notify->admit);
}

static bool same_command(const char **a, const char **b)
{
	if (!a || !b)
		return a == b;
	while (*a && *b && strcmp(*a, *b) == 0)
		a++, b++;
	return !*a && !*b;
}

static void copy_command(struct notify *notify, const struct config_notify *config)
{
	struct arena *arena = arena_new();
	size_t count = 0;

	while (config->command[count])
		count++;
	notify->command = arena_array(arena, count + 1, sizeof(*notify->command));
	for (size_t i = 0; i < count; i++)
		notify->command[i] = arena_strdup(arena, config->command[i]);
	notify->user = arena_strdup(arena, config->user);
	arena_free(notify->arena);
	notify->arena = arena;
}

/* What was not said of the program before is, and of the new one everything is news. */
static void end_quiet(struct notify *notify)
{
	if (event_pending(&notify->say, EV_TIMEOUT, NULL)) {
		event_del(&notify->say);
		say(notify);
	}
	notify->quiet_until = 0;
}

void notify_configure(struct notify *notify, const struct config_notify *config)
{
	bool changed;

	if (!config->command) {
		notify->command = NULL;
		drop_waiting(notify);
		return;
	}
	changed = !same_command(config->command, notify->command) || strcmp(config->user, notify->user) != 0;
	if (changed)
		end_quiet(notify);
	if (changed || config->rate != notify->rate) {
		notify->rate = config->rate ? config->rate : 1;
		notify->burst = notify->rate / 4 ? notify->rate / 4 : 1;
		notify->refill_ms = MINUTE_MS / notify->rate ? MINUTE_MS / notify->rate : 1;
		notify->tokens = notify->burst;
		notify->counted = clock_ms();
	}
	notify->timeout_ms = config->timeout_ms;
	copy_command(notify, config);
	admit(notify);
}

char *notify_warning(const struct config_notify *config)
{
	const char *program = config->command ? config->command[0] : NULL;
	struct account account;
	struct stat info;
	int err;

	if (!program)
		return NULL;
	if (stat(program, &info) || (S_ISREG(info.st_mode) ? access(program, X_OK) : (errno = EACCES)))
		return memory_format("notify: %s cannot be run: %s", program, strerror(errno));
	err = account_find(&account, config->user);
	account_clear(&account);
	if (!err)
		return NULL;
	return memory_format("notify: the program cannot be run as '%s': %s", config->user,
			     err == -ENOENT ? "no such user in /etc/passwd" : strerror(-err));
}

struct notify *notify_new(struct event_base *base, notify_trouble_fn trouble, notify_told_fn told, void *argument)
{
	struct notify *notify = memory_new(1, sizeof(*notify));

	notify->base = base;
	notify->trouble = trouble;
	notify->told = told;
	notify->argument = argument;
	notify->pool = process_pool_new(base, 1);
	STAILQ_INIT(&notify->queue);
	evtimer_assign(&notify->admit, base, admit_event, notify);
	evtimer_assign(&notify->say, base, say_event, notify);
	return notify;
}

void notify_free(struct notify *notify)
{
	drop_waiting(notify);
	event_del(&notify->say);
	process_pool_free(notify->pool);
	arena_free(notify->arena);
	free(notify);
}
