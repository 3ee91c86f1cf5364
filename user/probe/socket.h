/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What probes over one socket have in common: a socket with its mark, source and
 * peer, the waiting for it, the timeout with a last look, and the end in words.
 *
 * A type has its run begin with a struct probe_socket, and says in a struct
 * probe_socket_type what it does when the socket is ready.
 */
#ifndef SLUICE_PROBE_SOCKET_H
#define SLUICE_PROBE_SOCKET_H

#include <event2/event_struct.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "probe/probe.h"

struct probe_socket;

struct probe_socket_type {
	const char *action; /* the first word of its texts: "connect" */

	/* What was waited for is there, an error included. True: the probe has ended. */
	bool (*ready)(struct probe_socket *socket);

	/* The time is over, and there was nothing more to see: has to end the probe. */
	void (*silent)(struct probe_socket *socket);
};

struct probe_socket {
	const struct probe_socket_type *type;
	const struct probe_job *job;
	int fd;
	short wanted;	  /* EV_READ or EV_WRITE */
	bool established; /* a TCP connection: it is reset in the end, or ten thousand a second would be in TIME_WAIT */
	bool lost;	  /* the datagram never left: its next hop is silent */
	void *buffer;	  /* freed with it, or NULL */
	struct event io, timer;
};

/*
 * A zeroed run of `size` bytes with a connected socket (TCP: connecting) of this kind (SOCK_*) and protocol
 * (0: the usual one) and its timeout running. NULL: as probe_type_functions.start.
 */
void *probe_socket_new(size_t size, const struct probe_socket_type *type, const struct probe_job *job, int kind,
		       int protocol, enum finding *finding, char text[HEALTH_TEXT]);

/* From start() alone, after an error (positive errno) of the first send: frees the run. Returns NULL. */
void *probe_socket_refuse(struct probe_socket *socket, int error, enum finding *finding, char text[HEALTH_TEXT]);

/* Waits for EV_READ or EV_WRITE until told otherwise. */
void probe_socket_wait(struct probe_socket *socket, short events);

/* After TCP's first EV_WRITE: 0 if it is connected now, and not to itself; or a positive errno. */
int probe_socket_connected(struct probe_socket *socket);

/* Sends what is left after *sent bytes, and adds to it. 0: as much as could be now; or a positive errno. */
int probe_socket_send(struct probe_socket *socket, const void *data, size_t length, size_t *sent);

/*
 * Sends the one datagram of a probe. 0, also if it was lost on its way to the backend; or a positive errno, for
 * probe_socket_refuse().
 */
int probe_socket_send_once(struct probe_socket *socket, const void *data, size_t length);

/*
 * Each ends the probe, frees the run and tells: "ACTION TARGET: TEXT after 0.3 ms"; what an asynchronous
 * error (positive errno) is in words, after `did` ("" or "12 bytes, then "); that nothing came.
 * They return true, for ready().
 */
bool probe_socket_end(struct probe_socket *socket, enum finding finding, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
bool probe_socket_fail(struct probe_socket *socket, int error, const char *did);
bool probe_socket_timeout(struct probe_socket *socket, const char *what);

/* probe_type_functions.cancel of all such types. */
void probe_socket_cancel(void *run);

/* What the error is in words, for `text` or from a constant. */
const char *probe_error_words(int error, char text[static 64]);

#define PROBE_BYTES_SHOWN 40 /* of a reply, at most */
#define PROBE_BYTES_TEXT  (4 * PROBE_BYTES_SHOWN + 8)

/* The first bytes, in quotes, printable: "HTTP/1.1 500\r\n"... Returns `text`. */
char *probe_bytes_format(const void *data, size_t length, char text[static PROBE_BYTES_TEXT]);

#endif
