/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What outlives the process, in the state folder:
 *
 *   snapshot.json   which map index belongs to which name; good only with the maps it was made for
 *   health.json     verdicts, falls, hold-downs; written a moment after they change, never waited for
 *   overrides.json  what operators set; durable before they get their answer
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "out/snapshot.h"

#define SNAPSHOT_VERSION 1
#define SAVE_DELAY_MS	 500
#define SAVE_AGAIN_MS	 10000 /* after it failed */

static void save_in(struct agent *agent, __u32 ms)
{
	const struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	evtimer_add(agent->save, &delay);
}

/* Says once that something cannot be written, and once that it can again. Returns err. */
static int save(struct agent *agent, const char *name, enum snapshot_how how, const json_t *content, bool *unsaved)
{
	int err = snapshot_write(agent->options.state, name, how, content);

	if (err && !*unsaved)
		log_error("%s/%s.json: %s: it is tried again, but lost if sluiced ends before", agent->options.state,
			  name, strerror(-err));
	else if (!err && *unsaved)
		log_info("%s/%s.json can be written again", agent->options.state, name);
	*unsaved = err != 0;
	if (err && !agent->health_due)
		save_in(agent, SAVE_AGAIN_MS);
	return err;
}

int agent_save_ids(struct agent *agent)
{
	__u32 maps = dataplane_maps_id(agent->dataplane);
	json_t *content = json_pack("{si sI so}", "version", SNAPSHOT_VERSION, "maps", (json_int_t)maps, "ids",
				    ids_save(agent->state.ids));
	int err = save(agent, "snapshot", SNAPSHOT_DURABLE, content, &agent->ids_unsaved);

	json_decref(content);
	if (!err) /* otherwise they differ, and the next commit tries again */
		agent->saved_maps = maps;
	return err;
}

void agent_save_health_soon(struct agent *agent)
{
	if (agent->health_due || agent->health_unsaved)
		return;
	agent->health_due = true;
	save_in(agent, SAVE_DELAY_MS);
}

int agent_save_health(struct agent *agent)
{
	json_t *content = health_save(agent->state.health, clock_ms());
	int err = save(agent, "health", SNAPSHOT_SOON, content, &agent->health_unsaved);

	json_decref(content);
	return err;
}

/*
 * While a configuration waits to be confirmed a restart comes back with the former one: with overrides of
 * backends that only that one has, too.
 */
static void add_former_overrides(const struct agent *agent, json_t *overrides)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(agent->former.overrides, "overrides"), i, one)
		if (!health_find(agent->state.health, json_string_value(json_object_get(one, "pool")),
				 json_string_value(json_object_get(one, "backend"))))
			json_array_append(overrides, one);
}

int agent_save_overrides(struct agent *agent)
{
	json_t *content = health_save_overrides(agent->state.health, clock_ms());
	int err;

	add_former_overrides(agent, json_object_get(content, "overrides"));
	err = save(agent, "overrides", SNAPSHOT_DURABLE, content, &agent->overrides_unsaved);
	json_decref(content);
	return err;
}

void agent_save_due(struct agent *agent)
{
	agent->health_due = false;
	agent_save_health(agent);
	if (agent->override_changed || agent->overrides_unsaved)
		agent_save_overrides(agent);
	agent->override_changed = false;
	if (agent->ids_unsaved && agent->dataplane)
		agent_save_ids(agent);
}

static bool restore_ids(struct agent *agent, const json_t *content)
{
	json_int_t version, maps;
	json_t *ids;

	return !json_unpack((json_t *)content, "{sI sI so}", "version", &version, "maps", &maps, "ids", &ids) &&
	       version == SNAPSHOT_VERSION && maps == dataplane_maps_id(agent->dataplane) &&
	       !ids_restore(agent->state.ids, ids);
}

void agent_restore_ids(struct agent *agent)
{
	char *why;
	json_t *content = snapshot_read(agent->options.state, "snapshot", &why);
	bool lost = dataplane_maps_id(agent->dataplane) && (!content || !restore_ids(agent, content));

	if (lost) {
		agent_event(agent, EVENT_snapshot_lost, EVENT_NOBODY,
			    "the snapshot of the running dataplane is lost (%s): traffic goes on, counters start anew",
			    why	      ? why
			    : content ? "it is of other maps"
				      : "no file");
		agent_forget(agent);
	}
	free(why);
	json_decref(content);
}

/* A missing file is nothing lost: there was no earlier run. `what` it holds is for the event. */
static bool restore(struct agent *agent, const char *name, const char *what,
		    size_t (*take)(struct health *, const json_t *, __u64))
{
	char *why;
	json_t *content = snapshot_read(agent->options.state, name, &why);
	size_t skipped = content ? take(agent->state.health, content, clock_ms()) : 0;
	bool found = content != NULL;

	if (why)
		agent_event(agent, EVENT_snapshot_lost, EVENT_NOBODY, "%s are lost (%s)", what, why);
	else if (skipped)
		agent_event(agent, EVENT_snapshot_lost, EVENT_NOBODY, "%s: %zu entries of %s.json could not be read",
			    what, skipped, name);
	free(why);
	json_decref(content);
	return found;
}

bool agent_restore_health(struct agent *agent)
{
	return restore(agent, "health", "the backends' last known states", health_restore);
}

void agent_restore_overrides(struct agent *agent)
{
	restore(agent, "overrides", "operators' overrides", health_restore_overrides);
}
