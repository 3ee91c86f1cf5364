/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The control socket: HTTP/1.1 with JSON over a Unix socket (libevent's evhttp).
 * It answers questions from the report and hands wishes to the agent.
 */
#ifndef SLUICE_CONTROL_H
#define SLUICE_CONTROL_H

#include <event2/event.h>
#include <jansson.h>

#include "out/report.h"

/*
 * What the agent does on request; each returns an HTTP status and a new reference in *reply.
 *
 * A reply is written on a later turn of the loop. Whoever ends the loop from
 * detach() must leave it some time: event_base_loopexit() with 100 ms, not with NULL.
 */
struct control_actions {
	int (*reload)(void *agent, json_t **reply); /* 200 {"changes": [...], "warnings": [TEXT...]}, or 422 {"error": TEXT} */
	int (*diff)(void *agent, json_t **reply);   /* 200 {"changes": [...]}, or 422, without doing it */
	int (*detach)(void *agent, json_t **reply); /* 200 {}; the agent ends after having replied */
	const struct report *(*report)(void *agent);
};

struct control;

/*
 * Listens at `path` with mode 0660 and, if `group` is not NULL, that group. A
 * missing folder is made. A stale socket is replaced; -EADDRINUSE if another
 * process answers there, -EEXIST if the path is no socket. Errors are in the log.
 * `actions` and `agent` must outlive it.
 */
int control_open(struct control **out, struct event_base *base, const char *path, const char *group,
		 const struct control_actions *actions, void *agent);

/* Closes the socket and removes its file. NULL is fine. */
void control_close(struct control *control);

#endif
