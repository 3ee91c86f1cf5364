/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The http probe against servers, good and bad. After each test no descriptor may be left open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/http_lab.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define PRODUCT "sluice/" SLUICE_VERSION

static struct config_range good[] = {{200, 299}, {404, 404}};

static int setup(void **state)
{
	static struct server server;
	struct lab *lab = http_setup(state, PROBE_HTTP, "/healthz");

	lab->probe.status = good;
	lab->probe.status_count = 2;
	server_open(&server, lab->base, "::", (struct manners){0});
	lab->job.port = server.port;
	lab->extra = &server;
	return 0;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	server_close(lab->extra);
	return http_teardown(state);
}

static void replies(struct lab *lab, const char *reply)
{
	struct server *server = lab->extra;

	server->manners = (struct manners){.reply = reply, .length = strlen(reply), .listens = true};
}

static void replies_and_closes(struct lab *lab, const char *reply)
{
	struct server *server = lab->extra;

	replies(lab, reply);
	server->manners.close = true;
}

/* What it found and what it said after "GET http://127.0.0.1:PORT/healthz: ". */
static void expect(struct lab *lab, enum finding finding, const char *text)
{
	char whole[2 * HEALTH_TEXT];

	snprintf(whole, sizeof(whole), "%s http://127.0.0.1:%u%s: %s", lab->probe.method, lab->job.port,
		 lab->probe.path, text);
	lab_expect(lab, finding, whole);
}

static void body_has(struct lab *lab, const char *text)
{
	lab->probe.expect = lab_bytes(text);
}

static void test_statuses(void **state)
{
	struct lab *lab = *state;

	replies(lab, OK_HEAD "Content-Length: 2\r\n\r\nok");
	expect(lab, FINDING_PASSED, "status 200 after ");
	replies(lab, "HTTP/1.0 299 Fine\r\n\r\n");
	expect(lab, FINDING_PASSED, "status 299 after ");
	replies(lab, "HTTP/1.1 404 Not Found\r\n\r\n");
	expect(lab, FINDING_PASSED, "status 404 after ");
	replies(lab, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
	expect(lab, FINDING_FAILED, "status 503 after ");
	assert_string_equal(lab->text + strlen(lab->text) - 3, " ms");
}

/* A redirect is a status as any other: nothing is fetched from elsewhere. */
static void test_redirect_is_not_followed(void **state)
{
	struct lab *lab = *state;
	struct server *server = lab->extra;

	replies(lab, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
	expect(lab, FINDING_FAILED, "status 302 after ");
	assert_int_equal(server->accepted, 1);
}

static void test_interim_replies_are_skipped(void **state)
{
	struct lab *lab = *state;

	replies(lab, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 503 Busy\r\n\r\n");
	expect(lab, FINDING_FAILED, "status 503 after ");
}

static void test_text_shows_vip_and_backend(void **state)
{
	struct lab *lab = *state;
	char text[HEALTH_TEXT];

	replies(lab, "HTTP/1.1 503 Service Unavailable\r\n\r\n");
	lab->job.address = parsed_address("2001:db8::1");
	snprintf(text, sizeof(text), "GET http://[2001:db8::1]:%u/healthz via 127.0.0.1: status 503", lab->job.port);
	lab_expect(lab, FINDING_FAILED, text);
}

static void request_is(struct lab *lab, const char *request)
{
	struct server *server = lab->extra;

	replies(lab, OK_HEAD "\r\n");
	expect(lab, FINDING_PASSED, "status 200");
	server->got[server->got_length] = '\0';
	assert_string_equal(server->got, request);
}

/* Nothing in the environment leads the probe elsewhere either. */
static void test_request(void **state)
{
	const char *headers[] = {"X-Probe: yes", "Accept: text/plain"};
	struct lab *lab = *state;
	char request[256];

	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	snprintf(request, sizeof(request),
		 "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: " PRODUCT "\r\nAccept: */*\r\n\r\n",
		 lab->job.port);
	request_is(lab, request);
	lab->probe.host = "www.example.org";
	lab->probe.path = "/a/../%2e/./b?c=d&e";
	lab->probe.headers = headers;
	lab->probe.header_count = 2;
	request_is(lab, "GET /a/../%2e/./b?c=d&e HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: " PRODUCT
			"\r\nX-Probe: yes\r\nAccept: text/plain\r\n\r\n");
	lab->probe.header_count = 0;
	lab->probe.path = "/";
	lab->probe.method = "HEAD";
	lab->probe.host = "2001:db8::7";
	request_is(lab, "HEAD / HTTP/1.1\r\nHost: [2001:db8::7]\r\nUser-Agent: " PRODUCT "\r\nAccept: */*\r\n\r\n");
	lab->probe.method = "POST";
	lab->probe.host = "www.example.org:8080";
	request_is(lab, "POST / HTTP/1.1\r\nHost: www.example.org:8080\r\nUser-Agent: " PRODUCT
			"\r\nAccept: */*\r\nContent-Length: 0\r\n\r\n");
	unsetenv("http_proxy");
	unsetenv("all_proxy");
}

static void test_body_has_text(void **state)
{
	struct lab *lab = *state;

	body_has(lab, "all is \"well\"");
	replies(lab, OK_HEAD "Content-Length: 24\r\n\r\nhere all is \"well\" today");
	expect(lab, FINDING_PASSED, "status 200 after ");
	replies(lab, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n8\r\nall is \"\r\n5\r\nwell\"\r\n0\r\n\r\n");
	expect(lab, FINDING_PASSED, "status 200 after ");
	replies(lab, OK_HEAD "Content-Length: 7\r\n\r\nall is ");
	expect(lab, FINDING_FAILED, "status 200, but \"all is \\\"well\\\"\" is not in its body after ");
	replies_and_closes(lab, OK_HEAD "\r\n");
	expect(lab, FINDING_FAILED, "status 200, but \"all is");
	/* the status comes first */
	replies(lab, "HTTP/1.1 500 Oops\r\nContent-Length: 13\r\n\r\nall is \"well\"");
	expect(lab, FINDING_FAILED, "status 500 after ");
}

static void test_body_matches_expression(void **state)
{
	struct lab *lab = *state;

	lab->probe.expect_regex = "^(up|ok): [0-9]+ users$|maintenance";
	replies(lab, OK_HEAD "Content-Length: 12\r\n\r\nok: 17 users");
	expect(lab, FINDING_PASSED, "status 200 after ");
	replies(lab, OK_HEAD "Content-Length: 17\r\n\r\n\nin maintenance \n\n");
	expect(lab, FINDING_PASSED, "status 200 after ");
	replies(lab, OK_HEAD "Content-Length: 13\r\n\r\n ok: 17 users");
	expect(lab, FINDING_FAILED,
	       "status 200, but /^(up|ok): [0-9]+ users$|maintenance/ does not match its body after ");
}

static void test_endless_reply(void **state)
{
	struct lab *lab = *state;
	struct server *server = lab->extra;
	char *reply = memory_new(1, 20000);

	/* the body begins and never ends, headers come back as a part of it */
	memset(reply, 'x', 19999);
	memcpy(reply, OK_HEAD "\r\n", strlen(OK_HEAD "\r\n"));
	replies(lab, reply);
	server->manners.endless = true;
	expect(lab, FINDING_PASSED, "status 200 after ");
	body_has(lab, "needle");
	expect(lab, FINDING_FAILED, "status 200, but \"needle\" is not in the first 64 KiB of its body after ");
	body_has(lab, "xHTTP");
	expect(lab, FINDING_PASSED, "status 200 after ");
	lab->probe.expect = (struct config_bytes){0};
	lab->probe.expect_regex = "xHTTP";
	expect(lab, FINDING_FAILED, "status 200, but /xHTTP/ does not match the first 4 KiB of its body after ");
	lab->probe.expect_regex = "xxx";
	expect(lab, FINDING_PASSED, "status 200 after ");
	free(reply);
}

static void test_endless_headers(void **state)
{
	struct lab *lab = *state;
	struct server *server = lab->extra;
	char reply[9000];

	/* libcurl itself has no end of these */
	snprintf(reply, sizeof(reply), "HTTP/1.1 103 Early Hints\r\nX: %08000d\r\n\r\n", 0);
	replies(lab, reply);
	server->manners.endless = true;
	expect(lab, FINDING_FAILED, "more than 65536 bytes of headers after ");
}

static void test_malformed_reply(void **state)
{
	struct lab *lab = *state;

	replies_and_closes(lab, "SSH-2.0-OpenSSH_9.2\r\n");
	expect(lab, FINDING_FAILED, "");
	assert_non_null(strstr(lab->text, "HTTP/0.9"));
	replies_and_closes(lab, "HTTP/1.1 2x0 \xff\x1b[31m\r\n\r\n");
	expect(lab, FINDING_FAILED, "");
	assert_null(strchr(lab->text, '\x1b'));
	replies_and_closes(lab, OK_HEAD "Content-Length: -7\r\n\r\n");
	expect(lab, FINDING_FAILED, "");
	body_has(lab, "ok");
	replies_and_closes(lab, OK_HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n");
	expect(lab, FINDING_FAILED, "");
	replies_and_closes(lab, OK_HEAD "Content-Length: 100\r\n\r\nnot all");
	expect(lab, FINDING_FAILED, "");
}

static void test_connection_closed_or_reset(void **state)
{
	struct lab *lab = *state;
	struct server *server = lab->extra;

	replies_and_closes(lab, "");
	expect(lab, FINDING_FAILED, "Empty reply from server after ");
	replies(lab, OK_HEAD "X: y\r\n");
	server->manners.reset = true;
	expect(lab, FINDING_FAILED, "Recv failure: Connection reset by peer after ");
}

static void test_slow_and_silent_servers_run_into_the_timeout(void **state)
{
	struct lab *lab = *state;
	struct server *server = lab->extra;
	char reply[1100];

	lab->probe.timeout_ms = 150;
	replies(lab, "");
	expect(lab, FINDING_FAILED, "connected, but no reply within 150 ms");
	replies(lab, OK_HEAD "X: y\r\n");
	expect(lab, FINDING_FAILED, "only 23 bytes of headers within 150 ms");
	body_has(lab, "ok");
	replies(lab, OK_HEAD "\r\n12345");
	expect(lab, FINDING_FAILED, "status 200, but only 5 bytes of the body within 150 ms");
	snprintf(reply, sizeof(reply), OK_HEAD "X: %01000d\r\n\r\n", 0);
	replies(lab, reply);
	server->manners.slow = true;
	expect(lab, FINDING_FAILED, "");
	assert_non_null(strstr(lab->text, " within 150 ms"));
}

static void connect_says(struct lab *lab, enum finding finding, const char *text)
{
	char target[PROBE_TARGET], whole[HEALTH_TEXT + PROBE_TARGET];

	snprintf(whole, sizeof(whole), "connect %s: %s", probe_target(&lab->job, target), text);
	lab_expect(lab, finding, whole);
}

static void test_refused(void **state)
{
	struct lab *lab = *state;

	lab->job.port = 1;
	connect_says(lab, FINDING_FAILED, "connection refused after ");
}

static void test_no_route_is_trouble(void **state)
{
	struct lab *lab = *state;

	lab_address(lab, "192.0.2.1");
	connect_says(lab, FINDING_TROUBLE, "network unreachable after ");
}

static void test_no_descriptors_is_trouble(void **state)
{
	replies(*state, OK_HEAD "\r\n");
	lab_expect_no_descriptors(*state);
}

/* The reply was there in time, but this process was not. */
static void test_held_up_process_is_trouble(void **state)
{
	struct lab *lab = *state;

	lab->probe.timeout_ms = 100;
	replies(lab, "");
	lab_start(lab);
	while (((struct server *)lab->extra)->got_length == 0)
		event_base_loop(lab->base, EVLOOP_ONCE);
	lab_hold_up(400);
	assert_int_equal(lab_wait(lab), FINDING_TROUBLE);
	assert_non_null(strstr(lab->text, "this process was held up for "));
}

static void test_late_look_finds_the_reply(void **state)
{
	static const char reply[] = OK_HEAD "\r\n";
	struct lab *lab = *state;
	struct server *server = lab->extra;

	lab->probe.timeout_ms = 100;
	replies(lab, "");
	lab_start(lab);
	while (!server->got_length)
		event_base_loop(lab->base, EVLOOP_ONCE);
	assert_int_equal(send(server->connection, reply, strlen(reply), 0), strlen(reply));
	lab_hold_up(400);
	assert_int_equal(lab_wait(lab), FINDING_PASSED);
}

static void test_cancelled_at_any_time(void **state)
{
	static const char *const sent[] = {"", OK_HEAD, OK_HEAD "\r\n", OK_HEAD "\r\nbo"};
	struct lab *lab = *state;
	struct server *server = lab->extra;

	body_has(lab, "never");
	lab_start(lab);
	probe_http.cancel(lab->run);
	for (size_t i = 0; i < 4; i++) {
		size_t before = server->accepted;

		replies(lab, sent[i]);
		lab_start(lab);
		while (server->accepted == before || server->sent < strlen(sent[i]) || !server->got_length)
			event_base_loop(lab->base, EVLOOP_ONCE);
		/* what was sent is read */
		event_base_loop(lab->base, EVLOOP_NONBLOCK);
		assert_false(lab->done);
		probe_http.cancel(lab->run);
	}
	event_base_loop(lab->base, EVLOOP_NONBLOCK);
	assert_false(lab->done);
}

static void accept_all(evutil_socket_t fd, short what, void *argument)
{
	static const char reply[] = OK_HEAD "Content-Length: 2\r\n\r\nok";
	int *open = argument, connection;

	(void)what;
	while ((connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		send(connection, reply, strlen(reply), MSG_NOSIGNAL);
		open[0]++;
		open[open[0]] = connection;
	}
}

#define MANY 2000

static void test_thousands_at_once(void **state)
{
	struct lab *lab = *state;
	int *open = memory_new(MANY + 1, sizeof(int));
	struct event *accepts;
	char last[HEALTH_TEXT];
	__u16 port;
	int listener = lab_bind("::", SOCK_STREAM, MANY, &port);

	accepts = event_new(lab->base, listener, EV_READ | EV_PERSIST, accept_all, open);
	event_add(accepts, NULL);
	body_has(lab, "ok");
	lab->probe.timeout_ms = 60000;
	lab->job.port = port;
	lab_expect_crowd(lab, MANY, last);
	shell_run("test -z \"$(ss -Htan state time-wait dport = :%u)\"", port);
	for (int i = 1; i <= open[0]; i++)
		close(open[i]);
	event_free(accepts);
	close(listener);
	free(open);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_statuses),
		TEST(test_redirect_is_not_followed),
		TEST(test_interim_replies_are_skipped),
		TEST(test_text_shows_vip_and_backend),
		TEST(test_request),
		TEST(test_body_has_text),
		TEST(test_body_matches_expression),
		TEST(test_endless_reply),
		TEST(test_endless_headers),
		TEST(test_malformed_reply),
		TEST(test_connection_closed_or_reset),
		TEST(test_slow_and_silent_servers_run_into_the_timeout),
		TEST(test_refused),
		TEST(test_no_route_is_trouble),
		TEST(test_no_descriptors_is_trouble),
		TEST(test_held_up_process_is_trouble),
		TEST(test_late_look_finds_the_reply),
		TEST(test_cancelled_at_any_time),
		TEST(test_thousands_at_once),
	};

	return cmocka_run_group_tests(tests, lab_namespace, NULL);
}
