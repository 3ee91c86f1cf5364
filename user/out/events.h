/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The last 10,000 events, numbered on without end over restarts, in memory and in the state
 * folder's events.jsonl (one JSON object a line; rewritten when it has grown to twice that).
 * Written in the loop's next turn, so that no crash gives a number out again that somebody has seen; a disk that is
 * full loses them only there, and is said once. Their order is that of their numbers: the time of day may step back.
 */
#ifndef SLUICE_EVENTS_H
#define SLUICE_EVENTS_H

#include <event2/event.h>
#include <jansson.h>
#include <linux/types.h>
#include <stdbool.h>

#include "model/event.h"

#define EVENTS_KEPT 10000

extern const char *const event_names[]; /* by enum event_kind */

enum event_severity { EVENT_INFO, EVENT_WARNING, EVENT_ERROR };
extern const enum event_severity event_severities[]; /* by enum event_kind */
extern const char *const severity_names[];	     /* "info", "warning", "error" */

struct events;

/*
 * Called for every event as it is added. `event` as events_json() has it; borrowed. It may add events, but not
 * without end.
 */
typedef void (*events_added_fn)(void *argument, enum event_kind kind, const json_t *event);

/*
 * Reads what earlier runs left under `folder`; lines that cannot be read are left out, and *lost counts them.
 * A file that cannot be read at all is said in the log. Never NULL.
 */
struct events *events_open(struct event_base *base, const char *folder, size_t *lost);

/* Writes what is not written yet. NULL is fine. */
void events_close(struct events *events);

/*
 * Adds an event: time of day and number are given here; it is logged too, by its severity, unless there are more
 * than a hundred a second. Of its text, EVENT_TEXT - 1 bytes are kept, as one line of UTF-8.
 */
void events_add(struct events *events, const struct event_fact *fact);

/* Writes what is not written yet without waiting for its time: the folder is there again, perhaps. */
void events_save(struct events *events);

/* While the file is another process's, it is left alone; events are kept in memory. */
void events_hold(struct events *events, bool held);

/* Whom to tell; NULL: nobody. */
void events_listen(struct events *events, events_added_fn added, void *argument);

/* The number of the newest; 0 if there is none. */
__u64 events_last(const struct events *events);

/* The file could not be written when that was last tried. */
bool events_unsaved(const struct events *events);

/* How many of a kind were added since events_open(). */
__u64 events_count(const struct events *events, enum event_kind kind);

/*
 * A new reference to an array of the events after number `since`, oldest first, the last `limit` of them (0: all):
 * {"id", "time" (ISO 8601 UTC with milliseconds), "event", "severity", "pool", "backend" (null where none), "uid" (null
 * where nobody), "text"}.
 */
json_t *events_json(const struct events *events, __u64 since, size_t limit);

#endif
