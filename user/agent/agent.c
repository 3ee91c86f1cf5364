/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "agent/agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "in/config_file.h"
#include "lib/log.h"
#include "out/snapshot.h"

static void commit_event(evutil_socket_t fd, short what, void *argument)
{
	const struct timeval later = {.tv_sec = 1};
	struct agent *agent = argument;

	(void)fd;
	(void)what;
	if (!agent->dataplane)
		return;
	agent->behind = agent_commit(agent) != 0;
	if (!agent->behind)
		return;
	log_error("the kernel was not brought to the wanted state: trying again in a second");
	evtimer_add(agent->retry, &later);
}

/* Any number of facts in one turn of the loop make one commit. */
static void mark_dirty(void *argument)
{
	struct agent *agent = argument;

	event_active(agent->commit, 0, 0);
}

static void retry_event(evutil_socket_t fd, short what, void *argument)
{
	struct agent *agent = argument;

	(void)fd;
	(void)what;
	if (agent->behind)
		mark_dirty(agent);
	else if (agent->dataplane)
		agent_attach(agent);
}

static void stop_event(evutil_socket_t fd, short what, void *argument)
{
	struct agent *agent = argument;

	(void)what;
	log_info("%s: ending; the dataplane goes on forwarding", strsignal((int)fd));
	event_base_loopbreak(agent->base);
}

static void reload_event(evutil_socket_t fd, short what, void *argument)
{
	json_t *reply;

	(void)fd;
	(void)what;
	agent_reload(argument, &reply);
	json_decref(reply);
}

int agent_detach(struct agent *agent)
{
	const struct timeval replied = {.tv_usec = 100000}; /* the reply is written on a later turn of the loop */
	int err;

	dataplane_close(agent->dataplane);
	agent->dataplane = NULL;
	agent->report.dataplane = NULL;
	err = dataplane_remove(agent->options.bpffs);
	log_info("detached on request: ending");
	event_base_loopexit(agent->base, &replied);
	return err;
}

static int open_loop(struct agent *agent)
{
	static const struct {
		int signal;
		event_callback_fn function;
	} handlers[] = {{SIGTERM, stop_event}, {SIGINT, stop_event}, {SIGHUP, reload_event}};

	agent->base = event_base_new();
	if (!agent->base)
		return -ENOMEM;
	agent->commit = event_new(agent->base, -1, 0, commit_event, agent);
	agent->retry = evtimer_new(agent->base, retry_event, agent);
	for (size_t i = 0; i < 3; i++) {
		agent->signals[i] = evsignal_new(agent->base, handlers[i].signal, handlers[i].function, agent);
		event_add(agent->signals[i], NULL);
	}
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

/* Everything up to the first commit: facts first, so that it is complete. */
static int start(struct agent *agent)
{
	int err = snapshot_folder(agent->options.state);

	err = err ?: open_loop(agent);
	err = err ?: dataplane_open(&agent->dataplane, agent->options.bpffs);
	if (err)
		return err;
	agent->report = (struct report){.state = &agent->state, .plan = agent->plan, .dataplane = agent->dataplane};
	/* before anything is changed: another agent may have the socket. Nobody is answered until the loop runs */
	err = control_open(&agent->control, agent->base, agent->options.socket, agent->options.group, agent_endpoints,
			   agent);
	if (err)
		return err;
	agent_restore(agent);
	err = agent_assign(agent, agent->state.config);
	if (err == -ENOSPC) { /* the last run's tables are in the way: start with new maps */
		agent_forget(agent);
		err = agent_assign(agent, agent->state.config);
	}
	err = err ?: netlink_open(&agent->netlink, agent->base, &agent->state.network, mark_dirty, agent);
	err = err ?: agent_watch(agent);
	if (err)
		return err;
	agent_remember_neighbours(agent);
	return agent_commit(agent);
}

static void stop(struct agent *agent)
{
	if (agent->control)
		control_close(agent->control);
	if (agent->netlink)
		netlink_close(agent->netlink);
	dataplane_close(agent->dataplane);
	for (size_t i = 0; i < 3; i++)
		if (agent->signals[i])
			event_free(agent->signals[i]);
	if (agent->commit)
		event_free(agent->commit);
	if (agent->retry)
		event_free(agent->retry);
	if (agent->base)
		event_base_free(agent->base);
	plan_free(agent->plan);
	ids_free(agent->state.ids);
	network_free(&agent->state.network);
	config_free(agent->state.config);
	free(agent->state.last_error);
}

static void log_ready(const struct agent *agent)
{
	const struct config *config = agent->state.config;
	bool probes = false;

	for (size_t i = 0; i < config->pool_count; i++)
		probes |= config->pools[i].probe.set;
	if (probes)
		log_warning("probes are configured, but this version does not run them: every backend counts as up");
	log_info("ready: %zu services, %zu pools, control socket %s", config->service_count, config->pool_count,
		 agent->options.socket);
}

int agent_run(const struct agent_options *options)
{
	struct agent agent = {.options = *options};
	char *errors = NULL;
	int err = config_file_read(options->config, &agent.state.config, &errors);

	if (err) {
		fputs(errors, stderr);
		free(errors);
		return EXIT_FAILURE;
	}
	agent.state.started = agent.state.config_loaded = time(NULL);
	agent.state.ids = ids_new();
	agent.plan = plan_new();
	err = start(&agent);
	if (!err) {
		log_ready(&agent);
		event_base_dispatch(agent.base);
	}
	stop(&agent);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
