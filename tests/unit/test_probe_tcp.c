/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The tcp probe against real servers, good and bad. After each test no descriptor may be left open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/probe_lab.h"

static void serve(struct lab *lab, struct server *server, struct manners manners)
{
	server_open(server, lab->base, "::", manners);
	lab->job.port = server->port;
}

static const char *says(const struct lab *lab, const char *text)
{
	return lab_says(lab, "connect", text);
}

static void test_connects(void **state)
{
	struct lab *lab = *state;
	struct server server;
	unsigned int elapsed;

	serve(lab, &server, (struct manners){0});
	lab_expect(lab, FINDING_PASSED, says(lab, "connected after "));
	assert_int_equal(sscanf(strstr(lab->text, "after"), "after %u", &elapsed), 1);
	assert_string_equal(lab->text + strlen(lab->text) - 3, " ms");
	server_close(&server);
}

static void test_connects_over_ipv6_through_a_vip(void **state)
{
	struct lab *lab = *state;
	struct server server;
	char text[HEALTH_TEXT];

	serve(lab, &server, (struct manners){0});
	lab->job.address = parsed_address("2001:db8::1");
	snprintf(text, sizeof(text), "connect [2001:db8::1]:%u via 127.0.0.1: connected", server.port);
	lab_expect(lab, FINDING_PASSED, text);
	server_close(&server);
}

static void test_no_connection_is_left_in_time_wait(void **state)
{
	struct lab *lab = *state;
	struct server server;

	serve(lab, &server, (struct manners){0});
	lab_probe(lab);
	shell_run("test -z \"$(ss -Htan state time-wait state fin-wait-1 state fin-wait-2)\"");
	server_close(&server);
}

/* Marked packets alone find a way out, to where nobody answers. */
static void test_has_mark(void **state)
{
	struct lab *lab = *state;

	shell_run("ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up && "
		  "sysctl -qw net.ipv4.neigh.v0.retrans_time_ms=10 && ip addr add 10.8.0.1/32 dev v0 && "
		  "ip rule add fwmark 77 table 7 && ip route add 10.9.0.0/24 dev v0 table 7");
	lab_address(lab, "10.9.0.2");
	lab->job.port = 80;
	lab_expect(lab, FINDING_TROUBLE, "connect 10.9.0.2:80: network unreachable after ");
	lab->job.mark = 77;
	lab_expect(lab, FINDING_FAILED, "connect 10.9.0.2:80: host unreachable after ");
	shell_run("ip rule del fwmark 77 table 7 && ip link del v0");
}

static void test_has_source(void **state)
{
	struct lab *lab = *state;
	struct server server;

	shell_run("ip addr add 203.0.113.9/32 dev lo");
	serve(lab, &server, (struct manners){.reply = "hello", .length = 5});
	lab->probe.expect = lab_bytes("hello");
	lab->job.source = parsed_address("203.0.113.9");
	lab_expect(lab, FINDING_PASSED, says(lab, "reply as expected"));
	assert_string_equal(server.peer, "::ffff:203.0.113.9");
	lab->job.source = parsed_address("203.0.113.10");
	lab_expect(lab, FINDING_TROUBLE, says(lab, "this host has no free port or no such source address"));
	server_close(&server);
}

static void test_refused(void **state)
{
	struct lab *lab = *state;
	struct server server;

	serve(lab, &server, (struct manners){0});
	server_close(&server);
	lab_expect(lab, FINDING_FAILED, says(lab, "connection refused after "));
}

/* Nobody listens, but the only port that a connection can have on this host is the one that it goes to. */
static void test_connected_to_itself(void **state)
{
	struct lab *lab = *state;

	shell_run("sysctl -qw net.ipv4.ip_local_port_range='40000 40000'");
	lab->job.port = 40000;
	lab_expect(lab, FINDING_FAILED, says(lab, "connection refused after "));
	lab_address(lab, "::1");
	lab_expect(lab, FINDING_FAILED, "connect [::1]:40000: connection refused after ");
	/* nor does it keep the port from a server to come */
	shell_run("sysctl -qw net.ipv4.ip_local_port_range='32768 60999' && test -z \"$(ss -Htan)\"");
}

static int full_backlog(__u16 port)
{
	struct sockaddr_in name = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(0x7f000001)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	return fd;
}

static void test_backlog_full(void **state)
{
	struct lab *lab = *state;
	int listener = lab_bind("127.0.0.1", SOCK_STREAM, 0, &lab->job.port), first = full_backlog(lab->job.port);

	lab->probe.timeout_ms = 100;
	lab_expect(lab, FINDING_FAILED, says(lab, "no answer within 100 ms"));
	close(first);
	close(listener);
}

static void test_sends_and_expects(void **state)
{
	struct lab *lab = *state;
	struct server server;

	serve(lab, &server, (struct manners){.reply = "+PONG\r\n", .length = 7, .listens = true});
	lab->probe.send = lab_bytes("PING\r\n");
	lab->probe.expect = lab_bytes("+PONG");
	lab_expect(lab, FINDING_PASSED, says(lab, "reply as expected after "));
	assert_memory_equal(server.got, "PING\r\n", 6);
	server_close(&server);
}

static void test_sends_more_than_fits_at_once(void **state)
{
	struct lab *lab = *state;
	struct server server;
	size_t length = 8 << 20;
	char *long_text = memory_new(1, length);

	serve(lab, &server, (struct manners){.reply = "ok", .length = 2, .listens = true});
	lab->probe.send = (struct config_bytes){long_text, length};
	lab->probe.expect = lab_bytes("ok");
	lab_probe(lab);
	assert_int_equal(lab->finding, FINDING_PASSED);
	server_close(&server);
	free(long_text);
}

static void test_mismatch_is_shown(void **state)
{
	struct lab *lab = *state;
	struct server server;

	serve(lab, &server, (struct manners){.reply = "-ERR \"\x01\xff\r\n", .length = 10});
	lab->probe.expect = lab_bytes("+OK");
	lab_expect(lab, FINDING_FAILED, says(lab, "reply \"-ERR \\\"\\x01\\xff\\r\\n\" instead of \"+OK\" after "));
	server_close(&server);
}

static void test_closed_early(void **state)
{
	struct lab *lab = *state;
	struct server server;

	serve(lab, &server, (struct manners){.reply = "+O", .length = 2, .close = true});
	lab->probe.expect = lab_bytes("+OK");
	lab_expect(lab, FINDING_FAILED, says(lab, "closed after 2 bytes of reply"));
	server_close(&server);
}

static void test_reset_in_the_middle(void **state)
{
	struct lab *lab = *state;
	struct server server;

	serve(lab, &server, (struct manners){.reset = true});
	lab->probe.expect = lab_bytes("+OK");
	lab_expect(lab, FINDING_FAILED, says(lab, "0 bytes, then connection reset after "));
	server_close(&server);
}

static void test_silent_after_connection(void **state)
{
	struct lab *lab = *state;
	struct server server;

	serve(lab, &server, (struct manners){0});
	lab->probe.expect = lab_bytes("+OK");
	lab->probe.timeout_ms = 100;
	lab_expect(lab, FINDING_FAILED, says(lab, "connected, but no reply within 100 ms"));
	server_close(&server);
}

/* It accepts, but never reads. */
static void test_takes_not_all(void **state)
{
	struct lab *lab = *state;
	int listener = lab_bind("127.0.0.1", SOCK_STREAM, 8, &lab->job.port);
	size_t length = 32 << 20;
	char *long_text = memory_new(1, length);

	lab->probe.send = (struct config_bytes){long_text, length};
	lab->probe.timeout_ms = 100;
	lab_expect(lab, FINDING_FAILED, says(lab, "connected, but only "));
	assert_non_null(strstr(lab->text, " bytes taken within 100 ms"));
	close(listener);
	free(long_text);
}

static void test_slow_byte_by_byte(void **state)
{
	struct lab *lab = *state;
	struct server server;

	serve(lab, &server, (struct manners){.reply = "+", .length = 1, .slow = true, .endless = true});
	lab->probe.expect = (struct config_bytes){"++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++", 60};
	lab->probe.timeout_ms = 60;
	lab_expect(lab, FINDING_FAILED, says(lab, "only "));
	assert_non_null(strstr(lab->text, " bytes of reply within 60 ms"));
	/* given time it passes */
	lab->probe.timeout_ms = 10000;
	lab_expect(lab, FINDING_PASSED, says(lab, "reply as expected after "));
	server_close(&server);
}

static void test_endless_reply(void **state)
{
	static char flood[65536];
	struct lab *lab = *state;
	struct server server;

	memset(flood, 'x', sizeof(flood));
	serve(lab, &server, (struct manners){.reply = flood, .length = sizeof(flood), .endless = true});
	lab->probe.expect = lab_bytes("xxxx");
	lab_expect(lab, FINDING_PASSED, says(lab, "reply as expected after "));
	lab->probe.expect = lab_bytes("xxxy");
	lab_expect(lab, FINDING_FAILED, says(lab, "reply \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"... instead"));
	server_close(&server);
}

static void test_no_descriptors_left(void **state)
{
	struct lab *lab = *state;

	lab->job.port = 1;
	lab_expect_no_descriptors(lab);
}

static void test_no_route(void **state)
{
	struct lab *lab = *state;

	lab_address(lab, "198.51.100.1");
	lab->job.port = 80;
	lab_expect(lab, FINDING_TROUBLE, "connect 198.51.100.1:80: network unreachable");
}

static void test_host_vanished(void **state)
{
	struct lab *lab = *state;

	lab->job.port = 80;
	lab_expect_vanished(lab, "10.9.0.2", "connect 10.9.0.2:80: host unreachable after ");
}

static void test_cancelled_at_every_stage(void **state)
{
	static const char long_text[32 << 20];
	struct lab *lab = *state;
	struct server server;

	serve(lab, &server, (struct manners){.reply = "+", .length = 1});
	lab->probe.expect = lab_bytes("+OK");
	lab_start(lab);
	lab_cancel(lab);
	/* while it sends */
	lab->probe.send = (struct config_bytes){long_text, sizeof(long_text)};
	lab_start(lab);
	while (!server.accepted)
		event_base_loop(lab->base, EVLOOP_ONCE);
	lab_cancel(lab);
	/* after the first byte of the reply */
	lab->probe.send = lab_bytes("");
	lab_start(lab);
	while (!server.sent)
		event_base_loop(lab->base, EVLOOP_ONCE);
	event_base_loop(lab->base, EVLOOP_NONBLOCK);
	lab_cancel(lab);
	server_close(&server);
}

/* In another process, for this one is held up: replies "pong" to the first byte, and then tells so. */
static pid_t fork_server(int listener, int replied)
{
	pid_t pid = fork();
	char byte;
	int connection;

	assert_true(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fcntl(listener, F_SETFL, 0);
	connection = accept(listener, NULL, NULL);
	if (read(connection, &byte, 1) == 1 && write(connection, "pong", 4) == 4 && write(replied, "", 1) == 1)
		while (read(connection, &byte, 1) > 0)
			;
	_exit(0);
}

/* The answer came in time, but nobody looked: a pass, however late it is seen. */
static void test_answered_while_held_up(void **state)
{
	struct lab *lab = *state;
	int listener = lab_bind("127.0.0.1", SOCK_STREAM, 8, &lab->job.port), replied[2];
	pid_t server;
	char byte;

	assert_int_equal(pipe(replied), 0);
	server = fork_server(listener, replied[1]);
	lab->probe.send = lab_bytes("p");
	lab->probe.expect = lab_bytes("pong");
	lab->probe.timeout_ms = 500;
	lab_start(lab);
	event_base_loop(lab->base, EVLOOP_ONCE); /* connected, and sends */
	assert_int_equal(read(replied[0], &byte, 1), 1);
	lab_hold_up(1000);
	lab_wait(lab);
	assert_int_equal(lab->finding, FINDING_PASSED);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	close(listener);
	close(replied[0]);
	close(replied[1]);
}

static void test_connected_while_held_up(void **state)
{
	struct lab *lab = *state;
	struct server server;

	serve(lab, &server, (struct manners){0});
	lab->probe.timeout_ms = 100;
	lab_start(lab);
	lab_hold_up(300);
	lab_wait(lab);
	assert_int_equal(lab->finding, FINDING_PASSED);
	server_close(&server);
}

static void test_silent_while_held_up(void **state)
{
	struct lab *lab = *state;
	int listener = lab_bind("127.0.0.1", SOCK_STREAM, 0, &lab->job.port), first = full_backlog(lab->job.port);

	lab->probe.timeout_ms = 100;
	lab_start(lab);
	lab_hold_up(300);
	lab_wait(lab);
	assert_int_equal(lab->finding, FINDING_TROUBLE);
	assert_non_null(strstr(lab->text, ": this process was held up for "));
	close(first);
	close(listener);
}

/* Held up in the middle, which the timeout alone does not show: the prober's watch does. */
static void test_held_up_before_the_timeout(void **state)
{
	struct lab *lab = *state;
	int listener = lab_bind("127.0.0.1", SOCK_STREAM, 0, &lab->job.port), first = full_backlog(lab->job.port);

	lab->probe.timeout_ms = 100;
	lab->shared.held = 5000;
	lab_start(lab);
	lab->shared.held += 60000;
	lab_wait(lab);
	assert_int_equal(lab->finding, FINDING_TROUBLE);
	assert_non_null(strstr(lab->text, ": this process was held up for "));
	close(first);
	close(listener);
}

static int setup(void **state)
{
	return !lab_setup(state, PROBE_TCP);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_connects),
		TEST(test_connects_over_ipv6_through_a_vip),
		TEST(test_no_connection_is_left_in_time_wait),
		TEST(test_has_mark),
		TEST(test_has_source),
		TEST(test_refused),
		TEST(test_connected_to_itself),
		TEST(test_backlog_full),
		TEST(test_sends_and_expects),
		TEST(test_sends_more_than_fits_at_once),
		TEST(test_mismatch_is_shown),
		TEST(test_closed_early),
		TEST(test_reset_in_the_middle),
		TEST(test_silent_after_connection),
		TEST(test_takes_not_all),
		TEST(test_slow_byte_by_byte),
		TEST(test_endless_reply),
		TEST(test_no_descriptors_left),
		TEST(test_no_route),
		TEST(test_host_vanished),
		TEST(test_cancelled_at_every_stage),
		TEST(test_answered_while_held_up),
		TEST(test_connected_while_held_up),
		TEST(test_silent_while_held_up),
		TEST(test_held_up_before_the_timeout),
	};

	return cmocka_run_group_tests_name("tcp probe", tests, lab_namespace, NULL);
}
