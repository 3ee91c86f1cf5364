/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The ping probe. After each test no descriptor may be left open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/probe_lab.h"

static void test_replies(void **state)
{
	struct lab *lab = *state;

	lab_expect(lab, FINDING_PASSED, "ping 127.0.0.1: reply after ");
	lab_address(lab, "2001:db8::1");
	lab_expect(lab, FINDING_PASSED, "ping 2001:db8::1: reply after ");
	lab->job.source = parsed_address("::1");
	lab_expect(lab, FINDING_PASSED, "ping 2001:db8::1: reply after ");
}

static void test_host_vanished(void **state)
{
	lab_expect_vanished(*state, "10.9.0.2", "ping 10.9.0.2: host unreachable after ");
	lab_expect_vanished(*state, "2001:db8:9::2", "ping 2001:db8:9::2: host unreachable after ");
}

static void test_no_reply(void **state)
{
	struct lab *lab = *state;

	lab->probe.timeout_ms = 50;
	shell_run("sysctl -qw net.ipv4.icmp_echo_ignore_all=1 net.ipv6.icmp.echo_ignore_all=1");
	lab_expect(lab, FINDING_FAILED, "ping 127.0.0.1: no reply within 50 ms");
	lab_address(lab, "::1");
	lab_expect(lab, FINDING_FAILED, "ping ::1: no reply within 50 ms");
	shell_run("sysctl -qw net.ipv4.icmp_echo_ignore_all=0 net.ipv6.icmp.echo_ignore_all=0");
}

static void second_done(void *argument, enum finding finding, const char *text)
{
	(void)text;
	*(enum finding *)argument = finding;
}

/* Every raw socket sees all replies from its host: each takes its own alone. */
static void test_many_at_once(void **state)
{
	struct lab *lab = *state;
	enum finding found[20], ignored;
	struct probe_job jobs[20];
	char text[HEALTH_TEXT];

	for (size_t i = 0; i < 20; i++) {
		jobs[i] = lab->job;
		jobs[i].done = second_done;
		jobs[i].argument = &found[i];
		jobs[i].address = parsed_address(i % 2 ? "::1" : "127.0.0.1");
		found[i] = FINDING_TROUBLE;
		assert_non_null(probe_start(&jobs[i], &ignored, text));
	}
	assert_int_equal(lab_probe(lab), FINDING_PASSED);
	for (size_t i = 0; i < 20; i++)
		while (found[i] == FINDING_TROUBLE)
			event_base_loop(lab->base, EVLOOP_ONCE);
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(found[i], FINDING_PASSED);
}

struct echo {
	__u8 type, code;
	__be16 checksum;
	__u16 id, sequence;
	__u8 cookie[16];
};

/* Replies the probe's request; before that, far more often than its socket has room for, somebody else's. */
static void reply_to_all(int fd, const char *address)
{
	bool v6 = strchr(address, ':');
	__u8 packet[128];
	size_t header = v6 ? 0 : 20;
	struct echo reply;

	do
		assert_int_equal(recv(fd, packet, sizeof(packet), 0), header + sizeof(reply));
	while (packet[header] != (v6 ? 128 : 8));
	memcpy(&reply, packet + header, sizeof(reply));
	reply.type = v6 ? 129 : 0;
	reply.id ^= 1;
	for (int i = 0; i < 2000; i++)
		assert_int_equal(send(fd, &reply, sizeof(reply), 0), sizeof(reply));
	reply.id ^= 1;
	assert_int_equal(send(fd, &reply, sizeof(reply), 0), sizeof(reply));
}

/* As of a thousand backends at one VIP. The kernel is not to reply by itself. */
static void test_others_replies_take_no_room(void **state)
{
	const char *const addresses[] = {"127.0.0.1", "::1"};
	struct lab *lab = *state;

	shell_run("sysctl -qw net.ipv4.icmp_echo_ignore_all=1 net.ipv6.icmp.echo_ignore_all=1");
	for (size_t i = 0; i < 2; i++) {
		struct address address = parsed_address(addresses[i]);
		struct sockaddr_storage name;
		socklen_t length = address_to_socket(&address, 0, &name);
		int fd = socket(name.ss_family, SOCK_RAW | SOCK_CLOEXEC, i ? IPPROTO_ICMPV6 : IPPROTO_ICMP);

		assert_int_equal(connect(fd, (struct sockaddr *)&name, length), 0);
		lab_address(lab, addresses[i]);
		lab_start(lab);
		reply_to_all(fd, addresses[i]);
		assert_int_equal(lab_wait(lab), FINDING_PASSED);
		close(fd);
	}
	shell_run("sysctl -qw net.ipv4.icmp_echo_ignore_all=0 net.ipv6.icmp.echo_ignore_all=0");
}

static void test_no_route(void **state)
{
	struct lab *lab = *state;

	lab_address(lab, "198.51.100.1");
	lab_expect(lab, FINDING_TROUBLE, "ping 198.51.100.1: network unreachable");
	lab_address(lab, "2001:db8:77::1");
	lab_expect(lab, FINDING_TROUBLE, "ping 2001:db8:77::1: network unreachable");
}

static void test_answered_while_held_up(void **state)
{
	struct lab *lab = *state;

	lab->probe.timeout_ms = 50;
	lab_start(lab);
	lab_hold_up(200);
	assert_int_equal(lab_wait(lab), FINDING_PASSED);
}

static void test_cancelled(void **state)
{
	struct lab *lab = *state;

	lab_start(lab);
	lab_cancel(lab);
}

static int setup(void **state)
{
	return !lab_setup(state, PROBE_PING);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_replies),
		TEST(test_host_vanished),
		TEST(test_no_reply),
		TEST(test_many_at_once),
		TEST(test_others_replies_take_no_room),
		TEST(test_no_route),
		TEST(test_answered_while_held_up),
		TEST(test_cancelled),
	};

	return cmocka_run_group_tests_name("ping probe", tests, lab_namespace, NULL);
}
