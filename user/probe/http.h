/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The parts of the http and https probe:
 *
 *   http.c          connects, then has libcurl do the exchange; judges it and tells
 *   http_request.c  the request: what libcurl is asked to do
 *   http_body.c     the reply's body
 *   http_loop.c     libcurl on the agent's loop: one handle for all probes
 */
#ifndef SLUICE_PROBE_HTTP_H
#define SLUICE_PROBE_HTTP_H

#include <curl/curl.h>
#include <event2/event_struct.h>
#include <stdbool.h>

#include "probe/http_body.h"
#include "probe/socket.h"

#define HTTP_HEADERS_MAX 65536 /* bytes, status lines included */

struct probe_http_shared {
	struct event_base *base;
	CURLM *multi;
	struct event timer;
	struct http_probe *looking; /* that gets its last look; NULL once it has ended */
};

/* First a socket that connects, then an exchange over it that belongs to libcurl. */
struct http_probe {
	struct probe_socket socket; /* without descriptor in the exchange; its timer goes on */
	int fd;			    /* connected; -1 before */
	bool taken;		    /* by libcurl, which closes it */
	CURL *easy;		    /* NULL before the exchange */
	struct curl_slist *headers, *connect_to;
	char error[CURL_ERROR_SIZE];
	size_t header_bytes;
	long status;   /* 0: not known yet */
	bool enough;   /* what is known suffices: libcurl was told to stop */
	bool overlong; /* more than HTTP_HEADERS_MAX */
	struct http_body body;
};

/* Makes run->easy and what it needs. The reply comes to these two, as CURLOPT_HEADERFUNCTION and _WRITEFUNCTION. */
void http_request_make(struct http_probe *run, curl_write_callback header, curl_write_callback write);
void http_request_free(struct http_probe *run);

/* The exchange has ended: frees the run and tells. */
void http_finished(struct http_probe *run, CURLcode result);

/* Begins and ends the exchange; http_finished() is called on a later turn, unless it was ended before. */
void http_loop_add(struct probe_http_shared *shared, struct http_probe *run);
void http_loop_remove(struct probe_http_shared *shared, struct http_probe *run);

/* Reads what has come for it and the loop has not seen yet. True: so it has ended. */
bool http_loop_look(struct probe_http_shared *shared, struct http_probe *run);

#endif
