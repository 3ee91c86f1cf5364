/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A new configuration: read whole, compared, applied whole; or nothing happens. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "in/config_file.h"
#include "lib/log.h"
#include "lib/memory.h"
#include "model/config_diff.h"

static void set_last_error(struct agent *agent, char *error)
{
	free(agent->state.last_error);
	agent->state.last_error = error;
}

static json_t *error_reply(const char *text)
{
	return json_pack("{ss}", "error", text);
}

static int read_config(struct agent *agent, struct config **config, json_t **reply)
{
	char *errors = NULL;
	int err = config_file_read(agent->options.config, config, &errors);

	if (!err)
		return 0;
	*reply = error_reply(errors);
	free(errors);
	return err;
}

/* Makes `config` the running one, as far as the kernel; the caller keeps the former for going back. */
static int run_config(struct agent *agent, struct config *config)
{
	int err = agent_assign(agent, config);

	if (err)
		return err;
	agent->state.config = config;
	err = agent_watch(agent);
	return err ?: agent_commit(agent);
}

/*
 * To the former configuration, with the indices that it had: names that were gone for
 * a moment would get other ones, and their counters would start anew.
 */
static void go_back(struct agent *agent, struct config *former, const json_t *ids)
{
	agent->state.config = former;
	ids_restore(agent->state.ids, ids);
	if (!run_config(agent, former))
		return;
	log_error("reload: going back failed too: what the kernel has goes on until a commit succeeds");
	event_active(agent->commit, 0, 0);
}

static void log_changes(const json_t *changes)
{
	json_t *change;
	size_t i;

	json_array_foreach(changes, i, change)
		log_info("reload: %s %s: %s", json_string_value(json_object_get(change, "change")),
			 json_string_value(json_object_get(change, "what")),
			 json_string_value(json_object_get(change, "detail")));
	if (!json_array_size(changes))
		log_info("reload: nothing changed");
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

int agent_reload(struct agent *agent, json_t **reply)
{
	struct config *former = agent->state.config, *config;
	json_t *changes, *ids;
	int err;

	if (!agent->dataplane) {
		*reply = error_reply("detached: sluiced is ending");
		return 503;
	}
	if (read_config(agent, &config, reply)) {
		const char *text = json_string_value(json_object_get(*reply, "error"));

		set_last_error(agent, memory_format("%s", text));
		log_error("reload: the file has errors, the running configuration stays:\n%s", text);
		return 422;
	}
	changes = config_diff(former, config);
	ids = ids_save(agent->state.ids);
	err = run_config(agent, config);
	if (err) {
		log_error("reload: %s: going back to the running configuration", strerror(-err));
		go_back(agent, former, ids);
		config_free(config);
		json_decref(changes);
		set_last_error(agent, memory_format("applying %s: %s", agent->options.config, strerror(-err)));
		*reply = error_reply(agent->state.last_error);
		json_decref(ids);
		return 500;
	}
	json_decref(ids);
	config_free(former);
	agent->state.config_loaded = time(NULL);
	set_last_error(agent, NULL);
	log_changes(changes);
	*reply = json_pack("{so so}", "changes", changes, "warnings", interface_warnings(agent));
	return 200;
}

int agent_diff(struct agent *agent, json_t **reply)
{
	struct config *config;

	if (read_config(agent, &config, reply))
		return 422;
	*reply = json_pack("{so}", "changes", config_diff(agent->state.config, config));
	config_free(config);
	return 200;
}
