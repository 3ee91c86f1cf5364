/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Questions to the kernel over rtnetlink: send, read the answers, return. Nothing here waits for an event. */
#ifndef SLUICE_RTNETLINK_H
#define SLUICE_RTNETLINK_H

#include <linux/netlink.h>
#include <stddef.h>

#define RTNETLINK_MESSAGE_MAX 65536 /* more than the kernel's longest message (a link with many virtual functions) */
#define RTNETLINK_REQUEST_MAX 256   /* room for one request that an rtnetlink_make_fn builds */

struct rtnetlink;

/* 0 or a negative errno. */
int rtnetlink_open(struct rtnetlink **out);

/* NULL is fine. */
void rtnetlink_close(struct rtnetlink *rtnetlink);

/* One message of a dump. */
typedef void (*rtnetlink_message_fn)(void *argument, const struct nlmsghdr *message);

/*
 * Asks for all objects of a message type (RTM_GETLINK, ...) and hands each to `each`.
 * `header` is the type's own (struct ifinfomsg, ...) and is copied; the kernel logs
 * a complaint at any other length. 0 or a negative errno; -EINTR: objects changed
 * meanwhile, and the whole is to be asked again.
 */
int rtnetlink_dump(struct rtnetlink *rtnetlink, __u16 type, const void *header, size_t header_size,
		   rtnetlink_message_fn each, void *argument);

/*
 * Builds request i in a zeroed buffer, where the header has its length and
 * NLM_F_REQUEST. It must be one that gets exactly one answer.
 */
typedef void (*rtnetlink_make_fn)(void *argument, size_t i, struct nlmsghdr *request);

/* The answer to request i: error is 0 or a negative errno; message is the object, NULL if the kernel gave none. */
typedef void (*rtnetlink_answer_fn)(void *argument, size_t i, int error, const struct nlmsghdr *message);

/*
 * Makes `count` requests, sends them many at a time, and hands on each answer. 0,
 * or a negative errno: then some requests got no answer.
 */
int rtnetlink_ask(struct rtnetlink *rtnetlink, size_t count, rtnetlink_make_fn make, rtnetlink_answer_fn answer,
		  void *argument);

#endif
