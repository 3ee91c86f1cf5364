/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Neighbours are asked for, followed and kept. */
#include "unit/netlink_lab.h"

static void test_backend_that_comes_late(void **state)
{
	struct lab *lab = lab_of(state);

	watch(lab, "10.0.0.44", "2001:db8::44");
	await(lab, false, why, "10.0.0.44", "no answer from neighbour 10.0.0.44 on v0");
	/* the kernel has given up by itself: only another question finds the backend */
	await(lab, false, kernel_lost, "10.0.0.44", NULL);
	await(lab, false, kernel_lost, "2001:db8::44", NULL);
	run_peer(lab, "ip addr add 10.0.0.44/24 dev v1; ip addr add 2001:db8::44/64 dev v1");
	await(lab, true, resolved, "10.0.0.44", NULL);
	await(lab, true, resolved, "2001:db8::44", NULL);
}

/* The MAC changes and nobody announces it, as with a cloned or replaced router. */
static void test_new_mac_is_noticed(void **state)
{
	struct lab *lab = lab_of(state);

	shell_run("ip route add 10.1.0.0/16 via 10.0.0.2; ip route add 2001:db8:1::/48 via fe80::2 dev v0");
	watch(lab, "10.1.0.1", "2001:db8:1::1");
	await(lab, true, resolved, "10.1.0.1", NULL);
	await(lab, true, resolved, "2001:db8:1::1", NULL);
	run_peer(lab, "ip link set v1 address 02:00:00:00:00:33");
	await(lab, true, resolved, "10.1.0.1", "02:00:00:00:00:33");
	await(lab, true, resolved, "2001:db8:1::1", "02:00:00:00:00:33");
	/* and on link */
	watch(lab, "10.0.0.2", "2001:db8::2");
	await(lab, false, resolved, "10.0.0.2", NULL);
	await(lab, false, resolved, "2001:db8::2", NULL);
	run_peer(lab, "ip link set v1 address 02:00:00:00:00:44");
	await(lab, true, resolved, "10.0.0.2", "02:00:00:00:00:44");
	await(lab, true, resolved, "2001:db8::2", "02:00:00:00:00:44");
}

/* The route's source is an address of the loopback: gateways are asked with one of the link's. */
static void test_new_mac_is_noticed_with_a_loopback_source(void **state)
{
	struct lab *lab = lab_of(state);

	shell_run("ip addr add 192.0.2.1/32 dev lo; ip route add 10.1.0.0/16 via 10.0.0.2 src 192.0.2.1");
	run_peer(lab, "sysctl -qw net.ipv4.conf.v1.arp_ignore=2"); /* answers to senders of its own subnet alone */
	watch(lab, "10.1.0.1", NULL);
	await(lab, true, resolved, "10.1.0.1", NULL);
	run_peer(lab, "ip link set v1 address 02:00:00:00:00:33");
	await(lab, true, resolved, "10.1.0.1", "02:00:00:00:00:33");
}

static void test_mac_outlives_the_kernels_entry(void **state)
{
	struct lab *lab = lab_of(state);

	watch(lab, "10.0.0.2", "2001:db8::2");
	await(lab, true, resolved, "10.0.0.2", NULL);
	await(lab, true, resolved, "2001:db8::2", NULL);
	run_peer(lab, "ip addr flush dev v1");
	shell_run("ip neigh flush dev v0");
	await(lab, false, kernel_lost, "10.0.0.2", NULL);
	await(lab, false, kernel_lost, "2001:db8::2", NULL);
	assert_true(resolved(lab, "10.0.0.2", NULL));
	assert_true(resolved(lab, "2001:db8::2", NULL));
	/* when it answers again, the kernel has it again */
	run_peer(lab, "ip link set v1 address 02:00:00:00:00:55; ip addr add 10.0.0.2/24 dev v1;"
		      "ip addr add 2001:db8::2/64 dev v1");
	await(lab, true, resolved, "10.0.0.2", "02:00:00:00:00:55");
	await(lab, true, resolved, "2001:db8::2", "02:00:00:00:00:55");
}

static void test_other_neighbours_are_no_news(void **state)
{
	struct lab *lab = lab_of(state);
	unsigned int changes;

	watch(lab, "10.0.0.2", NULL);
	await(lab, true, resolved, "10.0.0.2", NULL);
	changes = lab->changes;
	shell_run("ip neigh add 10.0.0.77 lladdr 02:00:00:00:00:77 dev v0 nud reachable");
	await(lab, false, has_neighbour, "10.0.0.77", NULL);
	shell_run("ip neigh replace 10.0.0.78 lladdr 02:00:00:00:00:78 dev v0 nud permanent");
	await(lab, false, has_neighbour, "10.0.0.78", NULL);
	shell_run("ip neigh del 10.0.0.77 dev v0");
	await(lab, false, lacks_neighbour, "10.0.0.77", NULL);
	assert_int_equal(lab->changes, changes);
	/* but one that becomes a next hop is there at once, and an operator's own entry is left alone */
	watch(lab, "10.0.0.78", NULL);
	assert_true(resolved(lab, "10.0.0.78", "02:00:00:00:00:78"));
	shell_run("ip neigh show 10.0.0.78 dev v0 | grep -q PERMANENT");
}

/* As on a host whose clients are on link by thousands: they come, move and go. */
static void test_many_other_neighbours_are_no_news(void **state)
{
	const char *batch =
		"for i in $(seq 1000); do echo \"neigh %s 10.1.$((i / 250)).$((i %% 250)) dev v0 %s\"; done |"
		"ip -batch -";
	struct lab *lab = lab_of(state);
	unsigned int changes;

	watch(lab, "10.0.0.2", NULL);
	await(lab, true, resolved, "10.0.0.2", NULL);
	changes = lab->changes;
	shell_run(batch, "add", "lladdr 02:00:00:00:01:01 nud permanent");
	await(lab, false, has_neighbour, "10.1.4.0", NULL);
	shell_run(batch, "replace", "lladdr 02:00:00:00:01:02 nud permanent");
	shell_run(batch, "del", "");
	await(lab, false, lacks_neighbour, "10.1.4.0", NULL);
	assert_int_equal(lab->changes, changes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_backend_that_comes_late),
		TEST(test_new_mac_is_noticed),
		TEST(test_new_mac_is_noticed_with_a_loopback_source),
		TEST(test_mac_outlives_the_kernels_entry),
		TEST(test_other_neighbours_are_no_news),
		TEST(test_many_other_neighbours_are_no_news),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
