/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Streams of the control socket: clients that read, do not, come and go. */
#include "unit/control_lab.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

/* A client that listens on, read by hand. */
struct listener {
	int fd;
	char *text;
	size_t length, room;
	bool closed;
};

/* Begins to listen, without running the loop. */
static struct listener *listen_to(struct fixture *fixture, const char *path)
{
	struct listener *listener = memory_new(1, sizeof(*listener));
	char *request = memory_format("GET %s HTTP/1.1\r\nHost: s\r\n\r\n", path);

	listener->fd = client_connect(fixture->path);
	fcntl(listener->fd, F_SETFL, O_NONBLOCK);
	listener->text = memory_format("%s", "");
	assert_int_equal(send(listener->fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	free(request);
	return listener;
}

static void listener_read(struct listener *listener)
{
	static char bytes[65536];
	ssize_t got;

	while ((got = read(listener->fd, bytes, sizeof(bytes))) > 0) {
		if (listener->length + (size_t)got >= listener->room) {
			listener->room = 2 * listener->room + sizeof(bytes) + 1;
			listener->text = memory_resize(listener->text, listener->room, 1);
		}
		memcpy(listener->text + listener->length, bytes, (size_t)got);
		listener->length += (size_t)got;
		listener->text[listener->length] = '\0';
	}
	listener->closed |= got == 0 || (got < 0 && errno != EAGAIN);
}

/* Runs the loop until the text has come; `text` NULL: until the server has closed. */
static void listener_await(struct fixture *fixture, struct listener *listener, const char *text)
{
	time_t deadline = time(NULL) + DEADLINE;

	for (;;) {
		size_t before = listener->length > 256 ? listener->length - 256 : 0;

		event_base_loop(fixture->base, EVLOOP_NONBLOCK);
		listener_read(listener);
		if (text ? strstr(listener->text + before, text) != NULL : listener->closed)
			return;
		assert_true(time(NULL) < deadline);
	}
}

static void listener_free(struct listener *listener)
{
	close(listener->fd);
	free(listener->text);
	free(listener);
}

static void send_number(struct fixture *fixture, const char *path, int number)
{
	json_t *object = json_pack("{s:i}", "number", number);

	control_stream(fixture->control, path, object);
	json_decref(object);
}

static void turn(struct fixture *fixture)
{
	for (int i = 0; i < 10; i++)
		event_base_loop(fixture->base, EVLOOP_NONBLOCK);
}

static void a_stream_goes_on(void **state)
{
	struct fixture *fixture = *state;
	struct listener *watch = listen_to(fixture, "/v1/watch?since=7"), *other = listen_to(fixture, "/v1/other");
	json_t *json;

	control_stream(NULL, "/v1/watch", NULL);
	send_number(fixture, "/v1/watch", 1); /* nobody is there yet */
	listener_await(fixture, watch, "{\"since\":\"7\"}\n");
	listener_await(fixture, other, "{\"since\":\"the beginning\"}\n");
	assert_non_null(strstr(watch->text, "HTTP/1.1 200 "));
	assert_non_null(strstr(watch->text, "Content-Type: application/x-ndjson\r\n"));
	assert_non_null(strstr(watch->text, "Transfer-Encoding: chunked\r\n"));
	for (int i = 2; i < 5; i++)
		send_number(fixture, "/v1/watch", i);
	send_number(fixture, "/v1/nothing", 5);
	listener_await(fixture, watch, "{\"number\":4}\n");
	assert_null(strstr(watch->text, "\"number\":1}"));
	assert_non_null(strstr(watch->text, "\"number\":2}"));
	assert_null(strstr(watch->text, "\"number\":5}"));
	assert_null(strstr(other->text, "number"));

	/* others are answered meanwhile */
	json = ask_json(fixture, "GET", "/v1/status", 200);
	json_decref(json);
	send_number(fixture, "/v1/watch", 6);
	listener_await(fixture, watch, "{\"number\":6}\n");
	assert_false(watch->closed);
	listener_free(watch);
	listener_free(other);
}

/* One that says nothing at first has its headers at once. */
static void a_silent_stream_begins(void **state)
{
	struct fixture *fixture = *state;
	struct listener *watch = listen_to(fixture, "/v1/watch");

	fixture->silent = true;
	listener_await(fixture, watch, "\r\n\r\n");
	send_number(fixture, "/v1/watch", 1);
	listener_await(fixture, watch, "{\"number\":1}\n");
	listener_free(watch);
}

static void closing_ends_streams(void **state)
{
	struct fixture *fixture = *state;
	struct listener *watch = listen_to(fixture, "/v1/watch"), *gone = listen_to(fixture, "/v1/watch");

	listener_await(fixture, watch, "since");
	listener_await(fixture, gone, "since");
	listener_free(gone);
	turn(fixture);
	send_number(fixture, "/v1/watch", 1);
	listener_await(fixture, watch, "\"number\":1");
	control_close(fixture->control);
	fixture->control = NULL;
	listener_await(fixture, watch, NULL);
	listener_free(watch);
}

/* Each way a client can leave: at rest, with data on the way, with words of its own unread, while it is written to. */
static void clients_of_streams_come_and_go(void **state)
{
	struct fixture *fixture = *state;
	static char chatter[65536];

	for (int i = 0; i < 200; i++) {
		struct listener *watch = listen_to(fixture, "/v1/watch");

		if (i % 4)
			listener_await(fixture, watch, "since");
		if (i % 3 == 1)
			assert_true(send(watch->fd, chatter, sizeof(chatter), MSG_NOSIGNAL) > 0);
		if (i % 3 == 2)
			shutdown(watch->fd, SHUT_WR);
		for (int j = 0; j < i % 5; j++)
			send_number(fixture, "/v1/watch", j);
		if (i % 7 == 0)
			turn(fixture);
		listener_free(watch);
		send_number(fixture, "/v1/watch", 99);
		turn(fixture);
	}
	assert_int_equal(fixture->streams, 200);
}

/* It costs nobody else anything: memory is bounded, and the others go on. */
static void a_client_that_does_not_read_is_let_go(void **state)
{
	struct fixture *fixture = *state;
	struct listener *stuck = listen_to(fixture, "/v1/watch"), *watch = listen_to(fixture, "/v1/watch");
	char *text = memory_new(1000, 1);
	json_t *object;

	memset(text, 'x', 999);
	object = json_pack("{s:s}", "text", text);
	listener_await(fixture, stuck, "since");
	listener_await(fixture, watch, "since");
	for (int i = 0; i < 10000; i++) {
		control_stream(fixture->control, "/v1/watch", object);
		event_base_loop(fixture->base, EVLOOP_NONBLOCK);
		listener_read(watch);
	}
	send_number(fixture, "/v1/watch", 1);
	listener_await(fixture, watch, "\"number\":1}\n");
	listener_await(fixture, stuck, NULL);
	assert_true(stuck->length < 5 << 20);
	assert_true(watch->length > 10000 * 1000);
	json_decref(object);
	free(text);
	listener_free(stuck);
	listener_free(watch);
}

/* Ten thousand backends that fail in one turn of the loop, and a long history to begin with. */
static void a_burst_reaches_who_reads(void **state)
{
	struct fixture *fixture = *state;
	struct listener *watch = listen_to(fixture, "/v1/watch");
	json_t *object = json_pack("{s:s}", "text", "connect 10.0.0.11:8080: connection refused after 0.3 ms");

	fixture->big = memory_new(5 << 20, 1);
	memset(fixture->big, 'x', (5 << 20) - 1);
	while (!fixture->streams)
		event_base_loop(fixture->base, EVLOOP_NONBLOCK);
	for (int i = 0; i < 10000; i++)
		control_stream(fixture->control, "/v1/watch", object);
	send_number(fixture, "/v1/watch", 1);
	listener_await(fixture, watch, "\"number\":1}\n");
	json_decref(object);
	listener_free(watch);
}

static void streams_are_limited(void **state)
{
	struct fixture *fixture = *state;
	struct listener *watch[64];
	json_t *json;

	for (int i = 0; i < 64; i++) {
		watch[i] = listen_to(fixture, "/v1/watch");
		listener_await(fixture, watch[i], "since");
	}
	json = ask_json(fixture, "GET", "/v1/watch", 503);
	assert_non_null(json_object_get(json, "error"));
	json_decref(json);
	listener_free(watch[0]);
	turn(fixture);
	watch[0] = listen_to(fixture, "/v1/watch");
	listener_await(fixture, watch[0], "since");
	for (int i = 0; i < 64; i++)
		listener_free(watch[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SOCKET_TEST(a_stream_goes_on),
		SOCKET_TEST(a_silent_stream_begins),
		SOCKET_TEST(closing_ends_streams),
		SOCKET_TEST(clients_of_streams_come_and_go),
		SOCKET_TEST(a_client_that_does_not_read_is_let_go),
		SOCKET_TEST(a_burst_reaches_who_reads),
		SOCKET_TEST(streams_are_limited),
	};

	signal(SIGPIPE, SIG_IGN); /* as in the agent */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
