/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * tcp: connects; sends what is to be sent; reads until the reply begins with what is
 * expected or cannot any more. Without either, the connection is the pass.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "probe/socket.h"

struct tcp_probe {
	struct probe_socket socket;
	size_t sent, received;
	char shown[PROBE_BYTES_SHOWN + 1]; /* the reply's first bytes, and one that tells that there are more */
};

static bool mismatch(struct tcp_probe *run)
{
	const struct config_bytes *expect = &run->socket.job->probe->expect;
	size_t shown = run->received < sizeof(run->shown) ? run->received : sizeof(run->shown);
	char got[PROBE_BYTES_TEXT], wanted[PROBE_BYTES_TEXT];

	return probe_socket_end(&run->socket, FINDING_FAILED, "reply %s instead of %s",
				probe_bytes_format(run->shown, shown, got),
				probe_bytes_format(expect->data, expect->length, wanted));
}

/* Whether all of the `count` bytes that follow those received are as expected, as far as that goes. */
static bool take(struct tcp_probe *run, const char *bytes, size_t count)
{
	const struct config_bytes *expect = &run->socket.job->probe->expect;
	size_t left = expect->length - run->received;
	bool same = memcmp(expect->data + run->received, bytes, count < left ? count : left) == 0;

	if (run->received < sizeof(run->shown)) {
		size_t room = sizeof(run->shown) - run->received;

		memcpy(run->shown + run->received, bytes, count < room ? count : room);
	}
	run->received += count;
	return same;
}

/* One call a turn: the rest, if there is any, is for the next one. */
static bool receive(struct tcp_probe *run)
{
	size_t length = run->socket.job->probe->expect.length, ask = length - run->received;
	char bytes[4096], did[48];
	ssize_t n;

	/* a few more, so that a wrong reply can be shown */
	if (length < sizeof(run->shown))
		ask = sizeof(run->shown) - run->received;
	n = recv(run->socket.fd, bytes, ask < sizeof(bytes) ? ask : sizeof(bytes), 0);
	if (n < 0) {
		if (errno == EAGAIN)
			return false;
		snprintf(did, sizeof(did), "%zu bytes, then ", run->received);
		return probe_socket_fail(&run->socket, errno, did);
	}
	if (n == 0)
		return probe_socket_end(&run->socket, FINDING_FAILED, "closed after %zu bytes of reply,",
					run->received);
	if (!take(run, bytes, (size_t)n))
		return mismatch(run);
	return run->received >= length && probe_socket_end(&run->socket, FINDING_PASSED, "reply as expected");
}

static bool ready(struct probe_socket *socket)
{
	struct tcp_probe *run = (struct tcp_probe *)socket;
	const struct config_probe *probe = socket->job->probe;
	int error;

	if (socket->wanted == EV_READ)
		return receive(run);
	error = socket->established ? 0 : probe_socket_connected(socket);
	if (!error)
		error = probe_socket_send(socket, probe->send.data, probe->send.length, &run->sent);
	if (error)
		return probe_socket_fail(socket, error, "");
	if (run->sent < probe->send.length)
		return false;
	if (!probe->expect.length)
		return probe_socket_end(socket, FINDING_PASSED, run->sent ? "connected and sent" : "connected");
	probe_socket_wait(socket, EV_READ);
	return false;
}

static void silent(struct probe_socket *socket)
{
	const struct tcp_probe *run = (struct tcp_probe *)socket;
	char what[64] = "connected, but no reply";

	if (!socket->established)
		snprintf(what, sizeof(what), "no answer");
	else if (socket->wanted == EV_WRITE)
		snprintf(what, sizeof(what), "connected, but only %zu bytes taken", run->sent);
	else if (run->received)
		snprintf(what, sizeof(what), "only %zu bytes of reply", run->received);
	probe_socket_timeout(socket, what);
}

static const struct probe_socket_type type = {.action = "connect", .ready = ready, .silent = silent};

static void *start(const struct probe_job *job, enum finding *finding, char text[HEALTH_TEXT])
{
	struct tcp_probe *run = probe_socket_new(sizeof(*run), &type, job, SOCK_STREAM, 0, finding, text);

	if (run)
		probe_socket_wait(&run->socket, EV_WRITE);
	return run;
}

const struct probe_type_functions probe_tcp = {.start = start, .cancel = probe_socket_cancel};
