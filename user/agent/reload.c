/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A new configuration, from the file or over the control socket: read whole,
 * compared, applied whole; or nothing happens.
 *
 * One that came over the socket is kept in the state folder's applied.yaml and runs
 * after a restart too, until a reload goes back to the file. While it waits to be confirmed
 * it is not kept, so a restart comes back with the former one, as the end of the wait does.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "in/config_file.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/memory.h"
#include "lib/text.h"
#include "model/config_diff.h"

#define CHANGES_LOGGED 100 /* of one configuration */
#define APPLIED_BY     ", applied over the control socket by "

static void set_last_error(struct agent *agent, char *error)
{
	free(agent->state.last_error);
	agent->state.last_error = error;
}

static json_t *error_reply(const char *text)
{
	return json_pack("{ss}", "error", text);
}

static char *applied_path(const struct agent *agent)
{
	return memory_format("%s/applied.yaml", agent->options.state);
}

/* Makes `config` the running one, as far as the kernel; the caller keeps the former for going back. */
static int run_config(struct agent *agent, struct config *config)
{
	int err = agent_assign(agent, config);

	if (err)
		return err;
	agent->state.config = config;
	probing_configure(agent, false);
	notify_configure(agent->notify, &config->notify);
	agent->scope = PLAN_ALL;
	err = agent_watch(agent) ?: agent_commit(agent);
	if (!err)
		agent->dirty = agent->behind = false;
	return err;
}

static struct former remember(const struct agent *agent)
{
	__u64 now = clock_ms();

	return (struct former){
		.config = agent->state.config,
		.ids = ids_save(agent->state.ids),
		.health = health_save(agent->state.health, now),
		.overrides = health_save_overrides(agent->state.health, now),
	};
}

static void forget(struct former *former)
{
	json_decref(former->ids);
	json_decref(former->health);
	json_decref(former->overrides);
	free(former->applied);
	*former = (struct former){0};
}

/*
 * To the former configuration, with the indices and the health that it had: names that were gone for
 * a moment would get other ones, their counters would start anew, and their backends would wait for probes.
 */
static int go_back(struct agent *agent, const struct former *former)
{
	struct config *left = agent->state.config;
	int err;

	agent->state.config = former->config;
	ids_restore(agent->state.ids, former->ids);
	if (left != former->config) { /* the health has gone over to the new one */
		probing_configure(agent, false);
		health_restore(agent->state.health, former->health, clock_ms());
		health_restore_overrides(agent->state.health, former->overrides, clock_ms());
	}
	err = run_config(agent, former->config);
	if (!err)
		return 0;
	log_error("going back failed too: what the kernel has goes on until a commit succeeds");
	agent_changed(agent, PLAN_ALL);
	return err;
}

static void log_changes(const json_t *changes)
{
	size_t count = json_array_size(changes);

	for (size_t i = 0; i < count && i < CHANGES_LOGGED; i++) {
		const json_t *change = json_array_get(changes, i);

		log_info("configuration: %s %s: %s", json_string_value(json_object_get(change, "change")),
			 json_string_value(json_object_get(change, "what")),
			 json_string_value(json_object_get(change, "detail")));
	}
	if (count > CHANGES_LOGGED)
		log_info("configuration: and %zu more changes", count - CHANGES_LOGGED);
}

/* Interfaces that the new configuration does not run on as it asks. */
static json_t *interface_warnings(const struct agent *agent)
{
	json_t *interfaces = dataplane_interfaces_json(agent->dataplane), *warnings = json_array(), *one;
	size_t i;

	json_array_foreach(interfaces, i, one) {
		const char *why = json_string_value(json_object_get(one, "why"));

		if (*why)
			json_array_append_new(
				warnings, json_sprintf("%s: %s", json_string_value(json_object_get(one, "name")), why));
	}
	json_decref(interfaces);
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
	*reply = error_reply(errors);
	log_error("%s has errors, the running configuration stays:\n%s", name, errors);
	agent_event(agent, EVENT_config_refused, uid, "%s has errors: %s", name, errors);
	set_last_error(agent, errors);
	return 422;
}

/* Applies `config`, of which the agent is the owner from now on. `applied` is for state.applied; taken over. */
static int take_config(struct agent *agent, struct config *config, const char *name, char *applied, uid_t uid,
		       struct former *former, json_t **reply)
{
	json_t *changes = config_diff(agent->state.config, config);
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
	*reply = json_pack("{so so}", "changes", changes, "warnings", interface_warnings(agent));
	return 200;
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
	char *errors = NULL, *path;
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
	path = applied_path(agent);
	if (unlink(path) && errno != ENOENT)
		log_error("%s: %s: after a restart it would run again", path, strerror(errno));
	free(path);
	agent_save_overrides(agent); /* of removed backends there are none any more */
	tell_applied(agent, name, *reply, uid);
	return 200;
}

/* How the configuration came, for display and as the last line of the file that keeps it. */
static char *describe_applied(const char *name, uid_t uid)
{
	const struct passwd *user = getpwuid(uid);
	char when[32], clean[200];
	time_t now = time(NULL);
	struct tm utc;

	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	text_clean(clean, sizeof(clean), name, strlen(name)); /* cuts between characters */
	return memory_format("%s" APPLIED_BY "%s (uid %u) at %s", clean, user ? user->pw_name : "an unknown user", uid,
			     when);
}

/* Control characters in a client's name for the file would break the line that keeps it. */
static char *clean_name(const char *name)
{
	char *clean = memory_format("%s", name);

	for (char *c = clean; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return clean;
}

static int keep_applied(struct agent *agent, const char *text)
{
	char *path = applied_path(agent);
	char *content = memory_format("%s\n# %s\n", text, agent->state.applied);
	int err = file_replace(path, content, strlen(content), FILE_PRIVATE);

	if (err)
		log_error("%s: %s: the applied configuration runs, but will not after a restart", path, strerror(-err));
	free(content);
	free(path);
	return err;
}

static void await_confirmation(struct agent *agent, const struct control_request *request, struct former *former,
			       __u32 confirm_ms)
{
	const struct timeval in = {.tv_sec = confirm_ms / 1000, .tv_usec = confirm_ms % 1000 * 1000};

	agent->former = *former;
	agent->waiting_text = json_stringn_nocheck(request->body, request->length);
	agent->state.confirm_by = clock_ms() + confirm_ms;
	evtimer_add(agent->rollback, &in);
	agent_event(agent, EVENT_config_confirm, request->uid, "%s: comes back from it in %u s unless it is confirmed",
		    agent->state.applied, (confirm_ms + 999) / 1000);
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
	status = take_config(agent, config, name, describe_applied(name, request->uid), request->uid, &former, reply);
	if (status != 200)
		goto out;
	tell_applied(agent, name, *reply, request->uid);
	if (confirm_ms) {
		await_confirmation(agent, request, &former, confirm_ms);
		json_object_set_new(*reply, "confirm_ms", json_integer(confirm_ms));
		goto out;
	}
	json_object_set_new(*reply, "confirm_ms", json_null());
	if (keep_applied(agent, request->body))
		json_array_append_new(json_object_get(*reply, "warnings"),
				      json_string("it could not be written to the state folder: "
						  "after a restart the former configuration runs"));
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
	err = keep_applied(agent, json_string_value(agent->waiting_text));
	config_free(agent->former.config);
	end_waiting(agent);
	agent_save_overrides(agent);
	agent_event(agent, EVENT_config_applied, uid, "%s: confirmed", agent->state.applied);
	if (!err) {
		*reply = json_object();
		return 200;
	}
	*reply = json_pack("{so}", "error",
			   json_sprintf("confirmed, but not written to the state folder (%s): "
					"after a restart the former configuration runs",
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
	changes = config_diff(left, agent->former.config);
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
	*reply = json_pack("{so so}", "changes", changes, "warnings", interface_warnings(agent));
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
	*reply = json_pack("{so}", "changes", config_diff(agent->state.config, config));
	config_free(config);
	return 200;
}

/* The last line of what keep_applied() wrote, without its comment sign; NULL if the file was cut off before it. */
static char *read_description(const char *path)
{
	char line[512] = "", last[512] = "", *end;
	FILE *file = fopen(path, "re");

	while (file && fgets(line, sizeof(line), file))
		strcpy(last, line);
	if (file)
		fclose(file);
	end = strchr(last, '\n');
	if (!end || strncmp(last, "# ", 2) != 0 || !strstr(last, APPLIED_BY))
		return NULL;
	*end = '\0';
	return memory_format("%s", last + 2);
}

/* What an earlier run kept; -ENOENT if there is nothing, and another negative errno with *errors if it is damaged. */
static int read_applied(struct agent *agent, const char *path, struct config **config, char **errors)
{
	int err = access(path, F_OK) ? -ENOENT : config_file_read(path, config, errors);

	if (err)
		return err;
	agent->state.applied = read_description(path);
	if (agent->state.applied)
		return 0;
	config_free(*config);
	*config = NULL;
	*errors = memory_format("%s: its last line is missing, and perhaps more\n", path);
	return -EINVAL;
}

int agent_read_config(struct agent *agent, struct config **config, char **errors)
{
	char *path = applied_path(agent);
	int err = read_applied(agent, path, config, errors);

	if (!err) {
		log_warning("running %s, not %s: `sluice reload` goes back to the file", agent->state.applied,
			    agent->options.config);
	} else if (*errors) {
		log_error("the applied configuration of an earlier run cannot be read, %s runs instead:\n%s",
			  agent->options.config, *errors);
		agent_event(agent, EVENT_config_refused, EVENT_NOBODY, "%s cannot be read: %s runs instead", path,
			    agent->options.config);
		free(*errors);
		*errors = NULL;
	}
	if (err)
		err = config_file_read(agent->options.config, config, errors);
	free(path);
	return err;
}
