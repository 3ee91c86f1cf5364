/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * flows_next() in a thread of its own. One call steps over empty hash buckets without end: 2.5 ms for a million
 * of them, which would keep the loop from turning where the flow map has room for many millions. The thread does
 * nothing else, and has nothing but what it is handed.
 */
#ifndef SLUICE_FLOWS_READER_H
#define SLUICE_FLOWS_READER_H

#include "out/flows.h"

struct flows_reader;

/* NULL if there can be no thread; the reason is in the log. */
struct flows_reader *flows_reader_new(void);

/* A descriptor that is readable from when a batch has been read until flows_reader_end(). */
int flows_reader_fd(const struct flows_reader *reader);

/*
 * Begins to read the next batch. The walk is the thread's until flows_reader_end(), which is to follow. Takes a
 * descriptor of its own of the map. 0 or a negative errno: then nothing has begun.
 */
int flows_reader_begin(struct flows_reader *reader, int fd, struct flows_walk *walk);

/* Waits for the batch if it is not there yet; returns what flows_next() did. */
int flows_reader_end(struct flows_reader *reader);

/* Waits for a batch that is being read. NULL is fine. */
void flows_reader_free(struct flows_reader *reader);

#endif
