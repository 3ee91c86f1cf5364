/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * udp: sends one datagram. With something to expect, the first reply has to begin with
 * it. Without, silence until the timeout is the pass, and the failure is an ICMP
 * error: nobody listens on the port, or the host is unreachable.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "probe/socket.h"

#define DATAGRAM_MAX 65535

static bool ready(struct probe_socket *socket)
{
	const struct config_bytes *expect = &socket->job->probe->expect;
	char reply[DATAGRAM_MAX], got[PROBE_BYTES_TEXT], wanted[PROBE_BYTES_TEXT];
	ssize_t n = recv(socket->fd, reply, sizeof(reply), 0);

	if (n < 0)
		return errno != EAGAIN && probe_socket_fail(socket, errno, "");
	if (!expect->length)
		return probe_socket_end(socket, FINDING_PASSED, "a reply");
	if ((size_t)n >= expect->length && memcmp(reply, expect->data, expect->length) == 0)
		return probe_socket_end(socket, FINDING_PASSED, "reply as expected");
	return probe_socket_end(socket, FINDING_FAILED, "reply %s instead of %s",
				probe_bytes_format(reply, (size_t)n, got),
				probe_bytes_format(expect->data, expect->length, wanted));
}

static void silent(struct probe_socket *socket)
{
	if (socket->job->probe->expect.length || socket->lost)
		probe_socket_timeout(socket, socket->lost ? "its next hop did not answer" : "no reply");
	else
		probe_socket_end(socket, FINDING_PASSED, "no answer, no refusal");
}

static const struct probe_socket_type type = {.action = "udp", .ready = ready, .silent = silent};

static void *start(const struct probe_job *job, enum finding *finding, char text[HEALTH_TEXT])
{
	const struct config_bytes *datagram = &job->probe->send;
	struct probe_socket *socket = probe_socket_new(sizeof(*socket), &type, job, SOCK_DGRAM, 0, finding, text);
	int error;

	if (!socket)
		return NULL;
	/* an empty one is one, too */
	error = probe_socket_send_once(socket, datagram->data ? datagram->data : "", datagram->length);
	if (error)
		return probe_socket_refuse(socket, error, finding, text);
	probe_socket_wait(socket, EV_READ);
	return socket;
}

const struct probe_type_functions probe_udp = {.start = start, .cancel = probe_socket_cancel};
