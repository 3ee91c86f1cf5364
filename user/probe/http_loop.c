/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* libcurl tells which sockets and what time it waits for, and is told when it is so. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "probe/http.h"

/* Outside of libcurl's callbacks only: here probes end, and what they tell may begin new ones. */
static void collect(struct probe_http_shared *shared)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(shared->multi, &left))) {
		CURLcode result = message->data.result;
		struct http_probe *run;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&run);
		if (shared->looking == run)
			shared->looking = NULL;
		http_finished(run, result);
	}
}

static void act(struct probe_http_shared *shared, curl_socket_t fd, int what)
{
	int running;

	curl_multi_socket_action(shared->multi, fd, what, &running);
	collect(shared);
}

static void socket_event(evutil_socket_t fd, short what, void *argument)
{
	act(argument, fd, (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

/* CURLMOPT_SOCKETFUNCTION. `assigned` is the socket's event, or NULL at first. */
static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *argument, void *assigned)
{
	struct probe_http_shared *shared = argument;
	struct event *event = assigned;
	short wanted = EV_PERSIST;

	(void)easy;
	if (event)
		event_del(event);
	if (what == CURL_POLL_REMOVE) {
		free(event);
		curl_multi_assign(shared->multi, fd, NULL);
		return 0;
	}
	if (!event) {
		event = memory_new(1, sizeof(*event));
		curl_multi_assign(shared->multi, fd, event);
	}
	if (what & CURL_POLL_IN)
		wanted |= EV_READ;
	if (what & CURL_POLL_OUT)
		wanted |= EV_WRITE;
	event_assign(event, shared->base, fd, wanted, socket_event, shared);
	event_add(event, NULL);
	return 0;
}

/* CURLMOPT_TIMERFUNCTION */
static int timer_wanted(CURLM *multi, long ms, void *argument)
{
	struct probe_http_shared *shared = argument;

	(void)multi;
	if (ms < 0)
		event_del(&shared->timer);
	else
		probe_timer_add(shared->base, &shared->timer, (__u32)ms);
	return 0;
}

static void timer_event(evutil_socket_t fd, short what, void *argument)
{
	struct probe_http_shared *shared = argument;
	long ms = -1;

	(void)fd;
	(void)what;
	act(shared, CURL_SOCKET_TIMEOUT, 0);
	/* where it found the time not come yet, libcurl does not ask again */
	if (!event_pending(&shared->timer, EV_TIMEOUT, NULL) && !curl_multi_timeout(shared->multi, &ms) && ms >= 0)
		timer_wanted(shared->multi, ms ? ms : 1, shared);
}

void http_loop_add(struct probe_http_shared *shared, struct http_probe *run)
{
	if (curl_multi_add_handle(shared->multi, run->easy))
		memory_exhausted();
}

void http_loop_remove(struct probe_http_shared *shared, struct http_probe *run)
{
	curl_multi_remove_handle(shared->multi, run->easy);
}

bool http_loop_look(struct probe_http_shared *shared, struct http_probe *run)
{
	struct pollfd state = {.fd = run->fd, .events = POLLIN};

	if (!run->taken || poll(&state, 1, 0) <= 0)
		return false;
	shared->looking = run;
	act(shared, run->fd, CURL_CSELECT_IN);
	if (!shared->looking)
		return true;
	shared->looking = NULL;
	return false;
}

struct probe_http_shared *probe_http_open(struct event_base *base)
{
	struct probe_http_shared *shared = memory_new(1, sizeof(*shared));

	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		memory_exhausted();
	shared->base = base;
	evtimer_assign(&shared->timer, base, timer_event, shared);
	shared->multi = curl_multi_init();
	if (!shared->multi)
		memory_exhausted();
	curl_multi_setopt(shared->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
	curl_multi_setopt(shared->multi, CURLMOPT_SOCKETDATA, shared);
	curl_multi_setopt(shared->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
	curl_multi_setopt(shared->multi, CURLMOPT_TIMERDATA, shared);
	curl_multi_setopt(shared->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	return shared;
}

void probe_http_close(struct probe_http_shared *shared)
{
	if (!shared)
		return;
	curl_multi_cleanup(shared->multi);
	event_del(&shared->timer);
	free(shared);
	curl_global_cleanup();
}
