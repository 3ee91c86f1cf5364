/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "probe/pace.h"

#include <event2/event.h>
#include <sys/resource.h>
#include <utlist.h>

#include "lib/clock.h"
#include "probe/probe.h"

#define RESERVE	 128 /* descriptors for everything else */
#define PER_TURN 128 /* begun in a turn of the loop: some 5 ms */

/*
 * The watch: a timer that should tick every 20 ms. What it is late by more than that, this process
 * was held up: stopped, or busy elsewhere in the loop. Idle, it does not tick.
 */
#define TICK_MS 20
#define LATE_US 20000

/* Not if it is to come already: adding a timer that is about to be called would put it off, again and again. */
static void drain_later(struct pace *pace)
{
	if (pace->under_way < pace->limit && !event_pending(&pace->drain, EV_TIMEOUT, NULL))
		probe_timer_add(pace->base, &pace->drain, 0);
}

/* Counts how long the loop has not turned, if that was too long. Idle, it has no reason to. */
static void look(struct pace *pace)
{
	__u64 now = clock_us(), gap = now - pace->ticked;

	if (!pace->under_way || gap <= TICK_MS * 1000 + LATE_US)
		return;
	*pace->held += gap - TICK_MS * 1000;
	pace->ticked = now;
}

static void drain_event(evutil_socket_t fd, short what, void *argument)
{
	struct pace *pace = argument;

	(void)fd;
	(void)what;
	/* what was before is nothing to those that begin now */
	look(pace);
	for (int i = 0; i < PER_TURN && pace->queue && pace->under_way < pace->limit; i++) {
		struct pace_entry *entry = pace->queue;

		pace_forget(pace, entry);
		pace->begin(entry);
	}
	if (pace->queue)
		drain_later(pace);
}

static void tick_event(evutil_socket_t fd, short what, void *argument)
{
	struct pace *pace = argument;

	(void)fd;
	(void)what;
	look(pace);
	pace->ticked = clock_us();
	if (pace->under_way)
		probe_timer_add(pace->base, &pace->tick, TICK_MS);
}

void pace_init(struct pace *pace, struct event_base *base, void (*begin)(struct pace_entry *entry), __u64 *held)
{
	*pace = (struct pace){.base = base, .begin = begin, .held = held};
	event_assign(&pace->drain, base, -1, 0, drain_event, pace);
	event_assign(&pace->tick, base, -1, 0, tick_event, pace);
	pace_refresh_limit(pace);
}

void pace_free(struct pace *pace)
{
	event_del(&pace->drain);
	event_del(&pace->tick);
}

void pace_refresh_limit(struct pace *pace)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		files.rlim_cur = 1024;
	/* with hardly more than the reserve, half must do */
	pace->limit = files.rlim_cur > 2 * RESERVE ? files.rlim_cur - RESERVE : files.rlim_cur / 2 + 1;
}

void pace_want(struct pace *pace, struct pace_entry *entry)
{
	if (entry->waiting)
		return;
	entry->waiting = true;
	DL_APPEND(pace->queue, entry);
	/* at the end of this turn, after all that are due in it; a drain that goes on by turns is left alone */
	if (!pace->waiting++ && pace->under_way < pace->limit && !event_pending(&pace->drain, EV_TIMEOUT, NULL))
		event_active(&pace->drain, EV_TIMEOUT, 0);
}

void pace_forget(struct pace *pace, struct pace_entry *entry)
{
	if (!entry->waiting)
		return;
	entry->waiting = false;
	DL_DELETE(pace->queue, entry);
	pace->waiting--;
}

void pace_begun(struct pace *pace)
{
	if (pace->under_way++)
		return;
	pace->ticked = clock_us();
	if (!event_pending(&pace->tick, EV_TIMEOUT, NULL))
		probe_timer_add(pace->base, &pace->tick, TICK_MS);
}

void pace_ended(struct pace *pace)
{
	pace->under_way--;
	if (pace->queue)
		drain_later(pace);
}
