/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A balancer, two backends and a router on one segment, each in a network namespace
 * without a name, held by this process alone:
 *
 *	  lb .1     one .11     two .12
 *	    |          |           |
 *	  --+----------+-----------+-- router .254      10.9.0.0/24, fd09::/64
 *
 * The backends (with sluice-backend) and the router all serve the VIPs, so whoever
 * answers a connection tells the way that it went. This process is in lb; its
 * sockets are wherever they were made.
 */
#ifndef SLUICE_TEST_PROBE_PATH_LAB_H
#define SLUICE_TEST_PROBE_PATH_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/address.h"
#include "model/header.h"
#include "out/array.h"
#include "out/probe_path.h"
#include "probe_abi.h"
#include "unit/temp_folder.h"
#include "wire.h"

#define VIP4	 "192.0.2.10"
#define VIP6	 "2001:db8::10"
#define PORT	 80
#define PAYLOAD	 8000  /* several segments */
#define PATIENCE 10000 /* ms, until a test fails */

enum place { LB, ONE, TWO, ROUTER, PLACES };

static const char *const place_name[PLACES] = {"lb", "one", "two", "router"};
static const int host_number[PLACES] = {1, 11, 12, 254};

/* Of the backends in the map and in marks: the least, and the greatest there may be. */
static const __u32 place_index[PLACES] = {[ONE] = 1, [TWO] = SLUICE_MAX_BACKENDS};

struct lab {
	int namespace[PLACES];
	int tcp[PLACES][2], udp[PLACES][2]; /* listening on the VIPs, IPv4 and IPv6 */
	int backends;			    /* the dataplane's map */
	struct probe_path *path;
	char folder[TEMP_FOLDER_SIZE];
};

static inline void enter(const struct lab *lab, enum place place)
{
	assert_int_equal(setns(lab->namespace[place], CLONE_NEWNET), 0);
}

/* Runs a shell command in a place. */
__attribute__((format(printf, 3, 4))) static inline void run(const struct lab *lab, enum place place,
							     const char *format, ...)
{
	char command[1024];
	va_list arguments;
	int status;

	va_start(arguments, format);
	assert_in_range(vsnprintf(command, sizeof(command), format, arguments), 1, sizeof(command) - 1);
	va_end(arguments);
	enter(lab, place);
	status = system(command);
	enter(lab, LB);
	if (status)
		fail_msg("in %s: %s: status %d", place_name[place], command, status);
}

static inline struct address vip(int family)
{
	struct address address;

	assert_int_equal(address_parse(family == AF_INET ? VIP4 : VIP6, &address), 0);
	return address;
}

static inline struct address place_address(enum place place, int family)
{
	char text[ADDRESS_TEXT];
	struct address address;

	snprintf(text, sizeof(text), family == AF_INET ? "10.9.0.%d" : "fd09::%d", host_number[place]);
	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

static inline void bind_to(int fd, struct address address, __u16 port)
{
	struct sockaddr_storage name;
	socklen_t length = address_to_socket(&address, port, &name);

	assert_int_equal(bind(fd, (struct sockaddr *)&name, length), 0);
}

static inline int serve(const struct lab *lab, enum place place, int family, int type)
{
	int fd;

	enter(lab, place);
	fd = socket(family, type, 0);
	assert_true(fd >= 0);
	bind_to(fd, vip(family), PORT);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 16), 0);
	enter(lab, LB);
	return fd;
}

/* Every frame of a place's interface, as it is on the wire. */
static inline int open_tap(const struct lab *lab, enum place place, const char *interface)
{
	struct sockaddr_ll name = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int size = 4 << 20, fd;

	enter(lab, place);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
	name.sll_ifindex = (int)if_nametoindex(interface);
	assert_int_not_equal(name.sll_ifindex, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	enter(lab, LB);
	return fd;
}

static inline void make_namespace(struct lab *lab, enum place place)
{
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	lab->namespace[place] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(lab->namespace[place] >= 0);
	/* Debian's and the kernel's defaults differ */
	assert_int_equal(system("ip link set lo up; cd /proc/sys/net; for i in all default; do "
				"echo 0 > ipv4/conf/$i/rp_filter; echo 0 > ipv6/conf/$i/accept_dad; done"),
			 0);
}

static inline void make_host(struct lab *lab, enum place place)
{
	const int host = host_number[place];

	run(lab, ROUTER,
	    "ip link add %s type veth peer name eth0 address 02:00:00:00:00:%02x netns /proc/%d/fd/%d && "
	    "ip link set %s master segment up && ethtool -K %s tx off >/dev/null",
	    place_name[place], host, getpid(), lab->namespace[place], place_name[place], place_name[place]);
	run(lab, place,
	    "ethtool -K eth0 tx off >/dev/null && ip link set eth0 up && ip addr add 10.9.0.%d/24 dev eth0 && "
	    "ip addr add fd09::%d/64 dev eth0 nodad && ip route add default via 10.9.0.254 && "
	    "ip route add default via fd09::254",
	    host, host);
}

/* The backend's program beside the test's own folder. */
static inline void start_backend(struct lab *lab, enum place place)
{
	char program[4096];
	ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);

	assert_true(length > 0);
	program[length] = '\0';
	for (int i = 0; i < 3; i++)
		*strrchr(program, '/') = '\0';
	run(lab, place,
	    "%s/sluice-backend up --vip " VIP4 " --vip " VIP6
	    " --from 10.9.0.1 --from fd09::1 --state %s/%s >/dev/null",
	    program, lab->folder, place_name[place]);
}

static inline void lab_make(struct lab *lab)
{
	assert_int_equal(temp_folder_make(lab->folder, 0700), 0);
	for (enum place i = 0; i < PLACES; i++)
		make_namespace(lab, i);
	run(lab, ROUTER,
	    "ip link add segment type bridge forward_delay 0 mcast_snooping 0 && ip link set segment up && "
	    "ip addr add 10.9.0.254/24 dev segment && ip addr add fd09::254/64 dev segment nodad && "
	    "ip addr add " VIP4 "/32 dev lo && ip addr add " VIP6 "/128 dev lo nodad");
	for (enum place i = LB; i <= TWO; i++)
		make_host(lab, i);
	for (enum place i = ONE; i <= TWO; i++)
		start_backend(lab, i);
	for (enum place i = ONE; i < PLACES; i++)
		for (int j = 0; j < 2; j++) {
			lab->tcp[i][j] = serve(lab, i, j ? AF_INET6 : AF_INET, SOCK_STREAM);
			lab->udp[i][j] = serve(lab, i, j ? AF_INET6 : AF_INET, SOCK_DGRAM);
		}
}

static inline int make_backends(void)
{
	int fd = array_create("backends", sizeof(struct backend), SLUICE_MAX_BACKENDS + 1);

	assert_true(fd >= 0);
	return fd;
}

static inline struct backend build_backend(enum place place, enum forward forward, int outer)
{
	struct address address = place_address(place, outer);
	struct next_hop hop = {.resolved = true,
			       .on_link = true,
			       .out_ifindex = if_nametoindex("eth0"),
			       .mtu = 1500,
			       .source = place_address(LB, outer),
			       .mac = {2, 0, 0, 0, 0, (__u8)host_number[place]},
			       .source_mac = {2, 0, 0, 0, 0, (__u8)host_number[LB]}};
	const struct config_pool pool = {
		.forward = forward, .gue_port = GUE_PORT, .outer = {.df = true, .ttl = CONFIG_DEFAULT_TTL}};
	struct backend backend;

	header_build(&backend, &pool, &address, &hop);
	return backend;
}

static inline void set_backend(const struct lab *lab, __u32 index, const struct backend *backend)
{
	const size_t size = (SLUICE_MAX_BACKENDS + 1) * sizeof(*backend);
	struct backend *all = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, lab->backends, 0);

	assert_ptr_not_equal(all, MAP_FAILED);
	all[index] = *backend;
	munmap(all, size);
}

static inline void set_backends(const struct lab *lab, enum forward forward, int outer)
{
	for (enum place i = ONE; i <= TWO; i++) {
		struct backend backend = build_backend(i, forward, outer);

		set_backend(lab, place_index[i], &backend);
	}
}

/* A socket on the balancer that sends with this mark. */
static inline int open_marked(__u32 mark, int family, int type, int protocol)
{
	const struct timeval patience = {.tv_sec = PATIENCE / 1000};
	int fd = socket(family, type, protocol);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
	bind_to(fd, place_address(LB, family), 0);
	return fd;
}

static inline int connect_vip(int fd, int family)
{
	struct sockaddr_storage name;
	struct address address = vip(family);
	socklen_t length = address_to_socket(&address, PORT, &name);

	return connect(fd, (struct sockaddr *)&name, length) ? -errno : 0;
}

/* Where one of the servers has something to read. */
static inline enum place await_server(const struct lab *lab, int family, int type)
{
	struct pollfd polled[PLACES] = {0};

	for (enum place i = LB; i < PLACES; i++)
		polled[i] = (struct pollfd){.events = POLLIN, .fd = -1};
	for (enum place i = ONE; i < PLACES; i++)
		polled[i].fd = (type == SOCK_STREAM ? lab->tcp : lab->udp)[i][family == AF_INET6];
	if (poll(polled, PLACES, PATIENCE) <= 0)
		fail_msg("nothing came to the %s servers of the VIP in IPv%d", type == SOCK_STREAM ? "TCP" : "UDP",
			 family == AF_INET ? 4 : 6);
	for (enum place i = ONE; i < PLACES; i++)
		if (polled[i].revents)
			return i;
	return LB;
}

static inline void lab_free(struct lab *lab)
{
	probe_path_close(lab->path);
	assert_int_equal(temp_folder_remove(lab->folder), 0);
	free(lab);
}

#endif
