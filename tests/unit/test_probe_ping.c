/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The ping probe. After each test no descriptor may be left open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/probe_lab.h"

static void vanish(struct lab *lab)
{
	lab_run("ip link add v0 type veth peer name v1 && ip addr add 10.9.0.1/24 dev v0 && "
		"ip addr add 2001:db8:9::1/64 dev v0 nodad && ip link set v1 up && ip link set v0 up && "
		"sysctl -qw net.ipv4.neigh.v0.retrans_time_ms=10 net.ipv6.neigh.v0.retrans_time_ms=10");
	lab_address(lab, "10.9.0.2");
}

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
	struct lab *lab = *state;

	vanish(lab);
	lab_expect(lab, FINDING_FAILED, "ping 10.9.0.2: host unreachable after ");
	lab_address(lab, "2001:db8:9::2");
	lab_expect(lab, FINDING_FAILED, "ping 2001:db8:9::2: host unreachable after ");
	lab_run("ip link del v0");
}

static void test_no_reply(void **state)
{
	struct lab *lab = *state;

	lab->probe.timeout_ms = 50;
	lab_run("sysctl -qw net.ipv4.icmp_echo_ignore_all=1 net.ipv6.icmp.echo_ignore_all=1");
	lab_expect(lab, FINDING_FAILED, "ping 127.0.0.1: no reply within 50 ms");
	lab_address(lab, "::1");
	lab_expect(lab, FINDING_FAILED, "ping ::1: no reply within 50 ms");
	lab_run("sysctl -qw net.ipv4.icmp_echo_ignore_all=0 net.ipv6.icmp.echo_ignore_all=0");
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
	usleep(200000);
	assert_int_equal(lab_wait(lab), FINDING_PASSED);
}

static void test_cancelled(void **state)
{
	struct lab *lab = *state;

	lab_start(lab);
	probe_types[PROBE_PING]->cancel(lab->run);
	event_base_loop(lab->base, EVLOOP_NONBLOCK);
	assert_false(lab->done);
}

static int setup(void **state)
{
	lab_setup(state);
	((struct lab *)*state)->probe.type = PROBE_PING;
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, lab_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_replies),  TEST(test_host_vanished),		TEST(test_no_reply),  TEST(test_many_at_once),
		TEST(test_no_route), TEST(test_answered_while_held_up), TEST(test_cancelled),
	};

	return cmocka_run_group_tests_name("ping probe", tests, lab_namespace, NULL);
}
