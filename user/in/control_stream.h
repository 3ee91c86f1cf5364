/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Replies without end on the control socket: JSON objects, one a line. For control.c alone. */
#ifndef SLUICE_CONTROL_STREAM_H
#define SLUICE_CONTROL_STREAM_H

#include <event2/http.h>
#include <jansson.h>
#include <stddef.h>

#define STREAMS_MAX 64

struct stream;

/* Start with {0}. The connections are evhttp's: freeing that ends all streams. */
struct streams {
	struct stream *first;
	size_t count;
};

/*
 * Begins the reply to the request with the array's objects; from here on it ends with its connection. `path` must
 * outlive it. There must be fewer than STREAMS_MAX.
 */
void stream_begin(struct streams *streams, struct evhttp_request *request, const char *path, const json_t *array);

/* Sends the object to every stream of the path; one that is too far behind is closed. */
void streams_send(struct streams *streams, const char *path, const json_t *object);

#endif
