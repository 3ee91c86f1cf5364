/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The kernel's facts as the agent sees them. Each test has its own two network
 * namespaces: this process's, and a peer's, which a child process keeps:
 *
 *        this process                              peer
 *   10.0.0.1  2001:db8::1   v0 ---------- v1   10.0.0.2  2001:db8::2  fe80::2
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "in/netlink.h"
#include "model/network.h"
#include "unit/parsed.h"

#define PATIENCE 30 /* s, after which a test has failed */

struct lab {
	pid_t peer;
	struct event_base *base;
	struct event *wake; /* lest a wait for an event that does not come last for ever */
	struct network network;
	struct netlink *netlink;
	unsigned int changes; /* calls of changed() */
};

__attribute__((format(printf, 1, 2))) static void run(const char *format, ...)
{
	char command[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

/* The same in the peer's namespace. */
__attribute__((format(printf, 2, 3))) static void run_peer(const struct lab *lab, const char *format, ...)
{
	char command[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	run("nsenter --net=/proc/%d/ns/net sh -ec '%s'", (int)lab->peer, command);
}

static pid_t start_peer(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void make_pair(const struct lab *lab)
{
	run("ip link add v0 type veth peer name v1 netns %d", (int)lab->peer);
	run("ip link set v0 up && ip addr add 10.0.0.1/24 dev v0 && ip addr add 2001:db8::1/64 dev v0");
	run_peer(lab, "ip link set v1 up; ip addr add 10.0.0.2/24 dev v1; ip addr add 2001:db8::2/64 dev v1;"
		      "ip addr add fe80::2/64 dev v1");
}

static void count_change(void *argument)
{
	struct lab *lab = argument;

	lab->changes++;
}

static void wake(evutil_socket_t fd, short events, void *argument)
{
	(void)fd;
	(void)events;
	(void)argument;
}

static void set_up(struct lab *lab)
{
	/* without duplicate address detection, addresses are there at once */
	const char *quick = "sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 "
			    "net.ipv6.conf.default.router_solicitations=0";
	struct timeval interval = {.tv_usec = 50000};

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	lab->peer = start_peer();
	run("%s", quick);
	run_peer(lab, "%s; ip link set lo up", quick);
	run("ip link set lo up");
	make_pair(lab);
	lab->base = event_base_new();
	lab->wake = event_new(lab->base, -1, EV_PERSIST, wake, NULL);
	event_add(lab->wake, &interval);
	assert_int_equal(netlink_open(&lab->netlink, lab->base, &lab->network, count_change, lab), 0);
}

static int begin(void **state)
{
	*state = calloc(1, sizeof(struct lab));
	return *state ? 0 : -1;
}

static int end(void **state)
{
	struct lab *lab = *state;

	netlink_close(lab->netlink);
	network_free(&lab->network);
	if (lab->wake)
		event_free(lab->wake);
	if (lab->base)
		event_base_free(lab->base);
	if (lab->peer > 0) {
		kill(lab->peer, SIGKILL);
		waitpid(lab->peer, NULL, 0);
	}
	free(lab);
	return 0;
}

static struct lab *lab_of(void **state)
{
	if (geteuid() != 0) {
		print_message("SKIP: needs root, to make network namespaces\n");
		skip();
	}
	set_up(*state);
	return *state;
}

/* ---- asking and waiting ---- */

static void watch(struct lab *lab, const char *a, const char *b)
{
	struct address destinations[] = {parsed_address(a), parsed_address(b ? b : a)};

	assert_int_equal(netlink_watch(lab->netlink, destinations, 2), 0);
}

static struct next_hop hop_to(const struct lab *lab, const char *destination)
{
	struct address asked = parsed_address(destination);
	struct next_hop hop;

	network_next_hop(&lab->network, &asked, &hop);
	return hop;
}

typedef bool (*condition_fn)(const struct lab *lab, const char *what, const char *value);

/* Runs the loop until the condition holds; with `told`, looks only after changed() was called. */
static void await(struct lab *lab, bool told, condition_fn condition, const char *what, const char *value)
{
	struct timespec start, now;
	unsigned int seen = lab->changes;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!condition(lab, what, value)) {
		do {
			event_base_loop(lab->base, EVLOOP_ONCE);
			clock_gettime(CLOCK_MONOTONIC, &now);
			if (now.tv_sec - start.tv_sec > PATIENCE)
				fail_msg("waited in vain for %s: %s; now: %s", what, value ? value : "",
					 strchr(what, '.') || strchr(what, ':') ? hop_to(lab, what).why : "");
		} while (told && lab->changes == seen);
		seen = lab->changes;
	}
}

static bool resolved(const struct lab *lab, const char *destination, const char *mac)
{
	struct next_hop hop = hop_to(lab, destination);
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", hop.mac[0], hop.mac[1], hop.mac[2], hop.mac[3],
		 hop.mac[4], hop.mac[5]);
	return hop.resolved && (!mac || strcmp(text, mac) == 0);
}

static bool through(const struct lab *lab, const char *destination, const char *neighbour)
{
	struct next_hop hop = hop_to(lab, destination);
	char text[ADDRESS_TEXT];

	return hop.resolved && strcmp(address_format(&hop.address, text), neighbour) == 0;
}

static bool why(const struct lab *lab, const char *destination, const char *text)
{
	return strcmp(hop_to(lab, destination).why, text) == 0;
}

static bool has_link(const struct lab *lab, const char *name, const char *unused)
{
	(void)unused;
	return network_link_by_name(&lab->network, name);
}

static bool lacks_link(const struct lab *lab, const char *name, const char *unused)
{
	return !has_link(lab, name, unused);
}

static bool link_is_up(const struct lab *lab, const char *name, const char *unused)
{
	const struct link *link = network_link_by_name(&lab->network, name);

	(void)unused;
	return link && link->up;
}

static bool link_is_down(const struct lab *lab, const char *name, const char *unused)
{
	const struct link *link = network_link_by_name(&lab->network, name);

	(void)unused;
	return link && !link->up;
}

static bool mtu_is(const struct lab *lab, const char *name, const char *value)
{
	return network_link_by_name(&lab->network, name)->mtu == strtoul(value, NULL, 10);
}

static bool hop_mtu_is(const struct lab *lab, const char *destination, const char *value)
{
	struct next_hop hop = hop_to(lab, destination);

	return hop.resolved && hop.mtu == strtoul(value, NULL, 10);
}

/* A neighbour on v0 that the kernel has, or no longer has. */
static const struct neighbour *kernel_neighbour(const struct lab *lab, const char *text)
{
	struct neighbour_key key = {
		.ifindex = network_link_by_name(&lab->network, "v0")->ifindex,
		.address = parsed_address(text),
	};

	return network_neighbour(&lab->network, &key);
}

static bool has_neighbour(const struct lab *lab, const char *text, const char *unused)
{
	const struct neighbour *neighbour = kernel_neighbour(lab, text);

	(void)unused;
	return neighbour && neighbour->known && neighbour->nud;
}

static bool lacks_neighbour(const struct lab *lab, const char *text, const char *unused)
{
	(void)unused;
	return !kernel_neighbour(lab, text);
}

/* The kernel has given it up or forgotten it. */
static bool kernel_lost(const struct lab *lab, const char *text, const char *unused)
{
	const struct neighbour *neighbour = kernel_neighbour(lab, text);

	(void)unused;
	return neighbour && !(neighbour->nud & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE));
}

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

	run("ip link set v0 mtu 1400");
	await(lab, true, mtu_is, "v0", "1400");
	run_peer(lab, "ip link set v1 down");
	await(lab, true, link_is_down, "v0", NULL);
	run_peer(lab, "ip link set v1 up");
	await(lab, true, link_is_up, "v0", NULL);
	run("ip link set v0 down");
	await(lab, true, link_is_down, "v0", NULL);

	run("ip link set v0 name edge0");
	await(lab, true, has_link, "edge0", NULL);
	assert_null(network_link_by_name(&lab->network, "v0"));
	assert_int_equal(network_link_by_name(&lab->network, "edge0")->ifindex, ifindex);
	run("ip link del edge0");
	await(lab, true, lacks_link, "edge0", NULL);
}

static void test_leaving_a_bridge_is_not_deletion(void **state)
{
	struct lab *lab = lab_of(state);

	if (system("ip link add br0 type bridge 2>/dev/null") != 0) {
		print_message("SKIP: this kernel has no bridges\n");
		skip();
	}
	run("ip neigh add 10.0.0.78 lladdr 02:00:00:00:00:78 dev v0 nud permanent");
	await(lab, false, has_neighbour, "10.0.0.78", NULL);
	run("ip link set v0 master br0 && ip link set v0 nomaster && ip link set v0 mtu 1300");
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
	run("ip link del v0");
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
	run("ip route add 10.1.0.0/16 via 10.0.0.2 mtu 1300; ip route add 2001:db8:1::/48 via fe80::2 dev v0");
	watch(lab, "10.1.0.1", "2001:db8:1::1");
	await(lab, true, through, "10.1.0.1", "10.0.0.2");
	await(lab, true, through, "2001:db8:1::1", "fe80::2");
	assert_false(hop_to(lab, "10.1.0.1").on_link);
	assert_int_equal(hop_to(lab, "10.1.0.1").mtu, 1300);

	run("ip route replace 10.1.0.0/16 via 10.0.0.3");
	await(lab, true, through, "10.1.0.1", "10.0.0.3");
	assert_int_equal(hop_to(lab, "10.1.0.1").mtu, 1500);
	run("ip -6 route replace 2001:db8:1::/48 via 2001:db8::2 mtu 1290");
	await(lab, true, through, "2001:db8:1::1", "2001:db8::2");
	await(lab, false, hop_mtu_is, "2001:db8:1::1", "1290");

	/* a policy rule, then an address, decide otherwise than the route did */
	run("ip route add table 7 10.1.0.0/16 via 10.0.0.2; ip rule add to 10.1.0.1 lookup 7");
	await(lab, true, through, "10.1.0.1", "10.0.0.2");
	run("ip addr add 10.1.0.1/32 dev lo");
	await(lab, true, why, "10.1.0.1", "10.1.0.1 is this host's own address");
	run("ip addr del 10.1.0.1/32 dev lo");
	await(lab, true, through, "10.1.0.1", "10.0.0.2");
}

static void test_gateway_of_the_other_family(void **state)
{
	struct lab *lab = lab_of(state);

	run("ip route add 10.1.0.0/16 via inet6 fe80::2 dev v0");
	watch(lab, "10.1.0.1", NULL);
	await(lab, true, through, "10.1.0.1", "fe80::2");
}

static void test_why_a_route_leads_nowhere(void **state)
{
	struct lab *lab = lab_of(state);

	run("ip route add blackhole 10.2.0.0/16; ip route add unreachable 10.3.0.0/16;"
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
	run("ip route flush root 10.2.0.0/16; ip route add 10.2.0.0/16 via 10.0.0.2");
	watch(lab, "10.2.0.1", NULL);
	await(lab, true, through, "10.2.0.1", "10.0.0.2");
	run("ip link set v0 down");
	await(lab, true, why, "10.2.0.1", "no route to 10.2.0.1");
}

static void test_many_destinations(void **state)
{
	enum { COUNT = 30000 };
	struct lab *lab = lab_of(state);
	struct address *destinations = calloc(COUNT, sizeof(*destinations));

	assert_non_null(destinations);
	run("ip route add default via 10.0.0.2; ip -6 route add default via fe80::2 dev v0");
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

/* ---- neighbours ---- */

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

	run("ip route add 10.1.0.0/16 via 10.0.0.2; ip route add 2001:db8:1::/48 via fe80::2 dev v0");
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

	run("ip addr add 192.0.2.1/32 dev lo; ip route add 10.1.0.0/16 via 10.0.0.2 src 192.0.2.1");
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
	run("ip neigh flush dev v0");
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
	run("ip neigh add 10.0.0.77 lladdr 02:00:00:00:00:77 dev v0 nud reachable");
	await(lab, false, has_neighbour, "10.0.0.77", NULL);
	run("ip neigh replace 10.0.0.78 lladdr 02:00:00:00:00:78 dev v0 nud permanent");
	await(lab, false, has_neighbour, "10.0.0.78", NULL);
	run("ip neigh del 10.0.0.77 dev v0");
	await(lab, false, lacks_neighbour, "10.0.0.77", NULL);
	assert_int_equal(lab->changes, changes);
	/* but one that becomes a next hop is there at once, and an operator's own entry is left alone */
	watch(lab, "10.0.0.78", NULL);
	assert_true(resolved(lab, "10.0.0.78", "02:00:00:00:00:78"));
	run("ip neigh show 10.0.0.78 dev v0 | grep -q PERMANENT");
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

	run("ip link add gone type veth peer name gone2");
	run("ip route add 10.1.0.0/16 via 10.0.0.2");
	watch(lab, "10.1.0.1", NULL);
	await(lab, true, resolved, "10.1.0.1", NULL);
	await(lab, true, has_link, "gone", NULL);
	shrink_event_socket();
	run("for i in $(seq 1 50); do echo route add 10.5.$i.0/24 via 10.0.0.2; done | ip -batch -");
	/* the events of all this do not fit any more */
	run("ip link del gone; ip link add new type veth peer name new2; ip link set v0 mtu 1350;"
	    "ip neigh add 10.0.0.77 lladdr 02:00:00:00:00:77 dev v0 nud permanent;"
	    "ip route replace 10.1.0.0/16 via 10.0.0.77");
	await(lab, true, has_link, "new", NULL);
	await(lab, false, through, "10.1.0.1", "10.0.0.77");
	assert_true(lacks_link(lab, "gone", NULL));
	assert_true(mtu_is(lab, "v0", "1350"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_links_are_followed),
		TEST(test_leaving_a_bridge_is_not_deletion),
		TEST(test_interface_made_again),
		TEST(test_on_link_backends),
		TEST(test_gateways_and_their_changes),
		TEST(test_gateway_of_the_other_family),
		TEST(test_why_a_route_leads_nowhere),
		TEST(test_many_destinations),
		TEST(test_backend_that_comes_late),
		TEST(test_new_mac_is_noticed),
		TEST(test_new_mac_is_noticed_with_a_loopback_source),
		TEST(test_mac_outlives_the_kernels_entry),
		TEST(test_other_neighbours_are_no_news),
		TEST(test_lost_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
