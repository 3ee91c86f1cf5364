/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Probes to a VIP reach the backend that their mark names, encapsulated, and nothing else is touched. */
#include "unit/probe_path_frame.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>

/*
 * At least an IPv6 header long with its own headers: of an IPv4 packet shorter than
 * that, sluice-backend cannot take an IPv6 header off where it came over a veth.
 */
#define QUESTION "who is there?"

static const int families[] = {AF_INET, AF_INET6};

static void send_and_receive(int client, int server)
{
	static char sent[PAYLOAD], received[PAYLOAD];
	size_t length = 0;

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (char)(i * 7);
	assert_int_equal(send(client, sent, sizeof(sent), 0), sizeof(sent));
	while (length < sizeof(received)) {
		struct pollfd polled = {.fd = server, .events = POLLIN};
		ssize_t got;

		assert_int_equal(poll(&polled, 1, PATIENCE), 1);
		got = read(server, received + length, sizeof(received) - length);
		assert_true(got > 0);
		length += (size_t)got;
	}
	assert_memory_equal(sent, received, sizeof(sent));
	assert_int_equal(write(server, "ok", 2), 2);
	assert_int_equal(recv(client, received, 2, 0), 2);
}

/* Ends a connection; all of it is over when this returns. */
static void close_both(int client, int server)
{
	const struct linger wait = {.l_onoff = 1, .l_linger = PATIENCE / 1000};
	char byte;

	close(client);
	assert_int_equal(read(server, &byte, 1), 0);
	assert_int_equal(setsockopt(server, SOL_SOCKET, SO_LINGER, &wait, sizeof(wait)), 0);
	close(server);
}

/* Who answers a TCP connection with this mark. */
static enum place tcp_answer(const struct lab *lab, __u32 mark, int family)
{
	int client = open_marked(mark, family, SOCK_STREAM, 0), server, err;
	enum place place;

	err = connect_vip(client, family);
	if (err)
		fail_msg("connect with mark %#x in IPv%d: %s", mark, family == AF_INET ? 4 : 6, strerror(-err));
	place = await_server(lab, family, SOCK_STREAM);
	server = accept(lab->tcp[place][family == AF_INET6], NULL, NULL);
	assert_true(server >= 0);
	send_and_receive(client, server);
	close_both(client, server);
	return place;
}

static enum place udp_answer(const struct lab *lab, __u32 mark, int family)
{
	int client = open_marked(mark, family, SOCK_DGRAM, 0), server;
	struct sockaddr_storage from;
	socklen_t length = sizeof(from);
	enum place place;
	const int class = CLASS;
	char answer[32];

	if (family == AF_INET)
		assert_int_equal(setsockopt(client, IPPROTO_IP, IP_TOS, &class, sizeof(class)), 0);
	else
		assert_int_equal(setsockopt(client, IPPROTO_IPV6, IPV6_TCLASS, &class, sizeof(class)), 0);
	assert_int_equal(connect_vip(client, family), 0);
	assert_int_equal(send(client, QUESTION, sizeof(QUESTION), 0), sizeof(QUESTION));
	place = await_server(lab, family, SOCK_DGRAM);
	server = lab->udp[place][family == AF_INET6];
	assert_int_equal(recvfrom(server, answer, sizeof(answer), 0, (struct sockaddr *)&from, &length),
			 sizeof(QUESTION));
	assert_int_equal(sendto(server, "me", 2, 0, (struct sockaddr *)&from, length), 2);
	assert_int_equal(recv(client, answer, sizeof(answer), 0), 2);
	close(client);
	return place;
}

static void ping_vip(__u32 mark, int family)
{
	bool v6 = family == AF_INET6;
	int fd = open_marked(mark, family, SOCK_RAW, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	__u8 reply[256];
	/* type and code, checksum, id, sequence: alike in both; the kernel sums up ICMPv6 alone */
	__u8 request[8 + sizeof(QUESTION)] = {v6 ? ICMPV6_ECHO_REQUEST : ICMP_ECHO, 0, 0, 0, 0x51, 0x50, 0, (__u8)mark};
	size_t header = v6 ? 0 : sizeof(struct iphdr);
	__u32 sum = ~add_words(request, sizeof(request), 0);
	ssize_t length;

	if (!v6) {
		request[2] = (__u8)(sum >> 8);
		request[3] = (__u8)sum;
	}
	assert_int_equal(connect_vip(fd, family), 0);
	assert_int_equal(send(fd, request, sizeof(request), 0), sizeof(request));
	do {
		length = recv(fd, reply, sizeof(reply), 0);
		assert_true(length >= (ssize_t)(header + sizeof(request)));
	} while (memcmp(reply + header + 4, request + 4, 4));
	assert_int_equal(reply[header], v6 ? ICMPV6_ECHO_REPLY : ICMP_ECHOREPLY);
	close(fd);
}

static void test_every_encapsulation(void **state)
{
	struct lab *lab = *state;
	int tap = open_tap(lab, ROUTER, "lb");

	assert_int_equal(probe_path_open(&lab->path, lab->backends), 0);
	for (size_t mode = 0; mode < sizeof(modes) / sizeof(modes[0]); mode++) {
		set_backends(lab, modes[mode].forward, modes[mode].outer);
		for (int i = 0; i < 2; i++)
			for (enum place place = ONE; place <= TWO; place++) {
				__u32 mark = PROBE_MARK | place_index[place];

				assert_int_equal(tcp_answer(lab, mark, families[i]), place);
				assert_int_equal(udp_answer(lab, mark, families[i]), place);
				ping_vip(mark, families[i]);
				check_frames(tap, place, mode, families[i]);
			}
	}
	close(tap);
}

/* Packets without the mark, or with one that is nearly ours, go where the host's routes lead. */
static void test_others_packets(void **state)
{
	struct lab *lab = *state;
	const __u32 marks[] = {0, 1, PROBE_MARK | 0x8000 | 1, (PROBE_MARK ^ 0x80000000) | 1};

	set_backends(lab, FORWARD_GUE, AF_INET);
	assert_int_equal(probe_path_open(&lab->path, lab->backends), 0);
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		for (int j = 0; j < 2; j++) {
			assert_int_equal(tcp_answer(lab, marks[i], families[j]), ROUTER);
			assert_int_equal(udp_answer(lab, marks[i], families[j]), ROUTER);
		}
}

static void send_datagram(__u32 mark, int family, size_t size)
{
	static char datagram[1200];
	int fd = open_marked(mark, family, SOCK_DGRAM, 0);

	if (!connect_vip(fd, family))
		assert_in_range(send(fd, datagram, size, 0), 0, size);
	close(fd);
}

/* Taps see a frame before send() returns. */
static void check_silence(int tap, __u32 mark, size_t size)
{
	static __u8 frame[65536];

	for (int i = 0; i < 2; i++) {
		send_datagram(mark, families[i], size);
		assert_int_equal(next_frame(tap, frame), 0);
	}
}

static void test_nothing_leaves_bare(void **state)
{
	struct lab *lab = *state;
	struct backend backend = build_backend(ONE, FORWARD_GUE, AF_INET6);
	int tap = open_tap(lab, LB, "eth0");
	static __u8 frame[65536];

	set_backends(lab, FORWARD_GUE, AF_INET);
	assert_int_equal(probe_path_open(&lab->path, lab->backends), 0);
	set_backend(lab, 2, &(struct backend){0});
	check_silence(tap, PROBE_MARK | 2, 10);
	check_silence(tap, PROBE_MARK, 10);
	/* the largest that fits, and one byte more: IPv6, UDP, an IPv6 and a UDP header */
	set_backend(lab, 2, &backend);
	send_datagram(PROBE_MARK | 2, AF_INET6, 1000);
	assert_int_equal(next_frame(tap, frame), ETH_HLEN + 48 + 48 + 1000);
	backend.mtu = 48 + 48 + 1000;
	set_backend(lab, 2, &backend);
	send_datagram(PROBE_MARK | 2, AF_INET6, 1000);
	assert_int_equal(next_frame(tap, frame), ETH_HLEN + backend.mtu);
	check_silence(tap, PROBE_MARK | 2, 1021);
	/* what is on the way to lo finds no other when something is missing */
	run(lab, LB, "ip route flush table 6080 && ip -6 route flush table 6080");
	check_silence(tap, PROBE_MARK | 1, 10);
	assert_int_equal(probe_path_check(lab->path), 0);
	run(lab, LB, "tc qdisc del dev lo clsact");
	check_silence(tap, PROBE_MARK | 1, 10);
	close(tap);
}

static void check_answers(const struct lab *lab)
{
	for (int i = 0; i < 2; i++)
		assert_int_equal(tcp_answer(lab, PROBE_MARK | place_index[TWO], families[i]), TWO);
}

static int takes_reply(const struct lab *lab, int family)
{
	struct address from = vip(family), own = place_address(LB, family);

	return probe_path_takes_reply(lab->path, &from, &own, if_nametoindex("eth0"));
}

/* As with a balancer that is a backend too. IPv4 takes the replies for martians unless it is told otherwise. */
static void test_local_vip(void **state)
{
	struct lab *lab = *state;

	set_backends(lab, FORWARD_IPIP, AF_INET);
	assert_int_equal(probe_path_open(&lab->path, lab->backends), 0);
	run(lab, LB,
	    "ip addr add " VIP4 "/32 dev lo && ip addr add " VIP6 "/128 dev lo nodad && "
	    "echo 1 > /proc/sys/net/ipv4/conf/eth0/accept_local");
	check_answers(lab);
	assert_int_equal(takes_reply(lab, AF_INET), 1);
	run(lab, LB, "echo 0 > /proc/sys/net/ipv4/conf/eth0/accept_local");
	assert_int_equal(takes_reply(lab, AF_INET), 0);
	assert_int_equal(takes_reply(lab, AF_INET6), 1);
	run(lab, LB, "ip addr del " VIP4 "/32 dev lo && ip addr del " VIP6 "/128 dev lo");
}

static void test_other_routes(void **state)
{
	static const char *const routes[] = {"blackhole " VIP4 "/32", VIP4 "/32 via 10.9.0.11"};
	struct lab *lab = *state;

	set_backends(lab, FORWARD_GUE, AF_INET6);
	assert_int_equal(probe_path_open(&lab->path, lab->backends), 0);
	for (size_t i = 0; i < 2; i++) {
		run(lab, LB, "ip route add %s && ip -6 route add blackhole " VIP6 "/128", routes[i]);
		check_answers(lab);
		run(lab, LB, "ip route del %s && ip -6 route del blackhole " VIP6 "/128", routes[i]);
	}
	/* the reverse path filter follows the default route */
	for (int filter = 1; filter <= 2; filter++) {
		run(lab, LB, "echo %d > /proc/sys/net/ipv4/conf/eth0/rp_filter", filter);
		check_answers(lab);
		assert_int_equal(takes_reply(lab, AF_INET), 1);
		run(lab, LB, "ip route add blackhole " VIP4);
		assert_int_equal(takes_reply(lab, AF_INET), 0);
		run(lab, LB, "ip route del blackhole " VIP4);
	}
	run(lab, LB, "echo 0 > /proc/sys/net/ipv4/conf/eth0/rp_filter");
}

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
		assert_int_equal(probe_path_check(lab->path), 0);
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

static void test_a_new_map(void **state)
{
	struct lab *lab = *state;
	int old = lab->backends;

	set_backends(lab, FORWARD_GUE, AF_INET);
	assert_int_equal(probe_path_open(&lab->path, old), 0);
	lab->backends = make_backends();
	close(old);
	set_backends(lab, FORWARD_IPIP, AF_INET);
	assert_int_equal(probe_path_update(lab->path, lab->backends), 0);
	check_answers(lab);
	assert_int_equal(probe_path_check(lab->path), 0);
	assert_true(probe_path_update(lab->path, -1) < 0);
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

static int make_lab(void **state)
{
	struct lab *lab;

	if (geteuid()) {
		fprintf(stderr, "skipped: only root may make namespaces and load BPF programs\n");
		exit(0);
	}
	lab = calloc(1, sizeof(*lab));
	lab_make(lab);
	lab->backends = make_backends();
	*state = lab;
	return 0;
}

static int free_lab(void **state)
{
	lab_free(*state);
	return 0;
}

static int close_path(void **state)
{
	struct lab *lab = *state;

	probe_path_close(lab->path);
	lab->path = NULL;
	return 0;
}

#define PATH_TEST(test) cmocka_unit_test_teardown(test, close_path)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PATH_TEST(test_every_encapsulation),
		PATH_TEST(test_others_packets),
		PATH_TEST(test_nothing_leaves_bare),
		PATH_TEST(test_local_vip),
		PATH_TEST(test_other_routes),
		PATH_TEST(test_repair),
		PATH_TEST(test_trouble),
		PATH_TEST(test_a_new_map),
		PATH_TEST(test_crash),
		PATH_TEST(test_a_second_process),
		PATH_TEST(test_others_filters),
	};

	return cmocka_run_group_tests(tests, make_lab, free_lab);
}
