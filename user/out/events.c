/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/events.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/memory.h"
#include "lib/text.h"
#include "out/events_file.h"

#define RETRY_DELAY_MS 30000	   /* after a failure: each try may fill what room the disk has left, for a moment */
#define LOGGED_MAX     100	   /* a second */
#define ID_MAX	       (1LL << 53) /* beyond that JSON readers go wrong; no line of ours has it */

const char *const event_names[] = {
#define EVENT_NAME(name, severity, hook, help) #name,
	EVENTS(EVENT_NAME)
#undef EVENT_NAME
};

const enum event_severity event_severities[] = {
#define EVENT_SEVERITY(name, severity, hook, help) EVENT_##severity,
	EVENTS(EVENT_SEVERITY)
#undef EVENT_SEVERITY
};

const char *const severity_names[] = {"info", "warning", "error"};

/* An event as its line in the file: most are never asked for, and a line takes a tenth of the room of its JSON. */
struct line {
	__u64 id;
	char *text;
};

struct events {
	char *path;
	struct line kept[EVENTS_KEPT]; /* a ring */
	size_t first, count;
	__u64 last;	  /* number given out last */
	size_t unwritten; /* of the newest in the ring */
	size_t lines;	  /* in the file */
	bool whole;	  /* the file can be appended to */
	bool failing;	  /* it cannot be written, which has been said */
	bool held;	  /* not to be written */
	struct event *write;
	events_added_fn added;
	void *argument;
	__u64 counts[EVENT_KINDS];

	__u64 second; /* when the present second of logging began */
	size_t logged, left_out;
	struct event *tell; /* what was left out */
};

static void schedule(struct event *timer, __u64 ms)
{
	const struct timeval delay = clock_timeval(ms);

	if (!evtimer_pending(timer, NULL))
		evtimer_add(timer, &delay);
}

/* The i-th oldest. */
static const struct line *kept(const struct events *events, size_t i)
{
	return &events->kept[(events->first + i) % EVENTS_KEPT];
}

/* Takes the text over. */
static void keep(struct events *events, __u64 id, char *text)
{
	struct line *line = &events->kept[(events->first + events->count) % EVENTS_KEPT];

	if (events->count == EVENTS_KEPT) {
		free(line->text);
		events->first = (events->first + 1) % EVENTS_KEPT;
	} else {
		events->count++;
	}
	*line = (struct line){id, text};
	events->last = id;
}

/* The newest `count` as lines; to be freed. */
static char *join(const struct events *events, size_t count, size_t *length)
{
	size_t skipped = events->count - count, used = 0;
	char *text;

	*length = 0;
	for (size_t i = skipped; i < events->count; i++)
		*length += strlen(kept(events, i)->text) + 1;
	text = memory_new(*length + 1, 1);
	for (size_t i = skipped; i < events->count; i++) {
		used = (size_t)(stpcpy(text + used, kept(events, i)->text) - text);
		text[used++] = '\n';
	}
	return text;
}

static int append(struct events *events)
{
	size_t length;
	char *text = join(events, events->unwritten, &length);
	int err = events_file_append(events->path, text, length);

	free(text);
	if (!err)
		events->lines += events->unwritten;
	return err;
}

static int rewrite(struct events *events)
{
	size_t length;
	char *text = join(events, events->count, &length);
	int err = file_replace(events->path, text, length, FILE_QUICK);

	free(text);
	if (!err)
		events->lines = events->count;
	return err;
}

static void write_out(struct events *events)
{
	bool fits = events->lines + events->unwritten <= 2 * EVENTS_KEPT && events->unwritten < EVENTS_KEPT;
	int err;

	if (events->held || (!events->unwritten && events->whole))
		return;
	/* where appending fails, the file is missing, cut in the middle of a line, or no file */
	if (!events->whole || !fits || append(events)) {
		err = rewrite(events);
		events->whole = !err;
		if (err && !events->failing)
			log_warning(
				"events: cannot write %s: %s: they are kept in memory, and lost if sluiced ends before "
				"they can be written",
				events->path, strerror(-err));
		events->failing = err;
	}
	if (!events->whole)
		schedule(events->write, RETRY_DELAY_MS);
	else
		events->unwritten = 0;
}

void events_hold(struct events *events, bool held)
{
	events->held = held;
}

void events_save(struct events *events)
{
	bool failed = events->failing;

	evtimer_del(events->write);
	write_out(events);
	if (failed && !events->failing)
		log_info("events: %s can be written again", events->path);
}

static void write_due(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	events_save(argument);
}

static void tell_left_out(struct events *events)
{
	if (events->left_out)
		log_warning("and %zu more events: sluice show events", events->left_out);
	events->left_out = 0;
}

static void tell_due(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	tell_left_out(argument);
}

/* Whether there is still room in the log in this second. */
static bool may_log(struct events *events)
{
	__u64 now = clock_ms();

	if (now - events->second >= 1000) {
		tell_left_out(events);
		events->second = now;
		events->logged = 0;
	}
	if (events->logged++ < LOGGED_MAX)
		return true;
	events->left_out++;
	schedule(events->tell, events->second + 1000 - now);
	return false;
}

static void log_event(struct events *events, const struct event_fact *fact, const char *text)
{
	static const enum log_level levels[] = {LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR};
	const char *pool = fact->pool ? fact->pool : "", *backend = fact->backend ? fact->backend : "";
	char by[32] = "";

	if (!may_log(events))
		return;
	if (fact->uid != EVENT_NOBODY)
		snprintf(by, sizeof(by), " (uid %u)", (unsigned int)fact->uid);
	log_line(levels[event_severities[fact->kind]], "%s%s%s%s%s: %s%s", event_names[fact->kind], *pool ? " " : "",
		 pool, *backend ? "/" : "", backend, text, by);
}

static json_t *name_or_null(const char *name)
{
	return name && *name ? json_string(name) : json_null();
}

static json_t *time_now(void)
{
	char text[sizeof("2026-01-01T00:00:00")];
	struct timespec now;
	struct tm utc;

	clock_gettime(CLOCK_REALTIME, &now);
	if (!gmtime_r(&now.tv_sec, &utc) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc))
		return json_string("");
	return json_sprintf("%s.%03dZ", text, (int)(now.tv_nsec / 1000000));
}

static json_t *event_json(const struct event_fact *fact, __u64 id, const char *text)
{
	return json_pack("{sI so ss ss so so so ss}", "id", (json_int_t)id, "time", time_now(), "event",
			 event_names[fact->kind], "severity", severity_names[event_severities[fact->kind]], "pool",
			 name_or_null(fact->pool), "backend", name_or_null(fact->backend), "uid",
			 fact->uid == EVENT_NOBODY ? json_null() : json_integer((json_int_t)fact->uid), "text", text);
}

void events_add(struct events *events, const struct event_fact *fact)
{
	const char *given = fact->text ? fact->text : "";
	char text[EVENT_TEXT];
	json_t *event;
	char *line;

	text_clean(text, sizeof(text), given, strlen(given));
	log_event(events, fact, text);
	events->counts[fact->kind]++;
	event = event_json(fact, events->last + 1, text);
	line = event ? json_dumps(event, JSON_COMPACT) : NULL;
	if (!line)
		memory_exhausted();
	keep(events, events->last + 1, line);
	if (events->unwritten < EVENTS_KEPT)
		events->unwritten++;
	schedule(events->write, 0); /* after what is active in this turn of the loop, as the commit of a verdict */
	if (events->added)
		events->added(events->argument, fact->kind, event);
	json_decref(event);
}

static bool is_text_or_null(const json_t *value)
{
	return json_is_string(value) || json_is_null(value);
}

/* Whether the line is an event of ours with everything that readers of events_json() count on. */
static bool parse_line(const char *line, size_t length, json_int_t *id)
{
	json_t *event = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL), *pool, *backend, *uid;
	const char *time, *name, *severity, *text;
	bool good;

	good = !json_unpack(event, "{sI ss ss ss so so so ss}", "id", id, "time", &time, "event", &name, "severity",
			    &severity, "pool", &pool, "backend", &backend, "uid", &uid, "text", &text) &&
	       is_text_or_null(pool) && is_text_or_null(backend) && (json_is_integer(uid) || json_is_null(uid)) &&
	       *id > 0 && *id < ID_MAX;
	json_decref(event);
	return good;
}

static bool take_line(void *argument, const char *line, size_t length)
{
	struct events *events = argument;
	json_int_t id;

	if (!parse_line(line, length, &id) || (__u64)id <= events->last)
		return false;
	keep(events, (__u64)id, memory_format("%s", line));
	events->lines++;
	return true;
}

struct events *events_open(struct event_base *base, const char *folder, size_t *lost)
{
	struct events *events = memory_new(1, sizeof(*events));
	int err;

	events->path = memory_format("%s/events.jsonl", folder);
	events->write = evtimer_new(base, write_due, events);
	events->tell = evtimer_new(base, tell_due, events);
	if (!events->write || !events->tell)
		memory_exhausted();
	err = events_file_read(events->path, take_line, events, lost, &events->whole);
	if (err)
		log_warning("events: cannot read %s: %s: going on without the events of earlier runs", events->path,
			    strerror(-err));
	return events;
}

void events_close(struct events *events)
{
	if (!events)
		return;
	write_out(events);
	tell_left_out(events);
	event_free(events->write);
	event_free(events->tell);
	while (events->count)
		free(events->kept[(events->first + --events->count) % EVENTS_KEPT].text);
	free(events->path);
	free(events);
}

void events_listen(struct events *events, events_added_fn added, void *argument)
{
	events->added = added;
	events->argument = argument;
}

__u64 events_last(const struct events *events)
{
	return events->last;
}

bool events_unsaved(const struct events *events)
{
	return events->failing;
}

__u64 events_count(const struct events *events, enum event_kind kind)
{
	return events->counts[kind];
}

json_t *events_json(const struct events *events, __u64 since, size_t limit)
{
	json_t *array = json_array();
	size_t i = events->count;

	while (i && kept(events, i - 1)->id > since && (!limit || events->count - i < limit))
		i--;
	for (; i < events->count; i++)
		json_array_append_new(array, json_loads(kept(events, i)->text, 0, NULL));
	return array;
}
