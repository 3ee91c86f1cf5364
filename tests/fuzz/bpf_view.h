/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a frame is, read from the RFCs and without any code of the program under test, which would repeat its mistakes.
 */
#ifndef SLUICE_FUZZ_BPF_VIEW_H
#define SLUICE_FUZZ_BPF_VIEW_H

#include <linux/types.h>
#include <stdbool.h>

#define VIEW_TAGS 2 /* VLAN tags that are read, at most */

#define VIEW_ECHO4	 8
#define VIEW_ECHO4_REPLY 0
#define VIEW_ECHO6	 128
#define VIEW_ECHO6_REPLY 129

/* Offsets are from the frame's start. */
struct view {
	__u32 tags, vlan; /* the innermost tag's, 0: none */
	__u32 ip;
	__u32 ip_length; /* as the header says */
	__u32 header;	 /* bytes of the IP header, without extensions; of IPv4 with options */
	__u32 transport; /* behind all of the headers; it may lie behind the frame's end */
	bool v6;
	__u8 protocol;
	bool first, later; /* fragments; neither: whole */
	bool whole;	   /* the IP header is there, and the frame has as much as its length says */
};

/* False: not even the start of an IP header behind the frame's own, and its tags. */
bool view_read(struct view *view, const __u8 *frame, __u32 length);

/* Likewise of an IP header at an offset, of the family that `v6` tells. */
bool view_read_ip(struct view *view, const __u8 *frame, __u32 length, __u32 offset, bool v6);

__u16 view_get16(const __u8 *at);
__u32 view_get32(const __u8 *at);
void view_put16(__u8 *at, __u16 value);
void view_put32(__u8 *at, __u32 value);

/* Length of an address, and where the source is in its header; the destination follows. */
__u32 view_address_length(bool v6);
__u32 view_source(const struct view *view);

/* RFC 1071: the ones' complement sum of `length` bytes, in big-endian words, added to `sum`, in 16 bits. */
__u32 view_sum(const __u8 *at, __u32 length, __u32 sum);

/* The transport's sum over `length` bytes with its pseudo header: 0xffff where the checksum is right. */
__u32 view_transport_sum(const struct view *view, const __u8 *frame, __u32 length);

/* Where the checksum of TCP, UDP or ICMP is in its header; 0: of none of these. */
__u32 view_checksum_at(const struct view *view);

#endif
