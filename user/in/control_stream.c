/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "in/control_stream.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

/*
 * How far a client may be behind, in bytes. Whatever happens in one turn of the loop waits here, and that may be
 * a message for each of some ten thousand backends.
 */
#define BEHIND_MAX  (4U << 20)
#define CHATTER_MAX 4096 /* what a client may say while it listens, which nobody reads */

struct stream {
	struct streams *streams;
	struct stream *next, *previous;
	struct evhttp_request *request;
	struct evhttp_connection *connection;
	const char *path;
	size_t allowed; /* to be pending: what it began with is not its fault */
};

static void unlink_stream(struct stream *stream)
{
	if (stream->next)
		stream->next->previous = stream->previous;
	if (stream->previous)
		stream->previous->next = stream->next;
	else
		stream->streams->first = stream->next;
	stream->streams->count--;
}

/* A request that its connection has let go of before, as after the client has closed, is ours to free. */
static void stream_closed(struct evhttp_connection *connection, void *argument)
{
	struct stream *stream = argument;

	(void)connection;
	if (!evhttp_request_get_connection(stream->request))
		evhttp_request_free(stream->request);
	unlink_stream(stream);
	free(stream);
}

static struct evbuffer *buffer_new(void)
{
	struct evbuffer *buffer = evbuffer_new();

	if (!buffer)
		memory_exhausted();
	return buffer;
}

static int dump_to_buffer(const char *bytes, size_t length, void *buffer)
{
	return evbuffer_add(buffer, bytes, length);
}

static void add_line(struct evbuffer *buffer, const json_t *object)
{
	if (json_dump_callback(object, dump_to_buffer, buffer, JSON_COMPACT) || evbuffer_add(buffer, "\n", 1))
		memory_exhausted();
}

void stream_begin(struct streams *streams, struct evhttp_request *request, const char *path, const json_t *array)
{
	struct stream *stream = memory_new(1, sizeof(*stream));
	struct evbuffer *buffer = buffer_new();
	struct bufferevent *transport;
	const json_t *object;
	size_t i;

	*stream = (struct stream){.streams = streams,
				  .next = streams->first,
				  .request = request,
				  .connection = evhttp_request_get_connection(request),
				  .path = path};
	if (stream->next)
		stream->next->previous = stream;
	streams->first = stream;
	streams->count++;

	json_array_foreach(array, i, object)
		add_line(buffer, object);
	stream->allowed = BEHIND_MAX + evbuffer_get_length(buffer);
	evhttp_connection_set_closecb(stream->connection, stream_closed, stream);
	transport = evhttp_connection_get_bufferevent(stream->connection);
	bufferevent_set_timeouts(transport, NULL, NULL); /* nothing may happen for days */
	bufferevent_setwatermark(transport, EV_READ, 0, CHATTER_MAX);
	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", "application/x-ndjson");
	evhttp_send_reply_start(request, HTTP_OK, NULL);
	evhttp_send_reply_chunk(request, buffer);
	evbuffer_free(buffer);
}

static void stream_send(struct stream *stream, const char *line, size_t length)
{
	struct evbuffer *pending = bufferevent_get_output(evhttp_connection_get_bufferevent(stream->connection));
	struct evbuffer *buffer;

	if (evbuffer_get_length(pending) + length > stream->allowed) {
		evhttp_connection_free(stream->connection); /* calls stream_closed() */
		return;
	}
	buffer = buffer_new();
	if (evbuffer_add(buffer, line, length))
		memory_exhausted();
	evhttp_send_reply_chunk(stream->request, buffer);
	evbuffer_free(buffer);
}

void streams_send(struct streams *streams, const char *path, const json_t *object)
{
	struct evbuffer *buffer;
	const char *line;

	if (!streams->first)
		return;
	buffer = buffer_new();
	add_line(buffer, object);
	line = (const char *)evbuffer_pullup(buffer, -1);
	for (struct stream *stream = streams->first, *next; stream; stream = next) {
		next = stream->next;
		if (strcmp(stream->path, path) == 0)
			stream_send(stream, line, evbuffer_get_length(buffer));
	}
	evbuffer_free(buffer);
}
