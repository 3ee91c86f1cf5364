/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Who is told of events: those that watch, and the hook. How far that one is, notify.json in the state folder says:
 * what it was not told when the run before ended, it is told by this one.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/log.h"
#include "out/snapshot.h"

#define RETOLD_S 3600 /* what is older is no news */

void agent_event(struct agent *agent, enum event_kind kind, uid_t uid, const char *format, ...)
{
	char text[2 * EVENT_TEXT]; /* events_add() shortens it, between characters */
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	events_add(agent->events, &(struct event_fact){.kind = kind, .text = text, .uid = uid});
}

static const bool hooked[] = {
#define EVENT_HOOK(name, severity, hook, help) hook,
	EVENTS(EVENT_HOOK)
#undef EVENT_HOOK
};

static bool is_hooked(const json_t *event)
{
	const char *name = json_string_value(json_object_get(event, "event"));

	for (size_t i = 0; i < EVENT_KINDS; i++)
		if (strcmp(name, event_names[i]) == 0)
			return hooked[i];
	return false; /* of another version */
}

static void event_added(void *argument, enum event_kind kind, const json_t *event)
{
	struct agent *agent = argument;

	if (agent->control)
		control_stream(agent->control, "/v1/watch", event);
	if (hooked[kind])
		notify_event(agent->notify, event);
}

static void hook_trouble(void *argument, const char *text)
{
	agent_event(argument, EVENT_hook_trouble, EVENT_NOBODY, "%s", text);
}

int telling_save(struct agent *agent)
{
	json_t *content = json_pack("{sI}", "told", (json_int_t)agent->told);
	int err = agent_save(agent, "notify", SNAPSHOT_SOON, content, &agent->told_unsaved);

	json_decref(content);
	return err;
}

static void hook_told(void *argument, __u64 id)
{
	struct agent *agent = argument;

	if (!agent->hooked || id <= agent->told) /* the end of a run that began for a hook that is gone */
		return;
	agent->told = id;
	telling_save(agent);
}

/* The number of the event that the run before told last; without one, it had no hook. */
static void restore_told(struct agent *agent)
{
	char *why;
	json_t *content = snapshot_read(agent->options.state, "notify", &why);
	const json_t *told = json_object_get(content, "told");
	bool found = json_is_integer(told);

	if (why || (content && !found))
		agent_event(agent, EVENT_snapshot_lost, EVENT_NOBODY,
			    "what the run before had to tell the notify program is lost (%s)",
			    why ? why : "notify.json has no number");
	/* a smaller number than was told: events are lost, and what there is was told or is new */
	if (found && json_integer_value(told) >= 0 && (__u64)json_integer_value(told) < agent->told)
		agent->told = (__u64)json_integer_value(told);
	free(why);
	json_decref(content);
}

/* By the time of day, which may have been set since; 0 for what cannot be read. */
static double seconds_since(const json_t *event)
{
	const char *text = json_string_value(json_object_get(event, "time"));
	struct tm utc = {0};

	return strptime(text, "%Y-%m-%dT%H:%M:%S", &utc) ? difftime(time(NULL), timegm(&utc)) : 0;
}

/* What happened after agent->told. */
static void tell_hook(struct agent *agent)
{
	json_t *events = events_json(agent->events, agent->told, 0), *event;
	size_t old = 0, i;

	json_array_foreach(events, i, event) {
		if (!is_hooked(event))
			continue;
		if (seconds_since(event) > RETOLD_S)
			old++;
		else
			notify_event(agent->notify, event);
	}
	json_decref(events);
	if (old)
		agent_event(agent, EVENT_hook_trouble, EVENT_NOBODY,
			    "notify: %zu events of an earlier run were not told: they are older than an hour", old);
}

static void warn(const struct config_notify *config)
{
	char *warning = notify_warning(config);

	if (warning)
		log_warning("%s", warning);
	free(warning);
}

/* Without a hook nobody is told of what happens, later on neither. */
void telling_configure(struct agent *agent)
{
	const struct config_notify *config = &agent->state.config->notify;
	bool had = agent->hooked;

	warn(config);
	notify_configure(agent->notify, config);
	agent->hooked = config->command != NULL;
	if (!agent->hooked) {
		agent_remove(agent, "notify");
		agent->told_unsaved = false;
	} else if (!had) {
		agent->told = events_last(agent->events);
		telling_save(agent);
	}
}

/* What this run has found so far is told, too. */
void telling_start(struct agent *agent)
{
	const struct config_notify *config = &agent->state.config->notify;

	if (!config->command) {
		telling_configure(agent);
		return;
	}
	warn(config);
	restore_told(agent);
	notify_configure(agent->notify, config);
	agent->hooked = true;
	tell_hook(agent);
	telling_save(agent);
}

void telling_open(struct agent *agent)
{
	size_t lost = 0;

	agent->events = events_open(agent->base, agent->options.state, &lost);
	agent->notify = notify_new(agent->base, hook_trouble, hook_told, agent);
	agent->before = agent->told = events_last(agent->events);
	events_listen(agent->events, event_added, agent);
	if (lost)
		agent_event(agent, EVENT_snapshot_lost, EVENT_NOBODY, "%zu lines of events.jsonl could not be read",
			    lost);
}

void telling_close(struct agent *agent)
{
	if (agent->events)
		events_close(agent->events);
	if (agent->notify)
		notify_free(agent->notify);
}
