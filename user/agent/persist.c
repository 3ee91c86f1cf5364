/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What outlives the process, in the state folder:
 *
 *   snapshot.json   which map index belongs to which name; good only with the maps it was made for
 *   health.json     verdicts, falls, hold-downs; written right after the kernel, never waited for
 *   overrides.json  what operators set; durable before they get their answer
 *   deny.json       deny_file.c
 *   applied.yaml    applied.c
 *   notify.json     telling.c
 *   events.jsonl    out/events.h
 *
 * Health and overrides say in which boot they were written: the monotonic clock, by which they have times, goes on
 * until the next one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/deny.h"
#include "lib/buffer.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "out/snapshot.h"

#define SNAPSHOT_VERSION 2
#define SAVE_PAUSE_MS	 500  /* between two of the health, which takes some 5 ms for 30,000 backends */
#define SAVE_AGAIN_MS	 2000 /* after it failed */

#define BOOT_TEXT sizeof("01234567-89ab-cdef-0123-456789abcdef")

/* Names the boot; empty if it cannot be known. Returns `text`. */
static const char *boot_name(char text[static BOOT_TEXT])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file || !fgets(text, BOOT_TEXT, file))
		*text = '\0';
	if (file)
		fclose(file);
	return text;
}

static void add_boot(json_t *content)
{
	char boot[BOOT_TEXT];

	json_object_set_new(content, "boot", json_string(boot_name(boot)));
}

/* Whether its times are by the clock as it runs now. */
static bool is_of_this_boot(const json_t *content)
{
	const char *written = json_string_value(json_object_get(content, "boot"));
	char boot[BOOT_TEXT];

	return *boot_name(boot) && written && strcmp(written, boot) == 0;
}

static void save_in(struct agent *agent, __u32 ms)
{
	const struct timeval delay = clock_timeval(ms);

	evtimer_add(agent->save, &delay);
}

void agent_saved(struct agent *agent, const char *name, int err, bool *unsaved)
{
	const char *folder = agent->options.state;

	if (err && !*unsaved && !agent->unsaved)
		agent_event(agent, EVENT_state_unsaved, EVENT_NOBODY,
			    "%s/%s: %s: it is tried again, but lost if sluiced ends before", folder, name,
			    strerror(-err));
	else if (err && !*unsaved)
		log_error("%s/%s: %s: it is tried again, but lost if sluiced ends before", folder, name,
			  strerror(-err));
	else if (!err && *unsaved)
		log_info("%s/%s can be written again", folder, name);
	*unsaved = err != 0;
	agent->unsaved |= err != 0;
	if (err && !agent->health_due && agent->save)
		save_in(agent, SAVE_AGAIN_MS);
}

int agent_save(struct agent *agent, const char *name, enum snapshot_how how, const json_t *content, bool *unsaved)
{
	int err = agent->state_taken ? -EBUSY : snapshot_write(agent->options.state, name, how, content);
	char file[32];

	snprintf(file, sizeof(file), "%s.json", name);
	agent_saved(agent, file, err, unsaved);
	return err;
}

int agent_save_ids(struct agent *agent)
{
	__u32 maps = dataplane_maps_id(agent->dataplane);
	json_t *content = json_pack("{si sI so}", "version", SNAPSHOT_VERSION, "maps", (json_int_t)maps, "ids",
				    ids_save(agent->state.ids));
	int err = agent_save(agent, "snapshot", SNAPSHOT_DURABLE, content, &agent->ids_unsaved);

	json_decref(content);
	if (!err) /* otherwise they differ, and the next commit tries again */
		agent->saved_maps = maps;
	return err;
}

/* A timer even if it is over at once: what is active, as the commit to the kernel is then, goes before timers. */
void agent_save_health_soon(struct agent *agent)
{
	__u64 over = agent->health_written + SAVE_PAUSE_MS, now = clock_ms();

	if (agent->health_due || agent->health_unsaved)
		return;
	agent->health_due = true;
	save_in(agent, over > now ? (__u32)(over - now) : 0);
}

/*
 * While a configuration waits to be confirmed a restart comes back with the former one: with what was
 * known of backends that only that one has, too. Nothing but few members is made as a tree.
 */
static char *health_content(const struct agent *agent, size_t *length)
{
	char *saved = health_save_text(agent->state.health, clock_ms()), *rest;
	json_t *members = json_object();
	struct buffer content = {0};

	add_boot(members);
	if (agent->former.health)
		json_object_set_new(members, "waiting", json_string(agent->state.applied));
	rest = json_dumps(members, JSON_COMPACT);
	json_decref(members);
	buffer_add(&content, saved, strlen(saved) - 1); /* all but the brace that ends it */
	if (agent->former.health) {
		buffer_add_text(&content, ",\"former\":");
		buffer_add_text(&content, agent->former.health);
	}
	buffer_add_text(&content, ",");
	buffer_add_text(&content, rest + 1); /* without the brace that begins it */
	free(rest);
	free(saved);
	*length = content.length;
	return buffer_take(&content);
}

int agent_save_health(struct agent *agent)
{
	size_t length;
	char *content = health_content(agent, &length);
	int err = agent->state_taken
			  ? -EBUSY
			  : snapshot_write_text(agent->options.state, "health", SNAPSHOT_SOON, content, length);

	agent_saved(agent, "health.json", err, &agent->health_unsaved);
	free(content);
	agent->health_written = clock_ms();
	return err;
}

int agent_remove(struct agent *agent, const char *name)
{
	return agent->state_taken ? 0 : snapshot_remove(agent->options.state, name);
}

/* By name or address, as overrides go over to a new configuration by both. */
static bool is_configured(const struct agent *agent, const json_t *override)
{
	const char *pool = json_string_value(json_object_get(override, "pool"));
	const char *name = json_string_value(json_object_get(override, "backend"));
	struct address address = {0};

	address_parse(json_string_value(json_object_get(override, "address")), &address);
	return health_find(agent->state.health, pool, name) || health_find_address(agent->state.health, pool, &address);
}

/* The same of overrides. */
static void add_former_overrides(const struct agent *agent, json_t *overrides)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(agent->former.overrides, "overrides"), i, one)
		if (!is_configured(agent, one))
			json_array_append(overrides, one);
}

int agent_save_overrides(struct agent *agent)
{
	json_t *content = health_save_overrides(agent->state.health, clock_ms());
	int err;

	add_boot(content);
	add_former_overrides(agent, json_object_get(content, "overrides"));
	err = agent_save(agent, "overrides", SNAPSHOT_DURABLE, content, &agent->overrides_unsaved);
	json_decref(content);
	return err;
}

void agent_save_due(struct agent *agent)
{
	agent->health_due = false;
	evtimer_del(agent->save);
	agent_save_health(agent);
	if (agent->override_changed || agent->overrides_unsaved)
		agent_save_overrides(agent);
	agent->override_changed = false;
	if (agent->ids_unsaved && agent->dataplane)
		agent_save_ids(agent);
	if (agent->deny_unsaved)
		deny_file_save(agent);
	if (agent->applied_unsaved)
		applied_save(agent);
	if (agent->told_unsaved)
		telling_save(agent);
}

bool agent_unsaved(const struct agent *agent)
{
	return agent->ids_unsaved || agent->health_unsaved || agent->overrides_unsaved || agent->deny_unsaved ||
	       agent->applied_unsaved || agent->told_unsaved || events_unsaved(agent->events);
}

void agent_save_all(struct agent *agent)
{
	agent_save_ids(agent);
	agent_save_health(agent);
	agent_save_overrides(agent);
	deny_file_save(agent);
	applied_save(agent);
	if (agent->hooked)
		telling_save(agent);
	events_save(agent->events);
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
			    "the snapshot of the running dataplane is lost (%s): traffic goes on, but counters start "
			    "anew, and connections that flow records kept break",
			    why	      ? why
			    : content ? "it is of other maps"
				      : "no file");
		agent_forget(agent);
	}
	free(why);
	json_decref(content);
}

/* One that waited then does not run any more: who applied it perhaps thinks that it does. */
static void tell_unconfirmed(struct agent *agent, const json_t *content)
{
	const char *waiting = json_string_value(json_object_get(content, "waiting"));

	if (waiting)
		agent_event(agent, EVENT_config_rolled_back, EVENT_NOBODY,
			    "%s runs again: sluiced ended before this was confirmed: %s",
			    agent->state.applied ? agent->state.applied : agent->options.config, waiting);
}

/* A missing file is nothing lost: there was no earlier run. `what` it holds is for the event. */
static bool restore(struct agent *agent, const char *name, const char *what,
		    size_t (*take)(struct health *, const json_t *, bool, __u64))
{
	char *why;
	json_t *content = snapshot_read(agent->options.state, name, &why);
	size_t skipped = content ? take(agent->state.health, content, is_of_this_boot(content), clock_ms()) : 0;
	bool found = content != NULL;

	tell_unconfirmed(agent, content);
	if (why)
		agent_event(agent, EVENT_snapshot_lost, EVENT_NOBODY, "%s are lost (%s)", what, why);
	else if (skipped)
		agent_event(agent, EVENT_snapshot_lost, EVENT_NOBODY, "%s: %zu entries of %s.json could not be read",
			    what, skipped, name);
	free(why);
	json_decref(content);
	return found;
}

/* What the run before knew last, and then of others what agent_save_health() took from the former configuration. */
static size_t take_health(struct health *health, const json_t *content, bool same_clock, __u64 now)
{
	const json_t *former = json_object_get(content, "former");
	size_t skipped = health_restore(health, content, same_clock, now);

	return former ? skipped + health_restore(health, former, same_clock, now) : skipped;
}

bool agent_restore_health(struct agent *agent)
{
	return restore(agent, "health", "the backends' last known states", take_health);
}

void agent_restore_overrides(struct agent *agent)
{
	restore(agent, "overrides", "operators' overrides", health_restore_overrides);
}
