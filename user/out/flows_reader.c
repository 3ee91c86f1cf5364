/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/flows_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/memory.h"

/* What the thread is handed passes with the events, which order memory. */
struct flows_reader {
	pthread_t thread;
	int asked, done; /* eventfds */
	int fd;		 /* of the map; -1: the thread is to end */
	struct flows_walk *walk;
	int result;
	bool reading; /* the caller's: flows_reader_end() is to follow */
};

static void tell(int fd)
{
	eventfd_write(fd, 1);
}

static void await(int fd)
{
	eventfd_t count;

	while (eventfd_read(fd, &count) && errno == EINTR)
		;
}

static void *read_batches(void *argument)
{
	struct flows_reader *reader = argument;

	for (;;) {
		await(reader->asked);
		if (reader->fd < 0)
			return NULL;
		reader->result = flows_next(reader->fd, reader->walk);
		close(reader->fd);
		tell(reader->done);
	}
}

/* Signals are for the loop. */
static int start_thread(struct flows_reader *reader)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&reader->thread, NULL, read_batches, reader);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

static void close_events(struct flows_reader *reader)
{
	if (reader->asked >= 0)
		close(reader->asked);
	if (reader->done >= 0)
		close(reader->done);
	free(reader);
}

struct flows_reader *flows_reader_new(void)
{
	struct flows_reader *reader = memory_new(1, sizeof(*reader));
	int err = 0;

	reader->asked = eventfd(0, EFD_CLOEXEC);
	reader->done = eventfd(0, EFD_CLOEXEC);
	if (reader->asked < 0 || reader->done < 0)
		err = -errno;
	err = err ?: start_thread(reader);
	if (!err)
		return reader;
	log_error("no thread that reads the flow map: %s", strerror(-err));
	close_events(reader);
	return NULL;
}

int flows_reader_fd(const struct flows_reader *reader)
{
	return reader->done;
}

int flows_reader_begin(struct flows_reader *reader, int fd, struct flows_walk *walk)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC,
			0); /* the caller's may be closed meanwhile, and its number be another map's */

	if (own < 0)
		return -errno;
	reader->fd = own;
	reader->walk = walk;
	reader->reading = true;
	tell(reader->asked);
	return 0;
}

int flows_reader_end(struct flows_reader *reader)
{
	await(reader->done);
	reader->reading = false;
	return reader->result;
}

void flows_reader_free(struct flows_reader *reader)
{
	if (!reader)
		return;
	if (reader->reading)
		flows_reader_end(reader);
	reader->fd = -1;
	tell(reader->asked);
	pthread_join(reader->thread, NULL);
	close_events(reader);
}
