/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "probe/probe.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "lib/clock.h"

/* A process that was held up for less, or for less than this part of the timeout, had its chance to see an answer. */
#define HELD_UP_LEAST_US 50000
#define HELD_UP_PART	 4

const struct probe_type_functions *const probe_types[PROBE_TYPES] = {
	[PROBE_TCP] = &probe_tcp, [PROBE_HTTP] = &probe_http, [PROBE_HTTPS] = &probe_http, [PROBE_UDP] = &probe_udp,
	[PROBE_DNS] = &probe_dns, [PROBE_PING] = &probe_ping, [PROBE_EXEC] = &probe_exec,
};

void *probe_start(struct probe_job *job, enum finding *finding, char text[HEALTH_TEXT])
{
	job->begun = clock_us();
	job->held = job->shared ? job->shared->held : 0;
	return probe_types[job->probe->type]->start(job, finding, text);
}

static void put_address(char *text, size_t room, const struct address *address, __u16 port)
{
	char number[ADDRESS_TEXT];

	address_format(address, number);
	if (!port)
		snprintf(text, room, "%s", number);
	else
		snprintf(text, room, address->family == AF_INET6 ? "[%s]:%u" : "%s:%u", number, port);
}

char *probe_target(const struct probe_job *job, char text[static PROBE_TARGET])
{
	char target[ADDRESS_TEXT], backend[ADDRESS_TEXT];

	put_address(target, sizeof(target), &job->address, job->port);
	if (!job->backend_address.family || address_equal(&job->address, &job->backend_address))
		snprintf(text, PROBE_TARGET, "%s", target);
	else
		snprintf(text, PROBE_TARGET, "%s via %s", target, address_format(&job->backend_address, backend));
	return text;
}

char *probe_elapsed(const struct probe_job *job, char text[static PROBE_ELAPSED])
{
	double ms = (double)(clock_us() - job->begun) / 1000;

	snprintf(text, PROBE_ELAPSED, ms < 10 ? "%.1f ms" : "%.0f ms", ms);
	return text;
}

/* In microseconds; 0 if it was not long enough to matter. */
static __u64 held_up(const struct probe_job *job)
{
	__u64 timeout = (__u64)job->probe->timeout_ms * 1000, taken = clock_us() - job->begun;
	__u64 late = taken > timeout ? taken - timeout : 0, held = job->shared ? job->shared->held - job->held : 0;
	__u64 least = timeout / HELD_UP_PART > HELD_UP_LEAST_US ? timeout / HELD_UP_PART : HELD_UP_LEAST_US;

	/* not their sum: the lateness may be counted in the other already */
	if (held < late)
		held = late;
	return held > least ? held : 0;
}

enum finding probe_timed_out(const struct probe_job *job, const char *action, const char *what, char text[HEALTH_TEXT])
{
	char target[PROBE_TARGET];
	__u64 held = held_up(job);

	probe_target(job, target);
	if (held) {
		snprintf(text, HEALTH_TEXT, "%s %s: this process was held up for %llu ms", action, target, held / 1000);
		return FINDING_TROUBLE;
	}
	snprintf(text, HEALTH_TEXT, "%s %s: %s within %u ms", action, target, what, job->probe->timeout_ms);
	return FINDING_FAILED;
}

void probe_timer_add(struct event_base *base, struct event *timer, __u32 ms)
{
	const struct timeval in = clock_timeval(ms);

	event_base_update_cache_time(base);
	event_add(timer, &in);
}
