/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Many long conversations at once, each of which misses nothing: `talk ADDRESS PORT PATIENCE_MS SOURCE COUNT`, over
 * IPv4, from so many addresses of which the first is SOURCE.
 *
 * Over TCP (with echo.c) each sends a message of its own bytes at its own pace and compares every byte that comes
 * back; one that gets no answer within the patience, a reset or a wrong byte has failed. Over UDP (with udp.py) each
 * answer tells the server; one that another server answers has failed, one without an answer is counted as lost.
 *
 * Commands come one a line on standard input, and the program ends with it. Each gets one line of JSON when it is done:
 *
 *   tcp N MS, udp N MS   N more that speak every MS milliseconds; done when each has had an answer, or failed
 *   leave NAME           who talks to this server ends politely; done when all have
 *   tell                 how many talk, have ended, have failed
 *   report               all of each; `heard`: when it asked last of what was answered
 *
 * Times are seconds of CLOCK_MONOTONIC.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "talk.h"

#define FIRST_UDP_PORT 20000
#define UDP_PORTS      40000
#define MESSAGE_MAX    1200
#define AT_ONCE	       128 /* conversations that may be opening */
#define TICK_MS	       10
#define MOST	       16384

enum stage {
	WAITING, /* to be opened */
	OPENING,
	IDLE,
	ASKED,
	PARTING, /* TCP: nothing more is sent */
	OVER,
};

struct talk {
	__u32 id;
	int fd;
	bool tcp, leaving;
	enum stage stage;
	struct in_addr source;
	__u16 port; /* of the source, host byte order */
	char server[ECHO_NAME + 1];
	char error[80];
	__u64 every, begun, asked, answered, ended; /* microseconds; asked: its last message */
	__u64 heard;				    /* when the last answered one was asked */
	__u32 sequence, length, got;		    /* of the message, and of what came back */
	__u32 replies, lost;
};

struct udp_head { /* as udp.py has it */
	__be64 sequence;
	__be32 flow;
} __attribute__((packed));

struct client {
	struct sockaddr_in peer;
	__u32 source, sources; /* the first, in host byte order; and how many */
	__u64 patience, now;   /* microseconds */
	int poll;
	__u32 count, opening;
	struct talk talks[MOST];
};

static __u8 pattern(const struct talk *talk, __u32 i)
{
	return (__u8)(((talk->id + 1) * 2654435761U + talk->sequence * 40503U + i * 69069U) >> 13);
}

static void over(struct client *client, struct talk *talk, const char *error)
{
	if (talk->stage == OPENING)
		client->opening--;
	snprintf(talk->error, sizeof(talk->error), "%s", error);
	talk->ended = client->now;
	talk->stage = OVER;
	close(talk->fd);
}

static void ask(struct client *client, struct talk *talk)
{
	struct udp_head head = {.sequence = htobe64(++talk->sequence), .flow = htobe32(talk->id)};
	char message[MESSAGE_MAX];
	ssize_t sent;

	talk->length = talk->tcp ? 1 + (talk->id * 131 + talk->sequence * 37) % MESSAGE_MAX : sizeof(head);
	talk->got = 0;
	for (__u32 i = 0; i < talk->length; i++)
		message[i] = (char)pattern(talk, i);
	if (!talk->tcp)
		memcpy(message, &head, sizeof(head));
	if (talk->stage != OPENING)
		talk->stage = ASKED;
	talk->asked = client->now;
	sent = send(talk->fd, message, talk->length, MSG_NOSIGNAL);
	if (sent != (ssize_t)talk->length)
		over(client, talk, sent < 0 ? strerror(errno) : "only a part could be sent");
}

/* An answer is complete. */
static void answered(struct client *client, struct talk *talk)
{
	talk->replies++;
	talk->answered = client->now;
	talk->heard = talk->asked;
	if (talk->stage == OPENING)
		client->opening--;
	talk->stage = IDLE;
}

static void begin(struct client *client, struct talk *talk)
{
	struct sockaddr_in own = {.sin_family = AF_INET};
	socklen_t length = sizeof(own);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = talk};
	int yes = 1;

	talk->begun = talk->asked = client->now;
	talk->fd = socket(AF_INET, (talk->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	talk->stage = OPENING;
	client->opening++;
	if (talk->tcp)
		setsockopt(talk->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	setsockopt(talk->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
	own.sin_addr.s_addr = htonl(client->source + talk->id % client->sources);
	if (!talk->tcp) /* nothing tells a conversation over UDP from one that had its port before */
		own.sin_port = htons(FIRST_UDP_PORT + talk->id % UDP_PORTS);
	if (bind(talk->fd, (struct sockaddr *)&own, sizeof(own)) ||
	    (connect(talk->fd, (struct sockaddr *)&client->peer, sizeof(client->peer)) && errno != EINPROGRESS) ||
	    getsockname(talk->fd, (struct sockaddr *)&own, &length) ||
	    epoll_ctl(client->poll, EPOLL_CTL_ADD, talk->fd, &event)) {
		over(client, talk, strerror(errno));
		return;
	}
	talk->source = own.sin_addr;
	talk->port = ntohs(own.sin_port);
	if (!talk->tcp)
		ask(client, talk);
}

/* What a TCP server sent: its name first. False: the conversation is over. */
static bool hear_bytes(struct client *client, struct talk *talk, const char *bytes, ssize_t length)
{
	char text[80];

	for (ssize_t i = 0; i < length; i++) {
		if (talk->stage == OPENING && talk->got < ECHO_NAME) {
			talk->server[talk->got++] = bytes[i];
			continue;
		}
		if (talk->stage != ASKED || talk->got >= talk->length || (__u8)bytes[i] != pattern(talk, talk->got)) {
			snprintf(text, sizeof(text), "wrong byte %u of message %u", talk->got, talk->sequence);
			over(client, talk, text);
			return false;
		}
		if (++talk->got == talk->length)
			answered(client, talk);
	}
	if (talk->stage == OPENING && talk->got == ECHO_NAME) {
		client->opening--;
		talk->stage = IDLE;
		ask(client, talk);
	}
	return talk->stage != OVER;
}

static bool hear_datagram(struct client *client, struct talk *talk, const char *bytes, ssize_t length)
{
	struct udp_head head;
	char name[ECHO_NAME + 1], text[80];

	if (length <= (ssize_t)sizeof(head) || length > (ssize_t)sizeof(head) + ECHO_NAME) {
		over(client, talk, "an answer of a wrong length");
		return false;
	}
	memcpy(&head, bytes, sizeof(head));
	snprintf(name, sizeof(name), "%.*s", (int)(length - (ssize_t)sizeof(head)), bytes + sizeof(head));
	if (talk->server[0] && strcmp(talk->server, name)) {
		snprintf(text, sizeof(text), "answered by %s, not %s", name, talk->server);
		over(client, talk, text);
		return false;
	}
	snprintf(talk->server, sizeof(talk->server), "%s", name);
	if (be64toh(head.sequence) == talk->sequence && talk->stage != IDLE)
		answered(client, talk);
	return true;
}

static void hear(struct client *client, struct talk *talk)
{
	char bytes[16384];
	ssize_t got;

	while (talk->stage != OVER) {
		got = recv(talk->fd, bytes, sizeof(bytes), 0);
		if (got < 0 && errno == EAGAIN)
			return;
		if (got < 0)
			over(client, talk, strerror(errno));
		else if (talk->tcp && got == 0)
			over(client, talk, talk->stage == PARTING ? "" : "closed by the server");
		else if (!(talk->tcp ? hear_bytes : hear_datagram)(client, talk, bytes, got))
			return;
	}
}

static void part(struct client *client, struct talk *talk)
{
	if (!talk->tcp) {
		over(client, talk, "");
		return;
	}
	talk->stage = PARTING;
	talk->asked = client->now;
	if (shutdown(talk->fd, SHUT_WR))
		over(client, talk, strerror(errno));
}

/* Why the conversation has failed, if it has. */
static const char *given_up(const struct client *client, const struct talk *talk)
{
	__u64 since = talk->tcp ? talk->asked : talk->replies ? talk->answered : talk->begun;

	if (talk->stage == WAITING || talk->stage == IDLE || client->now - since < client->patience)
		return NULL;
	if (talk->stage == OPENING)
		return "not answered at all";
	return talk->stage == PARTING ? "not ended by the server" : "silent";
}

/* What is due by time alone. */
static void look(struct client *client, struct talk *talk)
{
	bool due = client->now - talk->asked >= talk->every;

	if (talk->stage == OVER)
		return;
	if (given_up(client, talk)) {
		over(client, talk, given_up(client, talk));
	} else if (talk->stage == WAITING) {
		if (client->opening < AT_ONCE)
			begin(client, talk);
	} else if (talk->stage == IDLE) {
		if (talk->leaving || due)
			(talk->leaving ? part : ask)(client, talk);
	} else if (!talk->tcp && due) {
		talk->lost++;
		(talk->leaving ? part : ask)(client, talk);
	}
}

static void add(struct client *client, bool tcp, __u32 count, __u32 ms)
{
	for (__u32 i = 0; i < count && client->count < MOST; i++) {
		struct talk *talk = &client->talks[client->count];

		*talk = (struct talk){.id = client->count++, .tcp = tcp, .every = ms * 1000ULL, .fd = -1};
	}
}

static void leave(struct client *client, const char *server)
{
	for (__u32 i = 0; i < client->count; i++)
		client->talks[i].leaving |= !strcmp(client->talks[i].server, server);
}

/* Whether the command that was given last is done. */
static bool done(const struct client *client)
{
	for (__u32 i = 0; i < client->count; i++) {
		const struct talk *talk = &client->talks[i];

		if (talk->stage != OVER && (!talk->replies || talk->leaving))
			return false;
	}
	return true;
}

static void tell(const struct client *client)
{
	__u32 talking = 0, failed = 0, lost = 0;

	for (__u32 i = 0; i < client->count; i++) {
		talking += client->talks[i].stage != OVER;
		failed += client->talks[i].error[0] != '\0';
		lost += client->talks[i].lost;
	}
	printf("{\"talking\": %u, \"failed\": %u, \"ended\": %u, \"lost\": %u}\n", talking, failed,
	       client->count - talking - failed, lost);
}

static void report(const struct client *client)
{
	for (__u32 i = 0; i < client->count; i++) {
		const struct talk *talk = &client->talks[i];

		printf("%s{\"tcp\": %s, \"source\": \"%s\", \"port\": %u, \"server\": \"%s\", \"error\": \"%s\", "
		       "\"lost\": %u, \"every\": %.3f, \"begun\": %.6f, \"heard\": %.6f, \"ended\": %.6f}",
		       i ? ", " : "[", talk->tcp ? "true" : "false", inet_ntoa(talk->source), talk->port, talk->server,
		       talk->error, talk->lost, (double)talk->every / 1e6, (double)talk->begun / 1e6,
		       (double)talk->heard / 1e6, (double)talk->ended / 1e6);
	}
	printf("%s]\n", client->count ? "" : "[");
}

/* Reads a command; false at the end. `busy`: its answer is to come when it is done. */
static bool obey(struct client *client, bool *busy)
{
	char line[128], word[32];
	__u32 count, ms;
	ssize_t got = read(STDIN_FILENO, line, sizeof(line) - 1);

	if (got <= 0)
		return false;
	line[got] = '\0';
	*busy = true;
	if (sscanf(line, "tcp %u %u", &count, &ms) == 2) {
		add(client, true, count, ms);
	} else if (sscanf(line, "udp %u %u", &count, &ms) == 2) {
		add(client, false, count, ms);
	} else if (sscanf(line, "leave %31s", word) == 1) {
		leave(client, word);
	} else if (!strcmp(line, "report\n")) {
		report(client);
		*busy = false;
	} else if (!strcmp(line, "tell\n")) {
		tell(client);
		*busy = false;
	} else {
		fprintf(stderr, "talk: not a command: %s", line);
		return false;
	}
	return true;
}

static void run(struct client *client)
{
	struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
	bool going = true, busy = false;

	epoll_ctl(client->poll, EPOLL_CTL_ADD, STDIN_FILENO, &input);
	while (going) {
		struct epoll_event events[256];
		int count = epoll_wait(client->poll, events, 256, TICK_MS);

		client->now = clock_us();
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr)
				hear(client, events[i].data.ptr);
			else
				going = obey(client, &busy);
		}
		for (__u32 i = 0; i < client->count; i++)
			look(client, &client->talks[i]);
		if (busy && done(client)) {
			busy = false;
			tell(client);
		}
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	struct client *client = calloc(1, sizeof(*client));
	struct in_addr source;

	if (!client || argc != 6 || inet_pton(AF_INET, argv[1], &client->peer.sin_addr) != 1 ||
	    inet_pton(AF_INET, argv[4], &source) != 1 || atoi(argv[5]) < 1) {
		fprintf(stderr, "usage: talk ADDRESS PORT PATIENCE_MS SOURCE COUNT\n");
		return 2;
	}
	client->peer.sin_family = AF_INET;
	client->peer.sin_port = htons((__u16)atoi(argv[2]));
	client->patience = (__u64)atoi(argv[3]) * 1000;
	client->source = ntohl(source.s_addr);
	client->sources = (__u32)atoi(argv[5]);
	client->poll = epoll_create1(EPOLL_CLOEXEC);
	if (client->poll < 0 || files_raise()) {
		perror("talk");
		return 1;
	}
	run(client);
	free(client);
	return 0;
}
