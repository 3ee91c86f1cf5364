/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A test on an event loop fails instead of waiting for ever. Include it after cmocka.h. */
#ifndef SLUICE_TEST_PATIENCE_H
#define SLUICE_TEST_PATIENCE_H

#include <event2/event.h>

#define PATIENCE 60 /* s, after which a test has failed */

static inline void patience_out(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	(void)argument;
	fail_msg("nothing happened for %d s", PATIENCE);
}

/* The timer, to be freed with event_free() at the test's end. */
static inline struct event *patience_new(struct event_base *base)
{
	const struct timeval patience = {.tv_sec = PATIENCE};
	struct event *timer = evtimer_new(base, patience_out, NULL);

	evtimer_add(timer, &patience);
	return timer;
}

#endif
