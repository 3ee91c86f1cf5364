/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the balancer of probe_path_lab.h puts on the wire, checked byte by byte. */
#ifndef SLUICE_TEST_PROBE_PATH_FRAME_H
#define SLUICE_TEST_PROBE_PATH_FRAME_H

#include "unit/probe_path_lab.h"

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#define CLASS 0xb8 /* of some packets: DSCP EF */

static const struct {
	enum forward forward;
	int outer;
} modes[] = {
	{FORWARD_IPIP, AF_INET}, {FORWARD_IPIP, AF_INET6}, {FORWARD_GUE, AF_INET},
	{FORWARD_GUE, AF_INET6}, {FORWARD_L2, AF_INET},
};

/* The ones' complement sum of words in network byte order. */
static inline __u32 add_words(const void *bytes, size_t length, __u32 sum)
{
	const __u8 *at = bytes;

	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? at[i] : (__u32)at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* TOS or traffic class */
static inline __u8 class_of(const __u8 *packet)
{
	return packet[0] >> 4 == 4 ? packet[1] : (__u8)(packet[0] << 4 | packet[1] >> 4);
}

/* A packet of ours to the VIP, whole and with right checksums. */
static inline void check_inner(const __u8 *packet, size_t length, int family)
{
	struct address from = place_address(LB, family), to = vip(family);
	const __u8 *addresses = packet + (family == AF_INET ? 12 : 8);
	size_t header = family == AF_INET ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	size_t size = address_bits(&from) / 8;
	__u8 protocol = packet[family == AF_INET ? 9 : 6];
	__u16 told = ntohs(*(const __be16 *)(packet + (family == AF_INET ? 2 : 4)));

	assert_int_equal(packet[0] >> 4, family == AF_INET ? 4 : 6);
	assert_int_equal(told + (family == AF_INET ? 0 : header), length);
	assert_memory_equal(addresses, from.word, size);
	assert_memory_equal(addresses + size, to.word, size);
	if (family == AF_INET)
		assert_int_equal(add_words(packet, header, 0), 0xffff);
	if (protocol == IPPROTO_ICMP)
		assert_int_equal(add_words(packet + header, length - header, 0), 0xffff);
	else
		assert_int_equal(add_words(packet + header, length - header,
					   add_words(addresses, 2 * size, protocol + (__u32)(length - header))),
				 0xffff);
}

/* The outer headers; returns their length. */
static inline size_t check_outer(const __u8 *packet, size_t length, enum place place, size_t mode, int inner)
{
	int outer = modes[mode].outer;
	struct address from = place_address(LB, outer), to = place_address(place, outer);
	size_t header = outer == AF_INET ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	const struct udphdr *udp = (const void *)(packet + header);
	__u16 told = ntohs(*(const __be16 *)(packet + (outer == AF_INET ? 2 : 4)));
	__u8 protocol = packet[outer == AF_INET ? 9 : 6];
	size_t size = address_bits(&from) / 8;

	assert_in_range(length, header, 1500);
	assert_int_equal(packet[0] & (outer == AF_INET ? 0xff : 0xf0), outer == AF_INET ? 0x45 : 0x60);
	assert_int_equal(told + (outer == AF_INET ? 0 : header), length);
	assert_memory_equal(packet + header - 2 * size, from.word, size);
	assert_memory_equal(packet + header - size, to.word, size);
	if (outer == AF_INET)
		assert_int_equal(add_words(packet, header, 0), 0xffff);
	if (modes[mode].forward == FORWARD_IPIP) {
		assert_int_equal(protocol, inner == AF_INET ? IPPROTO_IPIP : IPPROTO_IPV6);
		return header;
	}
	assert_int_equal(protocol, IPPROTO_UDP);
	assert_int_equal(ntohs(udp->dest), GUE_PORT);
	assert_in_range(ntohs(udp->source), 0xc000, 0xffff);
	assert_int_equal(ntohs(udp->len), length - header);
	assert_int_equal(udp->check, 0);
	return header + sizeof(*udp);
}

/* Whether the balancer sent this frame, and it is no neighbour discovery or the like. */
static inline bool is_data(const __u8 *frame, size_t length)
{
	static const __u8 from[ETH_ALEN] = {2, 0, 0, 0, 0, 1};
	const __be16 *type = (const void *)(frame + 2 * ETH_ALEN);

	if (length < ETH_HLEN + sizeof(struct iphdr) || memcmp(frame + ETH_ALEN, from, sizeof(from)))
		return false;
	if (*type == htons(ETH_P_IP))
		return true;
	/* extension headers are multicast listener reports */
	return *type == htons(ETH_P_IPV6) && frame[ETH_HLEN + 6] != IPPROTO_HOPOPTS &&
	       !(frame[ETH_HLEN + 6] == IPPROTO_ICMPV6 && frame[ETH_HLEN + 40] >= 130);
}

/* The balancer's next data frame; 0 if there is no more. */
static inline size_t next_frame(int tap, __u8 frame[static 65536])
{
	ssize_t length;

	do
		length = recv(tap, frame, 65536, 0);
	while (length >= 0 && !is_data(frame, (size_t)length));
	if (length < 0)
		assert_int_equal(errno, EAGAIN);
	return length < 0 ? 0 : (size_t)length;
}

/* All frames that the balancer sent are whole, and encapsulated for this backend. */
static inline void check_frames(int tap, enum place place, size_t mode, int inner)
{
	static __u8 frame[65536];
	const __u8 to[ETH_ALEN] = {2, 0, 0, 0, 0, (__u8)host_number[place]};
	size_t length, count = 0;
	__u8 classes = 0;

	for (; (length = next_frame(tap, frame)); count++) {
		const __be16 *type = (const void *)(frame + 2 * ETH_ALEN);
		bool l2 = modes[mode].forward == FORWARD_L2;
		size_t at = ETH_HLEN;

		assert_memory_equal(frame, to, sizeof(to));
		assert_int_equal(ntohs(*type), (l2 ? inner : modes[mode].outer) == AF_INET ? ETH_P_IP : ETH_P_IPV6);
		if (!l2)
			at += check_outer(frame + at, length - at, place, mode, inner);
		assert_int_equal(class_of(frame + ETH_HLEN), class_of(frame + at));
		classes |= class_of(frame + at);
		check_inner(frame + at, length - at, inner);
	}
	assert_int_equal(classes, CLASS);
	/* a handshake, some segments, a datagram, a ping */
	assert_in_range(count, 2 + PAYLOAD / 1500 + 2, 1000);
}

#endif
