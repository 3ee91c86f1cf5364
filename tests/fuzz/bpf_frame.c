/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "fuzz/bpf_frame.h"

#include <netinet/in.h>
#include <string.h>

#include "fuzz/bpf_frame_parts.h"
#include "fuzz/bpf_view.h"

#define LONGEST_QUOTE 600

__u64 dice_next(struct dice *dice)
{
	__u64 z = dice->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

__u32 dice_below(struct dice *dice, __u32 limit)
{
	return (dice_next(dice) >> 32) * limit >> 32;
}

/* Of the IP packet at an offset, which ends with the frame. */
static void mend_ip(struct fuzz_frame *frame, __u32 offset, bool v6)
{
	__u32 behind, at;
	struct view view;
	__u8 *ip = frame->data + offset;

	if (!view_read_ip(&view, frame->data, frame->length, offset, v6))
		return;
	view_put16(ip + (v6 ? 4 : 2), frame->length - offset - (v6 ? 40 : 0));
	at = view_checksum_at(&view);
	behind = frame->length - view.transport;
	if (view.transport < frame->length && at && !view.later && behind >= at + 2) {
		__u8 *transport = frame->data + view.transport;

		if (view.protocol == IPPROTO_UDP)
			view_put16(transport + 4, behind);
		view_put16(transport + at, 0);
		view_put16(transport + at, ~view_transport_sum(&view, frame->data, behind));
	}
	if (v6 || view.header < 20 || offset + view.header > frame->length)
		return;
	view_put16(ip + 10, 0);
	view_put16(ip + 10, ~view_sum(ip, view.header, 0));
}

void frame_mend(struct fuzz_frame *frame)
{
	struct view view;

	if (view_read(&view, frame->data, frame->length))
		mend_ip(frame, view.ip, view.v6);
}

static void put_link(struct fuzz_frame *frame, struct dice *dice, bool v6)
{
	static const __u8 macs[] = {0x02, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, 0xc1};
	static const __u16 types[] = {0x8100, 0x8100, 0x88a8, 0x9100};
	static const __u16 vlans[] = {100, 100, 0, 0x2064, 300, 4095};

	frame->length = 0;
	part_bytes(frame, macs, sizeof(macs));
	if (!dice_below(dice, 20))
		frame->data[0] |= 1;
	for (__u32 tags = dice_below(dice, 6) ? 0 : 1 + dice_below(dice, 5) / 2; tags; tags--) {
		part_16(frame, types[dice_below(dice, 4)]);
		part_16(frame, vlans[dice_below(dice, 6)]);
	}
	part_16(frame, v6 ? 0x86dd : 0x0800);
}

/* A whole IP packet at the frame's end. */
static void put_packet(struct fuzz_frame *frame, struct dice *dice, const struct part_flow *flow)
{
	__u32 start = frame->length;

	part_ip(frame, dice, flow);
	part_transport(frame, dice, flow);
	mend_ip(frame, start, flow->v6);
}

/* An ICMP error about a packet that the VIP sent. */
static void put_error(struct fuzz_frame *frame, struct dice *dice, const struct part_flow *flow)
{
	static const __u8 protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDP, IPPROTO_TCP, IPPROTO_GRE};
	struct part_flow error = *flow, quoted = *flow;
	__u32 start = frame->length, quote;

	error.protocol = flow->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	part_ip(frame, dice, &error);
	part_error_header(frame, dice, flow->v6);
	quoted.protocol = protocols[dice_below(dice, sizeof(protocols))];
	quoted.back = true;
	quote = frame->length;
	put_packet(frame, dice, &quoted);
	if (dice_below(dice, 2))
		quote += 28 + dice_below(dice, 100);
	else
		quote += LONGEST_QUOTE;
	if (frame->length > quote)
		frame->length = quote;
	mend_ip(frame, start, flow->v6);
}

void frame_make(struct fuzz_frame *out, struct dice *dice)
{
	struct part_flow flow;

	part_flow(&flow, dice);
	put_link(out, dice, flow.v6);
	if (dice_below(dice, 6))
		put_packet(out, dice, &flow);
	else
		put_error(out, dice, &flow);
	if (!dice_below(dice, 5))
		part_filling(out, dice, dice_below(dice, 40));
}

/* Another fragment of the same datagram. */
static void next_fragment(struct fuzz_frame *frame, const struct view *view, struct dice *dice)
{
	const __u16 offset = dice_below(dice, 2) ? dice_below(dice, 4) : dice_below(dice, 0x2000);
	__u8 *ip = frame->data + view->ip;

	if (!view->v6)
		view_put16(ip + 6, (dice_below(dice, 2) ? 0x2000 : 0) | offset);
	else if (ip[6] == IPPROTO_FRAGMENT && view->ip + 48 <= frame->length)
		view_put16(ip + 42, offset << 3 | dice_below(dice, 2));
}

/* Another segment of the same connection. */
static void next_segment(struct fuzz_frame *frame, const struct view *view, struct dice *dice)
{
	static const __u8 flags[] = {0x02, 0x10, 0x18, 0x11, 0x04, 0x14, 0x12, 0x00, 0xff};
	__u8 *tcp = frame->data + view->transport;

	if (view->protocol != IPPROTO_TCP || view->later || view->transport + 20 > frame->length)
		return;
	tcp[13] = flags[dice_below(dice, sizeof(flags))];
	view_put32(tcp + 4, dice_below(dice, 4) ? view_get32(tcp + 4) + 1 : (__u32)dice_next(dice));
}

void frame_follow(struct fuzz_frame *out, const struct fuzz_frame *before, struct dice *dice)
{
	struct view view;

	memcpy(out->data, before->data, before->length);
	out->length = before->length;
	if (!view_read(&view, out->data, out->length))
		return;
	next_fragment(out, &view, dice);
	next_segment(out, &view, dice);
	if (dice_below(dice, 4))
		frame_mend(out);
}

static void move_bytes(struct fuzz_frame *frame, struct dice *dice, __u32 at)
{
	__u32 count = 1 + dice_below(dice, 2) * 3 + dice_below(dice, 2) * 4;

	if (dice_below(dice, 2)) {
		if (frame->length + count > FUZZ_FRAME_MAX)
			return;
		memmove(frame->data + at + count, frame->data + at, frame->length - at);
		frame->length += count;
	} else if (at + count <= frame->length) {
		memmove(frame->data + at, frame->data + at + count, frame->length - at - count);
		frame->length -= count;
	}
}

/* A field of the IP header, or the addresses. */
static void damage_ip(struct fuzz_frame *frame, struct dice *dice)
{
	static const __u8 protocols[] = {0, 1, 4, 6, 17, 43, 44, 50, 51, 58, 59, 60, 132, 135};
	__u8 mac_or_address[16], *ip, *source;
	struct view view;
	__u32 length;

	if (!view_read(&view, frame->data, frame->length))
		return;
	ip = frame->data + view.ip;
	source = frame->data + view_source(&view);
	length = view_address_length(view.v6);
	switch (dice_below(dice, 8)) {
	case 0:
		ip[0] = (ip[0] & 0xf0) | dice_below(dice, 16);
		break;
	case 1:
		view_put16(ip + (view.v6 ? 4 : 2), dice_below(dice, 2) ? dice_next(dice) : view.ip_length - 20);
		break;
	case 2:
		ip[view.v6 ? 6 : 9] = protocols[dice_below(dice, sizeof(protocols))];
		break;
	case 3:
		next_fragment(frame, &view, dice);
		break;
	case 4: /* to itself */
		memcpy(source, source + length, length);
		break;
	case 5: /* the other way */
		memcpy(mac_or_address, source, length);
		memcpy(source, source + length, length);
		memcpy(source + length, mac_or_address, length);
		break;
	case 6:
		part_address(source + length * dice_below(dice, 2), dice, view.v6, dice_below(dice, 2));
		break;
	default:
		ip[view.v6 ? 7 : 8] = dice_below(dice, 3);
		break;
	}
}

void frame_damage(struct fuzz_frame *frame, struct dice *dice)
{
	static const __u16 types[] = {0x0800, 0x86dd, 0x8100, 0x88a8, 0x0806};
	static const __u8 bytes[] = {0, 1, 2, 4, 0x7f, 0x80, 0xfe, 0xff};
	const __u32 near = frame->length < 128 ? frame->length : 128;
	__u32 at = dice_below(dice, near);

	switch (dice_below(dice, 10)) {
	case 0:
		frame->length = 14 + dice_below(dice, frame->length - 13);
		break;
	case 1:
		part_filling(frame, dice, dice_below(dice, 64));
		break;
	case 2:
		view_put16(frame->data + 12, types[dice_below(dice, 5)]);
		break;
	case 3:
		frame->data[at] = bytes[dice_below(dice, sizeof(bytes))];
		break;
	case 4:
		frame->data[at] = dice_next(dice);
		break;
	case 5:
		move_bytes(frame, dice, at);
		break;
	case 6:
		frame->data[at] ^= 1 << dice_below(dice, 8);
		break;
	default:
		damage_ip(frame, dice);
		break;
	}
	while (frame->length < 14)
		frame->data[frame->length++] = 0;
	if (dice_below(dice, 2))
		frame_mend(frame);
}
