/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Headers that are put into a client's frame (frame_client()), and fragments of it. The frame has no VLAN tags yet and
 * no padding; lengths, next headers and IPv4's checksum become right.
 */
#ifndef SLUICE_TEST_FRAME_PARTS_H
#define SLUICE_TEST_FRAME_PARTS_H

#include "packet/frame.h"

/* IPv4 options of that many bytes, a multiple of 4 up to 40: no-operations, and the end of the list. */
void frame_options(struct frame *frame, size_t length);

/*
 * An IPv6 extension header of `length` bytes, a multiple of 8, right behind the IPv6 header: before those that were
 * put there before. What is in it: padding, or zeros.
 */
void frame_extension(struct frame *frame, __u8 type, size_t length);

/* Of a routing header that is right behind the IPv6 header. */
void frame_routing(struct frame *frame, __u8 type, __u8 segments_left);

/*
 * The packet becomes a fragment of itself: bytes [from, to) of what follows its IP header; `to` 0: to its end. `from`
 * is a multiple of 8. IPv6: what was put in before this is in the fragment, what comes later is before it.
 */
void frame_fragment(struct frame *frame, __u32 id, size_t from, size_t to);

/* IPv6: a fragment header that says that this is the whole (RFC 6946). */
void frame_atomic(struct frame *frame, __u32 id);

/*
 * Of an ICMP error: IPv4 options in the packet that it quotes, or an IPv6 extension header right behind its IPv6
 * header. ICMP's checksum is not mended.
 */
void frame_quote_options(struct frame *frame, size_t length);
void frame_quote_extension(struct frame *frame, __u8 type, size_t length);

/* Where the TCP, UDP or ICMP header begins, behind tags, options and extension headers; its protocol in *protocol. */
size_t frame_transport(const struct frame *frame, __u8 *protocol);

#endif
