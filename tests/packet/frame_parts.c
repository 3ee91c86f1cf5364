/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "packet/frame_parts.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "packet/answer.h"

#define IP6_HEADER    40
#define MORE	      0x2000 /* of IPv4's flags */
#define OPTION_PAD    1
#define FRAGMENT_SIZE 8

static size_t header4(const struct frame *frame, size_t ip)
{
	return (frame->data[ip] & 0xf) * 4;
}

static void put_length(struct frame *frame)
{
	if (frame_is_v6(frame)) {
		frame_put16(frame, FRAME_IP + 4, frame->length - FRAME_IP - IP6_HEADER);
	} else {
		frame_put16(frame, FRAME_IP + 2, frame->length - FRAME_IP);
		frame_checksum4(frame);
	}
}

/* Zeros. */
static void insert(struct frame *frame, size_t at, size_t length)
{
	assert_in_range(frame->length + length, at, FRAME_MAX);
	memmove(frame->data + at + length, frame->data + at, frame->length - at);
	memset(frame->data + at, 0, length);
	frame->length += length;
}

void frame_options(struct frame *frame, size_t length)
{
	assert_in_range(length, 4, 40);
	insert(frame, FRAME_IP + 20, length);
	memset(frame->data + FRAME_IP + 20, 1, length - 1); /* no-operations */
	frame->data[FRAME_IP] = 0x40 | (20 + length) / 4;
	put_length(frame);
}

void frame_extension(struct frame *frame, __u8 type, size_t length)
{
	__u8 *next = &frame->data[FRAME_IP + 6], *header = frame->data + FRAME_IP + IP6_HEADER;

	insert(frame, FRAME_IP + IP6_HEADER, length);
	header[0] = *next;
	header[1] = length / 8 - 1;
	*next = type;
	if (type == IPPROTO_HOPOPTS || type == IPPROTO_DSTOPTS) {
		size_t pad = length - 4 < 255 ? length - 4 : 255; /* PadN; behind the longest, Pad1s, which are zeros */

		header[2] = OPTION_PAD;
		header[3] = pad;
	}
	put_length(frame);
}

void frame_routing(struct frame *frame, __u8 type, __u8 segments_left)
{
	__u8 *header = frame->data + FRAME_IP + IP6_HEADER;

	assert_int_equal(frame->data[FRAME_IP + 6], IPPROTO_ROUTING);
	header[2] = type;
	header[3] = segments_left;
}

static void cut(struct frame *frame, size_t payload, size_t from, size_t to)
{
	memmove(frame->data + payload, frame->data + payload + from, to - from);
	frame->length = payload + to - from;
}

void frame_fragment(struct frame *frame, __u32 id, size_t from, size_t to)
{
	size_t payload = FRAME_IP + (frame_is_v6(frame) ? IP6_HEADER : header4(frame, FRAME_IP));
	size_t end = frame->length - payload;
	bool more = to && to < end;

	assert_int_equal(from % 8, 0);
	assert_in_range(more ? to : end, from + 1, end);
	cut(frame, payload, from, more ? to : end);
	if (frame_is_v6(frame)) {
		frame_extension(frame, IPPROTO_FRAGMENT, FRAGMENT_SIZE);
		frame->data[payload + 1] = 0; /* reserved */
		frame_put16(frame, payload + 2, from | more);
		frame_put16(frame, payload + 4, id >> 16);
		frame_put16(frame, payload + 6, id & 0xffff);
	} else {
		frame_put16(frame, FRAME_IP + 4, id);
		frame_put16(frame, FRAME_IP + 6, (more ? MORE : 0) | from / 8);
	}
	put_length(frame);
}

void frame_atomic(struct frame *frame, __u32 id)
{
	frame_fragment(frame, id, 0, 0);
}

void frame_quote_options(struct frame *frame, size_t length)
{
	insert(frame, FRAME_QUOTE4 + 20, length);
	memset(frame->data + FRAME_QUOTE4 + 20, 1, length - 1);
	frame->data[FRAME_QUOTE4] = 0x40 | (20 + length) / 4;
	frame_put16(frame, FRAME_QUOTE4 + 2, frame_get16(frame, FRAME_QUOTE4 + 2) + length);
	put_length(frame);
}

void frame_quote_extension(struct frame *frame, __u8 type, size_t length)
{
	__u8 *next = &frame->data[FRAME_QUOTE6 + 6], *header = frame->data + FRAME_QUOTE6 + IP6_HEADER;

	insert(frame, FRAME_QUOTE6 + IP6_HEADER, length);
	header[0] = *next;
	header[1] = type == IPPROTO_FRAGMENT ? 0 : length / 8 - 1;
	*next = type;
	frame_put16(frame, FRAME_QUOTE6 + 4, frame_get16(frame, FRAME_QUOTE6 + 4) + length);
	put_length(frame);
}

size_t frame_transport(const struct frame *frame, __u8 *protocol)
{
	size_t ip = frame_link(frame), at = ip + IP6_HEADER;

	if (frame->data[ip] >> 4 == 4) {
		*protocol = frame->data[ip + 9];
		return ip + header4(frame, ip);
	}
	*protocol = frame->data[ip + 6];
	while (*protocol == IPPROTO_HOPOPTS || *protocol == IPPROTO_ROUTING || *protocol == IPPROTO_DSTOPTS ||
	       *protocol == IPPROTO_FRAGMENT) {
		size_t length = *protocol == IPPROTO_FRAGMENT ? FRAGMENT_SIZE : (frame->data[at + 1] + 1UL) * 8;

		*protocol = frame->data[at];
		at += length;
	}
	return at;
}
