/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the balancer should answer by itself, written from the RFCs. */
#ifndef SLUICE_TEST_ANSWER_H
#define SLUICE_TEST_ANSWER_H

#include "packet/frame.h"

/* The echo reply to a frame that is an echo request, without options and extension headers. */
void answer_echo(struct frame *out, const struct frame *in);

/* RST for TCP, port unreachable for UDP. */
void answer_reject(struct frame *out, const struct frame *in);

/* Fragmentation needed, or packet too big. */
void answer_too_big(struct frame *out, const struct frame *in, __u32 mtu);

/* Where the IP header begins, behind tags. */
size_t frame_link(const struct frame *frame);

/* Takes all tags off. */
void frame_untag(struct frame *frame);

#endif
