/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * dns: asks one question, over UDP or TCP, and compares the reply's rcode and, where one is
 * expected, the address with those of its answers.
 *
 * Over UDP anybody can send datagrams with the backend's address: what is no reply to this
 * question (its id is random) is ignored, and only mentioned if nothing better comes in time. A
 * reply to it that cannot be read fails at once, and so does anything else over TCP.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/util.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/memory.h"
#include "probe/dns_message.h"
#include "probe/socket.h"

#define MESSAGE_MAX 65535

struct dns_probe {
	struct probe_socket socket;
	struct dns_question question;
	__u8 message[2 + DNS_QUESTION_MAX]; /* TCP's length, then the question */
	size_t length, sent;		    /* of both together, over TCP */
	__u8 size[2];			    /* of the reply: TCP. Then it is read into the socket's buffer */
	size_t received;		    /* with that size */
	size_t foreign;			    /* datagrams ignored */
	const char *why;		    /* the last one was */
};

static const char *rcode_name(__u16 rcode, char text[static 16])
{
	const char *name = config_word_name(config_rcodes, CONFIG_RCODES, rcode);

	if (*name != '?')
		return name;
	snprintf(text, 16, "rcode %u", rcode);
	return text;
}

static bool missing_address(struct dns_probe *run, const struct dns_reply *reply)
{
	const struct address *wanted = &run->socket.job->probe->expect_address;
	char text[ADDRESS_TEXT], got[ADDRESS_TEXT], more[32] = "";

	if (reply->truncated)
		return probe_socket_end(&run->socket, FINDING_FAILED, "the reply is truncated, use transport: tcp,");
	if (reply->address_count > 1)
		snprintf(more, sizeof(more), " and %zu more", reply->address_count - 1);
	return probe_socket_end(&run->socket, FINDING_FAILED, "%s%s instead of %s",
				reply->address_count ? address_format(&reply->address, got) : "no address", more,
				address_format(wanted, text));
}

static bool judge(struct dns_probe *run, const struct dns_reply *reply)
{
	const struct config_probe *probe = run->socket.job->probe;
	char got[16], wanted[16];

	if (reply->rcode != probe->rcode)
		return probe_socket_end(&run->socket, FINDING_FAILED, "%s instead of %s for %s %.60s",
					rcode_name(reply->rcode, got), rcode_name(probe->rcode, wanted),
					config_word_name(config_records, CONFIG_RECORDS, probe->record), probe->name);
	if (probe->expect_address.family && !reply->found)
		return missing_address(run, reply);
	return probe_socket_end(&run->socket, FINDING_PASSED, "%s", rcode_name(reply->rcode, got));
}

static bool take_message(struct dns_probe *run, const __u8 *message, size_t length)
{
	const struct config_probe *probe = run->socket.job->probe;
	struct dns_reply reply;
	enum dns_kind kind = dns_message_read(message, length, &run->question, &probe->expect_address, &reply);

	if (kind == DNS_REPLY)
		return judge(run, &reply);
	if (kind == DNS_MALFORMED || probe->tcp)
		return probe_socket_end(&run->socket, FINDING_FAILED, "malformed reply (%s)", reply.wrong);
	run->foreign++;
	run->why = reply.wrong;
	return false;
}

static bool ready_udp(struct probe_socket *socket)
{
	struct dns_probe *run = (struct dns_probe *)socket;
	__u8 message[MESSAGE_MAX];
	ssize_t n = recv(socket->fd, message, sizeof(message), 0);

	if (n < 0)
		return errno != EAGAIN && probe_socket_fail(socket, errno, "");
	return take_message(run, message, (size_t)n);
}

/* Where the next bytes go, and how many: first the size, then as many as it says. */
static size_t wanted_bytes(struct dns_probe *run, __u8 **to)
{
	size_t size = (size_t)(run->size[0] << 8 | run->size[1]);

	if (run->received < 2) {
		*to = run->size + run->received;
		return 2 - run->received;
	}
	if (!run->socket.buffer)
		run->socket.buffer = memory_new(1, size);
	*to = (__u8 *)run->socket.buffer + run->received - 2;
	return size + 2 - run->received;
}

static bool receive(struct dns_probe *run)
{
	char did[48];
	size_t left;
	__u8 *to;

	while ((left = wanted_bytes(run, &to))) {
		ssize_t n = recv(run->socket.fd, to, left, 0);

		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0) {
			snprintf(did, sizeof(did), "%zu bytes, then ", run->received);
			return probe_socket_fail(&run->socket, errno, did);
		}
		if (n == 0)
			return probe_socket_end(&run->socket, FINDING_FAILED, "closed after %zu bytes of reply,",
						run->received);
		run->received += (size_t)n;
	}
	return take_message(run, run->socket.buffer, run->received - 2);
}

static bool ready_tcp(struct probe_socket *socket)
{
	struct dns_probe *run = (struct dns_probe *)socket;
	int error;

	if (socket->wanted == EV_READ)
		return receive(run);
	error = socket->established ? 0 : probe_socket_connected(socket);
	if (!error)
		error = probe_socket_send(socket, run->message, run->length, &run->sent);
	if (error)
		return probe_socket_fail(socket, error, "");
	if (run->sent == run->length)
		probe_socket_wait(socket, EV_READ);
	return false;
}

static void silent(struct probe_socket *socket)
{
	const struct dns_probe *run = (struct dns_probe *)socket;
	char what[96] = "no reply";

	if (socket->job->probe->tcp && !socket->established)
		snprintf(what, sizeof(what), "no connection");
	else if (run->received)
		snprintf(what, sizeof(what), "only %zu bytes of reply", run->received);
	else if (run->foreign)
		snprintf(what, sizeof(what), "no reply but %zu that %s not to this question (the last: %s)",
			 run->foreign, run->foreign == 1 ? "is" : "are", run->why);
	probe_socket_timeout(socket, what);
}

static const struct probe_socket_type type_udp = {.action = "dns", .ready = ready_udp, .silent = silent};
static const struct probe_socket_type type_tcp = {.action = "dns", .ready = ready_tcp, .silent = silent};

static void *start(const struct probe_job *job, enum finding *finding, char text[HEALTH_TEXT])
{
	const struct config_probe *probe = job->probe;
	struct dns_probe *run = probe_socket_new(sizeof(*run), probe->tcp ? &type_tcp : &type_udp, job,
						 probe->tcp ? SOCK_STREAM : SOCK_DGRAM, 0, finding, text);
	__be16 size;
	int error = 0;

	if (!run)
		return NULL;
	run->question = (struct dns_question){.name = probe->name, .type = probe->record};
	evutil_secure_rng_get_bytes(&run->question.id, sizeof(run->question.id));
	run->length = dns_message_ask(run->message + 2, &run->question);
	if (!run->length)
		return probe_socket_refuse(&run->socket, EINVAL, finding, text);
	size = htons((__u16)run->length);
	memcpy(run->message, &size, sizeof(size));
	if (!probe->tcp)
		error = probe_socket_send_once(&run->socket, run->message + 2, run->length);
	if (error)
		return probe_socket_refuse(&run->socket, error, finding, text);
	run->length += 2;
	probe_socket_wait(&run->socket, probe->tcp ? EV_WRITE : EV_READ);
	return run;
}

const struct probe_type_functions probe_dns = {.start = start, .cancel = probe_socket_cancel};
