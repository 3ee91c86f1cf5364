/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One probe under way. A type is a pair of functions, start and cancel; what it finds
 * goes to job->done, once, on a later turn of the loop or not at all if it was
 * cancelled. A type never judges, never repeats, and knows no other probe.
 *
 * What counts as what: FINDING_FAILED is whatever the backend or the way to it did or left
 * undone; FINDING_TROUBLE is whatever this host could not do (no descriptors, no memory, no
 * route: errors that socket(), bind() or connect() give at once, other than a refusal or reset).
 */
#ifndef SLUICE_PROBE_H
#define SLUICE_PROBE_H

#include <event2/event.h>
#include <linux/types.h>

#include "model/config.h"
#include "model/health.h"

/* `text` in words, with the target and the time it took: "connect 10.0.0.11:8080: connection refused after 0.3 ms". */
typedef void (*probe_done_fn)(void *argument, enum finding finding, const char *text);

/* Everything that a probe needs; it outlives the probe. */
struct probe_job {
	struct event_base *base;
	const struct config_probe *probe;
	struct address address; /* to connect to: the backend's, or the VIP */
	__u16 port;		/* host byte order */
	__u32 mark;		/* SO_MARK of its sockets, 0: none */
	struct address source;	/* to bind to; family 0: the kernel's choice */
	const char *pool, *backend;
	struct address backend_address; /* for exec's environment and messages */
	__u32 weight;			/* configured, for exec's environment */
	struct probe_shared *shared;	/* what probes of a type have in common */
	probe_done_fn done;
	void *argument;
	__u64 begun; /* monotonic, in microseconds: set by probe_start() */
	__u64 held;  /* shared->held at that time */
};

struct probe_type_functions {
	/*
	 * Begins a probe that ends by itself within probe->timeout_ms. NULL if it could not begin: then *finding
	 * and `text` say why, and done is not called.
	 */
	void *(*start)(const struct probe_job *job, enum finding *finding, char text[HEALTH_TEXT]);

	/* Ends it without a word. Not after done. */
	void (*cancel)(void *run);
};

/* By enum probe_type; NULL for PROBE_NONE. */
extern const struct probe_type_functions *const probe_types[PROBE_TYPES];

extern const struct probe_type_functions probe_tcp, probe_udp, probe_dns, probe_ping; /* one file each */
extern const struct probe_type_functions probe_http;				      /* https too */
extern const struct probe_type_functions probe_exec;

/* One a process: the curl multi handle, the processes that exec runs. */
struct probe_shared {
	struct event_base *base;
	struct probe_http_shared *http;
	struct process_pool *processes;
	__u64 held; /* microseconds, in all, that this process was kept from its loop while probes were under way */
};

/* Begins a probe: notes the time in the job and calls its type's start(). The way for everyone to start one. */
void *probe_start(struct probe_job *job, enum finding *finding, char text[HEALTH_TEXT]);

/* For the types' texts. Each returns `text`. */
#define PROBE_TARGET  (2 * ADDRESS_TEXT)
#define PROBE_ELAPSED 16

/* "10.0.0.11:8080", "[2001:db8::1]:443", "192.0.2.10:443 via 10.0.0.11"; without the port where job->port is 0. */
char *probe_target(const struct probe_job *job, char text[static PROBE_TARGET]);

/* The time since it began: "0.3 ms". */
char *probe_elapsed(const struct probe_job *job, char text[static PROBE_ELAPSED]);

/*
 * For a probe whose time is over, after a last look for an answer: FINDING_FAILED and "ACTION
 * TARGET: WHAT within 200 ms" ("connect 10.0.0.11:80: no answer within 200 ms"). But where this
 * process did not get to look in time (it was stopped, or the loop had been busy), nothing is
 * known of the backend: FINDING_TROUBLE and "ACTION TARGET: this process was held up for 830 ms".
 */
enum finding probe_timed_out(const struct probe_job *job, const char *action, const char *what, char text[HEALTH_TEXT]);

/*
 * Adds a timer that counts from now. libevent counts from when the present turn of the
 * loop began, so that timers added late in a long turn would run out early.
 */
void probe_timer_add(struct event_base *base, struct event *timer, __u32 ms);

/* user/probe/http.c */
struct probe_http_shared *probe_http_open(struct event_base *base);
void probe_http_close(struct probe_http_shared *shared);

#endif
