/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The control socket: HTTP/1.1 with JSON over a Unix socket (libevent's evhttp).
 * What can be asked of it, and who answers, is the caller's table.
 */
#ifndef SLUICE_CONTROL_H
#define SLUICE_CONTROL_H

#include <event2/event.h>
#include <jansson.h>

/*
 * One question or wish. Exactly one of answer and text is set.
 *
 * A reply is written on a later turn of the loop. Whoever ends the loop from
 * answer() must leave it some time: event_base_loopexit() with 100 ms, not with NULL.
 */
struct control_endpoint {
	const char *method; /* "GET" or "POST" */
	const char *path;   /* without a query; "/" is taken: it lists the table */
	const char *help;   /* for that list */

	/* Returns an HTTP status, and a new reference in *reply; NULL there becomes a 500. */
	int (*answer)(void *agent, json_t **reply);

	/* Plain text in Prometheus' format, to be freed; NULL becomes a 500. */
	char *(*text)(void *agent);
};

struct control;

/*
 * Listens at `path` with mode 0660 and, if `group` is not NULL, that group. A
 * missing folder is made. A stale socket is replaced; -EADDRINUSE if another
 * process answers there, -EEXIST if the path is no socket. Errors are in the log.
 * `endpoints` ends with an empty entry; it and `agent` must outlive the socket.
 */
int control_open(struct control **out, struct event_base *base, const char *path, const char *group,
		 const struct control_endpoint *endpoints, void *agent);

/* Closes the socket and removes its file. NULL is fine. */
void control_close(struct control *control);

#endif
