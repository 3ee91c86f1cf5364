/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The beginning of a reply's body, and whether it is as the probe wants it. */
#ifndef SLUICE_PROBE_HTTP_BODY_H
#define SLUICE_PROBE_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "model/config.h"

/* Bytes that are looked at; nobody waits for more. An expression may be slow, so it gets less. */
#define HTTP_BODY_MAX  65536
#define HTTP_REGEX_MAX 4096

struct http_body {
	char *data; /* NULL while it is empty */
	size_t length, room;
	size_t searched; /* where the text cannot begin before */
	bool found;	 /* the text */
};

/* Whether the body matters at all. */
bool http_body_wanted(const struct config_probe *probe);

/* Takes the next piece. True: enough, what follows would change nothing. */
bool http_body_take(struct http_body *body, const struct config_probe *probe, const char *data, size_t length);

/* Whether what was taken is what the probe expects. Both text and expression have to be met, if there are both. */
bool http_body_good(const struct http_body *body, const struct config_probe *probe);

void http_body_clear(struct http_body *body);

#endif
