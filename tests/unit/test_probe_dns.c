/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The dns probe over UDP and TCP. After each test no descriptor may be left open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/probe_lab.h"

struct dns_server {
	struct event_base *base;
	int udp, tcp, connection;
	struct event *datagram, *accept, *bytes;
	/* What it answers: */
	__u8 rcode;
	bool truncated, wrong_id, silent, malformed, garbage_first, close_early;
	const char *address;
	size_t asked;
};

/* Turns the question into its reply and returns the length. */
static size_t make_reply(struct dns_server *server, __u8 *message, size_t length)
{
	static const __u8 record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4};

	server->asked++;
	message[2] |= 0x80 | (server->truncated ? 2 : 0);
	message[3] |= server->rcode;
	message[0] ^= server->wrong_id;
	message[7] = server->address || server->malformed;
	if (server->address) {
		struct address address = parsed_address(server->address);

		memcpy(message + length, record, sizeof(record));
		memcpy(message + length + sizeof(record), address.word, 4);
		length += sizeof(record) + 4;
	}
	return length;
}

static void datagram_event(evutil_socket_t fd, short what, void *argument)
{
	struct dns_server *server = argument;
	struct sockaddr_storage peer;
	socklen_t peer_length = sizeof(peer);
	__u8 message[1024];
	ssize_t n = recvfrom(fd, message, 512, 0, (struct sockaddr *)&peer, &peer_length);
	size_t length;

	(void)what;
	assert_true(n > 12);
	length = make_reply(server, message, (size_t)n);
	if (server->silent)
		return;
	if (server->garbage_first)
		sendto(fd, "garbage", 7, 0, (struct sockaddr *)&peer, peer_length);
	sendto(fd, message, length, 0, (struct sockaddr *)&peer, peer_length);
}

static void hang_up(struct dns_server *server)
{
	if (server->connection < 0)
		return;
	event_free(server->bytes);
	close(server->connection);
	server->connection = -1;
}

static void bytes_event(evutil_socket_t fd, short what, void *argument)
{
	struct dns_server *server = argument;
	__u8 message[1024];
	ssize_t n = recv(fd, message, 512, 0);
	size_t length;

	(void)what;
	if (n <= 2) {
		hang_up(server);
		return;
	}
	length = make_reply(server, message + 2, (size_t)n - 2);
	message[0] = (__u8)(length >> 8);
	message[1] = (__u8)length;
	if (server->silent)
		return;
	/* in two parts, in the middle of the length */
	send(fd, message, 1, MSG_NOSIGNAL);
	if (server->close_early)
		hang_up(server);
	else
		send(fd, message + 1, length + 1, MSG_NOSIGNAL);
}

static void accept_event(evutil_socket_t fd, short what, void *argument)
{
	struct dns_server *server = argument;

	(void)what;
	hang_up(server);
	server->connection = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	server->bytes = event_new(server->base, server->connection, EV_READ | EV_PERSIST, bytes_event, server);
	event_add(server->bytes, NULL);
}

static void serve(struct lab *lab, struct dns_server *server)
{
	server->base = lab->base;
	server->connection = -1;
	if (lab->probe.tcp) {
		server->tcp = lab_bind("::", SOCK_STREAM, 8, &lab->job.port);
		server->accept = event_new(lab->base, server->tcp, EV_READ | EV_PERSIST, accept_event, server);
		event_add(server->accept, NULL);
	} else {
		server->udp = lab_bind("::", SOCK_DGRAM, 0, &lab->job.port);
		server->datagram = event_new(lab->base, server->udp, EV_READ | EV_PERSIST, datagram_event, server);
		event_add(server->datagram, NULL);
	}
}

static void stop(struct lab *lab, struct dns_server *server)
{
	hang_up(server);
	event_free(lab->probe.tcp ? server->accept : server->datagram);
	close(lab->probe.tcp ? server->tcp : server->udp);
}

/* Against such a server the probe finds this. */
static void expect(struct lab *lab, struct dns_server server, enum finding finding, const char *text)
{
	serve(lab, &server);
	lab_expect(lab, finding, lab_says(lab, "dns", text));
	stop(lab, &server);
}

static void both(struct lab *lab, struct dns_server server, enum finding finding, const char *text)
{
	lab->probe.tcp = false;
	expect(lab, server, finding, text);
	lab->probe.tcp = true;
	expect(lab, server, finding, text);
}

static void test_answers(void **state)
{
	struct lab *lab = *state;

	both(lab, (struct dns_server){0}, FINDING_PASSED, "NOERROR after ");
	both(lab, (struct dns_server){.address = "192.0.2.1"}, FINDING_PASSED, "NOERROR after ");
	lab->probe.expect_address = parsed_address("192.0.2.1");
	both(lab, (struct dns_server){.address = "192.0.2.1"}, FINDING_PASSED, "NOERROR after ");
}

static void test_rcode(void **state)
{
	struct lab *lab = *state;

	both(lab, (struct dns_server){.rcode = 3}, FINDING_FAILED,
	     "NXDOMAIN instead of NOERROR for A www.example.org after ");
	both(lab, (struct dns_server){.rcode = 11}, FINDING_FAILED, "rcode 11 instead of NOERROR for A ");
	lab->probe.rcode = 3;
	both(lab, (struct dns_server){.rcode = 3}, FINDING_PASSED, "NXDOMAIN after ");
}

static void test_address(void **state)
{
	struct lab *lab = *state;

	lab->probe.expect_address = parsed_address("192.0.2.1");
	both(lab, (struct dns_server){.address = "192.0.2.7"}, FINDING_FAILED, "192.0.2.7 instead of 192.0.2.1 after ");
	both(lab, (struct dns_server){0}, FINDING_FAILED, "no address instead of 192.0.2.1 after ");
}

static void test_truncated(void **state)
{
	struct lab *lab = *state;

	expect(lab, (struct dns_server){.truncated = true}, FINDING_PASSED, "NOERROR after ");
	lab->probe.expect_address = parsed_address("192.0.2.1");
	expect(lab, (struct dns_server){.truncated = true}, FINDING_FAILED,
	       "the reply is truncated, use transport: tcp, after ");
}

static void test_malformed(void **state)
{
	both(*state, (struct dns_server){.malformed = true}, FINDING_FAILED,
	     "malformed reply (its answers cannot be read) after ");
}

/* What anybody may have sent is ignored over UDP. */
static void test_foreign_datagrams(void **state)
{
	struct lab *lab = *state;

	expect(lab, (struct dns_server){.garbage_first = true}, FINDING_PASSED, "NOERROR after ");
	lab->probe.timeout_ms = 100;
	expect(lab, (struct dns_server){.wrong_id = true}, FINDING_FAILED,
	       "no reply but 1 that is not to this question (the last: another id) within 100 ms");
	lab->probe.timeout_ms = 10000;
	lab->probe.tcp = true;
	expect(lab, (struct dns_server){.wrong_id = true}, FINDING_FAILED, "malformed reply (another id) after ");
}

static void test_silent(void **state)
{
	struct lab *lab = *state;

	lab->probe.timeout_ms = 50;
	both(lab, (struct dns_server){.silent = true}, FINDING_FAILED, "no reply within 50 ms");
}

static void test_nobody_listens(void **state)
{
	struct lab *lab = *state;

	close(lab_bind("::", SOCK_DGRAM, 0, &lab->job.port));
	assert_int_equal(lab_probe(lab), FINDING_FAILED);
	assert_non_null(strstr(lab->text, "connection refused"));
	lab->probe.tcp = true;
	assert_int_equal(lab_probe(lab), FINDING_FAILED);
	assert_non_null(strstr(lab->text, "connection refused"));
}

static void test_closed_early(void **state)
{
	struct lab *lab = *state;

	lab->probe.tcp = true;
	expect(lab, (struct dns_server){.close_early = true}, FINDING_FAILED, "closed after 1 bytes of reply");
}

/* A length of nothing, and bytes one by one, which take too long. */
static void test_bad_manners_over_tcp(void **state)
{
	struct lab *lab = *state;
	struct server server;

	lab->probe.tcp = true;
	server_open(&server, lab->base, "::", (struct manners){.reply = "\0\0", .length = 2});
	lab->job.port = server.port;
	lab_probe(lab);
	assert_int_equal(lab->finding, FINDING_FAILED);
	assert_non_null(strstr(lab->text, "malformed reply (too short for DNS)"));
	server.manners = (struct manners){.reply = "\xff", .length = 1, .slow = true, .endless = true};
	lab->probe.timeout_ms = 100;
	lab_probe(lab);
	assert_int_equal(lab->finding, FINDING_FAILED);
	assert_non_null(strstr(lab->text, " bytes of reply within 100 ms"));
	server_close(&server);
}

static void test_cancelled(void **state)
{
	struct lab *lab = *state;
	struct dns_server server = {.silent = true};

	for (int tcp = 0; tcp < 2; tcp++) {
		lab->probe.tcp = tcp;
		server.asked = 0;
		serve(lab, &server);
		lab_start(lab);
		lab_cancel(lab);
		lab_start(lab);
		while (!server.asked)
			event_base_loop(lab->base, EVLOOP_ONCE);
		lab_cancel(lab);
		stop(lab, &server);
	}
}

static int setup(void **state)
{
	struct lab *lab = lab_setup(state, PROBE_DNS);

	lab->probe.name = "www.example.org";
	lab->probe.record = 1;
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answers),	 TEST(test_rcode),
		TEST(test_address),	 TEST(test_truncated),
		TEST(test_malformed),	 TEST(test_foreign_datagrams),
		TEST(test_silent),	 TEST(test_nobody_listens),
		TEST(test_closed_early), TEST(test_bad_manners_over_tcp),
		TEST(test_cancelled),
	};

	return cmocka_run_group_tests_name("dns probe", tests, lab_namespace, NULL);
}
