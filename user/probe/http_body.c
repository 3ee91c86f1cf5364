/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "probe/http_body.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

#define ROOM_FIRST 1024

bool http_body_wanted(const struct config_probe *probe)
{
	return probe->expect.length || probe->expect_regex;
}

/* How much of the body matters. */
static size_t body_max(const struct config_probe *probe)
{
	return probe->expect.length ? HTTP_BODY_MAX : HTTP_REGEX_MAX;
}

/* Only what is new, and as much before it as the text may begin in. */
static void search(struct http_body *body, const struct config_bytes *text)
{
	if (body->found || !text->length || body->length < text->length)
		return;
	body->found = memmem(body->data + body->searched, body->length - body->searched, text->data, text->length);
	body->searched = body->length - text->length + 1;
}

bool http_body_take(struct http_body *body, const struct config_probe *probe, const char *data, size_t length)
{
	size_t most = body_max(probe);

	if (length > most - body->length)
		length = most - body->length;
	if (!length)
		return body->length == most;
	if (body->length + length + 1 > body->room) {
		body->room = body->room ? body->room : ROOM_FIRST;
		while (body->length + length + 1 > body->room)
			body->room *= 2;
		body->data = memory_resize(body->data, body->room, 1);
	}
	memcpy(body->data + body->length, data, length);
	body->length += length;
	body->data[body->length] = '\0';
	search(body, &probe->expect);
	return body->length == most || (body->found && !probe->expect_regex);
}

/*
 * The C library tries an expression at each byte anew, and each time up to the end: `a.*b` would take seconds
 * for 64 KiB without a `b`. Held to the beginning, with anything before it, it is one pass. What an
 * expression costs for each byte still depends on the body, which may be hostile, so only a little of it is
 * taken (and user/in/config_probe_http.c refuses expressions that are slow in themselves).
 */
static bool matches(const char *text, const char *expression)
{
	char *held = memory_format("^.*(%s)", expression);
	regex_t compiled;
	bool match;

	if (regcomp(&compiled, held, REG_EXTENDED | REG_NOSUB))
		memory_exhausted(); /* it was compiled when the configuration was read */
	match = regexec(&compiled, text, 0, NULL, 0) == 0;
	regfree(&compiled);
	free(held);
	return match;
}

bool http_body_good(const struct http_body *body, const struct config_probe *probe)
{
	if (probe->expect.length && !body->found)
		return false;
	return !probe->expect_regex || matches(body->data ? body->data : "", probe->expect_regex);
}

void http_body_clear(struct http_body *body)
{
	free(body->data);
	memset(body, 0, sizeof(*body));
}
