/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Clients' frames of the benchmark of paths, changed from plain ones. */
#ifndef SLUICE_BENCH_PATHS_FRAME_H
#define SLUICE_BENCH_PATHS_FRAME_H

#include <netinet/in.h>
#include <string.h>

#include "packet/frame.h"

#define FRAME_UDP_DATA	    (FRAME_TRANSPORT4 + 8)
#define FRAME_SERVER_ID	    "server-1"
#define FRAME_SERVER_LENGTH 8

/* Moves what is at `at` back and puts bytes there. */
static inline void frame_insert(struct frame *frame, size_t at, const void *bytes, size_t length)
{
	memmove(frame->data + at + length, frame->data + at, frame->length - at);
	memcpy(frame->data + at, bytes, length);
	frame->length += length;
}

static inline void frame_tagged(struct frame *frame)
{
	frame_tag(frame, 0x8100, 5);
}

static inline void frame_options4(struct frame *frame)
{
	static const __u8 router_alert[4] = {0x94, 4, 0, 0};

	frame_insert(frame, FRAME_TRANSPORT4, router_alert, sizeof(router_alert));
	frame->data[FRAME_IP] = 0x46;
	frame_put16(frame, FRAME_IP + 2, frame->length - FRAME_IP);
	frame_checksum4(frame);
}

static inline void frame_extension6(struct frame *frame, __u8 type, __u8 extension[8])
{
	extension[0] = frame->data[FRAME_IP + 6];
	frame->data[FRAME_IP + 6] = type;
	frame_insert(frame, FRAME_TRANSPORT6, extension, 8);
	frame_put16(frame, FRAME_IP + 4, frame->length - FRAME_TRANSPORT6);
}

static inline void frame_destination6(struct frame *frame)
{
	frame_extension6(frame, IPPROTO_DSTOPTS, (__u8[8]){0, 0, 1, 4}); /* PadN */
}

static inline void frame_first4(struct frame *frame)
{
	frame_put16(frame, FRAME_IP + 6, 0x2000);
	frame_checksum4(frame);
}

static inline void frame_later4(struct frame *frame)
{
	frame_put16(frame, FRAME_IP + 6, 185);
	frame_checksum4(frame);
}

static inline void frame_first6(struct frame *frame)
{
	frame_extension6(frame, IPPROTO_FRAGMENT, (__u8[8]){[3] = 1, [7] = 9});
}

static inline void frame_later6(struct frame *frame)
{
	frame_extension6(frame, IPPROTO_FRAGMENT, (__u8[8]){[2] = 5, [7] = 9});
}

static inline void frame_too_big4(struct frame *frame)
{
	frame_error(frame, 3, 4, 60);
}

static inline void frame_too_big6(struct frame *frame)
{
	frame_error(frame, 2, 0, 60);
}

/* MSS 1,460, of a SYN. */
static inline void frame_mss(struct frame *frame)
{
	frame->data[FRAME_TRANSPORT4 + 12] = 0x60;
	frame_put16(frame, FRAME_TRANSPORT4 + 20, 0x0204);
	frame_put16(frame, FRAME_TRANSPORT4 + 22, 1460);
}

/* A short header of QUIC, its ID of config 0. */
static inline void frame_quic(struct frame *frame)
{
	frame->data[FRAME_UDP_DATA] = 0x40;
	frame->data[FRAME_UDP_DATA + 1] = 0;
	memcpy(frame->data + FRAME_UDP_DATA + 2, FRAME_SERVER_ID, FRAME_SERVER_LENGTH);
}

static inline void frame_quic_unknown(struct frame *frame)
{
	frame_quic(frame);
	frame->data[FRAME_UDP_DATA + 2]++;
}

#endif
