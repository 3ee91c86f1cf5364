/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A new configuration, from the file or over the control socket: read whole,
 * compared, applied whole; or nothing happens.
 *
 * One that came over the socket is kept for restarts (applied.c). While it waits to be confirmed
 * it is not, so a restart comes back with the former one, as the end of the wait does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "in/config_file.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/memory.h"
#include "lib/text.h"
#include "model/config_advice.h"
#include "model/config_diff.h"

#define CHANGES_LOGGED 100 /* of one configuration */

static void set_last_error(struct agent *agent, char *error)
{
	free(agent->state.last_error);
	agent->state.last_error = error;
}

static json_t *error_reply(const char *text)
{
	return json_pack("{ss}", "error", text);
}

/* Everything in this process goes by `config` from here on. */
static void adopt_config(struct agent *agent, struct config *config)
{
	agent->state.config = config;
	probing_configure(agent, false);
	telling_configure(agent);
}

/* Brings netlink and the maps to it. */
static int bring_config(struct agent *agent)
{
	int err = agent_watch(agent);

	agent->scope = PLAN_ALL;
	err = err ?: agent_commit(agent);
	if (!err)
		agent->dirty = agent->behind = false;
	return err;
}

/* Makes `config` the running one, as far as the kernel; the caller keeps the former for going back. */
static int run_config(struct agent *agent, struct config *config)
{
	int err = agent_assign(agent, config);

	if (err)
		return err;
	adopt_config(agent, config);
	deny_settle(agent->state.deny);
	return bring_config(agent);
}

static struct former remember(const struct agent *agent)
{
	__u64 now = clock_ms();

	return (struct former){
		.config = agent->state.config,
		.ids = ids_save(agent->state.ids),
		.health = health_save_text(agent->state.health, now),
		.overrides = health_save_overrides(agent->state.health, now),
	};
}

static void forget(struct former *former)
{
	json_decref(former->ids);
	json_decref(former->overrides);
	free(former->health);
	free(former->applied);
	*former = (struct former){0};
}

/*
 * To the former configuration, with the indices and the health that it had: names that were gone for
 * a moment would get other ones, their counters would start anew, and their backends would wait for probes.
 */
static int go_back(struct agent *agent, const struct former *former)
{
	json_t *health;
	int err;

	ids_restore(agent->state.ids, former->ids);
	agent_assign(agent, former->config); /* to disk; where that fails it is tried again, and nothing waits for it */
	if (agent->state.config != former->config) {
		prober_pause(agent->prober);
		health = json_loads(former->health, 0, NULL);
		health_return(agent->state.health, former->config, health, former->overrides, clock_ms());
		json_decref(health);
		adopt_config(agent, former->config);
	}
	err = bring_config(agent);
	if (!err)
		return 0;
	agent->behind = true; /* plan and configuration do not agree */
	log_error("going back failed too: what the kernel has goes on until a commit succeeds");
	agent_changed(agent, PLAN_ALL);
	return err;
}

static void log_changes(const json_t *changes)
{
	size_t count = json_array_size(changes);

	for (size_t i = 0; i < count && i < CHANGES_LOGGED; i++) {
		const json_t *change = json_array_get(changes, i);
		const char *what = json_string_value(json_object_get(change, "what"));
		const char *warning = json_string_value(json_object_get(change, "warning"));

		log_info("configuration: %s %s: %s", json_string_value(json_object_get(change, "change")), what,
			 json_string_value(json_object_get(change, "detail")));
		if (warning)
			log_warning("configuration: %s: %s", what, warning);
	}
	if (count > CHANGES_LOGGED)
		log_info("configuration: and %zu more changes", count - CHANGES_LOGGED);
}

/* Advice on the new configuration, interfaces that it does not run on as it asks, and a hook that cannot be run. */
static json_t *find_warnings(const struct agent *agent)
{
	json_t *interfaces = report_interfaces(&agent->report), *one;
	json_t *warnings = config_advice(agent->state.config);
	char *hook = notify_warning(&agent->state.config->notify);
	size_t i;

	json_array_foreach(interfaces, i, one) {
		const char *name = json_string_value(json_object_get(one, "name"));
		const char *why = json_string_value(json_object_get(one, "why"));
		const char *hint = json_string_value(json_object_get(one, "hint"));

		if (*why)
			json_array_append_new(warnings, json_sprintf("%s: %s", name, why));
		if (hint)
			json_array_append_new(warnings, json_sprintf("%s: %s", name, hint));
	}
	json_decref(interfaces);
	if (hook)
		json_array_append_new(warnings, json_string(hook));
	free(hook);
	return warnings;
}

/* Whether a new configuration can be taken now; else the answer. An event too, as SIGHUP gets no answer. */
static int refuse(struct agent *agent, const char *name, uid_t uid, json_t **reply)
{
	static const char waits[] = "an applied configuration waits to be confirmed: "
				    "sluice confirm keeps it, sluice rollback takes it back";

	if (!agent->dataplane) {
		*reply = error_reply("detached: sluiced is ending");
		return 503;
	}
	if (agent->former.config) {
		agent_event(agent, EVENT_config_refused, uid, "%s: %s", name, waits);
		*reply = error_reply(waits);
		return 409;
	}
	return 0;
}

/* Tells of a text with errors, which changes nothing. */
static int refuse_errors(struct agent *agent, const char *name, char *errors, uid_t uid, json_t **reply)
{
	char *first = applied_first_error(errors);

	*reply = error_reply(errors);
	log_error("%s has errors, the running configuration stays:\n%s", name, errors);
	agent_event(agent, EVENT_config_refused, uid, "%s", first);
	free(first);
	set_last_error(agent, errors);
	return 422;
}

/* Applies `config`, of which the agent is the owner from now on. `applied` is for state.applied; taken over. */
static int take_config(struct agent *agent, struct config *config, const char *name, char *applied, uid_t uid,
		       struct former *former, json_t **reply)
{
	json_t *changes = config_diff(agent->state.config, config, agent->state.health);
	int err;

	*former = remember(agent);
	err = run_config(agent, config);
	if (err) {
		log_error("%s: %s: going back to the running configuration", name, strerror(-err));
		go_back(agent, former);
		config_free(config);
		json_decref(changes);
		forget(former);
		free(applied);
		set_last_error(agent, memory_format("applying %s: %s", name, strerror(-err)));
		agent_event(agent, EVENT_config_refused, uid, "%s", agent->state.last_error);
		*reply = error_reply(agent->state.last_error);
		return 500;
	}
	former->applied = agent->state.applied;
	agent->state.applied = applied;
	agent->state.config_loaded = time(NULL);
	set_last_error(agent, NULL);
	log_changes(changes);
	*reply = json_pack("{so so}", "changes", changes, "warnings", find_warnings(agent));
	return 200;
}

static void add_warning(json_t *reply, const char *text)
{
	json_array_append_new(json_object_get(reply, "warnings"), json_string(text));
}

static void tell_applied(struct agent *agent, const char *name, const json_t *reply, uid_t uid)
{
	size_t count = json_array_size(json_object_get(reply, "changes"));

	agent_event(agent, EVENT_config_applied, uid, "%s: %zu change%s", name, count, count == 1 ? "" : "s");
}

int agent_reload(struct agent *agent, uid_t uid, json_t **reply)
{
	const char *name = agent->options.config;
	struct former former;
	struct config *config;
	char *errors = NULL;
	int status = refuse(agent, name, uid, reply);

	if (status)
		return status;
	if (config_file_read(name, &config, &errors))
		return refuse_errors(agent, name, errors, uid, reply);
	status = take_config(agent, config, name, NULL, uid, &former, reply);
	if (status != 200)
		return status;
	config_free(former.config);
	forget(&former);
	if (applied_drop(agent))
		add_warning(*reply, "the applied configuration could not be removed from the state folder: it is tried "
				    "again, but if sluiced restarts before, that runs again");
	agent_save_overrides(agent); /* of removed backends there are none any more */
	tell_applied(agent, name, *reply, uid);
	return 200;
}

/* Control characters in a client's name for the file would break the line that keeps it. */
static char *clean_name(const char *name)
{
	size_t room = strlen(name) + 1;
	char *clean = memory_new(room, 1);

	text_clean(clean, room, name, room - 1);
	return clean;
}

static void await_confirmation(struct agent *agent, const struct control_request *request, const char *name,
			       struct former *former, __u32 confirm_ms)
{
	const struct timeval in = clock_timeval(confirm_ms);

	agent->former = *former;
	agent->waiting_text = json_stringn_nocheck(request->body, request->length);
	agent->state.confirm_by = clock_ms() + confirm_ms;
	evtimer_add(agent->rollback, &in);
	/* what matters comes first: a long name is cut */
	agent_event(agent, EVENT_config_confirm, request->uid,
		    "rolled back in %u s unless `sluice confirm` follows: %s", (confirm_ms + 999) / 1000, name);
}

int agent_apply(struct agent *agent, const struct control_request *request, const char *raw_name, __u32 confirm_ms,
		json_t **reply)
{
	struct former former;
	struct config *config;
	char *errors = NULL, *name = clean_name(raw_name);
	int status = refuse(agent, name, request->uid, reply);

	if (status)
		goto out;
	if (config_text_read(request->body, request->length, name, &config, &errors)) {
		status = refuse_errors(agent, name, errors, request->uid, reply);
		goto out;
	}
	status = take_config(agent, config, name, applied_describe(name, request->uid), request->uid, &former, reply);
	if (status != 200)
		goto out;
	tell_applied(agent, name, *reply, request->uid);
	if (confirm_ms) {
		await_confirmation(agent, request, name, &former, confirm_ms);
		agent_save_health(agent); /* it tells a restart that one waited */
		json_object_set_new(*reply, "confirm_ms", json_integer(confirm_ms));
		goto out;
	}
	json_object_set_new(*reply, "confirm_ms", json_null());
	if (applied_keep(agent, request->body))
		add_warning(*reply, "it could not be written to the state folder: it is tried again, but if sluiced "
				    "restarts before, the former configuration runs");
	agent_save_overrides(agent);
	config_free(former.config);
	forget(&former);
out:
	free(name);
	return status;
}

static void end_waiting(struct agent *agent)
{
	forget(&agent->former);
	json_decref(agent->waiting_text);
	agent->waiting_text = NULL;
	agent->state.confirm_by = 0;
	evtimer_del(agent->rollback);
}

void agent_former_free(struct agent *agent)
{
	config_free(agent->former.config);
	forget(&agent->former);
	json_decref(agent->waiting_text);
}

int agent_confirm(struct agent *agent, uid_t uid, json_t **reply)
{
	int err;

	if (!agent->former.config) {
		*reply = error_reply("nothing waits to be confirmed");
		return 409;
	}
	err = applied_keep(agent, json_string_value(agent->waiting_text));
	config_free(agent->former.config);
	end_waiting(agent);
	agent_save_overrides(agent);
	agent_save_health(agent); /* what only the former one had is of no use any more */
	agent_event(agent, EVENT_config_applied, uid, "%s: confirmed", agent->state.applied);
	if (!err) {
		*reply = json_object();
		return 200;
	}
	*reply = json_pack("{so}", "error",
			   json_sprintf("confirmed, but not written to the state folder (%s): it is tried again, "
					"but if sluiced restarts before, the former configuration runs",
					strerror(-err)));
	return 500;
}

int agent_rollback(struct agent *agent, const char *why, uid_t uid, json_t **reply)
{
	struct config *left = agent->state.config;
	json_t *changes;
	int err;

	if (!agent->former.config || !agent->dataplane) {
		*reply = error_reply("nothing waits to be confirmed");
		return 409;
	}
	changes = config_diff(left, agent->former.config, agent->state.health);
	err = go_back(agent, &agent->former);
	agent_event(agent, EVENT_config_rolled_back, uid, "%s: %s, the former configuration runs again",
		    agent->state.applied, why);
	config_free(left);
	free(agent->state.applied);
	agent->state.applied = agent->former.applied;
	agent->former.applied = NULL;
	agent->state.config_loaded = time(NULL);
	end_waiting(agent);
	agent_save_overrides(agent);
	agent_save_health(agent); /* or a crash soon after would take those that are back for new ones */
	if (err) {
		json_decref(changes);
		*reply = error_reply("rolled back, but the kernel was not brought to it: trying again every second");
		return 500;
	}
	*reply = json_pack("{so so}", "changes", changes, "warnings", find_warnings(agent));
	return 200;
}

int agent_diff(struct agent *agent, const struct control_request *request, json_t **reply)
{
	const char *name = control_query(request, "name");
	struct config *config;
	char *errors = NULL;
	int err;

	if (request->length)
		err = config_text_read(request->body, request->length, name ?: "(the configuration sent)", &config,
				       &errors);
	else
		err = config_file_read(agent->options.config, &config, &errors);
	if (err) {
		*reply = error_reply(errors);
		free(errors);
		return 422;
	}
	*reply = json_pack("{so}", "changes", config_diff(agent->state.config, config, agent->state.health));
	config_free(config);
	return 200;
}
