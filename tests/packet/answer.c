/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "packet/answer.h"

#include <netinet/in.h>
#include <string.h>

#include "packet/frame_parts.h"

#define SIZE4 576  /* of an error at most: RFC 1812, 4.3.2.3 */
#define SIZE6 1280 /* RFC 4443, 2.4 */
#define TTL   64

size_t frame_link(const struct frame *frame)
{
	size_t at = 12;

	while (frame_get16(frame, at) == 0x8100 || frame_get16(frame, at) == 0x88a8)
		at += 4;
	return at + 2;
}

void frame_untag(struct frame *frame)
{
	size_t link = frame_link(frame);

	memmove(frame->data + 12, frame->data + link - 2, frame->length - link + 2);
	frame->length -= link - FRAME_IP;
}

static void swap(__u8 *one, __u8 *other, size_t length)
{
	__u8 kept[16];

	memcpy(kept, one, length);
	memcpy(one, other, length);
	memcpy(other, kept, length);
}

static __u32 sum(const __u8 *data, size_t length, __u32 start)
{
	for (size_t i = 0; i < length; i++)
		start += i % 2 ? data[i] : data[i] << 8;
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return start;
}

static bool is_v6(const struct frame *frame)
{
	return frame->data[frame_link(frame)] >> 4 == 6;
}

/* Link header and IP header of an answer to `in`; `length`: of what follows. Returns where that begins. */
static size_t begin(struct frame *out, const struct frame *in, __u8 protocol, size_t length, __u8 tos)
{
	size_t at = frame_link(in), header = is_v6(in) ? 40 : 20;
	__u8 *ip = out->data + at;

	memcpy(out->data, in->data, at);
	swap(out->data, out->data + 6, 6);
	memset(ip, 0, header);
	if (is_v6(in)) {
		ip[0] = 0x60 | tos >> 4;
		ip[1] = tos << 4;
		frame_put16(out, at + 4, length);
		ip[6] = protocol;
		ip[7] = TTL;
		memcpy(ip + 8, in->data + at + 24, 16);
		memcpy(ip + 24, in->data + at + 8, 16);
	} else {
		ip[0] = 0x45;
		ip[1] = tos;
		frame_put16(out, at + 2, length + header);
		frame_put16(out, at + 6, 0x4000);
		ip[8] = TTL;
		ip[9] = protocol;
		memcpy(ip + 12, in->data + at + 16, 4);
		memcpy(ip + 16, in->data + at + 12, 4);
		frame_put16(out, at + 10, ~sum(ip, header, 0));
	}
	out->length = at + header + length;
	return at + header;
}

static void finish(struct frame *out, size_t at, size_t checksum, __u8 protocol)
{
	size_t ip = frame_link(out), length = out->length - at;
	__u32 start = 0;

	if (protocol == IPPROTO_TCP || protocol == IPPROTO_ICMPV6)
		start = is_v6(out) ? sum(out->data + ip + 8, 32, length + protocol)
				   : sum(out->data + ip + 12, 8, length + protocol);
	frame_put16(out, at + checksum, 0);
	frame_put16(out, at + checksum, ~sum(out->data + at, length, start));
}

/* Of an ICMP message with its pseudo-header: 0xffff where the checksum in it is right. */
static __u32 sum_icmp(const struct frame *frame, size_t at, size_t length)
{
	size_t ip = frame_link(frame);
	__u32 start = is_v6(frame) ? sum(frame->data + ip + 8, 32, length + IPPROTO_ICMPV6) : 0;

	return sum(frame->data + at, length, start);
}

/* A checksum that is wrong stays as wrong as it is: by the same difference. */
void answer_echo(struct frame *out, const struct frame *in)
{
	size_t ip = frame_link(in), header = is_v6(in) ? 40 : 20;
	size_t length = is_v6(in) ? frame_get16(in, ip + 4) : frame_get16(in, ip + 2) - header;
	__u8 tos = is_v6(in) ? (frame_get16(in, ip) >> 4 & 0xff) : in->data[ip + 1];
	size_t at = begin(out, in, is_v6(in) ? IPPROTO_ICMPV6 : IPPROTO_ICMP, length, tos);
	__u32 total;

	memcpy(out->data + at, in->data + ip + header, in->length - ip - header);
	out->data[at] = is_v6(in) ? 129 : 0;
	frame_put16(out, at + 2, 0);
	total = sum_icmp(in, ip + header, length) + (__u16)~sum_icmp(out, at, length);
	frame_put16(out, at + 2, (total & 0xffff) + (total >> 16));
	out->length = in->length; /* with what padding it had */
}

static void answer_error(struct frame *out, const struct frame *in, __u8 type, __u8 code, __u32 rest)
{
	size_t ip = frame_link(in);
	size_t whole = is_v6(in) ? frame_get16(in, ip + 4) + 40U : frame_get16(in, ip + 2);
	size_t most = is_v6(in) ? SIZE6 - 48 : SIZE4 - 28, quote = whole < most ? whole : most;
	__u8 protocol = is_v6(in) ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	size_t at = begin(out, in, protocol, 8 + quote, 0);

	out->data[at] = type;
	out->data[at + 1] = code;
	frame_put16(out, at + 4, rest >> 16);
	frame_put16(out, at + 6, rest & 0xffff);
	memcpy(out->data + at + 8, in->data + ip, quote);
	finish(out, at, 2, protocol);
}

void answer_too_big(struct frame *out, const struct frame *in, __u32 mtu)
{
	if (is_v6(in))
		answer_error(out, in, 2, 0, mtu);
	else
		answer_error(out, in, 3, 4, mtu);
}

static void answer_reset(struct frame *out, const struct frame *in)
{
	__u8 protocol;
	size_t ip = frame_link(in), tcp = frame_transport(in, &protocol);
	size_t length = (is_v6(in) ? frame_get16(in, ip + 4) + 40U : frame_get16(in, ip + 2)) - (tcp - ip);
	__u32 sequence = (__u32)frame_get16(in, tcp + 4) << 16 | frame_get16(in, tcp + 6);
	__u8 flags = in->data[tcp + 13];
	size_t at = begin(out, in, IPPROTO_TCP, 20, 0);

	memset(out->data + at, 0, 20);
	memcpy(out->data + at, in->data + tcp + 2, 2);
	memcpy(out->data + at + 2, in->data + tcp, 2);
	out->data[at + 12] = 0x50;
	out->data[at + 13] = 0x04;
	if (flags & 0x10) {
		memcpy(out->data + at + 4, in->data + tcp + 8, 4);
	} else {
		sequence += length - (in->data[tcp + 12] >> 4) * 4U + !!(flags & 0x02) + !!(flags & 0x01);
		frame_put16(out, at + 8, sequence >> 16);
		frame_put16(out, at + 10, sequence & 0xffff);
		out->data[at + 13] |= 0x10;
	}
	finish(out, at, 16, IPPROTO_TCP);
}

void answer_reject(struct frame *out, const struct frame *in)
{
	__u8 protocol;

	frame_transport(in, &protocol);
	if (protocol == IPPROTO_TCP)
		answer_reset(out, in);
	else
		answer_error(out, in, is_v6(in) ? 1 : 3, is_v6(in) ? 4 : 3, 0);
}
