/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The kernel's facts as the agent sees them. Each test has its own two network
 * namespaces: this process's, and a peer's, which a child process keeps:
 *
 *        this process                              peer
 *   10.0.0.1  2001:db8::1   v0 ---------- v1   10.0.0.2  2001:db8::2  fe80::2
 */
#ifndef SLUICE_TEST_NETLINK_LAB_H
#define SLUICE_TEST_NETLINK_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "in/netlink.h"
#include "model/network.h"
#include "unit/parsed.h"
#include "unit/shell.h"

#define PATIENCE 30 /* s, after which a test has failed */

struct lab {
	pid_t peer;
	struct event_base *base;
	struct event *wake; /* lest a wait for an event that does not come last for ever */
	struct network network;
	struct netlink *netlink;
	unsigned int changes; /* calls of changed() */
};

/* The same in the peer's namespace. */
__attribute__((format(printf, 2, 3))) static inline void run_peer(const struct lab *lab, const char *format, ...)
{
	char command[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	shell_run("nsenter --net=/proc/%d/ns/net sh -ec '%s'", (int)lab->peer, command);
}

static inline pid_t start_peer(void)
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

static inline void make_pair(const struct lab *lab)
{
	shell_run("ip link add v0 type veth peer name v1 netns %d", (int)lab->peer);
	shell_run("ip link set v0 up && ip addr add 10.0.0.1/24 dev v0 && ip addr add 2001:db8::1/64 dev v0");
	run_peer(lab, "ip link set v1 up; ip addr add 10.0.0.2/24 dev v1; ip addr add 2001:db8::2/64 dev v1;"
		      "ip addr add fe80::2/64 dev v1");
}

static inline void count_change(void *argument)
{
	struct lab *lab = argument;

	lab->changes++;
}

static inline void wake(evutil_socket_t fd, short events, void *argument)
{
	(void)fd;
	(void)events;
	(void)argument;
}

static inline void set_up(struct lab *lab)
{
	/* without duplicate address detection, addresses are there at once */
	const char *quick = "sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 "
			    "net.ipv6.conf.default.router_solicitations=0";
	struct timeval interval = {.tv_usec = 50000};

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	lab->peer = start_peer();
	shell_run("%s", quick);
	run_peer(lab, "%s; ip link set lo up", quick);
	shell_run("ip link set lo up");
	make_pair(lab);
	lab->base = event_base_new();
	lab->wake = event_new(lab->base, -1, EV_PERSIST, wake, NULL);
	event_add(lab->wake, &interval);
	assert_int_equal(netlink_open(&lab->netlink, lab->base, &lab->network, count_change, lab), 0);
}

static inline int begin(void **state)
{
	*state = calloc(1, sizeof(struct lab));
	return *state ? 0 : -1;
}

static inline int end(void **state)
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

static inline struct lab *lab_of(void **state)
{
	if (geteuid() != 0) {
		print_message("SKIP: needs root, to make network namespaces\n");
		skip();
	}
	set_up(*state);
	return *state;
}

static inline void watch(struct lab *lab, const char *a, const char *b)
{
	struct address destinations[] = {parsed_address(a), parsed_address(b ? b : a)};

	assert_int_equal(netlink_watch(lab->netlink, destinations, 2), 0);
}

static inline struct next_hop hop_to(const struct lab *lab, const char *destination)
{
	struct address asked = parsed_address(destination);
	struct next_hop hop;

	network_next_hop(&lab->network, &asked, &hop);
	return hop;
}

typedef bool (*condition_fn)(const struct lab *lab, const char *what, const char *value);

/* Runs the loop until the condition holds; with `told`, looks only after changed() was called. */
static inline void await(struct lab *lab, bool told, condition_fn condition, const char *what, const char *value)
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

static inline bool resolved(const struct lab *lab, const char *destination, const char *mac)
{
	struct next_hop hop = hop_to(lab, destination);
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", hop.mac[0], hop.mac[1], hop.mac[2], hop.mac[3],
		 hop.mac[4], hop.mac[5]);
	return hop.resolved && (!mac || strcmp(text, mac) == 0);
}

static inline bool through(const struct lab *lab, const char *destination, const char *neighbour)
{
	struct next_hop hop = hop_to(lab, destination);
	char text[ADDRESS_TEXT];

	return hop.resolved && strcmp(address_format(&hop.address, text), neighbour) == 0;
}

static inline bool why(const struct lab *lab, const char *destination, const char *text)
{
	return strcmp(hop_to(lab, destination).why, text) == 0;
}

static inline bool has_link(const struct lab *lab, const char *name, const char *unused)
{
	(void)unused;
	return network_link_by_name(&lab->network, name);
}

static inline bool lacks_link(const struct lab *lab, const char *name, const char *unused)
{
	return !has_link(lab, name, unused);
}

static inline bool link_is_up(const struct lab *lab, const char *name, const char *unused)
{
	const struct link *link = network_link_by_name(&lab->network, name);

	(void)unused;
	return link && link->up;
}

static inline bool link_is_down(const struct lab *lab, const char *name, const char *unused)
{
	const struct link *link = network_link_by_name(&lab->network, name);

	(void)unused;
	return link && !link->up;
}

static inline bool mtu_is(const struct lab *lab, const char *name, const char *value)
{
	return network_link_by_name(&lab->network, name)->mtu == strtoul(value, NULL, 10);
}

static inline bool hop_mtu_is(const struct lab *lab, const char *destination, const char *value)
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

static inline bool has_neighbour(const struct lab *lab, const char *text, const char *unused)
{
	const struct neighbour *neighbour = kernel_neighbour(lab, text);

	(void)unused;
	return neighbour && neighbour->known && neighbour->nud;
}

static inline bool lacks_neighbour(const struct lab *lab, const char *text, const char *unused)
{
	(void)unused;
	return !kernel_neighbour(lab, text);
}

/* The kernel has given it up or forgotten it. */
static inline bool kernel_lost(const struct lab *lab, const char *text, const char *unused)
{
	const struct neighbour *neighbour = kernel_neighbour(lab, text);

	(void)unused;
	return neighbour && !(neighbour->nud & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
