/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Ethernet frames for the packet tests, written byte by byte from the RFCs and
 * without any code of the program under test, which would repeat its mistakes.
 * Numbers are in host byte order, addresses are text.
 */
#ifndef SLUICE_TEST_FRAME_H
#define SLUICE_TEST_FRAME_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define FRAME_MAX	 9600
#define FRAME_IP	 14 /* offset of the IP header */
#define FRAME_TRANSPORT4 34 /* of TCP or UDP in IPv4 without options */
#define FRAME_TRANSPORT6 54 /* of TCP or UDP in IPv6 */

struct frame {
	size_t length;
	__u8 data[FRAME_MAX];
};

/* A client's packet. Where a value is given in brackets, zero stands for it. */
struct client {
	const char *from, *to; /* both of one family */
	__u16 from_port, to_port;
	__u8 protocol;	 /* [TCP] */
	__u8 tcp_flags;	 /* [PSH, ACK] */
	__u32 sequence;	 /* of TCP [any] */
	__u8 tos;	 /* or traffic class */
	__u8 ttl;	 /* [57] or hop limit */
	__u16 ip_length; /* of the IP packet, header included [transport header and 16 bytes] */
	__u16 padding;	 /* bytes behind the IP packet; they are not zero, so that a moved one shows */
};

/* What should stand before it on the way to the backend. */
struct outer {
	__u8 to_mac[6], from_mac[6];
	const char *from, *to; /* NULL: new MACs alone */
	__u16 udp_to;	       /* 0: no UDP header */
	__u16 udp_from;
	__u32 label;	    /* IPv6: flow label */
	__u8 ttl;	    /* [64] or hop limit */
	bool no_df;	    /* IPv4: it may be fragmented */
	__u32 tag[2];	    /* VLAN tags, the outermost first: TPID << 16 | TCI; 0: none */
	__u32 entropy_bits; /* so many of the source's last bits are of the flow, 32 at most */
	__u32 entropy;	    /* what they are */
	__u8 hop[20];	    /* private data of GUE's variant 0 behind UDP */
	size_t hop_length;  /* 0: there is none, and no GUE header */
};

/* TCP, UDP, ICMP and ICMPv6 get their header and checksum; other protocols a filling. */
void frame_client(struct frame *out, const struct client *client);

/*
 * Makes of a client's packet an ICMP error about the VIP's answer to it, as a router on the way to the client
 * sends it (ICMPv6 for IPv6). It quotes the answer's IP header and `behind` bytes more.
 */
void frame_error(struct frame *frame, __u8 type, __u8 code, size_t behind);

#define FRAME_QUOTE4 42 /* offset of the quoted IP header */
#define FRAME_QUOTE6 62

/*
 * Takes entropy over from a frame that was sent with such a header. It is any dynamic port (RFC 6335) and any flow
 * label, of one hash; which one is for test_hash.c to judge.
 */
void outer_take_entropy(struct outer *outer, const struct frame *sent);

/* The packet `in` (of a valid IP length) with its outer headers: all bytes from its IP header on stay as they are. */
void frame_wrap(struct frame *out, const struct frame *in, const struct outer *outer);

/* Of a frame without VLAN tags. */
static inline bool frame_is_v6(const struct frame *frame)
{
	return frame->data[FRAME_IP] >> 4 == 6;
}

__u16 frame_get16(const struct frame *frame, size_t offset);
void frame_put16(struct frame *frame, size_t offset, __u16 value);

/* Puts a VLAN tag behind the MACs. */
void frame_tag(struct frame *frame, __u16 tpid, __u16 tci);

/* Writes the IPv4 header's checksum anew, for a header that was changed on purpose. */
void frame_checksum4(struct frame *frame);

/* Whether the IPv4 header's checksum is right. */
bool frame_checksum4_ok(const struct frame *frame);

/* Fails the running test, with both frames in hexadecimal, unless they are the same. */
void frame_assert_equal(const struct frame *expected, const struct frame *seen);

#endif
