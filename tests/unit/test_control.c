/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The control socket, over a real socket, with a table of endpoints of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "in/control.h"
#include "lib/memory.h"

#define DEADLINE 20 /* seconds after which a test has hung */

struct fixture {
	struct event_base *base;
	struct control *control;
	char folder[32], path[64];
	int reloads;
};

static int get_status(void *agent, json_t **reply)
{
	(void)agent;
	*reply = json_pack("{s:s}", "file", "/etc/\"odd\".yaml");
	return 200;
}

static int reload(void *agent, json_t **reply)
{
	struct fixture *fixture = agent;

	fixture->reloads++;
	*reply = json_pack("{s:s}", "error", "sluice.yaml:1:1: error: \"wrong\"");
	return 422;
}

static int detach(void *agent, json_t **reply)
{
	const struct timeval soon = {.tv_usec = 100000};
	struct fixture *fixture = agent;

	*reply = json_object();
	event_base_loopexit(fixture->base, &soon);
	return 200;
}

static int no_answer(void *agent, json_t **reply)
{
	(void)agent;
	(void)reply;
	return 200;
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
	free(fixture);
	return 0;
}

/* A client on the server's own loop: what it got until the server closed. */
struct client {
	struct event_base *base;
	int fd;
	char *text;
	size_t length;
	bool closed;
};

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
	struct client client = {.base = fixture->base, .fd = client_connect(fixture->path)};
	struct event *event = event_new(fixture->base, client.fd, EV_READ | EV_PERSIST, client_read, &client);

	event_add(event, &deadline);
	assert_int_equal(send(client.fd, bytes, length, MSG_NOSIGNAL), length);
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
		    "{\"method\":\"GET\",\"path\":\"/none\",\"help\":\"no text\"}]}");
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
	text = memory_format("POST /v1/reload HTTP/1.1\r\nHost: s\r\nContent-Length: 1000000\r\n\r\n");
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
