/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The control socket: HTTP/1.1 with JSON over a Unix socket (libevent's evhttp).
 * What can be asked of it, and who answers, is the caller's table.
 */
#ifndef SLUICE_CONTROL_H
#define SLUICE_CONTROL_H

#include <event2/event.h>
#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

/* Somebody waits for an answer. */
struct control_later;

/* What a client sent. */
struct control_request {
	const char *body; /* a NUL follows; at most CONTROL_MAX_BODY bytes */
	size_t length;
	uid_t uid;	   /* of the client's process (SO_PEERCRED); (uid_t)-1 if the kernel does not say */
	const void *query; /* for control_query() */
};

/* A whole configuration. What is larger gets libevent's own 413, which is HTML. */
#define CONTROL_MAX_BODY (64U << 20)

/* A parameter of the path's query, decoded, in UTF-8; NULL if it is not there. Valid as long as the request. */
const char *control_query(const struct control_request *request, const char *name);

/*
 * One question or wish. Exactly one of answer, json, text, stream and later is set.
 *
 * A reply is written on a later turn of the loop. Whoever ends the loop from
 * answer() must leave it some time: event_base_loopexit() with 100 ms, not with NULL.
 */
struct control_endpoint {
	const char *method; /* "GET" or "POST" */
	const char *path;   /* without a query; "/" is taken: it lists the table */
	const char *help;   /* for that list */

	const char *parameters[4]; /* that its query may have: any other gets a 400, as it may be a misspelt wish */

	/* Returns an HTTP status, and a new reference in *reply; NULL there becomes a 500. */
	int (*answer)(void *agent, const struct control_request *request, json_t **reply);

	/* JSON as text, where a tree of all of it would take too long; to be freed, NULL becomes a 500. */
	char *(*json)(void *agent);

	/* Plain text in Prometheus' format, to be freed; NULL becomes a 500. */
	char *(*text)(void *agent);

	/*
	 * A reply without end: JSON objects, one a line. Returns a new reference to an array of those to
	 * begin with; control_stream() adds the others. An object instead refuses the query and is sent with
	 * a 400, NULL becomes a 500. At most 64 clients, then a 503.
	 */
	json_t *(*stream)(void *agent, const struct control_request *request);

	/* For what takes long: control_answer() follows, at once or on a later turn of the loop. */
	void (*later)(void *agent, const struct control_request *request, struct control_later *reply);
};

/* Sends the reply and ends `reply`; drops the reference. Fine also after the client or the socket has gone. */
void control_answer(struct control_later *reply, int status, json_t *json);

struct control;

/*
 * Listens at `path` with mode 0660 and, if `group` is not NULL, that group. A
 * missing folder is made. A stale socket is replaced; -EADDRINUSE if another
 * process answers there, -EEXIST if the path is no socket. Errors are in the log.
 * `endpoints` ends with an empty entry; it and `agent` must outlive the socket.
 */
int control_open(struct control **out, struct event_base *base, const char *path, const char *group,
		 const struct control_endpoint *endpoints, void *agent);

/*
 * Sends a line to every client of the endpoint's stream. One that is 4 MiB behind, beside what it began with, is
 * let go. `control` NULL: nobody listens.
 */
void control_stream(struct control *control, const char *path, const json_t *object);

/* Closes the socket and removes its file. NULL is fine. */
void control_close(struct control *control);

#endif
