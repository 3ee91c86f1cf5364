/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * http and https: connects itself, so that a refusal, an unreachable host and what this host
 * cannot do are told as of any other probe; libcurl has the connected socket then.
 *
 * Without anything to expect of the body the probe ends with the headers, so an endless or
 * garbled body is no matter; else with the first 64 KiB of the body at the latest. A connection is
 * always reset in the end: nothing of it is needed any more, and nothing stays in TIME_WAIT.
 */
#include "probe/http.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/text.h"

#define URL_SHOWN 80 /* of method and URL; the text has 200 in all */

static void drop(struct http_probe *run)
{
	if (run->easy) {
		http_loop_remove(run->socket.job->shared->http, run);
		http_request_free(run);
	}
	if (run->fd >= 0 && !run->taken)
		close(run->fd);
	http_body_clear(&run->body);
	probe_socket_cancel(&run->socket);
}

/* "GET http://192.0.2.10:80/healthz via 10.0.0.11" */
static void put_request(const struct probe_job *job, char *text, size_t room)
{
	bool via = job->backend_address.family && !address_equal(&job->address, &job->backend_address);
	struct probe_job direct = *job;
	char target[PROBE_TARGET], backend[ADDRESS_TEXT];
	int length;

	direct.backend_address.family = 0;
	length = snprintf(text, room, "%s http%s://%s%s", job->probe->method,
			  job->probe->type == PROBE_HTTPS ? "s" : "", probe_target(&direct, target), job->probe->path);
	if (length > URL_SHOWN)
		length = snprintf(text + URL_SHOWN, room - URL_SHOWN, "...") + URL_SHOWN;
	if (via)
		snprintf(text + length, room - (size_t)length, " via %s",
			 address_format(&job->backend_address, backend));
}

/* Frees the run and tells. `what` may hold anything that the server sent. */
static void tell(struct http_probe *run, enum finding finding, const char *what)
{
	const struct probe_job *job = run->socket.job;
	char request[2048], raw[4096], text[HEALTH_TEXT];
	int length;

	put_request(job, request, sizeof(request));
	length = snprintf(raw, sizeof(raw), "%s: %s", request, what);
	text_clean(text, sizeof(text), raw, (size_t)length < sizeof(raw) ? (size_t)length : sizeof(raw) - 1);
	drop(run);
	job->done(job->argument, finding, text);
}

/* The same with "after 1.2 ms". */
__attribute__((format(printf, 3, 4))) static void end(struct http_probe *run, enum finding finding, const char *format,
						      ...)
{
	char what[HEALTH_TEXT], text[HEALTH_TEXT + 32], elapsed[PROBE_ELAPSED];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	snprintf(text, sizeof(text), "%s after %s", what, probe_elapsed(run->socket.job, elapsed));
	tell(run, finding, text);
}

static bool status_good(const struct config_probe *probe, long status)
{
	for (size_t i = 0; i < probe->status_count; i++)
		if (status >= probe->status[i].low && status <= probe->status[i].high)
			return true;
	return false;
}

/* CURLOPT_HEADERFUNCTION: one line. After the headers of an interim reply, others follow. */
static size_t take_header(char *line, size_t one, size_t length, void *argument)
{
	struct http_probe *run = argument;
	const struct config_probe *probe = run->socket.job->probe;
	long status = 0;

	(void)one;
	run->header_bytes += length;
	run->overlong = run->header_bytes > HTTP_HEADERS_MAX;
	if (run->overlong)
		return 0;
	if (run->status || strspn(line, "\r\n") < length)
		return length;
	curl_easy_getinfo(run->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 && status != 101)
		return length;
	run->status = status;
	run->enough = !status_good(probe, status) || !http_body_wanted(probe);
	return run->enough ? 0 : length;
}

/* CURLOPT_WRITEFUNCTION */
static size_t take_body(char *data, size_t one, size_t length, void *argument)
{
	struct http_probe *run = argument;

	(void)one;
	run->enough = http_body_take(&run->body, run->socket.job->probe, data, length);
	return run->enough ? 0 : length;
}

static void judge_body(struct http_probe *run)
{
	const struct config_probe *probe = run->socket.job->probe;
	const char *whole = run->body.length == HTTP_BODY_MAX	 ? "the first 64 KiB of its body"
			    : run->body.length == HTTP_REGEX_MAX ? "the first 4 KiB of its body"
								 : "its body";
	char text[PROBE_BYTES_TEXT];

	if (!http_body_wanted(probe) || http_body_good(&run->body, probe))
		end(run, FINDING_PASSED, "status %ld", run->status);
	else if (probe->expect.length && !run->body.found)
		end(run, FINDING_FAILED, "status %ld, but %s is not in %s", run->status,
		    probe_bytes_format(probe->expect.data, probe->expect.length, text), whole);
	else
		end(run, FINDING_FAILED, "status %ld, but /%.40s/ does not match %s", run->status, probe->expect_regex,
		    whole);
}

static void judge(struct http_probe *run)
{
	const struct config_probe *probe = run->socket.job->probe;
	long version = 0;

	curl_easy_getinfo(run->easy, CURLINFO_HTTP_VERSION, &version);
	if (!status_good(probe, run->status))
		end(run, FINDING_FAILED, "status %ld", run->status);
	else if (probe->http_version == 2 && version < CURL_HTTP_VERSION_2_0)
		end(run, FINDING_FAILED, "status %ld, but by HTTP/1 instead of HTTP/2", run->status);
	else
		judge_body(run);
}

/* What this host is to be blamed for; everything else, the server. */
static enum finding blame(CURLcode result)
{
	switch (result) {
	case CURLE_OUT_OF_MEMORY:
	case CURLE_FAILED_INIT:
	case CURLE_URL_MALFORMAT:
	case CURLE_NOT_BUILT_IN:
	case CURLE_BAD_FUNCTION_ARGUMENT:
	case CURLE_UNKNOWN_OPTION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ENGINE_NOTFOUND:
	case CURLE_SSL_ENGINE_SETFAILED:
		return FINDING_TROUBLE;
	default:
		return FINDING_FAILED;
	}
}

void http_finished(struct http_probe *run, CURLcode result)
{
	if (run->overlong)
		end(run, FINDING_FAILED, "more than %d bytes of headers", HTTP_HEADERS_MAX);
	else if (!run->status && result == CURLE_OK)
		end(run, FINDING_FAILED, "closed in the middle of the headers");
	else if (run->enough || result == CURLE_OK)
		judge(run);
	else if (strstr(run->error, "SSL_ERROR_SYSCALL")) /* libcurl's words are that constant and a wrong port */
		end(run, FINDING_FAILED, "connection closed or reset%s",
		    result == CURLE_SSL_CONNECT_ERROR ? " in the TLS handshake" : "");
	else
		end(run, blame(result), "%s", run->error[0] ? run->error : curl_easy_strerror(result));
}

/* How far it came. */
static void put_missing(const struct http_probe *run, char *text, size_t room)
{
	curl_off_t secured = 0;

	curl_easy_getinfo(run->easy, CURLINFO_APPCONNECT_TIME_T, &secured);
	if (run->socket.job->probe->type == PROBE_HTTPS && !secured)
		snprintf(text, room, "connected, but no TLS handshake");
	else if (run->status)
		snprintf(text, room, "status %ld, but only %zu bytes of the body", run->status, run->body.length);
	else if (run->header_bytes)
		snprintf(text, room, "only %zu bytes of headers", run->header_bytes);
	else
		snprintf(text, room, "connected, but no reply");
}

static void exchange_silent(struct probe_socket *socket)
{
	struct http_probe *run = (struct http_probe *)socket;
	const struct probe_job *job = socket->job;
	char missing[64], what[96], text[HEALTH_TEXT];
	enum finding finding;

	if (http_loop_look(job->shared->http, run))
		return;
	put_missing(run, missing, sizeof(missing));
	finding = probe_timed_out(job, job->probe->method, missing, text);
	if (finding == FINDING_FAILED) {
		snprintf(what, sizeof(what), "%s within %u ms", missing, job->probe->timeout_ms);
		tell(run, finding, what);
		return;
	}
	drop(run);
	job->done(job->argument, finding, text);
}

/* Never: it has no descriptor. */
static bool exchange_ready(struct probe_socket *socket)
{
	(void)socket;
	return false;
}

static const struct probe_socket_type exchanging = {
	.action = "exchange", .ready = exchange_ready, .silent = exchange_silent};

static bool connect_ready(struct probe_socket *socket)
{
	const struct linger reset = {.l_onoff = 1};
	struct http_probe *run = (struct http_probe *)socket;
	int error = probe_socket_connected(socket);

	if (error)
		return probe_socket_fail(socket, error, "");
	event_del(&socket->io);
	socket->wanted = 0;
	run->fd = socket->fd;
	socket->fd = -1;
	socket->established = false;
	socket->type = &exchanging;
	setsockopt(run->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	http_request_make(run, take_header, take_body);
	http_loop_add(socket->job->shared->http, run);
	return false;
}

static void connect_silent(struct probe_socket *socket)
{
	probe_socket_timeout(socket, "no answer");
}

static const struct probe_socket_type connecting = {
	.action = "connect", .ready = connect_ready, .silent = connect_silent};

static void *start(const struct probe_job *job, enum finding *finding, char text[HEALTH_TEXT])
{
	struct http_probe *run = probe_socket_new(sizeof(*run), &connecting, job, SOCK_STREAM, 0, finding, text);

	if (!run)
		return NULL;
	run->fd = -1;
	probe_socket_wait(&run->socket, EV_WRITE);
	return run;
}

static void cancel(void *argument)
{
	drop(argument);
}

const struct probe_type_functions probe_http = {.start = start, .cancel = cancel};
