/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the way of probes to VIPs puts on the host: it is mended, told of and taken away again, others' things stay. */
#include "unit/probe_path_answer.h"

/* What `ip` and `tc` show of the balancer, without the program's id and tag. */
static void read_host(char text[static 16384])
{
	FILE *pipe;
	size_t length;

	pipe = popen("for f in -4 -6; do ip $f rule; ip $f route show table all | grep -v fe80; done;"
		     "tc qdisc show dev lo; tc filter show dev lo egress | sed 's/:\\[.*//'",
		     "r");
	assert_non_null(pipe);
	length = fread(text, 1, 16383, pipe);
	text[length] = '\0';
	assert_int_equal(pclose(pipe), 0);
}

static void check_host(const char *before)
{
	static char now[16384];

	read_host(now);
	if (strcmp(now, before)) {
		fprintf(stderr, "expected:\n%s\nfound:\n%s\n", before, now);
		fail();
	}
}

static void test_repair(void **state)
{
	static const char *const harm[] = {
		"ip rule del pref 5150",
		"ip -6 rule del pref 5150",
		"ip rule del pref 5151",
		"ip route del default dev lo table 6080",
		"ip -6 route del local default dev lo table 6080",
		"tc filter del dev lo egress",
		"tc qdisc del dev lo clsact",
		"ip link set lo down && ip link set lo up",
	};
	static char whole[16384];
	struct lab *lab = *state;

	set_backends(lab, FORWARD_GUE, AF_INET);
	assert_int_equal(probe_path_open(&lab->path, lab->backends), 0);
	assert_true(probe_path_carries(lab->path, AF_INET) && probe_path_carries(lab->path, AF_INET6));
	read_host(whole);
	assert_non_null(strstr(whole, "sluice_probe"));
	for (size_t i = 0; i < sizeof(harm) / sizeof(harm[0]); i++) {
		run(lab, LB, "%s", harm[i]);
		assert_int_equal(probe_path_check(lab->path), 1);
		assert_int_equal(probe_path_check(lab->path), 0);
		check_host(whole);
		check_answers(lab);
	}
}

static void test_trouble(void **state)
{
	struct lab *lab = *state;

	set_backends(lab, FORWARD_GUE, AF_INET);
	run(lab, LB, "ip link set lo down");
	assert_int_equal(probe_path_open(&lab->path, lab->backends), 0);
	assert_false(probe_path_carries(lab->path, AF_INET) || probe_path_carries(lab->path, AF_INET6));
	assert_int_equal(probe_path_check(lab->path), -ENETDOWN);
	run(lab, LB, "ip link set lo up");
	assert_int_equal(probe_path_check(lab->path), 0);
	check_answers(lab);
	/* somebody's rule before ours */
	run(lab, LB, "ip rule add pref 100 lookup main");
	assert_int_equal(probe_path_check(lab->path), -EEXIST);
	assert_false(probe_path_carries(lab->path, AF_INET));
	run(lab, LB, "ip rule del pref 100");
	assert_int_equal(probe_path_check(lab->path), 0);
	/* a host without IPv6 */
	run(lab, LB, "echo 1 > /proc/sys/net/ipv6/conf/lo/disable_ipv6");
	assert_int_equal(probe_path_check(lab->path), 0);
	assert_true(probe_path_carries(lab->path, AF_INET));
	assert_false(probe_path_carries(lab->path, AF_INET6));
	assert_int_equal(tcp_answer(lab, PROBE_MARK | place_index[TWO], AF_INET), TWO);
	run(lab, LB, "echo 0 > /proc/sys/net/ipv6/conf/lo/disable_ipv6");
	assert_int_equal(probe_path_check(lab->path), 0);
	check_answers(lab);
}

/* An agent that dies leaves everything to the next, or to `sluice detach`. */
static void test_crash(void **state)
{
	static char before[16384], whole[16384];
	struct lab *lab = *state;
	int status;

	set_backends(lab, FORWARD_GUE, AF_INET);
	read_host(before);
	for (int i = 0; i < 2; i++) {
		pid_t child = fork();

		if (!child)
			_exit(probe_path_open(&lab->path, lab->backends) != 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		if (i)
			break;
		read_host(whole);
		assert_int_equal(probe_path_open(&lab->path, lab->backends), 0);
		check_host(whole);
		check_answers(lab);
		probe_path_close(lab->path);
		lab->path = NULL;
		check_host(before);
	}
	check_host(whole);
	assert_int_equal(probe_path_remove(), 0);
	check_host(before);
	assert_int_equal(probe_path_remove(), 0);
}

/* Indices in marks are one process's. */
static void test_a_second_process(void **state)
{
	static char whole[16384];
	struct probe_path *second;
	struct lab *lab = *state;

	set_backends(lab, FORWARD_GUE, AF_INET);
	assert_int_equal(probe_path_open(&lab->path, lab->backends), 0);
	read_host(whole);
	assert_int_equal(probe_path_open(&second, lab->backends), -EBUSY);
	assert_int_equal(probe_path_remove(), -EBUSY);
	check_host(whole);
	check_answers(lab);
}

static void test_others_filters(void **state)
{
	static const char *const others[] = {
		"tc qdisc add dev lo clsact",
		"tc qdisc add dev lo clsact && tc filter add dev lo egress prio 7000 bpf bytecode \"1,6 0 0 "
		"4294967295\"",
		"tc qdisc add dev lo clsact && tc filter add dev lo ingress prio 1 bpf bytecode \"1,6 0 0 4294967295\"",
	};
	static char before[16384];
	struct lab *lab = *state;

	set_backends(lab, FORWARD_GUE, AF_INET);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		run(lab, LB, "%s", others[i]);
		read_host(before);
		assert_int_equal(probe_path_open(&lab->path, lab->backends), 0);
		check_answers(lab);
		assert_int_equal(probe_path_update(lab->path, lab->backends), 0);
		probe_path_close(lab->path);
		lab->path = NULL;
		check_host(before);
		run(lab, LB, "tc qdisc del dev lo clsact");
	}
	/* in our place */
	run(lab, LB,
	    "tc qdisc add dev lo clsact && tc filter add dev lo egress prio 6080 handle 0x51 bpf bytecode \"1,6 0 0 "
	    "4294967295\"");
	read_host(before);
	assert_int_equal(probe_path_open(&lab->path, lab->backends), 0);
	assert_false(probe_path_carries(lab->path, AF_INET));
	assert_int_equal(probe_path_check(lab->path), -EEXIST);
	probe_path_close(lab->path);
	lab->path = NULL;
	check_host(before);
	run(lab, LB, "tc qdisc del dev lo clsact && tc qdisc add dev lo ingress");
	assert_int_equal(probe_path_open(&lab->path, lab->backends), 0);
	assert_int_equal(probe_path_check(lab->path), -ENOTSUP);
	run(lab, LB, "tc qdisc del dev lo ingress");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PATH_TEST(test_repair),		  PATH_TEST(test_trouble),	  PATH_TEST(test_crash),
		PATH_TEST(test_a_second_process), PATH_TEST(test_others_filters),
	};

	return cmocka_run_group_tests(tests, make_lab, free_lab);
}
