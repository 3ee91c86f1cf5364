/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "packet/frame.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define PAYLOAD_DEFAULT 16

__u16 frame_get16(const struct frame *frame, size_t offset)
{
	return frame->data[offset] << 8 | frame->data[offset + 1];
}

void frame_put16(struct frame *frame, size_t offset, __u16 value)
{
	frame->data[offset] = value >> 8;
	frame->data[offset + 1] = value;
}

/* RFC 1071, over big-endian words; an odd last byte is the high half of a word. */
static __u32 sum_bytes(const __u8 *data, size_t length, __u32 sum)
{
	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? data[i] : data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static size_t header_length4(const struct frame *frame)
{
	return (frame->data[FRAME_IP] & 0xf) * 4;
}

void frame_checksum4(struct frame *frame)
{
	frame_put16(frame, FRAME_IP + 10, 0);
	frame_put16(frame, FRAME_IP + 10, ~sum_bytes(frame->data + FRAME_IP, header_length4(frame), 0));
}

bool frame_checksum4_ok(const struct frame *frame)
{
	return sum_bytes(frame->data + FRAME_IP, header_length4(frame), 0) == 0xffff;
}

static bool is_v6(const char *address)
{
	return strchr(address, ':');
}

static void put_address(__u8 *at, const char *text)
{
	if (inet_pton(is_v6(text) ? AF_INET6 : AF_INET, text, at) != 1)
		fail_msg("%s is no address", text);
}

/* IPv4 without options, don't-fragment, id 0. */
static void put_ipv4(struct frame *frame, const char *from, const char *to, __u8 tos, __u16 length, __u8 ttl,
		     __u8 protocol)
{
	__u8 *ip = frame->data + FRAME_IP;

	memset(ip, 0, 20);
	ip[0] = 0x45;
	ip[1] = tos;
	frame_put16(frame, FRAME_IP + 2, length);
	frame_put16(frame, FRAME_IP + 6, 0x4000);
	ip[8] = ttl;
	ip[9] = protocol;
	put_address(ip + 12, from);
	put_address(ip + 16, to);
	frame_checksum4(frame);
	frame_put16(frame, 12, 0x0800);
}

static void put_ipv6(struct frame *frame, const char *from, const char *to, __u8 class, __u16 payload, __u8 limit,
		     __u8 next)
{
	__u8 *ip = frame->data + FRAME_IP;

	memset(ip, 0, 8);
	ip[0] = 0x60 | class >> 4;
	ip[1] = class << 4;
	frame_put16(frame, FRAME_IP + 4, payload);
	ip[6] = next;
	ip[7] = limit;
	put_address(ip + 8, from);
	put_address(ip + 24, to);
	frame_put16(frame, 12, 0x86dd);
}

/* Over the pseudo-header too; `length` bytes from `transport` on. */
static void put_transport_checksum(struct frame *frame, size_t transport, size_t length, __u8 protocol, size_t at)
{
	bool v6 = transport == FRAME_TRANSPORT6;
	const __u8 *addresses = frame->data + FRAME_IP + (v6 ? 8 : 12);
	__u32 sum = 0;

	frame_put16(frame, transport + at, 0);
	if (protocol != IPPROTO_ICMP)
		sum = sum_bytes(addresses, v6 ? 32 : 8, length + protocol);
	frame_put16(frame, transport + at, ~sum_bytes(frame->data + transport, length, sum));
}

static size_t transport_header_length(__u8 protocol)
{
	return protocol == IPPROTO_TCP ? 20 : 8;
}

/* As much of the header as `length` has room for. */
static void put_transport(struct frame *frame, size_t at, size_t length, __u8 protocol, const struct client *client)
{
	bool whole = length >= transport_header_length(protocol);
	__u8 *header = frame->data + at;

	for (size_t i = 0; i < length; i++)
		header[i] = i * 7 + 1;
	if ((protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) && length >= 4) {
		frame_put16(frame, at, client->from_port);
		frame_put16(frame, at + 2, client->to_port);
	}
	if (protocol == IPPROTO_TCP && whole) {
		header[12] = 0x50;					   /* header length */
		header[13] = client->tcp_flags ? client->tcp_flags : 0x18; /* PSH, ACK */
		if (client->sequence) {
			frame_put16(frame, at + 4, client->sequence >> 16);
			frame_put16(frame, at + 6, client->sequence);
		}
		put_transport_checksum(frame, at, length, protocol, 16);
	} else if (protocol == IPPROTO_UDP && whole) {
		frame_put16(frame, at + 4, length);
		put_transport_checksum(frame, at, length, protocol, 6);
	} else if ((protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) && whole) {
		header[0] = protocol == IPPROTO_ICMP ? 8 : 128; /* echo request */
		header[1] = 0;
		put_transport_checksum(frame, at, length, protocol, 2);
	}
}

void frame_client(struct frame *out, const struct client *client)
{
	static const __u8 macs[12] = {0x02, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, 0xc1};
	__u8 protocol = client->protocol ? client->protocol : IPPROTO_TCP;
	__u8 ttl = client->ttl ? client->ttl : 57;
	bool v6 = is_v6(client->to);
	size_t at = v6 ? FRAME_TRANSPORT6 : FRAME_TRANSPORT4;
	size_t ip_length = client->ip_length;
	size_t length;

	if (!ip_length)
		ip_length = at - FRAME_IP + transport_header_length(protocol) + PAYLOAD_DEFAULT;
	length = ip_length - (at - FRAME_IP);
	out->length = FRAME_IP + ip_length + client->padding;
	assert_in_range(out->length, at, FRAME_MAX);
	memcpy(out->data, macs, sizeof(macs));
	if (v6)
		put_ipv6(out, client->from, client->to, client->tos, length, ttl, protocol);
	else
		put_ipv4(out, client->from, client->to, client->tos, ip_length, ttl, protocol);
	put_transport(out, at, length, protocol, client);
	memset(out->data + FRAME_IP + ip_length, 0xa5, client->padding);
}

/* The packet at `ip` goes the other way. Checksums are sums: they stay. */
static void turn_round(__u8 *ip, size_t addresses, size_t header)
{
	size_t length = (header - addresses) / 2;
	__u8 before[64];

	memcpy(before, ip, header + 4);
	memcpy(ip + addresses, before + addresses + length, length);
	memcpy(ip + addresses + length, before + addresses, length);
	memcpy(ip + header, before + header + 2, 2);
	memcpy(ip + header + 2, before + header, 2);
}

void frame_error(struct frame *frame, __u8 type, __u8 code, size_t behind)
{
	bool v6 = frame_get16(frame, 12) == 0x86dd;
	size_t at = v6 ? FRAME_TRANSPORT6 : FRAME_TRANSPORT4;
	size_t header = at - FRAME_IP, addresses = v6 ? 8 : 12;
	size_t length = 8 + header + behind;
	__u8 *ip = frame->data + FRAME_IP, *icmp = frame->data + at;

	assert_in_range(at + behind, at, frame->length);
	memmove(icmp + 8, ip, header + behind);
	turn_round(icmp + 8, addresses, header);
	frame->length = at + length;
	put_address(ip + addresses, v6 ? "2001:db8:f::1" : "203.0.113.1");
	ip[v6 ? 6 : 9] = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	frame_put16(frame, FRAME_IP + (v6 ? 4 : 2), v6 ? length : header + length);
	if (!v6)
		frame_checksum4(frame);
	icmp[0] = type;
	icmp[1] = code;
	frame_put16(frame, at + 4, 0);
	frame_put16(frame, at + 6, 1400); /* the MTU, of those that tell one */
	put_transport_checksum(frame, at, length, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, 2);
}

static __u8 tos_of(const struct frame *frame)
{
	if (frame_get16(frame, 12) == 0x86dd)
		return frame_get16(frame, FRAME_IP) >> 4;
	return frame->data[FRAME_IP + 1];
}

static size_t ip_length_of(const struct frame *frame)
{
	if (frame_get16(frame, 12) == 0x86dd)
		return 40 + frame_get16(frame, FRAME_IP + 4);
	return frame_get16(frame, FRAME_IP + 2);
}

/* Where the outer IP header begins, behind its tags. */
static size_t outer_begin(const struct outer *outer)
{
	return FRAME_IP + (outer->tag[0] ? 4 : 0) + (outer->tag[1] ? 4 : 0);
}

static __u32 get32(const struct frame *frame, size_t offset)
{
	return (__u32)frame_get16(frame, offset) << 16 | frame_get16(frame, offset + 2);
}

static __u32 low_bits(__u32 value, __u32 bits)
{
	return bits < 32 ? value & ((1U << bits) - 1) : value;
}

void outer_take_entropy(struct outer *outer, const struct frame *sent)
{
	size_t ip = outer_begin(outer);
	bool v6 = sent->data[ip] >> 4 == 6;

	if (!outer->to)
		return;
	if (v6)
		outer->label = get32(sent, ip) & 0xfffff;
	outer->entropy = low_bits(get32(sent, ip + (v6 ? 20 : 12)), outer->entropy_bits);
	if (!outer->udp_to)
		return;
	outer->udp_from = frame_get16(sent, ip + (v6 ? 40 : 20));
	assert_in_range(outer->udp_from, 49152, 65535);
	if (v6)
		assert_int_equal(outer->udp_from & 0x3fff, outer->label & 0x3fff);
}

static void put_entropy(struct frame *frame, const struct outer *outer)
{
	size_t last = FRAME_IP + (is_v6(outer->to) ? 20 : 12);

	if (!outer->entropy_bits)
		return;
	frame_put16(frame, last, frame_get16(frame, last) | outer->entropy >> 16);
	frame_put16(frame, last + 2, frame_get16(frame, last + 2) | (outer->entropy & 0xffff));
}

void frame_tag(struct frame *frame, __u16 tpid, __u16 tci)
{
	memmove(frame->data + 16, frame->data + 12, frame->length - 12);
	frame->length += 4;
	frame_put16(frame, 12, tpid);
	frame_put16(frame, 14, tci);
}

static void put_outer_ip(struct frame *frame, const struct frame *in, const struct outer *outer, size_t payload,
			 __u8 protocol)
{
	__u8 ttl = outer->ttl ? outer->ttl : 64;

	if (is_v6(outer->to)) {
		put_ipv6(frame, outer->from, outer->to, tos_of(in), payload, ttl, protocol);
		frame->data[FRAME_IP + 1] |= outer->label >> 16;
		frame_put16(frame, FRAME_IP + 2, outer->label & 0xffff);
		put_entropy(frame, outer);
	} else {
		put_ipv4(frame, outer->from, outer->to, tos_of(in), payload + 20, ttl, protocol);
		put_entropy(frame, outer);
		if (outer->no_df)
			frame_put16(frame, FRAME_IP + 6, 0);
		frame_checksum4(frame);
	}
}

static void put_tags(struct frame *frame, const struct outer *outer)
{
	for (int i = 1; i >= 0; i--)
		if (outer->tag[i])
			frame_tag(frame, outer->tag[i] >> 16, outer->tag[i] & 0xffff);
}

void frame_wrap(struct frame *out, const struct frame *in, const struct outer *outer)
{
	size_t udp = outer->udp_to ? 8 : 0;
	size_t gue = outer->hop_length ? 4 + outer->hop_length : 0;
	size_t push = outer->to ? (is_v6(outer->to) ? 40 : 20) + udp + gue : 0;
	size_t inner = ip_length_of(in) + gue;
	__u8 protocol = frame_get16(in, 12) == 0x86dd ? 41 : 4;
	size_t at = FRAME_IP + push - udp - gue;

	out->length = in->length + push;
	assert_in_range(out->length, FRAME_IP, FRAME_MAX);
	memcpy(out->data + FRAME_IP + push, in->data + FRAME_IP, in->length - FRAME_IP);
	memcpy(out->data, outer->to_mac, 6);
	memcpy(out->data + 6, outer->from_mac, 6);
	memcpy(out->data + 12, in->data + 12, 2);
	if (!outer->to) {
		put_tags(out, outer);
		return;
	}
	if (gue) {
		frame_put16(out, at + udp, outer->hop_length / 4 << 8 | protocol);
		frame_put16(out, at + udp + 2, 0);
		memcpy(out->data + at + udp + 4, outer->hop, outer->hop_length);
	}
	if (udp) {
		protocol = IPPROTO_UDP;
		frame_put16(out, at, outer->udp_from);
		frame_put16(out, at + 2, outer->udp_to);
		frame_put16(out, at + 4, inner + udp);
		frame_put16(out, at + 6, 0); /* no checksum: RFC 6935, RFC 6936 */
	}
	put_outer_ip(out, in, outer, inner + udp, protocol);
	put_tags(out, outer);
}

static void frame_print(const char *what, const struct frame *frame)
{
	fprintf(stderr, "%s, %zu bytes:", what, frame->length);
	for (size_t i = 0; i < frame->length && i < FRAME_MAX; i++)
		fprintf(stderr, "%s%02x", i % 16 ? " " : "\n    ", frame->data[i]);
	fputc('\n', stderr);
}

void frame_assert_equal(const struct frame *expected, const struct frame *seen)
{
	size_t i = 0;

	if (expected->length == seen->length && !memcmp(expected->data, seen->data, seen->length))
		return;
	while (i < expected->length && i < seen->length && expected->data[i] == seen->data[i])
		i++;
	frame_print("expected", expected);
	frame_print("seen", seen);
	fail_msg("frames differ from byte %zu on (%zu bytes expected, %zu seen)", i, expected->length, seen->length);
}
