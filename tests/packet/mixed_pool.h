/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A pool whose slots have a backend each, IPIP4 to L2 of the world, so that it shows where a flow goes: what is
 * about a flow, in whatever packet, goes where its plain packets go.
 */
#ifndef SLUICE_TEST_MIXED_POOL_H
#define SLUICE_TEST_MIXED_POOL_H

#include "packet/world.h"

#define MIXED_FLOWS 200 /* all backends have some of so many */

/* `flags`: SERVICE_* of the service, whose VIPs also have entries of their own with `address_flags`. */
struct fixture *mixed_open(__u32 features, __u16 flags, __u16 address_flags);

/* The client's packet of a flow: of both families and protocols in turn, 60 bytes of payload. */
void mixed_flow(struct frame *in, unsigned int number);

/* Sends the frame, and returns the backend that it reaches. */
__u16 mixed_backend(struct fixture *fixture, const struct frame *in);

/* Sends the plain packet and what `change` makes of it. Fails unless both reach the same backend, which it returns. */
__u16 mixed_follows(struct fixture *fixture, unsigned int number, void (*change)(struct frame *frame));

/* Sends the frame. Fails unless it reaches that backend. */
void mixed_reaches(struct fixture *fixture, const struct frame *in, __u16 backend);

/* The same for MIXED_FLOWS flows. */
void mixed_all_follow(__u32 features, __u16 flags, void (*change)(struct frame *frame));

#endif
