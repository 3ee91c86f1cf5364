/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * For how long the control socket keeps a client that does nothing, and that it is not the client's fault when the
 * agent works for long. Time passes as the tests say, on libevent's clock too.
 */
#include "unit/control_lab.h"

#include <sys/syscall.h>
#include <time.h>

#define SOME 6		       /* seconds: less than a client may do nothing */
#define LONG 11		       /* more than that */
#define BIG  ((size_t)4 << 20) /* an answer that no socket holds */

static long passed; /* seconds */
static struct control_later *waiting;
static void (*meanwhile)(void); /* what others do while the agent works, or NULL */
static int asking, reading;	/* their sockets */

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int result = (int)syscall(SYS_clock_gettime, clock, now);

	now->tv_sec += passed;
	return result;
}

static int slow(void *agent, const struct control_request *request, json_t **reply)
{
	(void)agent;
	(void)request;
	passed += LONG;
	if (meanwhile)
		meanwhile();
	meanwhile = NULL;
	*reply = json_object();
	return 200;
}

static char *big(void *agent)
{
	char *text = memory_new(BIG + 1, 1);

	(void)agent;
	memset(text, 'x', BIG);
	return text;
}

static char *slow_big(void *agent)
{
	passed += LONG;
	return big(agent);
}

static void wish(void *agent, const struct control_request *request, struct control_later *reply)
{
	(void)agent;
	(void)request;
	waiting = reply;
}

static const struct control_endpoint slow_endpoints[] = {
	{"GET", "/slow", "after long work", .answer = slow},
	{"GET", "/big", "much to read", .text = big},
	{"GET", "/slow/big", "both", .text = slow_big},
	{"GET", "/later", "on another turn of the loop", .later = wish},
	{0},
};

static int setup_slow(void **state)
{
	struct fixture *fixture;

	if (setup(state))
		return -1;
	fixture = *state;
	control_close(fixture->control);
	return control_open(&fixture->control, fixture->base, fixture->path, NULL, slow_endpoints, fixture);
}

static void turn(struct fixture *fixture)
{
	for (int i = 0; i < 10; i++)
		event_base_loop(fixture->base, EVLOOP_NONBLOCK);
}

static void pass(struct fixture *fixture, long seconds)
{
	passed += seconds;
	turn(fixture);
}

static void say(struct fixture *fixture, int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	turn(fixture);
}

static int client_ask(struct fixture *fixture, const char *path)
{
	char *request = memory_format("GET %s HTTP/1.1\r\nHost: s\r\n\r\n", path);
	int fd = client_connect(fixture->path);

	say(fixture, fd, request);
	free(request);
	return fd;
}

/* Reads all that comes without time passing, `most` bytes at the most; how many. */
static size_t take(struct fixture *fixture, int fd, size_t most)
{
	static char bytes[64 << 10];
	size_t taken = 0;
	ssize_t got = 1;

	while (got > 0 && taken < most) {
		size_t left = most - taken;

		turn(fixture);
		got = recv(fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes), MSG_DONTWAIT);
		taken += got > 0 ? (size_t)got : 0;
	}
	turn(fixture);
	return taken;
}

static bool has_closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void expect_end(int fd)
{
	assert_true(has_closed(fd));
	close(fd);
}

/* The connection goes on: the client gets an answer that it asks for within its time. */
static void expect_next(struct fixture *fixture, int fd)
{
	pass(fixture, SOME);
	assert_false(has_closed(fd));
	say(fixture, fd, "GET / HTTP/1.1\r\nHost: s\r\n\r\n");
	assert_true(take(fixture, fd, BIG) > 0);
}

static void silent_clients_are_let_go(void **state)
{
	struct fixture *fixture = *state;
	int silent = client_connect(fixture->path), halfway = client_connect(fixture->path);

	say(fixture, halfway, "GET /slow HTTP/1.1\r\n");
	pass(fixture, SOME);
	assert_false(has_closed(silent));
	say(fixture, halfway, "Host: ");
	pass(fixture, SOME);
	expect_end(silent);
	assert_false(has_closed(halfway));
	pass(fixture, LONG);
	expect_end(halfway);
}

static void clients_that_have_their_answer_may_ask_again(void **state)
{
	struct fixture *fixture = *state;
	int fd = client_ask(fixture, "/");

	assert_true(take(fixture, fd, BIG) > 0);
	expect_next(fixture, fd);
	expect_next(fixture, fd);
	pass(fixture, LONG);
	expect_end(fd);
}

static void long_work_is_no_idleness(void **state)
{
	struct fixture *fixture = *state;
	int fd = client_ask(fixture, "/slow");

	assert_true(take(fixture, fd, BIG) > 0);
	expect_next(fixture, fd);
	close(fd);
	fd = client_ask(fixture, "/slow/big");
	assert_true(take(fixture, fd, 2 * BIG) > BIG);
	expect_next(fixture, fd);
	close(fd);
}

static void answers_may_come_late(void **state)
{
	struct fixture *fixture = *state;
	int fd = client_ask(fixture, "/later");

	pass(fixture, LONG);
	pass(fixture, LONG);
	control_answer(waiting, 200, json_object());
	turn(fixture);
	assert_true(take(fixture, fd, BIG) > 0);
	expect_next(fixture, fd);
	pass(fixture, LONG);
	expect_end(fd);
}

static void others_go_on(void)
{
	static char bytes[64 << 10];

	assert_int_equal(send(asking, "Host: s\r\n\r\n", 11, MSG_NOSIGNAL), 11);
	assert_int_equal(recv(reading, bytes, sizeof(bytes), MSG_DONTWAIT), sizeof(bytes));
}

static void work_for_one_is_no_idleness_of_others(void **state)
{
	struct fixture *fixture = *state;
	int late = client_ask(fixture, "/later"), first;

	reading = client_ask(fixture, "/big");
	take(fixture, reading, BIG / 2);
	asking = client_connect(fixture->path);
	say(fixture, asking, "GET / HTTP/1.1\r\n");
	meanwhile = others_go_on;
	first = client_ask(fixture, "/slow");
	assert_null(meanwhile);
	assert_true(take(fixture, first, BIG) > 0);
	assert_true(take(fixture, asking, BIG) > 0);
	assert_true(take(fixture, reading, BIG) + (64 << 10) > BIG / 2);
	control_answer(waiting, 200, json_object());
	assert_true(take(fixture, late, BIG) > 0);
	close(first);
	close(late);
	close(reading);
	close(asking);
}

static void slow_readers_get_all(void **state)
{
	struct fixture *fixture = *state;
	int fd = client_ask(fixture, "/big");

	for (size_t left = BIG; left; left -= BIG / 4) {
		assert_int_equal(take(fixture, fd, BIG / 4), BIG / 4);
		pass(fixture, SOME);
	}
	assert_true(take(fixture, fd, BIG) > 0);
	close(fd);
}

static void clients_that_do_not_read_are_let_go(void **state)
{
	struct fixture *fixture = *state;
	int fd = client_ask(fixture, "/big");

	pass(fixture, LONG);
	assert_true(take(fixture, fd, BIG) < BIG); /* what the socket held */
	expect_end(fd);
}

#define SLOW_TEST(name) cmocka_unit_test_setup_teardown(name, setup_slow, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SLOW_TEST(silent_clients_are_let_go),
		SLOW_TEST(clients_that_have_their_answer_may_ask_again),
		SLOW_TEST(long_work_is_no_idleness),
		SLOW_TEST(answers_may_come_late),
		SLOW_TEST(work_for_one_is_no_idleness_of_others),
		SLOW_TEST(slow_readers_get_all),
		SLOW_TEST(clients_that_do_not_read_are_let_go),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
