/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Every second: what could not be done is tried again, and what is missing is made again.
 * Somebody may have removed a pin, a rule, a filter or the state folder, or put another program on an interface.
 */
#include <errno.h>
#include <string.h>

#include "agent/agent.h"

static void tell_saved(struct agent *agent)
{
	const char *folder = agent->options.state;
	bool unsaved = agent_unsaved(agent);

	if (unsaved && !agent->unsaved)
		agent_event(agent, EVENT_state_unsaved, EVENT_NOBODY,
			    "%s/events.jsonl cannot be written: it is tried again, but events are lost if sluiced ends "
			    "before",
			    folder);
	else if (!unsaved && agent->unsaved)
		agent_event(agent, EVENT_state_saved, EVENT_NOBODY, "everything is in %s again", folder);
	agent->unsaved = unsaved;
}

static void look_after_state(struct agent *agent)
{
	const char *folder = agent->options.state;
	int result = snapshot_repair_folder(folder, &agent->state_lock);

	if (result > 0)
		agent_event(agent, EVENT_state_unsaved, EVENT_NOBODY,
			    "%s was removed: it was made again, and everything is written anew", folder);
	else if (result < 0 && !agent->unsaved)
		agent_event(agent, EVENT_state_unsaved, EVENT_NOBODY, "%s was removed, and nothing can be saved: %s",
			    folder, result == -EBUSY ? "another sluiced keeps its state there" : strerror(-result));
	agent->unsaved |= result != 0;
	agent->state_taken = result == -EBUSY;
	events_hold(agent->events, agent->state_taken);
	if (result > 0)
		agent_save_all(agent);
	if (result >= 0)
		tell_saved(agent);
}

static void look(struct agent *agent)
{
	int repaired = dataplane_repair(agent->dataplane);

	if (repaired > 0)
		agent_event(agent, EVENT_dataplane_repaired, EVENT_NOBODY,
			    "%d pins under %s were missing and were made again; traffic was not touched", repaired,
			    agent->options.bpffs);
	if (ways_watch(agent))
		agent_event(
			agent, EVENT_dataplane_repaired, EVENT_NOBODY,
			"the probes' way to VIPs (rules 5150 and 5151, table 6080, filter on lo) had lost a part: it "
			"was made again");
	look_after_state(agent);
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
