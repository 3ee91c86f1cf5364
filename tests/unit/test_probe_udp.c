/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The udp probe. After each test no descriptor may be left open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/probe_lab.h"

struct udp_server {
	int fd;
	struct event *readable;
	const char *reply; /* NULL: none */
	char got[64];
	ssize_t length; /* of what came last, -1: nothing did */
};

static void udp_event(evutil_socket_t fd, short what, void *argument)
{
	struct udp_server *server = argument;
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);

	(void)what;
	server->length = recvfrom(fd, server->got, sizeof(server->got), 0, (struct sockaddr *)&peer, &length);
	if (server->reply)
		sendto(fd, server->reply, strlen(server->reply), 0, (struct sockaddr *)&peer, length);
}

static void serve(struct lab *lab, struct udp_server *server, const char *reply)
{
	*server = (struct udp_server){.reply = reply, .length = -1};
	server->fd = lab_bind("::", SOCK_DGRAM, 0, &lab->job.port);
	server->readable = event_new(lab->base, server->fd, EV_READ | EV_PERSIST, udp_event, server);
	event_add(server->readable, NULL);
}

static void stop(struct udp_server *server)
{
	event_free(server->readable);
	close(server->fd);
}

static const char *says(const struct lab *lab, const char *text)
{
	return lab_says(lab, "udp", text);
}

static void test_expected_reply(void **state)
{
	struct lab *lab = *state;
	struct udp_server server;

	serve(lab, &server, "pong 17");
	lab->probe.send = lab_bytes("ping");
	lab->probe.expect = lab_bytes("pong");
	lab_expect(lab, FINDING_PASSED, says(lab, "reply as expected after "));
	assert_int_equal(server.length, 4);
	assert_memory_equal(server.got, "ping", 4);
	lab_address(lab, "::1");
	assert_int_equal(lab_probe(lab), FINDING_PASSED);
	stop(&server);
}

static void test_other_reply(void **state)
{
	struct lab *lab = *state;
	struct udp_server server;

	serve(lab, &server, "po");
	lab->probe.expect = lab_bytes("pong");
	lab_expect(lab, FINDING_FAILED, says(lab, "reply \"po\" instead of \"pong\" after "));
	/* without anything to send, an empty datagram was */
	assert_int_equal(server.length, 0);
	stop(&server);
}

static void test_no_reply(void **state)
{
	struct lab *lab = *state;
	struct udp_server server;

	serve(lab, &server, NULL);
	lab->probe.expect = lab_bytes("pong");
	lab->probe.timeout_ms = 50;
	lab_expect(lab, FINDING_FAILED, says(lab, "no reply within 50 ms"));
	stop(&server);
}

static void test_silence_is_enough(void **state)
{
	struct lab *lab = *state;
	struct udp_server server;

	serve(lab, &server, NULL);
	lab->probe.timeout_ms = 50;
	lab_expect(lab, FINDING_PASSED, says(lab, "no answer, no refusal after "));
	stop(&server);
}

static void test_port_unreachable(void **state)
{
	struct lab *lab = *state;
	struct udp_server server;

	serve(lab, &server, NULL);
	stop(&server);
	lab_expect(lab, FINDING_FAILED, says(lab, "connection refused after "));
	lab->probe.expect = lab_bytes("pong");
	lab_expect(lab, FINDING_FAILED, says(lab, "connection refused after "));
	lab_address(lab, "::1");
	assert_int_equal(lab_probe(lab), FINDING_FAILED);
}

static void test_host_vanished(void **state)
{
	struct lab *lab = *state;

	lab->job.port = 80;
	lab_expect_vanished(lab, "10.9.0.2", "udp 10.9.0.2:80: host unreachable after ");
}

static void test_no_route(void **state)
{
	struct lab *lab = *state;

	lab_address(lab, "198.51.100.1");
	lab->job.port = 80;
	lab_expect(lab, FINDING_TROUBLE, "udp 198.51.100.1:80: network unreachable");
}

/* Nobody looked in time, but the reply is there. */
static void test_answered_while_held_up(void **state)
{
	struct lab *lab = *state;
	int fd = lab_bind("::", SOCK_DGRAM, 0, &lab->job.port);
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	char byte;

	lab->probe.send = lab_bytes("p");
	lab->probe.expect = lab_bytes("pong");
	lab->probe.timeout_ms = 100;
	lab_start(lab);
	assert_int_equal(recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&peer, &length), 1);
	assert_int_equal(sendto(fd, "pong", 4, 0, (struct sockaddr *)&peer, length), 4);
	lab_hold_up(300);
	assert_int_equal(lab_wait(lab), FINDING_PASSED);
	lab_start(lab);
	lab_hold_up(300);
	assert_int_equal(lab_wait(lab), FINDING_TROUBLE);
	close(fd);
}

static void test_cancelled(void **state)
{
	struct lab *lab = *state;
	struct udp_server server;

	serve(lab, &server, NULL);
	lab_start(lab);
	while (server.length < 0)
		event_base_loop(lab->base, EVLOOP_ONCE);
	lab_cancel(lab);
	stop(&server);
}

static int setup(void **state)
{
	return !lab_setup(state, PROBE_UDP);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_expected_reply),   TEST(test_other_reply),
		TEST(test_no_reply),	     TEST(test_silence_is_enough),
		TEST(test_port_unreachable), TEST(test_host_vanished),
		TEST(test_no_route),	     TEST(test_answered_while_held_up),
		TEST(test_cancelled),
	};

	return cmocka_run_group_tests_name("udp probe", tests, lab_namespace, NULL);
}
