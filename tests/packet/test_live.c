/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Which interface a packet leaves by: test runs show the verdict alone, so here
 * frames really leave, in a network namespace of the test's own.
 *
 *   frame → in0 ══ in1   (the client's side)
 *           out0 ══ out1 (the other interface)
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "packet/packet_case.h"

#define ARRIVAL_TIMEOUT_MS 5000

struct network_side {
	int socket; /* sees what arrives at the far end */
	__u32 ifindex;
};

struct veths {
	struct network_side in, out;
};

static void command(const char *text)
{
	if (system(text))
		fail_msg("%s: failed", text);
}

/* A veth gives frames from XDP to its peer only if that has a program. */
static void attach_pass(__u32 ifindex)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int program = bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", pass, ARRAY_SIZE(pass), NULL);

	assert_true(program >= 0);
	assert_int_equal(bpf_xdp_attach(ifindex, program, XDP_FLAGS_DRV_MODE, NULL), 0);
	close(program);
}

static struct network_side side_open(const char *name, const char *far_end)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct network_side side = {.ifindex = if_nametoindex(name)};

	assert_true(side.ifindex > 0);
	address.sll_ifindex = if_nametoindex(far_end);
	attach_pass(address.sll_ifindex);
	side.socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	assert_true(side.socket >= 0);
	assert_int_equal(bind(side.socket, (struct sockaddr *)&address, sizeof(address)), 0);
	return side;
}

/* The namespace ends with the process. Without IPv6 the interfaces are silent. */
static int veths_setup(void **state)
{
	static struct veths veths;

	*state = &veths;
	if (geteuid())
		return 0; /* the tests skip themselves */
	if (unshare(CLONE_NEWNET)) {
		perror("unshare");
		return -1;
	}
	command("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6");
	command("ip link add in0 type veth peer name in1");
	command("ip link add out0 type veth peer name out1");
	command("for link in lo in0 in1 out0 out1; do ip link set $link up; done");
	veths.in = side_open("in0", "in1");
	veths.out = side_open("out0", "out1");
	return 0;
}

static struct fixture *open_with(__u32 ifindex, enum forward forward)
{
	bool v6 = forward == FORWARD_GUE;
	struct target target = {
		.forward = forward,
		.address = v6 ? "2001:db8:1::12" : "10.1.0.11",
		.source = v6 ? "2001:db8:1::2" : "10.1.0.2",
		.gue_port = 6080,
		.ifindex = ifindex,
		.mtu = 1500,
	};
	struct service service = world_service(1);
	struct fixture *fixture = fixture_open(0);

	fixture_backend(fixture, 1, &target);
	fixture_slots(fixture, service.slot_first, service.slot_count, 1);
	fixture_vip(fixture, "192.0.2.1", 443, IPPROTO_TCP, &service);
	return fixture;
}

static void packet(struct frame *in)
{
	frame_client(in, &(struct client){.from = CLIENT4, .to = "192.0.2.1", .from_port = 40000, .to_port = 443});
}

/* Sends one frame through the program and out. */
static void run_live(struct fixture *fixture, const struct frame *in, __u32 ifindex)
{
	struct xdp_md ctx = {.data_end = in->length, .ingress_ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->data, .data_size_in = in->length, .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);

	if (!bpf_prog_test_run_opts(fixture_program(fixture), &options))
		return;
	if (errno == EINVAL || errno == ENOTSUP) {
		print_message("skipped: this kernel has no live frames (5.18 has)\n");
		skip();
	}
	fail_msg("live frame: %s", strerror(errno));
}

static bool receive(const struct network_side *side, struct frame *out, int timeout_ms)
{
	struct pollfd readable = {.fd = side->socket, .events = POLLIN};
	ssize_t length;

	if (poll(&readable, 1, timeout_ms) != 1)
		return false;
	length = recv(side->socket, out->data, sizeof(out->data), 0);
	assert_true(length > 0);
	out->length = length;
	return true;
}

static void leaves_by(const struct network_side *expected_side, const struct network_side *other, __u32 arrival,
		      enum forward forward)
{
	struct fixture *fixture = open_with(expected_side->ifindex, forward);
	struct frame in, test_run, out;
	bool same = arrival == expected_side->ifindex;

	packet(&in);
	assert_int_equal(fixture_run(fixture, &in, &(struct arrival){.ifindex = arrival}, &test_run),
			 same ? XDP_TX : XDP_REDIRECT);
	run_live(fixture, &in, arrival);
	if (!receive(expected_side, &out, ARRIVAL_TIMEOUT_MS))
		fail_msg("no frame left by the interface of the backend");
	frame_assert_equal(&test_run, &out); /* whose bytes the other tests check */
	assert_false(receive(other, &out, 0));
	assert_false(receive(expected_side, &out, 0));
	fixture_close(fixture);
}

static void same_interface(void **state)
{
	struct veths *veths = *state;

	fixture_need_root();
	leaves_by(&veths->in, &veths->out, veths->in.ifindex, FORWARD_IPIP);
	leaves_by(&veths->in, &veths->out, veths->in.ifindex, FORWARD_GUE);
	leaves_by(&veths->in, &veths->out, veths->in.ifindex, FORWARD_L2);
}

static void other_interface(void **state)
{
	struct veths *veths = *state;

	fixture_need_root();
	leaves_by(&veths->out, &veths->in, veths->in.ifindex, FORWARD_IPIP);
	leaves_by(&veths->out, &veths->in, veths->in.ifindex, FORWARD_GUE);
	leaves_by(&veths->out, &veths->in, veths->in.ifindex, FORWARD_L2);
}

static void back_from_the_other_interface(void **state)
{
	struct veths *veths = *state;

	fixture_need_root();
	leaves_by(&veths->in, &veths->out, veths->out.ifindex, FORWARD_IPIP);
	leaves_by(&veths->out, &veths->in, veths->out.ifindex, FORWARD_IPIP);
}

int main(void)
{
	const struct CMUnitTest live[] = {
		cmocka_unit_test(same_interface),
		cmocka_unit_test(other_interface),
		cmocka_unit_test(back_from_the_other_interface),
	};

	return cmocka_run_group_tests(live, veths_setup, NULL);
}
