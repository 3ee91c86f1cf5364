/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "fuzz/bpf_view.h"

#include <netinet/in.h>
#include <string.h>

#define ETHERNET 14
#define MORE4	 0x2000
#define OFFSET4	 0x1fff
#define MORE6	 0x0001
#define OFFSET6	 0xfff8

__u16 view_get16(const __u8 *at)
{
	return at[0] << 8 | at[1];
}

__u32 view_get32(const __u8 *at)
{
	return (__u32)view_get16(at) << 16 | view_get16(at + 2);
}

void view_put16(__u8 *at, __u16 value)
{
	at[0] = value >> 8;
	at[1] = (__u8)value;
}

void view_put32(__u8 *at, __u32 value)
{
	view_put16(at, value >> 16);
	view_put16(at + 2, (__u16)value);
}

__u32 view_address_length(bool v6)
{
	return v6 ? 16 : 4;
}

__u32 view_source(const struct view *view)
{
	return view->ip + (view->v6 ? 8 : 12);
}

static void read4(struct view *view, const __u8 *ip)
{
	__u16 fragment = view_get16(ip + 6);

	view->header = (ip[0] & 0xf) * 4;
	view->ip_length = view_get16(ip + 2);
	view->protocol = ip[9];
	view->transport = view->ip + view->header;
	view->later = fragment & OFFSET4;
	view->first = fragment & MORE4 && !view->later;
}

static bool is_extension(__u8 protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING || protocol == IPPROTO_DSTOPTS ||
	       protocol == IPPROTO_FRAGMENT;
}

static void read6(struct view *view, const __u8 *frame, __u32 length)
{
	const __u8 *ip = frame + view->ip;
	__u16 fragment;

	view->header = 40;
	view->ip_length = 40 + view_get16(ip + 4);
	view->protocol = ip[6];
	view->transport = view->ip + view->header;
	while (is_extension(view->protocol) && !view->later && view->transport + 8 <= length) {
		const __u8 *extension = frame + view->transport;

		if (view->protocol == IPPROTO_FRAGMENT) {
			fragment = view_get16(extension + 2);
			view->later = fragment & OFFSET6;
			view->first = fragment & MORE6 && !view->later;
			view->transport += 8;
		} else {
			view->transport += (extension[1] + 1) * 8;
		}
		view->protocol = extension[0];
	}
}

bool view_read_ip(struct view *view, const __u8 *frame, __u32 length, __u32 offset, bool v6)
{
	view->ip = offset;
	view->v6 = v6;
	view->first = view->later = false;
	if (offset + (v6 ? 40 : 20) > length || frame[offset] >> 4 != (v6 ? 6 : 4))
		return false;
	if (v6)
		read6(view, frame, length);
	else
		read4(view, frame + offset);
	view->whole =
		view->header >= 20 && view->ip_length >= view->transport - offset && view->ip_length <= length - offset;
	return true;
}

bool view_read(struct view *view, const __u8 *frame, __u32 length)
{
	__u32 at = ETHERNET;
	__u16 type;

	*view = (struct view){0};
	if (length < ETHERNET)
		return false;
	type = view_get16(frame + at - 2);
	while (view->tags < VIEW_TAGS && (type == 0x8100 || type == 0x88a8) && at + 4 <= length) {
		view->vlan = view_get16(frame + at) & 0xfff;
		type = view_get16(frame + at + 2);
		view->tags++;
		at += 4;
	}
	return (type == 0x0800 || type == 0x86dd) && view_read_ip(view, frame, length, at, type == 0x86dd);
}

__u32 view_sum(const __u8 *at, __u32 length, __u32 sum)
{
	__u64 wide = sum;

	for (; length >= 4; at += 4, length -= 4)
		wide += view_get32(at);
	for (__u32 i = 0; i < length; i++)
		wide += (__u32)at[i] << (24 - 8 * i);
	while (wide >> 16)
		wide = (wide & 0xffff) + (wide >> 16);
	return (__u32)wide;
}

__u32 view_transport_sum(const struct view *view, const __u8 *frame, __u32 length)
{
	__u32 sum = 0;

	if (view->protocol != IPPROTO_ICMP)
		sum = view_sum(frame + view_source(view), 2 * view_address_length(view->v6), length + view->protocol);
	return view_sum(frame + view->transport, length, sum);
}

__u32 view_checksum_at(const struct view *view)
{
	if (view->protocol == (view->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return 2;
	if (view->protocol == IPPROTO_TCP)
		return 16;
	return view->protocol == IPPROTO_UDP ? 6 : 0;
}
