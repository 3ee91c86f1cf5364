/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "agent/agent.h"
#include "agent/deny.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/resource.h>

#include "lib/clock.h"
#include "lib/log.h"

#define DESCRIPTORS 65536 /* that this process may have: a probe under way needs one */

static void commit_event(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	agent_commit_now(argument);
}

/* Any number of facts in one turn of the loop make one commit. */
void agent_changed(struct agent *agent, enum plan_scope scope)
{
	if (scope == PLAN_HEALTH && !agent->verdict)
		agent->verdict = clock_us();
	agent->dirty = true;
	if (scope > agent->scope)
		agent->scope = scope;
	event_active(agent->commit, 0, 0);
}

static void network_changed(void *argument)
{
	agent_changed(argument, PLAN_NETWORK);
}

static void rollback_event(evutil_socket_t fd, short what, void *argument)
{
	json_t *reply;

	(void)fd;
	(void)what;
	agent_rollback(argument, "not confirmed in time", EVENT_NOBODY, &reply);
	json_decref(reply);
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
	agent_reload(argument, EVENT_NOBODY, &reply);
	json_decref(reply);
}

int agent_detach(struct agent *agent)
{
	const struct timeval replied = {.tv_usec = 100000}; /* the reply is written on a later turn of the loop */
	int err;

	prober_free(agent->prober); /* its sockets bear the mark, and without the path would go elsewhere */
	agent->prober = NULL;
	agent->report.prober = NULL;
	probe_path_close(agent->path);
	agent->path = NULL;
	dataplane_repair(agent->dataplane); /* what has no pin any more would not be found */
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
	agent->rollback = evtimer_new(agent->base, rollback_event, agent);
	for (size_t i = 0; i < 3; i++) {
		agent->signals[i] = evsignal_new(agent->base, handlers[i].signal, handlers[i].function, agent);
		event_add(agent->signals[i], NULL);
	}
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

/* Each probe under way has a descriptor. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= DESCRIPTORS)
		return;
	limit.rlim_cur = DESCRIPTORS;
	if (limit.rlim_max < DESCRIPTORS)
		limit.rlim_max = DESCRIPTORS;
	if (!setrlimit(RLIMIT_NOFILE, &limit))
		return;
	getrlimit(RLIMIT_NOFILE, &limit); /* not root's full rights: as far as they go */
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	log_warning("no more than %llu open files are allowed: a probe under way needs one",
		    (unsigned long long)limit.rlim_cur);
}

/* The configuration, then what operators set, which says whose health counts, then the health. */
static void start_health(struct agent *agent, bool running)
{
	probing_configure(agent, running);
	agent_restore_overrides(agent);
	if (!agent_restore_health(agent) && running)
		agent_event(agent, EVENT_snapshot_lost, EVENT_NOBODY,
			    "the backends' states are not known: all count as up until their probes fail");
	probing_changed(agent, false);
}

static int start_config(struct agent *agent)
{
	char *errors = NULL;
	int err = agent_read_config(agent, &agent->state.config, &errors);

	if (err)
		fputs(errors, stderr);
	else
		telling_start(agent);
	free(errors);
	return err;
}

/* Everything up to the first commit: facts first, so that it is complete. */
static int start(struct agent *agent)
{
	bool running;
	int err;

	raise_descriptors();
	agent->state_lock = snapshot_open(agent->options.state);
	err = agent->state_lock < 0 ? agent->state_lock : open_loop(agent);
	if (err)
		return err;
	telling_open(agent);
	err = start_config(agent) ?: dataplane_open(&agent->dataplane, agent->options.bpffs);
	err = err ?: probing_open(agent);
	if (err)
		return err;
	agent->report = (struct report){.state = &agent->state,
					.plan = agent->plan,
					.dataplane = agent->dataplane,
					.prober = agent->prober,
					.events = agent->events,
					.unsaved = &agent->unsaved};
	/* before anything is changed: another agent may have the socket. Nobody is answered until the loop runs */
	err = control_open(&agent->control, agent->base, agent->options.socket, agent->options.group, agent_endpoints,
			   agent);
	if (err)
		return err;
	running = dataplane_maps_id(agent->dataplane) != 0;
	agent_restore_ids(agent);
	err = agent_assign(agent, agent->state.config);
	if (err == -ENOSPC) { /* the last run's tables are in the way: start with new maps */
		agent_forget(agent);
		err = agent_assign(agent, agent->state.config);
	}
	err = err ?: netlink_open(&agent->netlink, agent->base, &agent->state.network, network_changed, agent);
	err = err ?: agent_watch(agent);
	if (err)
		return err;
	agent_remember_neighbours(agent);
	start_health(agent, running);
	denying_open(agent);
	return agent_commit(agent) ?: watch_open(agent) ?: sweep_open(agent);
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

static void stop(struct agent *agent)
{
	if (agent->watch) { /* else the start failed, and nothing that operators set may have been read yet */
		agent->override_changed = true; /* what is left of drains */
		agent_save_due(agent);
	}
	sweep_close(agent);
	denying_close(agent);
	probing_close(agent);
	if (agent->control)
		control_close(agent->control);
	agent->control = NULL;
	if (agent->netlink)
		netlink_close(agent->netlink);
	dataplane_close(agent->dataplane);
	telling_close(agent);
	for (size_t i = 0; i < 3; i++)
		free_event(agent->signals[i]);
	free_event(agent->commit);
	free_event(agent->rollback);
	free_event(agent->watch);
	if (agent->base)
		event_base_free(agent->base);
	plan_free(agent->plan);
	ids_free(agent->state.ids);
	network_free(&agent->state.network);
	config_free(agent->state.config);
	agent_former_free(agent);
	free(agent->applied_text);
	if (agent->state_lock >= 0)
		close(agent->state_lock);
	json_decref(agent->interfaces);
	free(agent->state.last_error);
	free(agent->state.applied);
}

static void log_ready(struct agent *agent)
{
	const struct config *config = agent->state.config;

	agent_event(agent, EVENT_agent_started, EVENT_NOBODY, "version %s, process %d: %zu services, %zu pools",
		    SLUICE_VERSION, getpid(), config->service_count, config->pool_count);
	log_info("ready: control socket %s", agent->options.socket);
}

int agent_run(const struct agent_options *options)
{
	struct agent agent = {.options = *options, .scope = PLAN_ALL, .state_lock = -1};
	int err;

	agent.state.started = agent.state.config_loaded = time(NULL);
	agent.state.begun = clock_ms();
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
