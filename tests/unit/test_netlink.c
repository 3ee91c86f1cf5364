/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Links and routes are followed, and nothing is missed where events are lost. */
#include "unit/netlink_lab.h"

#include <linux/netlink.h>
#include <sys/socket.h>

/* ---- links ---- */

static void test_links_are_followed(void **state)
{
	struct lab *lab = lab_of(state);
	const struct link *link = network_link_by_name(&lab->network, "v0");
	__u32 ifindex;

	assert_non_null(link);
	assert_true(link->ethernet);
	assert_int_equal(link->mtu, 1500);
	assert_false(network_link_by_name(&lab->network, "lo")->ethernet);
	ifindex = link->ifindex;
	await(lab, false, link_is_up, "v0", NULL);

	shell_run("ip link set v0 mtu 1400");
	await(lab, true, mtu_is, "v0", "1400");
	run_peer(lab, "ip link set v1 down");
	await(lab, true, link_is_down, "v0", NULL);
	run_peer(lab, "ip link set v1 up");
	await(lab, true, link_is_up, "v0", NULL);
	shell_run("ip link set v0 down");
	await(lab, true, link_is_down, "v0", NULL);

	shell_run("ip link set v0 name edge0");
	await(lab, true, has_link, "edge0", NULL);
	assert_null(network_link_by_name(&lab->network, "v0"));
	assert_int_equal(network_link_by_name(&lab->network, "edge0")->ifindex, ifindex);
	shell_run("ip link del edge0");
	await(lab, true, lacks_link, "edge0", NULL);
}

static void test_leaving_a_bridge_is_not_deletion(void **state)
{
	struct lab *lab = lab_of(state);

	if (system("ip link add br0 type bridge 2>/dev/null") != 0) {
		print_message("SKIP: this kernel has no bridges\n");
		skip();
	}
	shell_run("ip neigh add 10.0.0.78 lladdr 02:00:00:00:00:78 dev v0 nud permanent");
	await(lab, false, has_neighbour, "10.0.0.78", NULL);
	shell_run("ip link set v0 master br0 && ip link set v0 nomaster && ip link set v0 mtu 1300");
	await(lab, true, mtu_is, "v0", "1300");
	assert_true(has_neighbour(lab, "10.0.0.78", NULL));
}

static void test_interface_made_again(void **state)
{
	struct lab *lab = lab_of(state);
	__u32 former;

	watch(lab, "10.0.0.2", "2001:db8::2");
	await(lab, true, resolved, "10.0.0.2", NULL);
	await(lab, true, resolved, "2001:db8::2", NULL);
	former = hop_to(lab, "10.0.0.2").ifindex;
	shell_run("ip link del v0");
	await(lab, true, why, "10.0.0.2", "no route to 10.0.0.2");
	make_pair(lab);
	await(lab, true, resolved, "10.0.0.2", NULL);
	await(lab, true, resolved, "2001:db8::2", NULL);
	assert_int_not_equal(hop_to(lab, "10.0.0.2").ifindex, former);
	assert_string_equal(hop_to(lab, "10.0.0.2").interface, "v0");
}

/* ---- routes ---- */

static void test_on_link_backends(void **state)
{
	struct lab *lab = lab_of(state);
	char text[ADDRESS_TEXT];
	struct next_hop hop;

	run_peer(lab, "ip link set v1 address 02:00:00:00:00:22");
	watch(lab, "10.0.0.2", "2001:db8::2");
	await(lab, true, resolved, "10.0.0.2", "02:00:00:00:00:22");
	await(lab, true, resolved, "2001:db8::2", "02:00:00:00:00:22");
	hop = hop_to(lab, "10.0.0.2");
	assert_true(hop.on_link);
	assert_int_equal(hop.mtu, 1500);
	assert_string_equal(address_format(&hop.source, text), "10.0.0.1");
	assert_memory_equal(hop.source_mac, network_link_by_name(&lab->network, "v0")->mac, 6);
	hop = hop_to(lab, "2001:db8::2");
	assert_true(hop.on_link);
	assert_string_equal(address_format(&hop.source, text), "2001:db8::1");
}

static void test_gateways_and_their_changes(void **state)
{
	struct lab *lab = lab_of(state);

	run_peer(lab, "ip addr add 10.0.0.3/24 dev v1");
	shell_run("ip route add 10.1.0.0/16 via 10.0.0.2 mtu 1300; ip route add 2001:db8:1::/48 via fe80::2 dev v0");
	watch(lab, "10.1.0.1", "2001:db8:1::1");
	await(lab, true, through, "10.1.0.1", "10.0.0.2");
	await(lab, true, through, "2001:db8:1::1", "fe80::2");
	assert_false(hop_to(lab, "10.1.0.1").on_link);
	assert_int_equal(hop_to(lab, "10.1.0.1").mtu, 1300);

	shell_run("ip route replace 10.1.0.0/16 via 10.0.0.3");
	await(lab, true, through, "10.1.0.1", "10.0.0.3");
	assert_int_equal(hop_to(lab, "10.1.0.1").mtu, 1500);
	shell_run("ip -6 route replace 2001:db8:1::/48 via 2001:db8::2 mtu 1290");
	await(lab, true, through, "2001:db8:1::1", "2001:db8::2");
	await(lab, false, hop_mtu_is, "2001:db8:1::1", "1290");

	/* a policy rule, then an address, decide otherwise than the route did */
	shell_run("ip route add table 7 10.1.0.0/16 via 10.0.0.2; ip rule add to 10.1.0.1 lookup 7");
	await(lab, true, through, "10.1.0.1", "10.0.0.2");
	shell_run("ip addr add 10.1.0.1/32 dev lo");
	await(lab, true, why, "10.1.0.1", "10.1.0.1 is this host's own address");
	shell_run("ip addr del 10.1.0.1/32 dev lo");
	await(lab, true, through, "10.1.0.1", "10.0.0.2");
}

static void test_gateway_of_the_other_family(void **state)
{
	struct lab *lab = lab_of(state);

	shell_run("ip route add 10.1.0.0/16 via inet6 fe80::2 dev v0");
	watch(lab, "10.1.0.1", NULL);
	await(lab, true, through, "10.1.0.1", "fe80::2");
}

static void test_why_a_route_leads_nowhere(void **state)
{
	struct lab *lab = lab_of(state);

	shell_run("ip route add blackhole 10.2.0.0/16; ip route add unreachable 10.3.0.0/16;"
		  "ip route add prohibit 10.4.0.0/16; ip -6 route add blackhole 2001:db8:2::/48;"
		  "ip -6 route add unreachable 2001:db8:3::/48; ip -6 route add prohibit 2001:db8:4::/48");
	watch(lab, "10.9.0.1", "2001:db8:9::1");
	assert_true(why(lab, "10.9.0.1", "no route to 10.9.0.1"));
	assert_true(why(lab, "2001:db8:9::1", "no route to 2001:db8:9::1"));
	watch(lab, "10.0.0.1", "2001:db8::1");
	assert_true(why(lab, "10.0.0.1", "10.0.0.1 is this host's own address"));
	assert_true(why(lab, "2001:db8::1", "2001:db8::1 is this host's own address"));
	watch(lab, "10.2.0.1", "2001:db8:2::1");
	assert_true(why(lab, "10.2.0.1", "the route to 10.2.0.1 refuses it (blackhole)"));
	assert_true(why(lab, "2001:db8:2::1", "the route to 2001:db8:2::1 refuses it (blackhole)"));
	watch(lab, "10.3.0.1", "2001:db8:3::1");
	assert_true(why(lab, "10.3.0.1", "the route to 10.3.0.1 refuses it (unreachable)"));
	assert_true(why(lab, "2001:db8:3::1", "the route to 2001:db8:3::1 refuses it (unreachable)"));
	watch(lab, "10.4.0.1", "2001:db8:4::1");
	assert_true(why(lab, "10.4.0.1", "the route to 10.4.0.1 refuses it (prohibit)"));
	assert_true(why(lab, "2001:db8:4::1", "the route to 2001:db8:4::1 refuses it (prohibit)"));
	watch(lab, "10.0.0.255", "ff02::1");
	assert_true(why(lab, "10.0.0.255", "the route to 10.0.0.255 refuses it (broadcast)"));
	assert_true(why(lab, "ff02::1", "the route to ff02::1 refuses it (multicast)"));
	watch(lab, "127.0.0.2", "10.0.0.200");
	assert_true(why(lab, "127.0.0.2", "127.0.0.2 is this host's own address"));
	assert_true(why(lab, "10.0.0.200", "no answer from neighbour 10.0.0.200 on v0"));
	shell_run("ip route flush root 10.2.0.0/16; ip route add 10.2.0.0/16 via 10.0.0.2");
	watch(lab, "10.2.0.1", NULL);
	await(lab, true, through, "10.2.0.1", "10.0.0.2");
	shell_run("ip link set v0 down");
	await(lab, true, why, "10.2.0.1", "no route to 10.2.0.1");
}

static void test_many_destinations(void **state)
{
	enum { COUNT = 30000 };
	struct lab *lab = lab_of(state);
	struct address *destinations = calloc(COUNT, sizeof(*destinations));

	assert_non_null(destinations);
	shell_run("ip route add default via 10.0.0.2; ip -6 route add default via fe80::2 dev v0");
	for (__u32 i = 0; i < COUNT; i++) {
		destinations[i] = parsed_address(i % 2 ? "10.64.0.0" : "2001:db8:64::");
		destinations[i].word[i % 2 ? 0 : 3] |= __builtin_bswap32(i / 4); /* each one twice */
	}
	assert_int_equal(netlink_watch(lab->netlink, destinations, COUNT), 0);
	assert_int_equal(HASH_COUNT(lab->network.routes), COUNT / 2);
	for (struct route *route = lab->network.routes; route; route = route->hh.next)
		assert_true(route->kind == ROUTE_UNICAST && route->gateway.family);
	await(lab, true, through, "10.64.0.1", "10.0.0.2");
	await(lab, true, through, "2001:db8:64::1", "fe80::2");
	assert_int_equal(netlink_watch(lab->netlink, NULL, 0), 0);
	assert_int_equal(HASH_COUNT(lab->network.routes), 0);
	free(destinations);
}

/* ---- lost events ---- */

/* Makes the socket that receives events so small that the next burst overruns it. */
static void shrink_event_socket(void)
{
	int shrunk = 0, small = 1;

	for (int fd = 3; fd < 64; fd++) {
		__u32 groups[4] = {0};
		socklen_t length = sizeof(groups);

		if (getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &length) || !groups[0])
			continue;
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
		shrunk++;
	}
	assert_int_equal(shrunk, 1);
}

static void test_lost_events(void **state)
{
	struct lab *lab = lab_of(state);

	shell_run("ip link add gone type veth peer name gone2");
	shell_run("ip route add 10.1.0.0/16 via 10.0.0.2");
	watch(lab, "10.1.0.1", NULL);
	await(lab, true, resolved, "10.1.0.1", NULL);
	await(lab, true, has_link, "gone", NULL);
	shrink_event_socket();
	shell_run("for i in $(seq 1 50); do echo route add 10.5.$i.0/24 via 10.0.0.2; done | ip -batch -");
	/* the events of all this do not fit any more */
	shell_run("ip link del gone; ip link add new type veth peer name new2; ip link set v0 mtu 1350;"
		  "ip neigh add 10.0.0.77 lladdr 02:00:00:00:00:77 dev v0 nud permanent;"
		  "ip route replace 10.1.0.0/16 via 10.0.0.77");
	await(lab, true, has_link, "new", NULL);
	await(lab, false, through, "10.1.0.1", "10.0.0.77");
	assert_true(lacks_link(lab, "gone", NULL));
	assert_true(mtu_is(lab, "v0", "1350"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_links_are_followed),
		TEST(test_leaving_a_bridge_is_not_deletion),
		TEST(test_interface_made_again),
		TEST(test_on_link_backends),
		TEST(test_gateways_and_their_changes),
		TEST(test_gateway_of_the_other_family),
		TEST(test_why_a_route_leads_nowhere),
		TEST(test_many_destinations),
		TEST(test_lost_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
