/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Stage mss: lowers the MSS option of a client's SYN: how large the segments are that the backend sends to the
 * client. Those of the client are as large as the SYN-ACK says, which comes from the backend straight away:
 * backend_mss.h lowers that one.
 */
#ifndef SLUICE_MSS_H
#define SLUICE_MSS_H

#include <linux/tcp.h>

#include "outer.h"
#include "packet.h"
#include "tcp_options.h"

#define TCP_DATA_OFFSET 12 /* of the byte whose high half it is */
#define TCP_HEADER_MASK 63 /* no header is longer than 60 bytes */

/* As the checksum adds it: at an odd offset the two bytes stand in two words, each in the other's place. */
static __always_inline __u16 mss_word(__u16 mss, bool odd)
{
	return odd ? __builtin_bswap16(bpf_htons(mss)) : bpf_htons(mss);
}

static __always_inline void mss_lower(struct tcphdr *tcp, __u8 *option, __u16 most, bool odd)
{
	__u16 offer = option[2] << 8 | option[3];

	if (offer <= most)
		return;
	option[2] = most >> 8;
	option[3] = most;
	/* RFC 1624, equation 3 */
	tcp->check = checksum_finish((__u16)~tcp->check + (__u16)~mss_word(offer, odd) + mss_word(most, odd));
}

/* `most` in host byte order. A SYN without the option stays: it means 536 bytes, 1,220 in IPv6 (RFC 9293). */
static __noinline void mss_clamp(struct tcphdr *tcp, const void *end, __u16 most)
{
	__u8 *header = (void *)tcp;
	__u32 at = sizeof(*tcp), length, step;

	if ((void *)(tcp + 1) > end)
		return;
	length = (header[TCP_DATA_OFFSET] >> 4) * 4;
	/* an option has one byte at least; nothing behind the last place has room for a whole MSS option */
	for (int i = 0; i <= TCP_OPTIONS_MAX - TCP_OPTION_MSS_LENGTH; i++) {
		__u8 *option = header + at;

		if (at + TCP_OPTION_MSS_LENGTH > length || (void *)(option + TCP_OPTION_MSS_LENGTH) > end ||
		    option[0] == TCP_OPTION_END)
			return;
		if (option[0] == TCP_OPTION_MSS && option[1] == TCP_OPTION_MSS_LENGTH) {
			mss_lower(tcp, option, most, at & 1);
			return;
		}
		step = option[0] == TCP_OPTION_NOP ? 1 : option[1];
		if ((option[0] != TCP_OPTION_NOP && step < 2) || step > length - at)
			return;
		at += step;
		/* what is so anyway, said to the verifier: else each round has a range of its own for it */
		asm volatile("" : "+r"(at));
		at &= TCP_HEADER_MASK;
	}
}

#endif
