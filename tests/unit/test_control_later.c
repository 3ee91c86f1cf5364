/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Answers of the control socket that come later: to clients that wait, have gone, or are left alone at the end. */
#include "unit/control_lab.h"

#include "lib/clock.h"

#define WAITING_MAX 8

/* Wishes that have no answer yet. */
struct waiting {
	struct control_later *reply[WAITING_MAX];
	size_t count;
	struct event *answer;
	bool at_once;
};

static struct waiting waiting;

static void wish(void *agent, const struct control_request *request, struct control_later *reply)
{
	const struct timeval soon = clock_timeval(30);

	(void)agent;
	assert_int_equal(request->uid, geteuid());
	if (waiting.at_once) {
		control_answer(reply, 409, json_pack("{s:s}", "error", "at once"));
		return;
	}
	assert_true(waiting.count < WAITING_MAX);
	waiting.reply[waiting.count++] = reply;
	event_add(waiting.answer, &soon);
}

static void answer(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	(void)argument;
	for (size_t i = 0; i < waiting.count; i++)
		control_answer(waiting.reply[i], 200, json_pack("{s:i}", "number", (int)i));
	waiting.count = 0;
}

static const struct control_endpoint later_endpoints[] = {
	{"POST", "/v1/later", "a wish that takes long", .later = wish},
	{0},
};

static int setup_later(void **state)
{
	struct fixture *fixture;

	if (setup(state))
		return -1;
	fixture = *state;
	control_close(fixture->control);
	waiting = (struct waiting){.answer = evtimer_new(fixture->base, answer, NULL)};
	return control_open(&fixture->control, fixture->base, fixture->path, NULL, later_endpoints, fixture);
}

static int teardown_later(void **state)
{
	event_free(waiting.answer);
	return teardown(state);
}

static void comes_later(void **state)
{
	json_t *reply = ask_json(*state, "POST", "/v1/later", 200);

	assert_int_equal(json_integer_value(json_object_get(reply, "number")), 0);
	json_decref(reply);
}

static void comes_at_once(void **state)
{
	json_t *reply;

	waiting.at_once = true;
	reply = ask_json(*state, "POST", "/v1/later", 409);
	assert_string_equal(json_string_value(json_object_get(reply, "error")), "at once");
	json_decref(reply);
}

/* Two requests over one connection: the second one's answer is not the first one's. */
static void connection_lives_on(void **state)
{
	static const char requests[] =
		"POST /v1/later HTTP/1.1\r\nHost: s\r\nContent-Length: 0\r\n\r\n"
		"POST /v1/later HTTP/1.1\r\nHost: s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
	char *text = exchange(*state, requests, strlen(requests));
	const char *first = strstr(text, "{\"number\":0}\n");

	assert_non_null(first);
	assert_non_null(strstr(first + 1, "{\"number\":0}\n"));
	free(text);
}

/* Sends a wish without waiting for its answer; the socket. */
static int leave_wish(struct fixture *fixture)
{
	static const char request[] = "POST /v1/later HTTP/1.1\r\nHost: s\r\nContent-Length: 0\r\n\r\n";
	int fd = client_connect(fixture->path);
	size_t before = waiting.count;

	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	while (waiting.count == before)
		event_base_loop(fixture->base, EVLOOP_ONCE);
	return fd;
}

static void clients_have_gone(void **state)
{
	for (int i = 0; i < 3; i++)
		close(leave_wish(*state));
	json_decref(ask_json(*state, "POST", "/v1/later", 200)); /* answered together with them */
	comes_later(state);
}

/* The socket goes first, and then whoever would have answered. */
static void socket_has_gone(void **state)
{
	struct fixture *fixture = *state;
	int fd = leave_wish(fixture);

	control_close(fixture->control);
	fixture->control = NULL;
	answer(-1, 0, NULL);
	close(fd);
}

#define LATER_TEST(name) cmocka_unit_test_setup_teardown(name, setup_later, teardown_later)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LATER_TEST(comes_later),       LATER_TEST(comes_at_once),   LATER_TEST(connection_lives_on),
		LATER_TEST(clients_have_gone), LATER_TEST(socket_has_gone),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
