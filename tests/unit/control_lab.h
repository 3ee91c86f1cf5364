/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A control socket with a table of endpoints of the test's own, and a client of it, both on one loop. */
#ifndef SLUICE_TEST_CONTROL_LAB_H
#define SLUICE_TEST_CONTROL_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "in/control.h"
#include "lib/memory.h"
#include "unit/temp_folder.h"

#define DEADLINE 20 /* seconds after which a test has hung */

struct fixture {
	struct event_base *base;
	struct control *control;
	char folder[TEMP_FOLDER_SIZE], path[64];
	int reloads, streams;
	bool silent; /* streams have nothing to begin with */
	char *big;   /* what a stream begins with besides, or NULL */
	char *body;  /* of the last POST to /v1/apply */
	size_t length;
	uid_t uid;
	char query[256];
};

static inline int get_status(void *agent, const struct control_request *request, json_t **reply)
{
	(void)agent;
	(void)request;
	*reply = json_pack("{s:s}", "file", "/etc/\"odd\".yaml");
	return 200;
}

static inline int reload(void *agent, const struct control_request *request, json_t **reply)
{
	struct fixture *fixture = agent;

	(void)request;
	fixture->reloads++;
	*reply = json_pack("{s:s}", "error", "sluice.yaml:1:1: error: \"wrong\"");
	return 422;
}

static inline int detach(void *agent, const struct control_request *request, json_t **reply)
{
	const struct timeval soon = {.tv_usec = 100000};
	struct fixture *fixture = agent;

	(void)request;
	*reply = json_object();
	event_base_loopexit(fixture->base, &soon);
	return 200;
}

static inline int no_answer(void *agent, const struct control_request *request, json_t **reply)
{
	(void)agent;
	(void)request;
	(void)reply;
	return 200;
}

/* Notes what it was asked. */
static inline int apply(void *agent, const struct control_request *request, json_t **reply)
{
	const char *name = control_query(request, "name");
	struct fixture *fixture = agent;

	assert_int_equal(request->body[request->length], '\0');
	free(fixture->body);
	fixture->length = request->length;
	fixture->body = memory_new(request->length + 1, 1);
	memcpy(fixture->body, request->body, request->length);
	fixture->uid = request->uid;
	snprintf(fixture->query, sizeof(fixture->query), "%s", name ? name : "(none)");
	assert_null(control_query(request, "nobody asked"));
	*reply = json_object();
	return 200;
}

static inline json_t *stream(void *agent, const struct control_request *request)
{
	const char *since = control_query(request, "since");
	struct fixture *fixture = agent;
	json_t *first = json_array();

	fixture->streams++;
	if (!fixture->silent)
		json_array_append_new(first, json_pack("{s:s}", "since", since ? since : "the beginning"));
	if (fixture->big)
		json_array_append_new(first, json_pack("{s:s}", "big", fixture->big));
	return first;
}

static inline json_t *wrong_stream(void *agent, const struct control_request *request)
{
	(void)agent;
	(void)request;
	return json_pack("{s:s}", "error", "since is a number");
}

static inline json_t *no_stream(void *agent, const struct control_request *request)
{
	(void)agent;
	(void)request;
	return NULL;
}

static inline char *metrics(void *agent)
{
	struct fixture *fixture = agent;

	return memory_format("reloads_total %d\n", fixture->reloads);
}

static inline char *no_text(void *agent)
{
	(void)agent;
	return NULL;
}

static inline char *many(void *agent)
{
	struct fixture *fixture = agent;

	return memory_format("[%d]\n", fixture->reloads);
}

static const struct control_endpoint endpoints[] = {
	{"GET", "/v1/status", "how it is", .answer = get_status},
	{"POST", "/v1/reload", "a wish that fails", .answer = reload},
	{"POST", "/v1/detach", "the end of the loop", .answer = detach},
	{"GET", "/v1/none", "no JSON", .answer = no_answer},
	{"GET", "/v1/many", "JSON as text", .json = many},
	{"GET", "/v1/nojson", "no such text", .json = no_text},
	{"GET", "/metrics", "plain text", .text = metrics},
	{"GET", "/none", "no text", .text = no_text},
	{"POST", "/v1/apply", "something to read", .parameters = {"name", "x"}, .answer = apply},
	{"GET", "/v1/watch", "lines without end", .parameters = {"since"}, .stream = stream},
	{"GET", "/v1/other", "other lines", .stream = stream},
	{"GET", "/v1/nolines", "no lines", .stream = no_stream},
	{"GET", "/v1/wronglines", "other lines were asked for", .stream = wrong_stream},
	{0},
};

static inline int setup(void **state)
{
	struct fixture *fixture = memory_new(1, sizeof(*fixture));

	fixture->base = event_base_new();
	if (temp_folder_make(fixture->folder, 0700))
		return -1;
	snprintf(fixture->path, sizeof(fixture->path), "%s/run/control.sock", fixture->folder);
	*state = fixture;
	return control_open(&fixture->control, fixture->base, fixture->path, NULL, endpoints, fixture);
}

static inline int teardown(void **state)
{
	struct fixture *fixture = *state;
	int err;

	control_close(fixture->control);
	err = temp_folder_remove(fixture->folder);
	event_base_free(fixture->base);
	free(fixture->big);
	free(fixture->body);
	free(fixture);
	return err;
}

/* A client on the server's own loop: what it got until the server closed. */
struct client {
	struct event_base *base;
	int fd;
	const char *unsent;
	size_t unsent_length;
	char *text;
	size_t length;
	bool closed;
};

static inline void client_write(evutil_socket_t fd, short events, void *argument)
{
	struct client *client = argument;
	ssize_t sent = send(fd, client->unsent, client->unsent_length, MSG_NOSIGNAL | MSG_DONTWAIT);

	assert_false(events & EV_TIMEOUT);
	if (sent < 0) /* closed: an answer that came before is read yet */
		client->unsent_length = 0;
	else
		client->unsent_length -= (size_t)sent;
	client->unsent += sent < 0 ? 0 : sent;
	if (client->unsent_length)
		event_base_once(client->base, fd, EV_WRITE, client_write, client, NULL);
}

static inline void client_read(evutil_socket_t fd, short events, void *argument)
{
	struct client *client = argument;
	char bytes[4096];
	ssize_t got = read(fd, bytes, sizeof(bytes));

	assert_false(events & EV_TIMEOUT);
	if (got <= 0) {
		client->closed = true;
		event_base_loopbreak(client->base);
		return;
	}
	client->text = realloc(client->text, client->length + (size_t)got + 1);
	memcpy(client->text + client->length, bytes, (size_t)got);
	client->length += (size_t)got;
	client->text[client->length] = '\0';
}

static inline int client_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Sends the bytes and runs the loop until the server closes; the whole answer, to be freed. */
static inline char *exchange(struct fixture *fixture, const void *bytes, size_t length)
{
	const struct timeval deadline = {.tv_sec = DEADLINE};
	struct client client = {
		.base = fixture->base, .fd = client_connect(fixture->path), .unsent = bytes, .unsent_length = length};
	struct event *event = event_new(fixture->base, client.fd, EV_READ | EV_PERSIST, client_read, &client);

	event_add(event, &deadline);
	client_write(client.fd, EV_WRITE, &client);
	event_base_dispatch(fixture->base);
	assert_true(client.closed);
	event_free(event);
	close(client.fd);
	return client.text ? client.text : memory_format("%s", "");
}

/* The answer to one request; *status is the HTTP status. */
static inline char *ask(struct fixture *fixture, const char *method, const char *path, int *status)
{
	char *request = memory_format(
		"%s %s HTTP/1.1\r\nHost: sluice\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", method, path);
	char *text = exchange(fixture, request, strlen(request));

	free(request);
	*status = 0;
	assert_int_equal(sscanf(text, "HTTP/1.1 %d", status), 1);
	return text;
}

static inline json_t *ask_json(struct fixture *fixture, const char *method, const char *path, int expected)
{
	int status;
	char *text = ask(fixture, method, path, &status);
	const char *body = strstr(text, "\r\n\r\n");
	json_t *json;

	assert_int_equal(status, expected);
	assert_non_null(strstr(text, "Content-Type: application/json\r\n"));
	json = json_loads(body, JSON_DECODE_ANY, NULL);
	assert_non_null(json);
	free(text);
	return json;
}

#define SOCKET_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
