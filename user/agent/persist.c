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

#include "agent/agent.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "out/snapshot.h"

#define SNAPSHOT_VERSION 1
#define SAVE_DELAY_MS	 500

int agent_save_ids(struct agent *agent)
{
	__u32 maps = dataplane_maps_id(agent->dataplane);
	json_t *content = json_pack("{si sI so}", "version", SNAPSHOT_VERSION, "maps", (json_int_t)maps, "ids",
				    ids_save(agent->state.ids));
	int err = snapshot_write(agent->options.state, "snapshot", SNAPSHOT_DURABLE, content);

	json_decref(content);
	if (!err) /* otherwise they differ, and the next commit tries again */
		agent->saved_maps = maps;
	return err;
}

void agent_save_health_soon(struct agent *agent)
{
	const struct timeval delay = {.tv_usec = SAVE_DELAY_MS * 1000};

	if (!evtimer_pending(agent->save, NULL))
		evtimer_add(agent->save, &delay);
}

void agent_save_health(struct agent *agent)
{
	json_t *content = health_save(agent->state.health, clock_ms());

	snapshot_write(agent->options.state, "health", SNAPSHOT_SOON, content);
	json_decref(content);
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

void agent_save_overrides(struct agent *agent)
{
	json_t *content = health_save_overrides(agent->state.health, clock_ms());

	add_former_overrides(agent, json_object_get(content, "overrides"));
	snapshot_write(agent->options.state, "overrides", SNAPSHOT_DURABLE, content);
	json_decref(content);
}

static bool restore_ids(struct agent *agent, const json_t *content)
{
	json_int_t version, maps;
	json_t *ids;

	return !json_unpack((json_t *)content, "{sI sI so}", "version", &version, "maps", &maps, "ids", &ids) &&
	       version == SNAPSHOT_VERSION && maps == dataplane_maps_id(agent->dataplane) &&
	       !ids_restore(agent->state.ids, ids);
}

bool agent_restore(struct agent *agent)
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
	return !lost;
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
