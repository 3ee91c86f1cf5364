/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "packet/mixed_pool.h"

#include <linux/bpf.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "packet/answer.h"

#define FIRST 3000
#define SLOTS 5

struct fixture *mixed_open(__u32 features, __u16 flags, __u16 address_flags)
{
	struct service service = {.slot_first = FIRST, .slot_count = SLOTS, .index = 1, .flags = flags};
	struct fixture *fixture = fixture_open(features);

	world_backends(fixture);
	for (__u16 i = 0; i < SLOTS; i++)
		fixture_slots(fixture, FIRST + i, 1, IPIP4 + i);
	fixture_vip(fixture, V4_IPIP4, 443, IPPROTO_TCP, &service);
	fixture_vip(fixture, V4_IPIP4, 443, IPPROTO_UDP, &service);
	fixture_vip(fixture, V6_IPIP4, 443, IPPROTO_TCP, &service);
	fixture_vip(fixture, V6_IPIP4, 443, IPPROTO_UDP, &service);
	service.flags = address_flags;
	fixture_vip(fixture, V4_IPIP4, 0, 0, &service);
	fixture_vip(fixture, V6_IPIP4, 0, 0, &service);
	return fixture;
}

void mixed_flow(struct frame *in, unsigned int number)
{
	bool v6 = number & 1;
	char from[32];
	struct client client = {
		.from = from,
		.to = v6 ? V6_IPIP4 : V4_IPIP4,
		.from_port = 1000 + number * 7,
		.to_port = 443,
		.protocol = number & 2 ? IPPROTO_UDP : IPPROTO_TCP,
		.ip_length = v6 ? 120 : 100,
	};

	snprintf(from, sizeof(from), v6 ? "2001:db8:c::%x" : "198.51.100.%u", number % 250 + 1);
	frame_client(in, &client);
}

/* From the outer destination's last byte: the addresses end in .11, ::12, .13 and ::14, of decimal digits. */
static __u16 backend_of(const struct frame *in, const struct frame *out)
{
	if (out->length == in->length - (frame_link(in) - FRAME_IP))
		return L2;
	if (frame_get16(out, 12) == 0x86dd)
		return out->data[FRAME_IP + 39] & 0xf;
	return out->data[FRAME_IP + 19] - 10;
}

static __u16 reached(struct fixture *fixture, const struct frame *in, struct frame *out)
{
	__u16 backend;

	assert_int_equal(fixture_run(fixture, in, NULL, out), XDP_TX);
	backend = backend_of(in, out);
	assert_in_range(backend, IPIP4, L2);
	return backend;
}

/* GUE's source port is the flow's. */
static __u16 entropy_of(__u16 backend, const struct frame *out)
{
	if (backend == GUE4)
		return frame_get16(out, FRAME_TRANSPORT4);
	return backend == GUE6 ? frame_get16(out, FRAME_TRANSPORT6) : 0;
}

__u16 mixed_backend(struct fixture *fixture, const struct frame *in)
{
	struct frame out;

	return reached(fixture, in, &out);
}

void mixed_reaches(struct fixture *fixture, const struct frame *in, __u16 backend)
{
	assert_int_equal(mixed_backend(fixture, in), backend);
}

__u16 mixed_follows(struct fixture *fixture, unsigned int number, void (*change)(struct frame *frame))
{
	struct frame in, plain, changed;
	__u16 backend;

	mixed_flow(&in, number);
	backend = reached(fixture, &in, &plain);
	change(&in);
	assert_int_equal(reached(fixture, &in, &changed), backend);
	assert_int_equal(entropy_of(backend, &changed), entropy_of(backend, &plain));
	return backend;
}

void mixed_all_follow(__u32 features, __u16 flags, void (*change)(struct frame *frame))
{
	struct fixture *fixture;
	unsigned int seen[L2 + 1] = {0};

	fixture_need_root();
	fixture = mixed_open(features, flags, 0);
	for (unsigned int number = 0; number < MIXED_FLOWS; number++)
		seen[mixed_follows(fixture, number, change)]++;
	for (__u16 backend = IPIP4; backend <= L2; backend++)
		assert_in_range(seen[backend], 5, MIXED_FLOWS - 5);
	fixture_close(fixture);
}
