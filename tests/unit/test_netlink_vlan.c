/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* VLAN devices that the kernel makes, moves and removes. */
#include "unit/netlink_lab.h"

#include <arpa/inet.h>

/* The lab, with VLAN 10 on the pair: 10.10.0.1 and fd10::1 here, .2 and ::2 at the peer. */
static struct lab *vlan_lab_of(void **state)
{
	struct lab *lab = lab_of(state);

	if (system("ip link add link v0 name v0.10 type vlan id 10 2>/dev/null") != 0) {
		print_message("SKIP: this kernel has no VLAN devices\n");
		skip();
	}
	shell_run("ip link set v0.10 up; ip addr add 10.10.0.1/24 dev v0.10; ip addr add fd10::1/64 dev v0.10");
	run_peer(lab, "ip link add link v1 name v1.10 type vlan id 10; ip link set v1.10 up;"
		      "ip addr add 10.10.0.2/24 dev v1.10; ip addr add fd10::2/64 dev v1.10");
	return lab;
}

static void test_neighbours_of_a_vlan_device(void **state)
{
	struct lab *lab = vlan_lab_of(state);
	struct next_hop hop;

	run_peer(lab, "ip link set v1.10 address 02:00:00:00:00:22");
	watch(lab, "10.10.0.2", "fd10::2");
	await(lab, true, resolved, "10.10.0.2", "02:00:00:00:00:22");
	await(lab, true, resolved, "fd10::2", "02:00:00:00:00:22");
	hop = hop_to(lab, "10.10.0.2");
	assert_string_equal(hop.interface, "v0.10");
	assert_string_equal(hop.out_interface, "v0");
	assert_int_equal(hop.tags, 1);
	assert_int_equal(hop.tag[0], htonl(0x8100000a));
	/* asked for again and again: a new MAC shows although nobody announced it */
	run_peer(lab, "ip link set v1.10 address 02:00:00:00:00:33");
	await(lab, true, resolved, "10.10.0.2", "02:00:00:00:00:33");
	await(lab, true, resolved, "fd10::2", "02:00:00:00:00:33");
}

static void test_two_tags(void **state)
{
	struct lab *lab = vlan_lab_of(state);
	struct next_hop hop;

	shell_run("ip link add link v0 name outer type vlan protocol 802.1ad id 100 egress-qos-map 0:3;"
		  "ip link add link outer name inner type vlan id 20; ip link set outer up; ip link set inner up;"
		  "ip addr add 10.20.0.1/24 dev inner");
	run_peer(lab, "ip link add link v1 name outer type vlan protocol 802.1ad id 100;"
		      "ip link add link outer name inner type vlan id 20; ip link set outer up; ip link set inner up;"
		      "ip addr add 10.20.0.2/24 dev inner");
	watch(lab, "10.20.0.2", NULL);
	await(lab, true, resolved, "10.20.0.2", NULL);
	hop = hop_to(lab, "10.20.0.2");
	assert_string_equal(hop.interface, "inner");
	assert_string_equal(hop.out_interface, "v0");
	assert_int_equal(hop.tags, 2);
	assert_int_equal(hop.tag[0], htonl(0x88a86064));
	assert_int_equal(hop.tag[1], htonl(0x81000014));
	assert_int_equal(hop.mtu, 1496);
	shell_run("ip link set v0 mtu 1504");
	await(lab, true, hop_mtu_is, "10.20.0.2", "1500");
}

static void test_devices_that_come_and_go(void **state)
{
	struct lab *lab = vlan_lab_of(state);
	struct next_hop hop;

	watch(lab, "10.10.0.2", NULL);
	await(lab, true, resolved, "10.10.0.2", NULL);
	shell_run("ip link set v0.10 down; ip link set v0.10 name ten; ip link set ten up");
	await(lab, true, has_link, "ten", NULL);
	await(lab, false, resolved, "10.10.0.2", NULL);
	hop = hop_to(lab, "10.10.0.2");
	assert_string_equal(hop.interface, "ten");
	shell_run("ip link del ten");
	await(lab, true, why, "10.10.0.2", "no route to 10.10.0.2");
	/* as another VLAN */
	shell_run("ip link add link v0 name ten type vlan id 11; ip link set ten up; ip addr add 10.10.0.1/24 dev ten");
	await(lab, true, why, "10.10.0.2", "no answer from neighbour 10.10.0.2 on ten");
	assert_int_equal(hop_to(lab, "10.10.0.2").tag[0], htonl(0x8100000b));
	/* moved away, and what is below moved away */
	shell_run("ip link del ten; ip link add link v0 name ten type vlan id 10; ip link set ten up;"
		  "ip addr add 10.10.0.1/24 dev ten");
	await(lab, true, resolved, "10.10.0.2", NULL);
	shell_run("ip link set ten netns %d", (int)lab->peer);
	await(lab, true, why, "10.10.0.2", "no route to 10.10.0.2");
}

/* A VLAN device stays when what it is on goes to another namespace, and sends into that. */
static void test_parent_in_another_namespace(void **state)
{
	struct lab *lab = vlan_lab_of(state);

	shell_run("ip link add w0 type veth peer name w1; ip link set w0 up; ip link set w1 up;"
		  "ip link add link w0 name w0.10 type vlan id 10 loose_binding on; ip link set w0.10 up;"
		  "ip addr add 10.30.0.1/24 dev w0.10;"
		  "ip neigh add 10.30.0.2 lladdr 02:00:00:00:00:77 dev w0.10 nud permanent");
	watch(lab, "10.30.0.2", NULL);
	await(lab, false, resolved, "10.30.0.2", "02:00:00:00:00:77");
	shell_run("ip link set w0 netns %d", (int)lab->peer);
	await(lab, true, why, "10.30.0.2", "what is below VLAN device w0.10 is in another network namespace");
	/* and back; down, as everything is that was moved */
	run_peer(lab, "ip link set w0 netns %d", (int)getpid());
	await(lab, true, has_link, "w0", NULL);
	shell_run("ip link set w0 up");
	await(lab, false, resolved, "10.30.0.2", "02:00:00:00:00:77");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_neighbours_of_a_vlan_device),
		TEST(test_two_tags),
		TEST(test_devices_that_come_and_go),
		TEST(test_parent_in_another_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
