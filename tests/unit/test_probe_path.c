/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Probes to a VIP reach the backend that their mark names, encapsulated, and nothing else is touched. */
#include "unit/probe_path_answer.h"
#include "unit/probe_path_frame.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>

/*
 * At least an IPv6 header long with its own headers: of an IPv4 packet shorter than
 * that, sluice-backend cannot take an IPv6 header off where it came over a veth.
 */
#define QUESTION "who is there?"

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
	assert_int_equal(probe_path_check(lab->path), 1);
	run(lab, LB, "tc qdisc del dev lo clsact");
	check_silence(tap, PROBE_MARK | 1, 10);
	close(tap);
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

/* A rule of somebody else that comes first leads probes away bare, to whoever serves the VIP there: that is noticed. */
static void test_others_rules(void **state)
{
	static const char *const rules[][2] = {
		{"to " VIP4, "to " VIP6}, {"from 10.9.0.1", "from fd09::1"}, {"from all", "from all"}};
	struct lab *lab = *state;

	set_backends(lab, FORWARD_GUE, AF_INET);
	assert_int_equal(probe_path_open(&lab->path, lab->backends), 0);
	run(lab, LB,
	    "ip route add default via 10.9.0.254 table 100 && ip -6 route add default via fd09::254 table 100");
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		run(lab, LB, "ip rule add pref 100 %s lookup 100", rules[i][0]);
		assert_int_equal(takes_reply(lab, AF_INET), 0);
		assert_int_equal(takes_reply(lab, AF_INET6), 1);
		run(lab, LB, "ip rule del pref 100 && ip -6 rule add pref 100 %s lookup 100", rules[i][1]);
		assert_int_equal(takes_reply(lab, AF_INET), 1);
		assert_int_equal(takes_reply(lab, AF_INET6), 0);
		run(lab, LB, "ip -6 rule del pref 100");
	}
	assert_int_equal(takes_reply(lab, AF_INET6), 1);
	check_answers(lab);
	run(lab, LB, "ip route flush table 100 && ip -6 route flush table 100");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		PATH_TEST(test_every_encapsulation), PATH_TEST(test_others_packets),
		PATH_TEST(test_nothing_leaves_bare), PATH_TEST(test_local_vip),
		PATH_TEST(test_other_routes),	     PATH_TEST(test_others_rules),
		PATH_TEST(test_a_new_map),
	};

	return cmocka_run_group_tests(tests, make_lab, free_lab);
}
