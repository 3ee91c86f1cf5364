/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A TCP server that tells its name and then gives back every byte: `echo NAME PORT`. The name comes in the first
 * ECHO_NAME bytes of a connection, filled up with NULs. A client that sends no more gets the rest, and the end.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "talk.h"

static int die(const char *what)
{
	fprintf(stderr, "echo: %s: %s\n", what, strerror(errno));
	return 1;
}

/* Of both families. Negative: failed. */
static int listen_at(__u16 port)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 4096))
		return -1;
	return fd;
}

static void take(int poll, int listener, const char *name)
{
	struct epoll_event event = {.events = EPOLLIN};
	int yes = 1;

	while ((event.data.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		setsockopt(event.data.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		if (send(event.data.fd, name, ECHO_NAME, MSG_NOSIGNAL) != ECHO_NAME ||
		    epoll_ctl(poll, EPOLL_CTL_ADD, event.data.fd, &event))
			close(event.data.fd);
	}
}

/* The client waits for each answer before it says more, so what is to be sent always fits. */
static void give_back(int fd)
{
	char bytes[16384];
	ssize_t got;

	while ((got = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
		if (send(fd, bytes, (size_t)got, MSG_NOSIGNAL) != got)
			break;
	}
	if (got < 0 && errno == EAGAIN)
		return;
	close(fd);
}

int main(int argc, char **argv)
{
	struct epoll_event event = {.events = EPOLLIN};
	char name[ECHO_NAME] = "";
	int poll = epoll_create1(EPOLL_CLOEXEC), listener;

	if (argc != 3) {
		fprintf(stderr, "usage: echo NAME PORT\n");
		return 2;
	}
	snprintf(name, sizeof(name), "%s", argv[1]);
	listener = files_raise() ? -1 : listen_at((__u16)atoi(argv[2]));
	event.data.fd = listener;
	if (listener < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event))
		return die("cannot listen");
	for (;;) {
		struct epoll_event events[256];
		int count = epoll_wait(poll, events, 256, -1);

		if (count < 0 && errno != EINTR)
			return die("epoll_wait");
		for (int i = 0; i < count; i++) {
			if (events[i].data.fd == listener)
				take(poll, listener, name);
			else
				give_back(events[i].data.fd);
		}
	}
}
