/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The control socket, over a real socket, with a table of endpoints of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "in/control.h"
#include "lib/memory.h"

#define DEADLINE 20 /* seconds after which a test has hung */

struct fixture {
	struct event_base *base;
	struct control *control;
	char folder[32], path[64];
	int reloads, streams;
	bool silent; /* streams have nothing to begin with */
	char *big;   /* what a stream begins with besides, or NULL */
	char *body;  /* of the last POST to /v1/apply */
	size_t length;
	uid_t uid;
	char query[256];
};

static int get_status(void *agent, const struct control_request *request, json_t **reply)
{
	(void)agent;
	(void)request;
	*reply = json_pack("{s:s}", "file", "/etc/\"odd\".yaml");
	return 200;
}

static int reload(void *agent, const struct control_request *request, json_t **reply)
{
	struct fixture *fixture = agent;

	(void)request;
	fixture->reloads++;
	*reply = json_pack("{s:s}", "error", "sluice.yaml:1:1: error: \"wrong\"");
	return 422;
}

static int detach(void *agent, const struct control_request *request, json_t **reply)
{
	const struct timeval soon = {.tv_usec = 100000};
	struct fixture *fixture = agent;

	(void)request;
	*reply = json_object();
	event_base_loopexit(fixture->base, &soon);
	return 200;
}

static int no_answer(void *agent, const struct control_request *request, json_t **reply)
{
	(void)agent;
	(void)request;
	(void)reply;
	return 200;
}

/* Notes what it was asked. */
static int apply(void *agent, const struct control_request *request, json_t **reply)
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

static json_t *stream(void *agent, const struct control_request *request)
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

static json_t *no_stream(void *agent, const struct control_request *request)
{
	(void)agent;
	(void)request;
	return NULL;
}

static char *metrics(void *agent)
{
	struct fixture *fixture = agent;

	return memory_format("reloads_total %d\n", fixture->reloads);
}

static char *no_text(void *agent)
{
	(void)agent;
	return NULL;
}

static const struct control_endpoint endpoints[] = {
	{"GET", "/v1/status", "how it is", .answer = get_status},
	{"POST", "/v1/reload", "a wish that fails", .answer = reload},
	{"POST", "/v1/detach", "the end of the loop", .answer = detach},
	{"GET", "/v1/none", "no JSON", .answer = no_answer},
	{"GET", "/metrics", "plain text", .text = metrics},
	{"GET", "/none", "no text", .text = no_text},
	{"POST", "/v1/apply", "something to read", .answer = apply},
	{"GET", "/v1/watch", "lines without end", .stream = stream},
	{"GET", "/v1/other", "other lines", .stream = stream},
	{"GET", "/v1/nolines", "no lines", .stream = no_stream},
	{0},
};

static int setup(void **state)
{
	struct fixture *fixture = memory_new(1, sizeof(*fixture));

	fixture->base = event_base_new();
	strcpy(fixture->folder, "/tmp/sluice-test-XXXXXX");
	if (!mkdtemp(fixture->folder))
		return -1;
	snprintf(fixture->path, sizeof(fixture->path), "%s/run/control.sock", fixture->folder);
	*state = fixture;
	return control_open(&fixture->control, fixture->base, fixture->path, NULL, endpoints, fixture);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	char run[64];

	control_close(fixture->control);
	snprintf(run, sizeof(run), "%s/run", fixture->folder);
	unlink(fixture->path);
	rmdir(run);
	rmdir(fixture->folder);
	event_base_free(fixture->base);
	free(fixture->big);
	free(fixture->body);
	free(fixture);
	return 0;
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

static void client_write(evutil_socket_t fd, short events, void *argument)
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

static void client_read(evutil_socket_t fd, short events, void *argument)
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

static int client_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Sends the bytes and runs the loop until the server closes; the whole answer, to be freed. */
static char *exchange(struct fixture *fixture, const void *bytes, size_t length)
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
static char *ask(struct fixture *fixture, const char *method, const char *path, int *status)
{
	char *request = memory_format(
		"%s %s HTTP/1.1\r\nHost: sluice\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", method, path);
	char *text = exchange(fixture, request, strlen(request));

	free(request);
	*status = 0;
	assert_int_equal(sscanf(text, "HTTP/1.1 %d", status), 1);
	return text;
}

static json_t *ask_json(struct fixture *fixture, const char *method, const char *path, int expected)
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

static void expect_json(struct fixture *fixture, const char *path, const char *expected)
{
	json_t *json = ask_json(fixture, "GET", path, 200);
	char *text = json_dumps(json, JSON_COMPACT);

	assert_string_equal(text, expected);
	free(text);
	json_decref(json);
}

static void socket_is_for_owner_and_group(void **state)
{
	struct fixture *fixture = *state;
	struct stat found;

	assert_int_equal(stat(fixture->path, &found), 0);
	assert_int_equal(found.st_mode, S_IFSOCK | 0660);
}

static void closing_removes_only_the_own_socket(void **state)
{
	struct fixture *fixture = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	unlink(fixture->path);
	strcpy(address.sun_path, fixture->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	control_close(fixture->control);
	fixture->control = NULL;
	assert_int_equal(access(fixture->path, F_OK), 0);

	/* nobody listens there, so the next agent takes the path over */
	assert_int_equal(control_open(&fixture->control, fixture->base, fixture->path, NULL, endpoints, fixture), 0);
	control_close(fixture->control);
	fixture->control = NULL;
	assert_int_equal(access(fixture->path, F_OK), -1);
	close(fd);
}

static void a_live_agent_keeps_its_socket(void **state)
{
	struct fixture *fixture = *state;
	struct control *second = NULL;
	json_t *json;

	assert_int_equal(control_open(&second, fixture->base, fixture->path, NULL, endpoints, fixture), -EADDRINUSE);
	json = ask_json(fixture, "GET", "/v1/status", 200);
	json_decref(json);
}

static void other_files_and_bad_groups_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct control *second = NULL;
	char path[64], text[200];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(control_open(&second, fixture->base, text, NULL, endpoints, fixture), -ENAMETOOLONG);
	snprintf(path, sizeof(path), "%s/run/other", fixture->folder);
	fclose(fopen(path, "w"));
	assert_int_equal(control_open(&second, fixture->base, path, NULL, endpoints, fixture), -EEXIST);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(control_open(&second, fixture->base, path, "no-such-group", endpoints, fixture), -ENOENT);
	assert_int_equal(access(path, F_OK), -1);
}

static void requests_reach_the_agent(void **state)
{
	struct fixture *fixture = *state;
	json_t *json = ask_json(fixture, "POST", "/v1/reload", 422);
	int status;
	char *text;

	assert_string_equal(json_string_value(json_object_get(json, "error")), "sluice.yaml:1:1: error: \"wrong\"");
	assert_int_equal(fixture->reloads, 1);
	json_decref(json);
	expect_json(fixture, "/v1/status", "{\"file\":\"/etc/\\\"odd\\\".yaml\"}");
	expect_json(fixture, "/v1/status?of=me", "{\"file\":\"/etc/\\\"odd\\\".yaml\"}");
	text = ask(fixture, "GET", "/metrics", &status);
	assert_int_equal(status, 200);
	assert_non_null(strstr(text, "Content-Type: text/plain; version=0.0.4"));
	assert_non_null(strstr(text, "\r\n\r\nreloads_total 1\n"));
	free(text);
	/* the last answer still arrives */
	json = ask_json(fixture, "POST", "/v1/detach", 200);
	json_decref(json);
}

static void a_missing_answer_is_an_error(void **state)
{
	struct fixture *fixture = *state;
	json_t *json = ask_json(fixture, "GET", "/v1/none", 500);
	int status;

	assert_non_null(json_object_get(json, "error"));
	json_decref(json);
	free(ask(fixture, "GET", "/none", &status));
	assert_int_equal(status, 500);
	json = ask_json(fixture, "GET", "/v1/nolines", 500);
	json_decref(json);
}

static void post(struct fixture *fixture, const char *path, const char *body, size_t length, int expected)
{
	char *head = memory_format("POST %s HTTP/1.1\r\nHost: s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
				   path, length);
	char *bytes = memory_new(strlen(head) + length, 1), *text;
	int status = 0;

	memcpy(bytes, head, strlen(head));
	memcpy(bytes + strlen(head), body, length);
	text = exchange(fixture, bytes, strlen(head) + length);
	assert_int_equal(sscanf(text, "HTTP/1.1 %d", &status), 1);
	assert_int_equal(status, expected);
	free(text);
	free(bytes);
	free(head);
}

static void a_body_arrives_whole(void **state)
{
	static const char odd[] = "pools: {}\0\xff\r\n\r\n";
	const size_t large = 5 << 20;
	struct fixture *fixture = *state;
	char *body = memory_new(large, 1);

	post(fixture, "/v1/apply", odd, sizeof(odd) - 1, 200);
	assert_int_equal(fixture->length, sizeof(odd) - 1);
	assert_memory_equal(fixture->body, odd, sizeof(odd) - 1);
	assert_int_equal(fixture->uid, getuid());
	post(fixture, "/v1/apply", "", 0, 200);
	assert_int_equal(fixture->length, 0);
	for (size_t i = 0; i < large; i++)
		body[i] = (char)(i * 7 + i / 4096);
	post(fixture, "/v1/apply", body, large, 200);
	assert_int_equal(fixture->length, large);
	assert_memory_equal(fixture->body, body, large);
	free(body);
}

/* As curl sends it if it does not know the length before. */
static void a_body_in_chunks_arrives_whole(void **state)
{
	static const char request[] = "POST /v1/apply HTTP/1.1\r\nHost: s\r\nConnection: close\r\n"
				      "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
	struct fixture *fixture = *state;
	char *text = exchange(fixture, request, strlen(request));

	assert_non_null(strstr(text, " 200 "));
	assert_string_equal(fixture->body, "abcdefg");
	free(text);
}

static void queries_are_decoded(void **state)
{
	struct fixture *fixture = *state;

	post(fixture, "/v1/apply?name=a%20b%26c%3D%C3%A9+d&x=1", "", 0, 200);
	assert_string_equal(fixture->query, "a b&c=\xc3\xa9 d");
	post(fixture, "/v1/apply?x=1&name=", "", 0, 200);
	assert_string_equal(fixture->query, "");
	post(fixture, "/v1/apply", "", 0, 200);
	assert_string_equal(fixture->query, "(none)");
	post(fixture, "/v1/apply?", "", 0, 200);
	assert_string_equal(fixture->query, "(none)");
	strcpy(fixture->query, "not asked");
	post(fixture, "/v1/apply?name", "", 0, 400);
	post(fixture, "/v1/apply?=x", "", 0, 400);
	post(fixture, "/v1/apply?name=%ff%fe", "", 0, 400);
	assert_string_equal(fixture->query, "not asked");
}

/* As the kernel says it, not as anybody else does. */
static void the_client_is_known_by_its_uid(void **state)
{
	static const char request[] =
		"POST /v1/apply HTTP/1.1\r\nHost: s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
	struct fixture *fixture = *state;
	int status = -1;
	pid_t child;

	if (geteuid() != 0)
		skip();
	chmod(fixture->folder, 0755);
	chmod(fixture->path, 0666);
	child = fork();
	if (!child) {
		struct sockaddr_un address = {.sun_family = AF_UNIX};
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		char byte;

		strcpy(address.sun_path, fixture->path);
		if (setuid(12345) || connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
		    write(fd, request, strlen(request)) < 0)
			_exit(1);
		while (read(fd, &byte, 1) == 1) /* until the server closes */
			;
		_exit(0);
	}
	while (waitpid(child, &status, WNOHANG) == 0)
		event_base_loop(fixture->base, EVLOOP_NONBLOCK);
	assert_int_equal(status, 0);
	assert_int_equal(fixture->uid, 12345);
}

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

static void the_root_lists_every_endpoint(void **state)
{
	expect_json(*state, "/",
		    "{\"version\":\"" SLUICE_VERSION "\",\"requests\":["
		    "{\"method\":\"GET\",\"path\":\"/\",\"help\":\"this list\"},"
		    "{\"method\":\"GET\",\"path\":\"/v1/status\",\"help\":\"how it is\"},"
		    "{\"method\":\"POST\",\"path\":\"/v1/reload\",\"help\":\"a wish that fails\"},"
		    "{\"method\":\"POST\",\"path\":\"/v1/detach\",\"help\":\"the end of the loop\"},"
		    "{\"method\":\"GET\",\"path\":\"/v1/none\",\"help\":\"no JSON\"},"
		    "{\"method\":\"GET\",\"path\":\"/metrics\",\"help\":\"plain text\"},"
		    "{\"method\":\"GET\",\"path\":\"/none\",\"help\":\"no text\"},"
		    "{\"method\":\"POST\",\"path\":\"/v1/apply\",\"help\":\"something to read\"},"
		    "{\"method\":\"GET\",\"path\":\"/v1/watch\",\"help\":\"lines without end\"},"
		    "{\"method\":\"GET\",\"path\":\"/v1/other\",\"help\":\"other lines\"},"
		    "{\"method\":\"GET\",\"path\":\"/v1/nolines\",\"help\":\"no lines\"}]}");
}

static void wrong_paths_and_methods_are_told(void **state)
{
	struct fixture *fixture = *state;
	int status;
	char *text;
	json_t *json = ask_json(fixture, "GET", "/v1/nothing", 404);

	assert_non_null(json_object_get(json, "error"));
	json_decref(json);
	/* a wish must never be granted to somebody who only looked */
	text = ask(fixture, "GET", "/v1/reload", &status);
	assert_int_equal(status, 405);
	assert_non_null(strstr(text, "Allow: POST\r\n"));
	free(text);
	text = ask(fixture, "POST", "/", &status);
	assert_int_equal(status, 405);
	free(text);
	text = ask(fixture, "DELETE", "/v1/status", &status);
	assert_int_equal(status, 405);
	assert_non_null(strstr(text, "Allow: GET\r\n"));
	free(text);
	assert_int_equal(fixture->reloads, 0);
}

static void large_bodies_and_headers_are_refused(void **state)
{
	static char bytes[200 * 1024];
	struct fixture *fixture = *state;
	int status = 0;
	char *text;

	memset(bytes, 'x', sizeof(bytes));
	text = memory_format("POST /v1/reload HTTP/1.1\r\nHost: s\r\nContent-Length: %u\r\n\r\n", CONTROL_MAX_BODY + 1);
	memcpy(bytes, text, strlen(text));
	free(text);
	text = exchange(fixture, bytes, 1024);
	assert_int_equal(sscanf(text, "HTTP/1.1 %d", &status), 1);
	assert_int_equal(status, 413);
	free(text);
	memcpy(bytes, "GET / HTTP/1.1\r\nA: ", 19);
	text = exchange(fixture, bytes, 100 * 1024);
	assert_null(strstr(text, " 200 "));
	free(text);
	assert_int_equal(fixture->reloads, 0);
}

/* Whatever bytes come, the answer is an error or a closed connection, and the next client is served. */
static void garbage_hurts_nobody(void **state)
{
	static const char *const garbage[] = {
		"\r\n\r\n",
		"GET\r\n\r\n",
		"GET  HTTP/1.1\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\xfc\r\n\r\n",
		"GET http://[ HTTP/1.1\r\nConnection: close\r\n\r\n",
		"GET /%00 HTTP/9.9\r\nConnection: close\r\n\r\n",
		"POST /v1/reload HTTP/1.1\r\nContent-Length: -1\r\nConnection: close\r\n\r\n",
		"GET //v1/status HTTP/1.1\r\n: \r\n\r\n",
		"GET * HTTP/1.1\r\nConnection: close\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nConnection: close\r\n\r\n",
		"POST /v1/reload HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
	};
	struct fixture *fixture = *state;
	json_t *json;

	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		char *text = exchange(fixture, garbage[i], strlen(garbage[i]));

		assert_null(strstr(text, " 200 "));
		free(text);
	}
	/* one that hangs up in the middle, and one that stays silent */
	close(client_connect(fixture->path));

	int silent = client_connect(fixture->path);

	json = ask_json(fixture, "GET", "/v1/status", 200);
	json_decref(json);
	close(silent);
}

/* With no descriptors left accepting pauses, and goes on by itself. */
static void failed_accepts_pause(void **state)
{
	struct fixture *fixture = *state;
	const struct timeval deadline = {.tv_sec = DEADLINE};
	struct client client = {.base = fixture->base, .fd = client_connect(fixture->path)};
	struct event *event = event_new(fixture->base, client.fd, EV_READ | EV_PERSIST, client_read, &client);
	const char *request = "GET /v1/status HTTP/1.1\r\nConnection: close\r\n\r\n";
	struct rlimit before, few;
	int spare[64], spares = 0;

	event_add(event, &deadline);
	assert_int_equal(send(client.fd, request, strlen(request), 0), strlen(request));
	getrlimit(RLIMIT_NOFILE, &before);
	few = before;
	few.rlim_cur = 64;
	setrlimit(RLIMIT_NOFILE, &few);
	while (spares < 64 && (spare[spares] = dup(0)) >= 0)
		spares++;
	for (int turns = 0; turns < 1000; turns++)
		event_base_loop(fixture->base, EVLOOP_NONBLOCK);
	while (spares)
		close(spare[--spares]);
	setrlimit(RLIMIT_NOFILE, &before);
	assert_null(client.text);
	event_base_dispatch(fixture->base);
	assert_true(client.closed);
	assert_non_null(client.text);
	assert_non_null(strstr(client.text, " 200 "));
	event_free(event);
	close(client.fd);
	free(client.text);
}

#define SOCKET_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SOCKET_TEST(socket_is_for_owner_and_group),
		SOCKET_TEST(closing_removes_only_the_own_socket),
		SOCKET_TEST(a_live_agent_keeps_its_socket),
		SOCKET_TEST(other_files_and_bad_groups_are_refused),
		SOCKET_TEST(requests_reach_the_agent),
		SOCKET_TEST(a_missing_answer_is_an_error),
		SOCKET_TEST(the_root_lists_every_endpoint),
		SOCKET_TEST(wrong_paths_and_methods_are_told),
		SOCKET_TEST(large_bodies_and_headers_are_refused),
		SOCKET_TEST(garbage_hurts_nobody),
		SOCKET_TEST(failed_accepts_pause),
		SOCKET_TEST(a_body_arrives_whole),
		SOCKET_TEST(a_body_in_chunks_arrives_whole),
		SOCKET_TEST(queries_are_decoded),
		SOCKET_TEST(the_client_is_known_by_its_uid),
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
