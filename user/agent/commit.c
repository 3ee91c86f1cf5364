/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* From the state to the kernel, and what must outlive the process to do so again. */
#include <errno.h>
#include <stdlib.h>

#include "agent/agent.h"
#include "lib/log.h"
#include "lib/memory.h"
#include "out/snapshot.h"

#define SNAPSHOT_VERSION 1

static int save(struct agent *agent)
{
	__u32 maps = dataplane_maps_id(agent->dataplane);
	json_t *content = json_pack("{si sI so}", "version", SNAPSHOT_VERSION, "maps", (json_int_t)maps, "ids",
				    ids_save(agent->state.ids));
	int err = snapshot_write(agent->options.state, content);

	json_decref(content);
	if (!err) /* otherwise they differ, and the next commit tries again */
		agent->saved_maps = maps;
	return err;
}

void agent_attach(struct agent *agent)
{
	const struct timeval soon = {.tv_sec = 1};

	if (dataplane_attach(agent->dataplane, agent->state.config, &agent->state.network))
		evtimer_add(agent->retry, &soon);
}

int agent_commit(struct agent *agent)
{
	int err;

	plan_make(agent->plan, &agent->state);
	err = dataplane_sync(agent->dataplane, agent->plan);
	if (err)
		return err;
	if (agent->saved_maps != dataplane_maps_id(agent->dataplane))
		save(agent);
	agent_attach(agent);
	return 0;
}

static void clear_service(void *dataplane, __u32 index)
{
	dataplane_counters_clear(dataplane, COUNTED_SERVICES, index);
}

static void clear_backend(void *dataplane, __u32 index)
{
	dataplane_counters_clear(dataplane, COUNTED_BACKENDS, index);
}

int agent_assign(struct agent *agent, const struct config *config)
{
	int err = ids_assign(agent->state.ids, config);

	if (err) {
		log_error("no room for the pools' tables: %u slots in all at most, in one piece for each pool",
			  SLUICE_MAX_SLOTS);
		return err;
	}
	ids_each_new(agent->state.ids, clear_service, clear_backend, agent->dataplane);
	if (!save(agent))
		return 0;
	/*
	 * A full disk must not keep traffic from being balanced, but the indices of another time
	 * would lead a restart astray: none are better. Where they cannot be removed, nothing changes.
	 */
	agent->saved_maps = 0;
	err = snapshot_remove(agent->options.state);
	if (!err)
		log_warning("going on without a snapshot: if sluiced restarts before it can be written, counters start anew");
	return err;
}

void agent_forget(struct agent *agent)
{
	ids_free(agent->state.ids);
	agent->state.ids = ids_new();
	dataplane_disown_maps(agent->dataplane);
}

static bool restore_from(struct agent *agent, const json_t *content)
{
	json_int_t version, maps;
	json_t *ids;

	return !json_unpack((json_t *)content, "{sI sI so}", "version", &version, "maps", &maps, "ids", &ids) &&
	       version == SNAPSHOT_VERSION && maps == dataplane_maps_id(agent->dataplane) &&
	       !ids_restore(agent->state.ids, ids);
}

void agent_restore(struct agent *agent)
{
	char *why;
	json_t *content = snapshot_read(agent->options.state, &why);

	if (dataplane_maps_id(agent->dataplane) && (!content || !restore_from(agent, content))) {
		const char *lost = content ? "it is of other maps" : "no file";

		log_warning("the snapshot of the running dataplane is lost (%s): traffic goes on, counters start anew",
			    why ? why : lost);
		agent_forget(agent);
	}
	free(why);
	json_decref(content);
}

void agent_remember_neighbours(struct agent *agent)
{
	const struct config *config = agent->state.config;

	for (size_t i = 0; i < config->pool_count; i++) {
		for (size_t j = 0; j < config->pools[i].backend_count; j++) {
			const struct config_backend *backend = &config->pools[i].backends[j];
			__u16 index = ids_backend(agent->state.ids, config->pools[i].name, backend->name);
			const struct backend *running = dataplane_backend(agent->dataplane, index);
			struct next_hop hop;

			if (!running || running->encap == ENCAP_NONE ||
			    network_next_hop(&agent->state.network, &backend->address, &hop) ||
			    hop.ifindex != running->ifindex || !hop.address.family)
				continue;
			network_neighbour_remember(
				&agent->state.network,
				&(struct neighbour_key){.ifindex = hop.ifindex, .address = hop.address},
				running->header);
		}
	}
}

int agent_watch(struct agent *agent)
{
	const struct config *config = agent->state.config;
	struct address *destinations;
	size_t count = 0;
	int err;

	for (size_t i = 0; i < config->pool_count; i++)
		count += config->pools[i].backend_count;
	destinations = memory_new(count, sizeof(*destinations));
	count = 0;
	for (size_t i = 0; i < config->pool_count; i++)
		for (size_t j = 0; j < config->pools[i].backend_count; j++)
			destinations[count++] = config->pools[i].backends[j].address;
	err = netlink_watch(agent->netlink, destinations, count);
	free(destinations);
	return err;
}
