/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Hooks: the program that `notify:` names is run for events, one at a time, in their order. It gets the event as
 * one line of JSON on its standard input and in its environment: SLUICE_ID, SLUICE_TIME, SLUICE_EVENT,
 * SLUICE_SEVERITY, SLUICE_POOL, SLUICE_BACKEND (both empty where there is none), SLUICE_TEXT, SLUICE_SUPPRESSED.
 *
 * It is run at most `rate` times a minute, at once for a quarter of that many. Of events beyond, the
 * newest one is told as soon as that is allowed again, so that what was told last is how things are; the
 * others are left out, and SLUICE_SUPPRESSED, "suppressed" in the JSON, tells the next run how many.
 */
#ifndef SLUICE_NOTIFY_H
#define SLUICE_NOTIFY_H

#include <event2/event.h>
#include <jansson.h>

#include "model/config.h"

#define NOTIFY_QUEUE 1000 /* events that wait for a slow program, at most */

struct notify;

/* Told when the program fails or events are left out, at most once a minute. It must not call back. */
typedef void (*notify_trouble_fn)(void *argument, const char *text);

/* Told when the program has ended, or could not be run, for the event of this number: all before it are done with. */
typedef void (*notify_told_fn)(void *argument, __u64 id);

struct notify *notify_new(struct event_base *base, notify_trouble_fn trouble, notify_told_fn told, void *argument);

/* The program that runs is killed; what waits is not told. */
void notify_free(struct notify *notify);

/*
 * Takes a copy. What waits goes to the new program, whose first failure is said at once; without one, nobody is told. A
 * run that is under way goes on.
 */
void notify_configure(struct notify *notify, const struct config_notify *config);

/* Why the program cannot be run as it is now, in words, to be freed; NULL if it looks as if it could, or is none. */
char *notify_warning(const struct config_notify *config);

/* An event as events_json() has it, which the caller found to be one for hooks. A reference to it is kept. */
void notify_event(struct notify *notify, const json_t *event);

#endif
