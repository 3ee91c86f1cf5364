/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Probes of all types over a socket, whose other end says what the input holds. Its first byte chooses the probe; to
 * those over datagrams, lines "%%" are between one and the next. No packet is sent: socket() makes a pair of Unix
 * sockets, and the random numbers that a reply has to repeat are always the same. libcurl itself, with HTTP/2, is
 * part of it, but is no code of ours.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "lib/text.h"
#include "probe/prober.h"

#define TURNS  200 /* of the loop, that a probe has for what is there all at once */
#define RANDOM 0x11
#define BYTES(s)                                                                                                       \
	{                                                                                                              \
		(s), sizeof(s) - 1                                                                                     \
	}
#define HTTP(verb, version)                                                                                            \
	.type = PROBE_HTTP, .status = (struct config_range[]){{200, 299}, {404, 404}}, .status_count = 2,              \
	.method = (verb), .path = "/", .http_version = (version)

struct probe_http_shared *probe_http_open(struct event_base *base);
void probe_http_close(struct probe_http_shared *shared);

static const struct {
	struct config_probe probe;
	const char *address;
} cases[] = {
	{{.type = PROBE_TCP, .expect = BYTES("220 ready")}, "192.0.2.1"},
	{{.type = PROBE_TCP,
	  .send = BYTES("PING\r\n"),
	  .expect = BYTES("+PONG\r\n\0 and more than is ever shown of it, for a mismatch")},
	 "2001:db8::1"},
	{{.type = PROBE_UDP, .send = BYTES("a"), .expect = BYTES("pong\n")}, "192.0.2.1"},
	{{.type = PROBE_UDP}, "2001:db8::1"},
	{{.type = PROBE_DNS, .name = "www.example.com", .record = 1}, "192.0.2.1"},
	{{.type = PROBE_DNS, .name = "", .record = 28, .rcode = 3}, "2001:db8::1"},
	{{.type = PROBE_DNS, .name = "www.example.com", .record = 1, .expect_address = {AF_INET, {0x0b00000a}}},
	 "192.0.2.1"},
	{{.type = PROBE_DNS,
	  .name = "example.com",
	  .record = 28,
	  .expect_address = {AF_INET6, {0xb80d0120, 0, 0, 0x01000000}},
	  .tcp = true},
	 "2001:db8::1"},
	{{.type = PROBE_PING}, "192.0.2.1"},
	{{.type = PROBE_PING}, "2001:db8::1"},
	{{HTTP("GET", 1)}, "192.0.2.1"},
	{{HTTP("GET", 1), .expect = BYTES("alive")}, "2001:db8::1"},
	{{HTTP("GET", 1), .expect_regex = "^(up|ready)[0-9]*$", .host = "www.example.com"}, "192.0.2.1"},
	{{HTTP("HEAD", 1), .expect = BYTES("a"), .expect_regex = "a.*b"}, "192.0.2.1"},
	{{HTTP("GET", 2), .expect = BYTES("alive")}, "192.0.2.1"},
};

static int other_end = -1; /* of the socket that the probe has */

/* In place of libc's, for the product's code alone: see the Makefile. */
int __wrap_socket(int domain, int type, int protocol);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length);
int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
void __wrap_evutil_secure_rng_get_bytes(void *buffer, size_t length);

int __wrap_socket(int domain, int type, int protocol)
{
	int kind = type & (SOCK_NONBLOCK | SOCK_CLOEXEC), pair[2];

	(void)domain;
	(void)protocol;
	fuzz_require(other_end < 0);
	kind |= (type & 0xf) == SOCK_STREAM ? SOCK_STREAM : SOCK_DGRAM;
	fuzz_require(socketpair(AF_UNIX, kind, 0, pair) == 0);
	other_end = pair[1];
	return pair[0];
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length)
{
	(void)fd;
	(void)address;
	(void)length;
	return 0;
}

/* Any but the own: a probe knows when it is connected to itself. */
int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
	const struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(80)};

	(void)fd;
	memcpy(address, &peer, sizeof(peer));
	*length = sizeof(peer);
	return 0;
}

/* Unix sockets know no filters for ICMP. */
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	(void)fd;
	(void)level;
	(void)name;
	(void)value;
	(void)length;
	return 0;
}

void __wrap_evutil_secure_rng_get_bytes(void *buffer, size_t length)
{
	memset(buffer, RANDOM, length);
}

struct outcome {
	struct event_base *base;
	bool told;
};

/* What is said goes to logs, events and JSON. */
static void done(void *argument, enum finding finding, const char *text)
{
	struct outcome *outcome = argument;
	size_t length = strlen(text), one;

	fuzz_require(!outcome->told);
	fuzz_require(finding == FINDING_PASSED || finding == FINDING_FAILED || finding == FINDING_TROUBLE);
	fuzz_require(length && length < HEALTH_TEXT);
	for (; length; text += one, length -= one) {
		one = text_utf8_length(text, length);
		fuzz_require(one && !text_is_control(text, one));
	}
	outcome->told = true;
}

/* As much as there is room for, and then the end of it. */
static void reply(struct fuzz_input *input, bool stream)
{
	while (input->size) {
		size_t length = input->size;
		char *part;

		if (stream) {
			send(other_end, input->data, input->size, MSG_NOSIGNAL | MSG_DONTWAIT);
			break;
		}
		part = fuzz_part(input, &length);
		send(other_end, part, length, MSG_NOSIGNAL | MSG_DONTWAIT);
		free(part);
	}
	if (stream)
		shutdown(other_end, SHUT_WR);
}

static void run(struct probe_job *job, struct fuzz_input *input, struct outcome *outcome)
{
	char text[HEALTH_TEXT];
	enum finding finding;
	void *started = probe_start(job, &finding, text);

	fuzz_require(started);
	reply(input, job->probe->type != PROBE_UDP && job->probe->type != PROBE_PING &&
			     !(job->probe->type == PROBE_DNS && !job->probe->tcp));
	for (int i = 0; i < TURNS && !outcome->told; i++)
		event_base_loop(outcome->base, EVLOOP_NONBLOCK);
	if (!outcome->told)
		probe_types[job->probe->type]->cancel(started);
	close(other_end);
	other_end = -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	size_t i = fuzz_byte(&input) % (sizeof(cases) / sizeof(cases[0]));
	struct config_probe probe = cases[i].probe;
	struct outcome outcome = {.base = event_base_new()};
	struct probe_shared shared = {.base = outcome.base};
	struct probe_job job = {
		.base = outcome.base,
		.probe = &probe,
		.port = probe.type == PROBE_PING ? 0 : 8080,
		.pool = "web",
		.backend = "web1",
		.shared = &shared,
		.done = done,
		.argument = &outcome,
	};

	fuzz_require(address_parse(cases[i].address, &job.address) == 0);
	probe.timeout_ms = 4000;
	if (probe.type == PROBE_HTTP)
		shared.http = probe_http_open(outcome.base);
	run(&job, &input, &outcome);
	probe_http_close(shared.http);
	event_base_free(outcome.base);
	return 0;
}
