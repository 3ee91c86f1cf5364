/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The control socket, over a real socket, with a table of endpoints of the test's own. */
#include "unit/control_lab.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

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
	expect_json(fixture, "/v1/status?", "{\"file\":\"/etc/\\\"odd\\\".yaml\"}");
	expect_json(fixture, "/v1/many", "[1]");
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
	free(ask(fixture, "GET", "/v1/nojson", &status));
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

static void the_root_lists_every_endpoint(void **state)
{
	expect_json(*state, "/",
		    "{\"version\":\"" SLUICE_VERSION "\",\"requests\":["
		    "{\"method\":\"GET\",\"path\":\"/\",\"help\":\"this list\"},"
		    "{\"method\":\"GET\",\"path\":\"/v1/status\",\"help\":\"how it is\"},"
		    "{\"method\":\"POST\",\"path\":\"/v1/reload\",\"help\":\"a wish that fails\"},"
		    "{\"method\":\"POST\",\"path\":\"/v1/detach\",\"help\":\"the end of the loop\"},"
		    "{\"method\":\"GET\",\"path\":\"/v1/none\",\"help\":\"no JSON\"},"
		    "{\"method\":\"GET\",\"path\":\"/v1/many\",\"help\":\"JSON as text\"},"
		    "{\"method\":\"GET\",\"path\":\"/v1/nojson\",\"help\":\"no such text\"},"
		    "{\"method\":\"GET\",\"path\":\"/metrics\",\"help\":\"plain text\"},"
		    "{\"method\":\"GET\",\"path\":\"/none\",\"help\":\"no text\"},"
		    "{\"method\":\"POST\",\"path\":\"/v1/apply\",\"help\":\"something to read\"},"
		    "{\"method\":\"GET\",\"path\":\"/v1/watch\",\"help\":\"lines without end\"},"
		    "{\"method\":\"GET\",\"path\":\"/v1/other\",\"help\":\"other lines\"},"
		    "{\"method\":\"GET\",\"path\":\"/v1/nolines\",\"help\":\"no lines\"},"
		    "{\"method\":\"GET\",\"path\":\"/v1/wronglines\",\"help\":\"other lines were asked for\"}]}");
}

static void expect_refusal(struct fixture *fixture, const char *method, const char *path, const char *error)
{
	json_t *json = ask_json(fixture, method, path, 400);

	assert_string_equal(json_string_value(json_object_get(json, "error")), error);
	json_decref(json);
}

/* A misspelt wish is not granted without what was misspelt. */
static void unknown_parameters_are_refused(void **state)
{
	struct fixture *fixture = *state;

	strcpy(fixture->query, "not asked");
	expect_refusal(fixture, "POST", "/v1/apply?name=a&Name=b",
		       "/v1/apply has no parameter 'Name': GET / lists what it has");
	expect_refusal(fixture, "POST", "/v1/apply?%ff%1b=b",
		       "/v1/apply has no parameter '%ff%1b': GET / lists what it has");
	assert_string_equal(fixture->query, "not asked");
	expect_refusal(fixture, "GET", "/v1/watch?from=1",
		       "/v1/watch has no parameter 'from': GET / lists what it has");
	assert_int_equal(fixture->streams, 0);
	expect_refusal(fixture, "GET", "/v1/many?x=1", "/v1/many has no parameter 'x': GET / lists what it has");
	expect_refusal(fixture, "GET", "/metrics?x=", "/metrics has no parameter 'x': GET / lists what it has");
	expect_refusal(fixture, "GET", "/?x=1", "/ has no parameter 'x': GET / lists what it has");
}

static void a_stream_can_be_refused(void **state)
{
	expect_refusal(*state, "GET", "/v1/wronglines", "since is a number");
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
		SOCKET_TEST(unknown_parameters_are_refused),
		SOCKET_TEST(a_stream_can_be_refused),
		SOCKET_TEST(wrong_paths_and_methods_are_told),
		SOCKET_TEST(large_bodies_and_headers_are_refused),
		SOCKET_TEST(garbage_hurts_nobody),
		SOCKET_TEST(failed_accepts_pause),
		SOCKET_TEST(a_body_arrives_whole),
		SOCKET_TEST(a_body_in_chunks_arrives_whole),
		SOCKET_TEST(queries_are_decoded),
		SOCKET_TEST(the_client_is_known_by_its_uid),
	};

	signal(SIGPIPE, SIG_IGN); /* as in the agent */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
