/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "probe/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/memory.h"

const char *probe_error_words(int error, char text[static 64])
{
	switch (error) {
	case ECONNREFUSED:
		return "connection refused";
	case ECONNRESET:
	case EPIPE:
		return "connection reset";
	case EHOSTUNREACH:
		return "host unreachable";
	case ENETUNREACH:
		return "network unreachable";
	case EMFILE:
		return "this process has no file descriptor left";
	case ENFILE:
		return "this host has no file descriptor left";
	case ENOMEM:
	case ENOBUFS:
		return "this host's kernel has no memory for it";
	case EADDRNOTAVAIL:
		return "this host has no free port or no such source address";
	case EPERM:
	case EACCES:
		return "not permitted on this host (a packet filter, or a missing capability)";
	default:
		return strerror_r(error, text, 64);
	}
}

/* At once: given by a call itself, rather than by what came back from the network. */
static enum finding error_finding(int error, bool at_once)
{
	switch (error) {
	case ECONNREFUSED:
	case ECONNRESET:
	case EPIPE:
		return FINDING_FAILED;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
	case EADDRNOTAVAIL:
		return FINDING_TROUBLE;
	default:
		return at_once ? FINDING_TROUBLE : FINDING_FAILED;
	}
}

char *probe_bytes_format(const void *data, size_t length, char text[static PROBE_BYTES_TEXT])
{
	const unsigned char *bytes = data;
	char *to = text;

	*to++ = '"';
	for (size_t i = 0; i < length && i < PROBE_BYTES_SHOWN; i++) {
		if (bytes[i] == '\r' || bytes[i] == '\n')
			to += sprintf(to, bytes[i] == '\r' ? "\\r" : "\\n");
		else if (bytes[i] == '"' || bytes[i] == '\\')
			to += sprintf(to, "\\%c", bytes[i]);
		else if (bytes[i] < ' ' || bytes[i] > '~')
			to += sprintf(to, "\\x%02x", bytes[i]);
		else
			*to++ = (char)bytes[i];
	}
	strcpy(to, length > PROBE_BYTES_SHOWN ? "\"..." : "\"");
	return text;
}

static int bind_source(int fd, const struct probe_job *job, int kind)
{
	struct sockaddr_storage name;
	socklen_t length = address_to_socket(&job->source, 0, &name);
	int one = 1;

	/* else a port would be taken for all peers at once, and 28,000 of them would be all */
	if (kind != SOCK_RAW)
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	return bind(fd, (struct sockaddr *)&name, length) ? errno : 0;
}

/* Datagrams: ICMP's "host unreachable" is told, too. */
static int want_errors(int fd, __u32 family)
{
	int one = 1;

	if (family == AF_INET6)
		return setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof(one)) ? errno : 0;
	return setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof(one)) ? errno : 0;
}

/* 0 or a positive errno. */
static int open_socket(struct probe_socket *socket_, int kind, int protocol)
{
	const struct probe_job *job = socket_->job;
	struct sockaddr_storage peer;
	socklen_t length = address_to_socket(&job->address, kind == SOCK_RAW ? 0 : job->port, &peer);
	int fd = socket((int)job->address.family, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol), error = 0;

	if (fd < 0)
		return errno;
	socket_->fd = fd;
	if (job->mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &job->mark, sizeof(job->mark)))
		return errno;
	if (job->source.family)
		error = bind_source(fd, job, kind);
	if (!error && kind != SOCK_STREAM)
		error = want_errors(fd, job->address.family);
	if (!error && connect(fd, (struct sockaddr *)&peer, length) && errno != EINPROGRESS)
		error = errno;
	return error;
}

static void io_event(evutil_socket_t fd, short what, void *argument)
{
	struct probe_socket *socket = argument;

	(void)fd;
	(void)what;
	socket->type->ready(socket);
}

static bool is_ready(const struct probe_socket *socket)
{
	struct pollfd state = {.fd = socket->fd, .events = socket->wanted == EV_READ ? POLLIN : POLLOUT};

	return poll(&state, 1, 0) > 0;
}

/* An answer may be there that the loop has not come to: it shows only so many ready sockets in a turn. */
static void timer_event(evutil_socket_t fd, short what, void *argument)
{
	struct probe_socket *socket = argument;

	(void)fd;
	(void)what;
	if (is_ready(socket) && socket->type->ready(socket))
		return;
	socket->type->silent(socket);
}

static void close_socket(struct probe_socket *socket)
{
	const struct linger reset = {.l_onoff = 1};

	if (socket->wanted)
		event_del(&socket->io);
	event_del(&socket->timer);
	if (socket->established)
		setsockopt(socket->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(socket->fd);
	free(socket->buffer);
	free(socket);
}

void *probe_socket_new(size_t size, const struct probe_socket_type *type, const struct probe_job *job, int kind,
		       int protocol, enum finding *finding, char text[HEALTH_TEXT])
{
	struct probe_socket *socket = memory_new(1, size);
	int error;

	socket->type = type;
	socket->job = job;
	socket->fd = -1;
	event_assign(&socket->timer, job->base, -1, 0, timer_event, socket);
	error = open_socket(socket, kind, protocol);
	if (error)
		return probe_socket_refuse(socket, error, finding, text);
	probe_timer_add(job->base, &socket->timer, job->probe->timeout_ms);
	return socket;
}

static void put_error(const struct probe_socket *socket, int error, const char *did, char text[HEALTH_TEXT])
{
	char target[PROBE_TARGET], elapsed[PROBE_ELAPSED], words[64];

	snprintf(text, HEALTH_TEXT, "%s %s: %s%s after %s", socket->type->action, probe_target(socket->job, target),
		 did, probe_error_words(error, words), probe_elapsed(socket->job, elapsed));
}

void *probe_socket_refuse(struct probe_socket *socket, int error, enum finding *finding, char text[HEALTH_TEXT])
{
	*finding = error_finding(error, true);
	put_error(socket, error, "", text);
	close_socket(socket);
	return NULL;
}

void probe_socket_wait(struct probe_socket *socket, short events)
{
	if (socket->wanted == events)
		return;
	if (socket->wanted)
		event_del(&socket->io);
	socket->wanted = events;
	event_assign(&socket->io, socket->job->base, socket->fd, (short)(events | EV_PERSIST), io_event, socket);
	event_add(&socket->io, NULL);
}

/*
 * Where nobody listens on one of this host's own ports, a connection's own port may by chance be that one: then
 * its SYN is taken for a peer's, and it is connected to itself.
 */
static bool is_own_peer(int fd)
{
	struct sockaddr_storage own = {0}, peer = {0};
	socklen_t own_length = sizeof(own), peer_length = sizeof(peer);

	return !getsockname(fd, (struct sockaddr *)&own, &own_length) &&
	       !getpeername(fd, (struct sockaddr *)&peer, &peer_length) && !memcmp(&own, &peer, sizeof(own));
}

int probe_socket_connected(struct probe_socket *socket)
{
	int error;
	socklen_t length = sizeof(error);

	if (getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &error, &length))
		return errno;
	socket->established = !error;
	return !error && is_own_peer(socket->fd) ? ECONNREFUSED : error;
}

int probe_socket_send_once(struct probe_socket *socket, const void *data, size_t length)
{
	if (send(socket->fd, data, length, MSG_NOSIGNAL) >= 0)
		return 0;
	/* so the kernel calls what a TC program drops: ours does that while there is no header for the backend */
	socket->lost = errno == ENOBUFS && socket->job->mark;
	return socket->lost ? 0 : errno;
}

int probe_socket_send(struct probe_socket *socket, const void *data, size_t length, size_t *sent)
{
	while (*sent < length) {
		ssize_t n = send(socket->fd, (const char *)data + *sent, length - *sent, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN ? 0 : errno;
		*sent += (size_t)n;
	}
	return 0;
}

/* The run is gone before `done` hears of it: nothing that is done there can meet it. */
static bool tell(struct probe_socket *socket, enum finding finding, const char *text)
{
	const struct probe_job *job = socket->job;

	close_socket(socket);
	job->done(job->argument, finding, text);
	return true;
}

bool probe_socket_end(struct probe_socket *socket, enum finding finding, const char *format, ...)
{
	char target[PROBE_TARGET], elapsed[PROBE_ELAPSED], text[HEALTH_TEXT];
	size_t length, room = sizeof(text) - sizeof(elapsed) - sizeof(" after ");
	va_list arguments;

	snprintf(text, room, "%s %s: ", socket->type->action, probe_target(socket->job, target));
	length = strlen(text);
	va_start(arguments, format);
	vsnprintf(text + length, room - length, format, arguments);
	va_end(arguments);
	length = strlen(text);
	snprintf(text + length, sizeof(text) - length, " after %s", probe_elapsed(socket->job, elapsed));
	return tell(socket, finding, text);
}

bool probe_socket_fail(struct probe_socket *socket, int error, const char *did)
{
	char text[HEALTH_TEXT];

	put_error(socket, error, did, text);
	return tell(socket, error_finding(error, false), text);
}

bool probe_socket_timeout(struct probe_socket *socket, const char *what)
{
	char text[HEALTH_TEXT];
	enum finding finding = probe_timed_out(socket->job, socket->type->action, what, text);

	return tell(socket, finding, text);
}

void probe_socket_cancel(void *run)
{
	close_socket(run);
}
