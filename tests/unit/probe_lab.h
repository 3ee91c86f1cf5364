/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A network namespace with loopback alone, one probe at a time in it, and TCP servers
 * with bad manners, all in this process and on one loop. Include it after cmocka.h.
 */
#ifndef SLUICE_TEST_PROBE_LAB_H
#define SLUICE_TEST_PROBE_LAB_H

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/memory.h"
#include "probe/probe.h"
#include "unit/descriptors.h"
#include "unit/parsed.h"
#include "unit/patience.h"
#include "unit/shell.h"

struct lab {
	struct event_base *base;
	struct event *patience;
	struct probe_shared shared;
	struct config_probe probe;
	struct probe_job job;
	void *run;
	bool done;
	enum finding finding;
	char text[HEALTH_TEXT];
	void *extra;	    /* of the test */
	size_t descriptors; /* that were open before the test */
};

/* To be called once, before the first test. */
static inline int lab_namespace(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	if (unshare(CLONE_NEWNET))
		return -1;
	/* the kernel makes the address's route a moment later */
	shell_run("ip link set lo up && ip addr add 2001:db8::1/128 dev lo && "
		  "timeout 60 sh -c 'until ip -6 route get 2001:db8::1; do sleep 0.01; done' >/dev/null 2>&1");
	return 0;
}

static inline void lab_done(void *argument, enum finding finding, const char *text)
{
	struct lab *lab = argument;

	assert_false(lab->done);
	lab->done = true;
	lab->run = NULL;
	lab->finding = finding;
	snprintf(lab->text, sizeof(lab->text), "%s", text);
}

/* For probes of this type. */
static inline struct lab *lab_setup(void **state, enum probe_type type)
{
	struct lab *lab = memory_new(1, sizeof(*lab));

	lab->base = event_base_new();
	lab->patience = patience_new(lab->base);
	lab->shared.base = lab->base;
	lab->probe = (struct config_probe){.type = type, .interval_ms = 10000, .timeout_ms = 10000};
	lab->job = (struct probe_job){.base = lab->base,
				      .probe = &lab->probe,
				      .address = parsed_address("127.0.0.1"),
				      .backend_address = parsed_address("127.0.0.1"),
				      .pool = "web",
				      .backend = "web1",
				      .shared = &lab->shared,
				      .done = lab_done,
				      .argument = lab};
	lab->descriptors = descriptors_open();
	*state = lab;
	return lab;
}

static inline int lab_teardown(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(descriptors_open(), lab->descriptors);
	event_free(lab->patience);
	event_base_free(lab->base);
	free(lab);
	return 0;
}

static inline void lab_address(struct lab *lab, const char *address)
{
	lab->job.address = lab->job.backend_address = parsed_address(address);
}

static inline struct config_bytes lab_bytes(const char *text)
{
	return (struct config_bytes){text, strlen(text)};
}

/* "VERB 127.0.0.1:PORT: TEXT", until the next call. */
static inline const char *lab_says(const struct lab *lab, const char *verb, const char *text)
{
	static char whole[HEALTH_TEXT];

	snprintf(whole, sizeof(whole), "%s 127.0.0.1:%u: %s", verb, lab->job.port, text);
	return whole;
}

/* Begins the probe. Ends it as well if it cannot begin. */
static inline void lab_start(struct lab *lab)
{
	enum finding finding;
	char text[HEALTH_TEXT];

	lab->done = false;
	lab->run = probe_start(&lab->job, &finding, text);
	if (!lab->run)
		lab_done(lab, finding, text);
}

static inline enum finding lab_wait(struct lab *lab)
{
	while (!lab->done)
		event_base_loop(lab->base, EVLOOP_ONCE);
	return lab->finding;
}

static inline enum finding lab_probe(struct lab *lab)
{
	lab_start(lab);
	return lab_wait(lab);
}

/*
 * The probe finds this, and says it in words that begin with `text`. On a busy host this
 * process may really be held up: then it is to try again.
 */
static inline void lab_expect(struct lab *lab, enum finding finding, const char *text)
{
	do
		lab_probe(lab);
	while (lab->finding == FINDING_TROUBLE && strstr(lab->text, "this process was held up"));
	if (lab->finding != finding || strncmp(lab->text, text, strlen(text)) != 0)
		fail_msg("found %d, \"%s\" instead of %d, \"%s\"", lab->finding, lab->text, finding, text);
}

/* Its host is gone: neighbour discovery fails, which the kernel tells by an ICMP error of its own. */
static inline void lab_expect_vanished(struct lab *lab, const char *address, const char *text)
{
	shell_run("ip link add v0 type veth peer name v1 && ip addr add 10.9.0.1/24 dev v0 && "
		  "ip addr add 2001:db8:9::1/64 dev v0 nodad && ip link set v1 up && ip link set v0 up && "
		  "sysctl -qw net.ipv4.neigh.v0.retrans_time_ms=10 net.ipv6.neigh.v0.retrans_time_ms=10");
	lab_address(lab, address);
	lab_expect(lab, FINDING_FAILED, text);
	shell_run("ip link del v0");
}

/* Begins the probe where no descriptor can be opened, which ends it at once. */
static inline void lab_expect_no_descriptors(struct lab *lab)
{
	struct rlimit before, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 3; /* what there is at the least */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	lab_start(lab);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(lab->done);
	assert_int_equal(lab->finding, FINDING_TROUBLE);
	assert_non_null(strstr(lab->text, "this process has no file descriptor left"));
}

/* This process does nothing meanwhile, as if it did not get the processor. */
static inline void lab_hold_up(unsigned int ms)
{
	usleep(ms * 1000);
}

/* The probe under way ends without a word. */
static inline void lab_cancel(struct lab *lab)
{
	assert_false(lab->done);
	probe_types[lab->probe.type]->cancel(lab->run);
	event_base_loop(lab->base, EVLOOP_NONBLOCK);
	assert_false(lab->done);
}

struct crowd {
	size_t passed, others;
	char last[HEALTH_TEXT];
};

static inline void crowd_done(void *argument, enum finding finding, const char *text)
{
	struct crowd *crowd = argument;

	if (finding == FINDING_PASSED)
		crowd->passed++;
	else
		crowd->others++;
	snprintf(crowd->last, sizeof(crowd->last), "%s", text);
}

/* So many of the probe at once, which all pass; what the last one says goes to `last`, of HEALTH_TEXT bytes. */
static inline void lab_expect_crowd(struct lab *lab, size_t count, char *last)
{
	struct crowd crowd = {0};
	enum finding finding;
	char text[HEALTH_TEXT];

	lab->job.done = crowd_done;
	lab->job.argument = &crowd;
	for (size_t i = 0; i < count; i++)
		assert_non_null(probe_start(&lab->job, &finding, text));
	while (crowd.passed + crowd.others < count)
		event_base_loop(lab->base, EVLOOP_ONCE);
	assert_int_equal(crowd.passed, count);
	strcpy(last, crowd.last);
}

/* A bound socket; its port goes to *port. SOCK_STREAM listens. */
static inline int lab_bind(const char *address, int type, int backlog, __u16 *port)
{
	struct address parsed = parsed_address(address);
	struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
	socklen_t length = sizeof(name);
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (parsed.family == AF_INET6)
		memcpy(&name.sin6_addr, parsed.word, 16);
	else
		inet_pton(AF_INET6, "::ffff:0.0.0.0", &name.sin6_addr),
			memcpy(name.sin6_addr.s6_addr + 12, parsed.word, 4);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &length), 0);
	*port = ntohs(name.sin6_port);
	return fd;
}

/* What a TCP server does with its one connection at a time. */
struct manners {
	const char *reply;
	size_t length;
	bool slow;    /* a byte every few milliseconds */
	bool endless; /* the reply again and again */
	bool listens; /* before it replies, it waits for something to be sent */
	bool close;   /* after the reply */
	bool reset;   /* after the reply */
};

struct server {
	struct manners manners;
	struct event_base *base;
	int listener, connection;
	struct event *accept, *step;
	__u16 port;
	size_t sent, accepted;
	char got[1024]; /* the beginning of what was sent to it */
	size_t got_length;
	char peer[INET6_ADDRSTRLEN];
};

static inline void server_hang_up(struct server *server)
{
	const struct linger reset = {.l_onoff = 1};

	if (server->connection < 0)
		return;
	event_free(server->step);
	if (server->manners.reset)
		setsockopt(server->connection, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(server->connection);
	server->connection = -1;
}

static inline void server_take(struct server *server)
{
	static char bytes[1 << 20];
	ssize_t n = recv(server->connection, bytes, sizeof(bytes), 0);
	size_t room = sizeof(server->got) - server->got_length, fits = n < 0 ? 0 : (size_t)n < room ? (size_t)n : room;

	memcpy(server->got + server->got_length, bytes, fits);
	server->got_length += fits;
}

static inline void server_step(evutil_socket_t fd, short what, void *argument)
{
	struct timeval soon = {.tv_usec = 2000};
	struct server *server = argument;
	const struct manners *manners = &server->manners;

	(void)what;
	server_take(server);
	if (manners->listens && !server->got_length) {
		event_add(server->step, &soon);
		return;
	}
	if (server->sent < manners->length) {
		size_t left = manners->slow ? 1 : manners->length - server->sent;
		ssize_t n = send(fd, manners->reply + server->sent, left, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN) {
			server_hang_up(server);
			return;
		}
		server->sent += n > 0 ? (size_t)n : 0;
	}
	if (manners->endless)
		server->sent = 0;
	if (server->sent == manners->length && (manners->close || manners->reset))
		server_hang_up(server);
	else
		event_add(server->step, &soon);
}

static inline void server_accept(evutil_socket_t fd, short what, void *argument)
{
	struct timeval now = {0};
	struct sockaddr_in6 peer;
	socklen_t length = sizeof(peer);
	struct server *server = argument;
	int connection = accept4(fd, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (connection < 0)
		return;
	server_hang_up(server);
	server->accepted++;
	inet_ntop(AF_INET6, &peer.sin6_addr, server->peer, sizeof(server->peer));
	server->connection = connection;
	server->sent = server->got_length = 0;
	server->step = event_new(server->base, connection, 0, server_step, server);
	event_add(server->step, &now);
}

/* On a port of its own at the address; a dual-stack socket serves IPv4. */
static inline void server_open(struct server *server, struct event_base *base, const char *address,
			       struct manners manners)
{
	*server = (struct server){.base = base, .connection = -1, .manners = manners};
	server->listener = lab_bind(address, SOCK_STREAM, 128, &server->port);
	server->accept = event_new(base, server->listener, EV_READ | EV_PERSIST, server_accept, server);
	event_add(server->accept, NULL);
}

static inline void server_close(struct server *server)
{
	server_hang_up(server);
	event_free(server->accept);
	close(server->listener);
}

#endif
