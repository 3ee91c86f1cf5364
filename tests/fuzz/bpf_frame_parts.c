/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "fuzz/bpf_frame_parts.h"

#include <netinet/in.h>
#include <string.h>

#include "fuzz/bpf_view.h"
#include "fuzz/bpf_world.h"

void part_bytes(struct fuzz_frame *frame, const void *bytes, __u32 count)
{
	if (count > FUZZ_FRAME_MAX - frame->length)
		count = FUZZ_FRAME_MAX - frame->length;
	memcpy(frame->data + frame->length, bytes, count);
	frame->length += count;
}

static void part_8(struct fuzz_frame *frame, __u8 value)
{
	part_bytes(frame, &value, sizeof(value));
}

void part_16(struct fuzz_frame *frame, __u16 value)
{
	__u8 bytes[2];

	view_put16(bytes, value);
	part_bytes(frame, bytes, sizeof(bytes));
}

static void part_32(struct fuzz_frame *frame, __u32 value)
{
	part_16(frame, value >> 16);
	part_16(frame, (__u16)value);
}

void part_filling(struct fuzz_frame *frame, struct dice *dice, __u32 count)
{
	__u64 value = dice_next(dice);

	for (; count >= sizeof(value); count -= sizeof(value))
		part_bytes(frame, &value, sizeof(value));
	part_bytes(frame, &value, count);
}

/* One of the numbers, any other in one of 16 times. */
static __u32 one_of(struct dice *dice, const __u32 *numbers, __u32 count)
{
	return dice_below(dice, 16) ? numbers[dice_below(dice, count)] : (__u32)dice_next(dice);
}

#define ONE_OF(dice, ...)                                                                                              \
	one_of(dice, (const __u32[]){__VA_ARGS__}, sizeof((const __u32[]){__VA_ARGS__}) / sizeof(__u32))

static __u32 vip4(struct dice *dice)
{
	if (dice_below(dice, 8))
		return 0xc0000200 + dice_below(dice, FUZZ_NUMBERS + 1);
	return ONE_OF(dice, 0xcb007141, 0xcb007177, 0xcb007180, 0xe0000001, 0xffffffff);
}

static __u32 client4(struct dice *dice)
{
	if (dice_below(dice, 16))
		return 0xc6336400 + (__u8)ONE_OF(dice, 7, 7, 8, 9, 17, 33, 40, 70, 100, 127, 200, 240);
	return ONE_OF(dice, 0x00000001, 0x7f000001, 0xe0000001, 0xffffffff, 0xc0000201, 0xa9fe0001, 0x0a000001);
}

static void put_client6(__u8 *out, struct dice *dice)
{
	static const __u8 martians[][16] = {{[15] = 1},
					    {0},
					    {[10] = 0xff, 0xff, 192, 0, 2, 1},
					    {0xff, 2, [15] = 1},
					    {0xfe, 0x80, [15] = 1},
					    {0x20, 1, 0xd, 0xb8, [15] = 1}};

	if (!dice_below(dice, 16)) {
		memcpy(out, martians[dice_below(dice, 6)], 16);
		return;
	}
	view_put16(out + 4, (__u16)ONE_OF(dice, 0xc, 0xc, 0xc, 0xd, 0xe));
	out[15] = dice_below(dice, 8);
}

void part_address(__u8 *out, struct dice *dice, bool v6, bool vip)
{
	if (!v6) {
		view_put32(out, vip ? vip4(dice) : client4(dice));
		return;
	}
	memset(out, 0, 16);
	view_put32(out, 0x20010db8);
	if (!vip) {
		put_client6(out, dice);
	} else if (dice_below(dice, 8)) {
		out[15] = dice_below(dice, FUZZ_NUMBERS + 1);
	} else {
		view_put16(out + 4, 6 + dice_below(dice, 3));
		out[15] = dice_below(dice, 4);
	}
}

void part_flow(struct part_flow *out, struct dice *dice)
{
	static const __u8 protocols[] = {IPPROTO_TCP, IPPROTO_TCP,    IPPROTO_TCP,    IPPROTO_UDP, IPPROTO_UDP,
					 IPPROTO_UDP, IPPROTO_ICMPV6, IPPROTO_ICMPV6, IPPROTO_GRE};

	out->v6 = dice_below(dice, 2);
	out->back = false;
	out->protocol = protocols[dice_below(dice, sizeof(protocols))];
	if (out->protocol == IPPROTO_ICMPV6 && !out->v6)
		out->protocol = IPPROTO_ICMP;
	part_address(out->client, dice, out->v6, false);
	part_address(out->vip, dice, out->v6, true);
	out->client_port = 40000 + dice_below(dice, 8);
	out->vip_port = dice_below(dice, 6) ? 443 : (__u16)ONE_OF(dice, 53, 80, 444, 0);
}

/* Up to 40 bytes; mostly well formed, as nobody asks for that. */
static __u32 make_options4(__u8 options[40], struct dice *dice)
{
	__u32 length = 4 * (1 + dice_below(dice, 10));

	for (__u32 i = 0; i < length; i++)
		options[i] = dice_below(dice, 3) ? 1 : dice_next(dice);
	return length;
}

static void put_ip4(struct fuzz_frame *frame, struct dice *dice, const struct part_flow *flow)
{
	__u8 options[40];
	__u32 length = dice_below(dice, 8) ? 0 : make_options4(options, dice);
	__u16 fragment = dice_below(dice, 2) ? 0x4000 : 0;

	if (!dice_below(dice, 8))
		fragment = dice_below(dice, 2) ? 0x2000 : dice_below(dice, 2) * 0x2000 + 1 + dice_below(dice, 200);
	part_8(frame, 0x40 | (5 + length / 4));
	part_8(frame, dice_next(dice));
	part_16(frame, 0);
	part_16(frame, dice_below(dice, 3));
	part_16(frame, fragment);
	part_8(frame, dice_below(dice, 4) ? 64 : dice_below(dice, 3));
	part_8(frame, flow->protocol);
	part_16(frame, 0);
	part_bytes(frame, flow->back ? flow->vip : flow->client, 4);
	part_bytes(frame, flow->back ? flow->client : flow->vip, 4);
	part_bytes(frame, options, length);
}

/* Up to nine extension headers, of which any may be a fragment's. Sets the number of the first one at `next`. */
static void put_extensions(struct fuzz_frame *frame, struct dice *dice, __u32 next, __u8 protocol)
{
	__u32 count = dice_below(dice, 4) ? 1 + dice_below(dice, 2) : 1 + dice_below(dice, 9);

	while (count--) {
		__u8 kind = ONE_OF(dice, IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_FRAGMENT,
				   IPPROTO_ROUTING);
		__u32 length = kind == IPPROTO_FRAGMENT || dice_below(dice, 4) ? 0 : dice_below(dice, 5);

		frame->data[next] = kind;
		next = frame->length;
		part_8(frame, protocol);
		part_8(frame, length);
		if (kind == IPPROTO_FRAGMENT) {
			part_16(frame, dice_below(dice, 2) ? dice_below(dice, 2) : dice_below(dice, 64));
			part_32(frame, dice_below(dice, 3));
		} else {
			part_16(frame, kind == IPPROTO_ROUTING ? dice_below(dice, 4) / 3 : 0x0104);
			part_filling(frame, dice, 4 + length * 8);
		}
	}
}

static void put_ip6(struct fuzz_frame *frame, struct dice *dice, const struct part_flow *flow)
{
	__u32 start = frame->length;

	part_32(frame, 0x60000000 | (dice_next(dice) & 0x0fffffff));
	part_16(frame, 0);
	part_8(frame, flow->protocol);
	part_8(frame, dice_below(dice, 4) ? 64 : dice_below(dice, 3));
	part_bytes(frame, flow->back ? flow->vip : flow->client, 16);
	part_bytes(frame, flow->back ? flow->client : flow->vip, 16);
	if (!dice_below(dice, 4))
		put_extensions(frame, dice, start + 6, flow->protocol);
}

void part_ip(struct fuzz_frame *frame, struct dice *dice, const struct part_flow *flow)
{
	if (flow->v6)
		put_ip6(frame, dice, flow);
	else
		put_ip4(frame, dice, flow);
}

static __u32 payload_length(struct dice *dice)
{
	switch (dice_below(dice, 16)) {
	case 0:
		return 1380 + dice_below(dice, 240); /* about the MTUs */
	case 1:
		return dice_below(dice, FUZZ_FRAME_MAX - 300);
	case 2:
		return 500 + dice_below(dice, 120);
	default:
		return dice_below(dice, 64);
	}
}

/* One option after another; a whole number of words. */
static __u32 make_tcp_options(__u8 options[40], struct dice *dice)
{
	static const __u8 known[][4] = {
		{2, 4, 0x05, 0xb4}, {2, 4, 0x02, 0x00}, {3, 3, 7}, {4, 2}, {1, 1, 1, 2}, {8, 10}, {2, 3, 1, 0}, {0}};
	__u32 length = 4 * (1 + dice_below(dice, 10)), at = 0;

	memset(options, dice_below(dice, 2), 40);
	while (at + 4 <= length) {
		const __u8 *option = known[dice_below(dice, 8)];

		memcpy(options + at, option, 4);
		at += option[0] == 1 || option[0] == 0 ? 1 : option[1];
	}
	return length;
}

static void put_tcp(struct fuzz_frame *frame, struct dice *dice)
{
	__u8 options[40];
	__u8 flags = ONE_OF(dice, 0x02, 0x02, 0x10, 0x18, 0x11, 0x04, 0x14, 0x12, 0xc2);
	__u32 length = dice_below(dice, 2) ? 0 : make_tcp_options(options, dice);

	part_32(frame, dice_below(dice, 2) ? 1000 : (__u32)dice_next(dice));
	part_32(frame, (__u32)dice_next(dice));
	part_8(frame, (5 + length / 4) << 4);
	part_8(frame, flags);
	part_16(frame, 0xffff);
	part_32(frame, 0);
	part_bytes(frame, options, length);
}

/* Both forms of header; IDs that name a server, and others. */
static void put_quic(struct fuzz_frame *frame, struct dice *dice)
{
	__u8 config = dice_below(dice, 8), id[21];
	__u32 length = 8 + dice_below(dice, 13);

	memset(id, (int)(1 + dice_below(dice, FUZZ_NUMBERS)), sizeof(id));
	id[0] = config << 5 | (length - 1);
	if (dice_below(dice, 2)) {
		part_8(frame, 0xc0 | dice_below(dice, 64));
		part_32(frame, ONE_OF(dice, 1, 0x6b3343cf, 0));
		part_8(frame, length);
	} else {
		part_8(frame, 0x40 | dice_below(dice, 64));
	}
	part_bytes(frame, id, length);
}

void part_transport(struct fuzz_frame *frame, struct dice *dice, const struct part_flow *flow)
{
	switch (flow->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		part_16(frame, flow->back ? flow->vip_port : flow->client_port);
		part_16(frame, flow->back ? flow->client_port : flow->vip_port);
		if (flow->protocol == IPPROTO_TCP) {
			put_tcp(frame, dice);
			break;
		}
		part_32(frame, 0);
		if (dice_below(dice, 3))
			put_quic(frame, dice);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		part_8(frame, dice_below(dice, 4) ? flow->v6 ? VIEW_ECHO6 : VIEW_ECHO4 : (__u32)dice_next(dice));
		part_8(frame, dice_below(dice, 8) ? 0 : (__u32)dice_next(dice));
		part_16(frame, 0);
		part_32(frame, (__u32)dice_next(dice));
		break;
	}
	part_filling(frame, dice, payload_length(dice));
}

void part_error_header(struct fuzz_frame *frame, struct dice *dice, bool v6)
{
	part_8(frame, v6 ? ONE_OF(dice, 1, 2, 3, 4) : ONE_OF(dice, 3, 11, 12));
	part_8(frame, dice_below(dice, 6));
	part_16(frame, 0);
	part_32(frame, 1400);
}
