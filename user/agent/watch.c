/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Every second: what could not be done is tried again, and what is missing is made again.
 * Somebody may have removed a pin, a rule or a filter, or put another program on an interface.
 */
#include "agent/agent.h"
#include "lib/log.h"

static void look(struct agent *agent)
{
	int repaired = dataplane_repair(agent->dataplane);

	if (repaired > 0)
		agent_event(agent, EVENT_dataplane_repaired, EVENT_NOBODY,
			    "%d pins under %s were missing and were made again; traffic was not touched", repaired,
			    agent->options.bpffs);
	if (agent->path) {
		probe_path_check(agent->path); /* logs what it finds */
		probing_retry(agent);
	} else {
		probing_refresh(agent);
	}
	if (agent->behind)
		agent_commit_now(agent);
	else
		agent_attach(agent);
}

static void watch_event(evutil_socket_t fd, short what, void *argument)
{
	const struct timeval second = {.tv_sec = 1};
	struct agent *agent = argument;

	(void)fd;
	(void)what;
	if (!agent->dataplane)
		return;
	look(agent);
	evtimer_add(agent->watch, &second);
}

int watch_open(struct agent *agent)
{
	const struct timeval second = {.tv_sec = 1};

	agent->watch = evtimer_new(agent->base, watch_event, agent);
	return evtimer_add(agent->watch, &second);
}
