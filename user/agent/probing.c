/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Between the judgement, the prober and the rest of the agent: when a change of health is committed and saved. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/agent.h"
#include "lib/clock.h"

static void set_tick(struct agent *agent)
{
	__u64 next = health_next(agent->state.health), now = clock_ms();
	const struct timeval in = clock_timeval(next > now ? next - now : 0);

	agent->tick_at = next;
	if (!next) {
		evtimer_del(agent->tick);
		return;
	}
	evtimer_add(agent->tick, &in);
}

void probing_changed(struct agent *agent, bool tables)
{
	if (tables)
		agent_changed(agent, PLAN_HEALTH);
	agent->health_changes = health_changes(agent->state.health);
	agent_save_health_soon(agent);
	set_tick(agent);
}

/*
 * A report that leaves the tables alone may still be one to save, or bring the next tick nearer: trouble that is to
 * be told of in a second.
 */
static void ask_reported(void *argument, bool tables)
{
	struct agent *agent = argument;

	if (tables || agent->health_changes != health_changes(agent->state.health))
		probing_changed(agent, tables);
	else if (health_next(agent->state.health) != agent->tick_at)
		set_tick(agent);
}

static void tick_event(evutil_socket_t fd, short what, void *argument)
{
	struct agent *agent = argument;

	(void)fd;
	(void)what;
	probing_changed(agent, health_tick(agent->state.health, clock_ms()));
}

static void save_event(evutil_socket_t fd, short what, void *argument)
{
	struct agent *agent = argument;

	(void)fd;
	(void)what;
	agent_save_due(agent);
}

static void health_event(void *argument, const struct event_fact *fact)
{
	struct agent *agent = argument;

	agent->override_changed |=
		fact->kind == EVENT_backend_drained || (fact->kind == EVENT_backend_maint && fact->uid == EVENT_NOBODY);
	events_add(agent->events, fact);
}

int probing_open(struct agent *agent)
{
	struct prober_ask ask = ways_ask(agent);

	ask.reported = ask_reported;
	snprintf(agent->path_why, sizeof(agent->path_why), "the way to VIPs is not made yet");
	agent->tick = evtimer_new(agent->base, tick_event, agent);
	agent->save = evtimer_new(agent->base, save_event, agent);
	agent->state.health = health_new(health_event, agent, time);
	agent->prober = prober_new(agent->base, agent->state.health, &ask);
	return agent->prober ? 0 : -ENOMEM;
}

void probing_close(struct agent *agent)
{
	if (agent->prober)
		prober_free(agent->prober);
	if (agent->tick)
		event_free(agent->tick);
	if (agent->save)
		event_free(agent->save);
	ways_free(agent);
	if (agent->state.health)
		health_free(agent->state.health);
}

void probing_configure(struct agent *agent, bool running)
{
	ways_configure(agent);
	prober_pause(agent->prober);
	health_configure(agent->state.health, agent->state.config, running, clock_ms());
	prober_configure(agent->prober, agent->state.config);
	set_tick(agent);
	agent_save_health_soon(agent);
}
