/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What network_next_hop() answers, and what it tells the operator when there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "model/network.h"

static const __u8 own_mac[6] = {2, 0, 0, 0, 0, 1}, their_mac[6] = {2, 0, 0, 0, 0, 2};

static struct address address(const char *text)
{
	struct address out = {0};

	if (text)
		assert_int_equal(address_parse(text, &out), 0);
	return out;
}

static struct link *add_link(struct network *network, __u32 ifindex, const char *name)
{
	struct link link = {.ifindex = ifindex, .ethernet = true, .up = true, .mtu = 1500};

	strcpy(link.name, name);
	memcpy(link.mac, own_mac, 6);
	assert_true(network_link_set(network, &link));
	return (struct link *)network_link(network, ifindex);
}

static struct neighbour *add_neighbour(struct network *network, __u32 ifindex, const char *text)
{
	struct neighbour_key key = {.ifindex = ifindex, .address = address(text)};
	struct neighbour *neighbour = network_neighbour_add(network, &key);

	neighbour->known = true;
	neighbour->nud = NUD_REACHABLE;
	memcpy(neighbour->mac, their_mac, 6);
	return neighbour;
}

static struct route *add_route(struct network *network, const char *destination, const char *gateway, __u32 ifindex)
{
	struct route *route = calloc(1, sizeof(*route));

	assert_non_null(route);
	route->destination = address(destination);
	route->kind = ROUTE_UNICAST;
	route->type = RTN_UNICAST;
	route->ifindex = ifindex;
	route->gateway = address(gateway);
	HASH_ADD(hh, network->routes, destination, sizeof(route->destination), route);
	return route;
}

static void assert_address(const struct address *got, const char *expected)
{
	char text[ADDRESS_TEXT];

	assert_string_equal(address_format(got, text), expected);
}

static void assert_why(const struct network *network, const char *destination, const char *why)
{
	struct address asked = address(destination);
	struct next_hop hop;

	assert_false(network_next_hop(network, &asked, &hop));
	assert_false(hop.resolved);
	assert_string_equal(hop.why, why);
}

static void test_on_link(void **unused)
{
	struct network network = {0};
	struct address asked = address("10.0.0.11");
	struct next_hop hop;

	(void)unused;
	add_link(&network, 3, "eth1");
	add_neighbour(&network, 3, "10.0.0.11");
	add_route(&network, "10.0.0.11", NULL, 3)->source = address("10.0.0.1");
	assert_true(network_next_hop(&network, &asked, &hop));
	assert_true(hop.resolved);
	assert_true(hop.on_link);
	assert_int_equal(hop.ifindex, 3);
	assert_string_equal(hop.interface, "eth1");
	assert_address(&hop.address, "10.0.0.11");
	assert_address(&hop.source, "10.0.0.1");
	assert_memory_equal(hop.mac, their_mac, 6);
	assert_memory_equal(hop.source_mac, own_mac, 6);
	assert_int_equal(hop.mtu, 1500);
	assert_string_equal(hop.why, "");
	network_free(&network);
}

static void test_gateway_of_the_other_family(void **unused)
{
	struct network network = {0};
	struct address asked = address("10.9.0.1");
	struct next_hop hop;

	(void)unused;
	add_link(&network, 3, "eth1");
	add_neighbour(&network, 3, "fe80::1");
	/* the same gateway address on another interface is another neighbour */
	add_neighbour(&network, 4, "fe80::1")->mac[5] = 99;
	add_route(&network, "10.9.0.1", "fe80::1", 3);
	assert_true(network_next_hop(&network, &asked, &hop));
	assert_false(hop.on_link);
	assert_address(&hop.address, "fe80::1");
	assert_memory_equal(hop.mac, their_mac, 6);
	network_free(&network);
}

static void test_mtu_is_the_lesser_one(void **unused)
{
	struct network network = {0};
	struct address asked = address("2001:db8::11");
	struct next_hop hop;
	struct route *route;

	(void)unused;
	add_link(&network, 3, "eth1");
	add_neighbour(&network, 3, "2001:db8::11");
	route = add_route(&network, "2001:db8::11", NULL, 3);
	route->mtu = 1280;
	assert_true(network_next_hop(&network, &asked, &hop));
	assert_int_equal(hop.mtu, 1280);
	route->mtu = 9000;
	assert_true(network_next_hop(&network, &asked, &hop));
	assert_int_equal(hop.mtu, 1500);
	network_free(&network);
}

static void test_routes_that_lead_nowhere(void **unused)
{
	struct network network = {0};
	struct route *route;

	(void)unused;
	assert_why(&network, "10.0.0.11", "no route to 10.0.0.11");
	route = add_route(&network, "10.0.0.11", NULL, 0);
	route->kind = ROUTE_NONE;
	assert_why(&network, "10.0.0.11", "no route to 10.0.0.11");
	route->kind = ROUTE_LOCAL;
	assert_why(&network, "10.0.0.11", "10.0.0.11 is this host's own address");
	route->kind = ROUTE_REFUSED;
	route->type = RTN_BLACKHOLE;
	assert_why(&network, "10.0.0.11", "the route to 10.0.0.11 refuses it (blackhole)");
	route->type = RTN_UNREACHABLE;
	assert_why(&network, "10.0.0.11", "the route to 10.0.0.11 refuses it (unreachable)");
	route->type = RTN_PROHIBIT;
	assert_why(&network, "10.0.0.11", "the route to 10.0.0.11 refuses it (prohibit)");
	network_free(&network);
}

static void test_links_that_do_not_carry(void **unused)
{
	struct network network = {0};
	struct address asked = address("10.0.0.11");
	struct next_hop hop;
	struct link *link;

	(void)unused;
	add_route(&network, "10.0.0.11", NULL, 3);
	add_neighbour(&network, 3, "10.0.0.11");
	assert_why(&network, "10.0.0.11", "the interface of its route (number 3) is gone");
	link = add_link(&network, 3, "eth1");
	link->up = false;
	assert_why(&network, "10.0.0.11", "interface eth1 is down");
	assert_false(network_next_hop(&network, &asked, &hop));
	/* what is known is told nevertheless */
	assert_string_equal(hop.interface, "eth1");
	assert_address(&hop.address, "10.0.0.11");
	assert_memory_equal(hop.mac, their_mac, 6);
	link->up = true;
	link->ethernet = false;
	strcpy(link->name, "tun0");
	assert_why(&network, "10.0.0.11", "interface tun0 is not Ethernet");
	network_free(&network);
}

static void test_neighbours_that_do_not_answer(void **unused)
{
	struct network network = {0};
	struct address asked = address("10.9.0.1");
	struct neighbour *neighbour;
	struct next_hop hop;

	(void)unused;
	add_link(&network, 3, "eth1");
	add_route(&network, "10.9.0.1", "10.0.0.1", 3);
	assert_why(&network, "10.9.0.1", "no answer from neighbour 10.0.0.1 on eth1");
	neighbour = add_neighbour(&network, 3, "10.0.0.1");
	neighbour->known = false;
	neighbour->nud = NUD_INCOMPLETE;
	assert_why(&network, "10.9.0.1", "no answer from neighbour 10.0.0.1 on eth1");
	/* one that has answered once stays usable when the kernel forgets or fails it */
	neighbour->known = true;
	neighbour->nud = NUD_FAILED;
	assert_true(network_next_hop(&network, &asked, &hop));
	neighbour->nud = 0;
	assert_true(network_next_hop(&network, &asked, &hop));
	network_free(&network);
}

static void test_the_longest_reasons_fit(void **unused)
{
	const char *longest = "2001:db80:1111:2222:3333:4444:5555:6666";
	struct network network = {0};
	struct route *route;

	(void)unused;
	add_link(&network, 3, "fifteen-letters");
	route = add_route(&network, longest, NULL, 3);
	assert_why(&network, longest,
		   "no answer from neighbour 2001:db80:1111:2222:3333:4444:5555:6666 on fifteen-letters");
	route->kind = ROUTE_REFUSED;
	route->type = RTN_UNREACHABLE;
	assert_why(&network, longest, "the route to 2001:db80:1111:2222:3333:4444:5555:6666 refuses it (unreachable)");
	network_free(&network);
}

/* ---- VLAN devices ---- */

static struct link *add_vlan(struct network *network, __u32 ifindex, const char *name, __u32 parent, __u32 tag)
{
	struct link *link = add_link(network, ifindex, name);

	strcpy(link->kind, "vlan");
	link->mac[5] = (__u8)ifindex;
	link->parent = parent;
	link->tag = htonl(tag);
	return link;
}

/* 10.0.0.11 is a neighbour on interface `ifindex`. */
static void add_destination(struct network *network, __u32 ifindex)
{
	add_neighbour(network, ifindex, "10.0.0.11");
	add_route(network, "10.0.0.11", NULL, ifindex);
}

static void test_a_vlan_device(void **unused)
{
	static const __u8 vlan_mac[6] = {2, 0, 0, 0, 0, 10};
	struct network network = {0};
	struct address asked = address("10.0.0.11");
	struct next_hop hop;

	(void)unused;
	add_link(&network, 3, "eth0")->mtu = 9000;
	add_vlan(&network, 10, "eth0.10", 3, 0x8100600a);
	add_destination(&network, 10);
	/* the same address is another neighbour on the interface below */
	add_neighbour(&network, 3, "10.0.0.11")->mac[5] = 99;
	assert_true(network_next_hop(&network, &asked, &hop));
	assert_int_equal(hop.ifindex, 10);
	assert_string_equal(hop.interface, "eth0.10");
	assert_int_equal(hop.out_ifindex, 3);
	assert_string_equal(hop.out_interface, "eth0");
	assert_int_equal(hop.tags, 1);
	assert_int_equal(hop.tag[0], htonl(0x8100600a));
	assert_int_equal(hop.tag[1], 0);
	assert_memory_equal(hop.mac, their_mac, 6);
	assert_memory_equal(hop.source_mac, vlan_mac, 6);
	assert_int_equal(hop.mtu, 1500);
	network_free(&network);
}

static void test_a_vlan_device_on_another(void **unused)
{
	struct network network = {0};
	struct address asked = address("10.0.0.11");
	struct next_hop hop;
	struct link *parent;

	(void)unused;
	parent = add_link(&network, 3, "eth0");
	add_vlan(&network, 10, "eth0.100", 3, 0x88a80064);
	add_vlan(&network, 11, "eth0.100.10", 10, 0x8100000a);
	add_destination(&network, 11);
	assert_true(network_next_hop(&network, &asked, &hop));
	assert_int_equal(hop.ifindex, 11);
	assert_int_equal(hop.out_ifindex, 3);
	assert_int_equal(hop.tags, 2);
	assert_int_equal(hop.tag[0], htonl(0x88a80064));
	assert_int_equal(hop.tag[1], htonl(0x8100000a));
	/* a frame has room for one tag beyond the MTU, and not for two */
	assert_int_equal(hop.mtu, 1496);
	parent->mtu = 1504;
	assert_true(network_next_hop(&network, &asked, &hop));
	assert_int_equal(hop.mtu, 1500);
	add_vlan(&network, 12, "third", 11, 0x8100000b);
	network.routes->ifindex = 12;
	add_neighbour(&network, 12, "10.0.0.11");
	assert_why(&network, "10.0.0.11", "VLAN device third has more than two tags");
	/* links that name each other */
	((struct link *)network_link(&network, 10))->parent = 11;
	network.routes->ifindex = 10;
	assert_why(&network, "10.0.0.11", "VLAN device eth0.100 has more than two tags");
	network_free(&network);
}

static void test_what_is_below_a_vlan_device(void **unused)
{
	static const char *const fit[] = {"", "veth", "bond", "tun"};
	struct network network = {0};
	struct address asked = address("10.0.0.11");
	struct link *parent, *vlan;
	struct next_hop hop;

	(void)unused;
	vlan = add_vlan(&network, 10, "eth0.10", 3, 0x8100000a);
	add_destination(&network, 10);
	assert_why(&network, "10.0.0.11", "what was below VLAN device eth0.10 (number 3) is gone");
	parent = add_link(&network, 3, "eth0");
	assert_true(network_next_hop(&network, &asked, &hop));
	vlan->parent = 0;
	assert_why(&network, "10.0.0.11", "what is below VLAN device eth0.10 is in another network namespace");
	vlan->parent = 3;
	parent->up = false;
	assert_why(&network, "10.0.0.11", "interface eth0, below VLAN device eth0.10, is down");
	vlan->up = false;
	assert_why(&network, "10.0.0.11", "interface eth0.10 is down");
	parent->up = vlan->up = true;
	for (size_t i = 0; i < sizeof(fit) / sizeof(fit[0]); i++) {
		strcpy(parent->kind, fit[i]);
		assert_true(network_next_hop(&network, &asked, &hop));
	}
	strcpy(parent->kind, "bridge");
	assert_why(&network, "10.0.0.11", "VLAN device eth0.10 is on eth0 (bridge), which XDP cannot send on");
	/* the longest reasons fit */
	strcpy(parent->kind, "fifteen-letters");
	strcpy(parent->name, "fifteen-letters");
	strcpy(vlan->name, "fifteen-letters");
	assert_why(&network, "10.0.0.11",
		   "VLAN device fifteen-letters is on fifteen-letters (fifteen-letters), which XDP cannot send on");
	/* the device stays: another interface that gets the number is not what it is on */
	strcpy(vlan->name, "eth0.10");
	assert_true(network_link_delete(&network, 3));
	assert_why(&network, "10.0.0.11", "what is below VLAN device eth0.10 is in another network namespace");
	add_link(&network, 3, "eth3");
	assert_why(&network, "10.0.0.11", "what is below VLAN device eth0.10 is in another network namespace");
	assert_true(network_link_delete(&network, 10));
	assert_why(&network, "10.0.0.11", "the interface of its route (number 10) is gone");
	network_free(&network);
}

static void test_link_changes(void **unused)
{
	struct neighbour_key former = {.ifindex = 3, .address = address("10.0.0.11")};
	struct neighbour_key other = {.ifindex = 4, .address = address("10.0.0.11")};
	struct network network = {0};
	struct link fact;

	(void)unused;
	fact = *add_link(&network, 3, "eth1");
	assert_false(network_link_set(&network, &fact));
	fact.mtu = 9000;
	assert_true(network_link_set(&network, &fact));
	assert_int_equal(network_link(&network, 3)->mtu, 9000);
	fact.tag = htonl(0x8100000a);
	assert_true(network_link_set(&network, &fact));
	fact.parent = 4;
	assert_true(network_link_set(&network, &fact));
	assert_false(network_link_set(&network, &fact));
	add_link(&network, 4, "eth2");
	add_neighbour(&network, 3, "10.0.0.11");
	add_neighbour(&network, 4, "10.0.0.11");
	assert_true(network_link_delete(&network, 3));
	assert_false(network_link_delete(&network, 3));
	assert_null(network_neighbour(&network, &former));
	assert_non_null(network_neighbour(&network, &other));
	network_free(&network);
}

static void test_link_by_name(void **unused)
{
	struct network network = {0};

	(void)unused;
	add_link(&network, 3, "eth1");
	add_link(&network, 7, "eth10");
	assert_int_equal(network_link_by_name(&network, "eth10")->ifindex, 7);
	assert_string_equal(network_link(&network, 3)->name, "eth1");
	assert_null(network_link_by_name(&network, "eth"));
	assert_null(network_link(&network, 4));
	network_free(&network);
	assert_null(network.links);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_on_link),
		cmocka_unit_test(test_gateway_of_the_other_family),
		cmocka_unit_test(test_mtu_is_the_lesser_one),
		cmocka_unit_test(test_routes_that_lead_nowhere),
		cmocka_unit_test(test_links_that_do_not_carry),
		cmocka_unit_test(test_neighbours_that_do_not_answer),
		cmocka_unit_test(test_the_longest_reasons_fit),
		cmocka_unit_test(test_a_vlan_device),
		cmocka_unit_test(test_a_vlan_device_on_another),
		cmocka_unit_test(test_what_is_below_a_vlan_device),
		cmocka_unit_test(test_link_changes),
		cmocka_unit_test(test_link_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
