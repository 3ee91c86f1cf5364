/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "lib/rtnetlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "lib/memory.h"

/*
 * The kernel answers a whole batch before send() returns, so all its answers must
 * fit the receive buffer: at about 1 KiB each, they do even in an unprivileged one.
 */
#define BATCH	       128
#define RECEIVE_BUFFER (4 << 20)

struct rtnetlink {
	struct mnl_socket *socket;
	__u32 sequence; /* of the last request */
	char answer[RTNETLINK_MESSAGE_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	char batch[BATCH * RTNETLINK_REQUEST_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
};

int rtnetlink_open(struct rtnetlink **out)
{
	/* answers are there when send() returns: the limit only keeps the process alive should the kernel lose one */
	struct timeval limit = {.tv_sec = 2};
	int size = RECEIVE_BUFFER;
	struct rtnetlink *rtnetlink = memory_new(1, sizeof(*rtnetlink));

	rtnetlink->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!rtnetlink->socket || mnl_socket_bind(rtnetlink->socket, 0, MNL_SOCKET_AUTOPID)) {
		int error = -errno;

		rtnetlink_close(rtnetlink);
		return error;
	}
	setsockopt(mnl_socket_get_fd(rtnetlink->socket), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(mnl_socket_get_fd(rtnetlink->socket), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	*out = rtnetlink;
	return 0;
}

void rtnetlink_close(struct rtnetlink *rtnetlink)
{
	if (!rtnetlink)
		return;
	if (rtnetlink->socket)
		mnl_socket_close(rtnetlink->socket);
	free(rtnetlink);
}

static int send_all(struct rtnetlink *rtnetlink, const void *buffer, size_t length)
{
	return mnl_socket_sendto(rtnetlink->socket, buffer, length) < 0 ? -errno : 0;
}

/* Length of what was read into rtnetlink->answer, or a negative errno. */
static ssize_t receive(struct rtnetlink *rtnetlink)
{
	ssize_t length;

	do
		length = mnl_socket_recvfrom(rtnetlink->socket, rtnetlink->answer, sizeof(rtnetlink->answer));
	while (length < 0 && errno == EINTR);
	if (length < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return length;
}

/* The errno of an NLMSG_ERROR: 0 for an acknowledgement. */
static int error_of(const struct nlmsghdr *message)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);

	return mnl_nlmsg_get_payload_len(message) < sizeof(error->error) ? -EBADMSG : error->error;
}

/* Reads the messages of one datagram of a dump. 1: the dump is over; 0: more to come. */
static int read_dump(struct rtnetlink *rtnetlink, int length, bool *interrupted, rtnetlink_message_fn each,
		     void *argument)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)rtnetlink->answer;

	for (; mnl_nlmsg_ok(message, length); message = mnl_nlmsg_next(message, &length)) {
		if (message->nlmsg_seq != rtnetlink->sequence)
			continue;
		if (message->nlmsg_flags & NLM_F_DUMP_INTR)
			*interrupted = true;
		if (message->nlmsg_type == NLMSG_DONE)
			return 1;
		if (message->nlmsg_type == NLMSG_ERROR)
			return error_of(message);
		if (message->nlmsg_type >= NLMSG_MIN_TYPE)
			each(argument, message);
	}
	return 0;
}

int rtnetlink_dump(struct rtnetlink *rtnetlink, __u16 type, const void *header, size_t header_size,
		   rtnetlink_message_fn each, void *argument)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(rtnetlink->batch);
	bool interrupted = false;
	int status;

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = ++rtnetlink->sequence;
	memcpy(mnl_nlmsg_put_extra_header(request, header_size), header, header_size);
	status = send_all(rtnetlink, request, request->nlmsg_len);
	while (!status) {
		ssize_t length = receive(rtnetlink);

		status = length < 0 ? (int)length : read_dump(rtnetlink, (int)length, &interrupted, each, argument);
	}
	if (status < 0)
		return status;
	return interrupted ? -EINTR : 0;
}

/* Builds requests first to first + count - 1 one after the other; returns their length. */
static size_t make_batch(struct rtnetlink *rtnetlink, size_t first, size_t count, rtnetlink_make_fn make,
			 void *argument)
{
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		struct nlmsghdr *request;

		memset(rtnetlink->batch + used, 0, RTNETLINK_REQUEST_MAX);
		request = mnl_nlmsg_put_header(rtnetlink->batch + used);
		request->nlmsg_flags = NLM_F_REQUEST;
		make(argument, first + i, request);
		request->nlmsg_seq = ++rtnetlink->sequence;
		used += MNL_ALIGN(request->nlmsg_len);
	}
	return used;
}

/* Reads the answers to one batch, whose first request had the sequence number `base`. */
static int read_answers(struct rtnetlink *rtnetlink, __u32 base, size_t first, size_t count, rtnetlink_answer_fn answer,
			void *argument)
{
	size_t answered = 0;

	while (answered < count) {
		const struct nlmsghdr *message = (const struct nlmsghdr *)rtnetlink->answer;
		ssize_t received = receive(rtnetlink);
		int length = (int)received;

		if (received < 0)
			return length;
		for (; mnl_nlmsg_ok(message, length); message = mnl_nlmsg_next(message, &length)) {
			__u32 i = message->nlmsg_seq - base;

			if (i >= count) /* left over from a question that was given up */
				continue;
			answered++;
			if (message->nlmsg_type == NLMSG_ERROR)
				answer(argument, first + i, error_of(message), NULL);
			else
				answer(argument, first + i, 0, message);
		}
	}
	return 0;
}

int rtnetlink_ask(struct rtnetlink *rtnetlink, size_t count, rtnetlink_make_fn make, rtnetlink_answer_fn answer,
		  void *argument)
{
	for (size_t first = 0; first < count; first += BATCH) {
		size_t part = count - first < BATCH ? count - first : BATCH;
		__u32 base = rtnetlink->sequence + 1;
		size_t length = make_batch(rtnetlink, first, part, make, argument);
		int error = send_all(rtnetlink, rtnetlink->batch, length);

		if (!error)
			error = read_answers(rtnetlink, base, first, part, answer, argument);
		if (error)
			return error;
	}
	return 0;
}
