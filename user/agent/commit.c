/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* From the state to the kernel. */
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/memory.h"
#include "model/config_places.h"
#include "out/snapshot.h"

/* The entry of this name in the interfaces last looked at, NULL if there was none. */
static json_t *interface_before(const struct agent *agent, const char *name)
{
	json_t *one;
	size_t i;

	json_array_foreach(agent->interfaces, i, one)
		if (strcmp(json_string_value(json_object_get(one, "name")), name) == 0)
			return one;
	return NULL;
}

static bool was_reattached(const json_t *before, const json_t *now)
{
	return json_integer_value(json_object_get(now, "reattached")) >
	       json_integer_value(json_object_get(before, "reattached"));
}

/* What is to be changed at an interface, once. */
static void warn_interface(const char *name, const json_t *before, const json_t *now)
{
	const json_t *hint = json_object_get(now, "hint");

	if (json_is_string(hint) && !json_equal(hint, json_object_get(before, "hint")))
		log_warning("%s: %s", name, json_string_value(hint));
}

/* Events for interfaces whose attachment came or went. */
static void tell_interfaces(struct agent *agent)
{
	json_t *now = report_interfaces(&agent->report), *one;
	size_t i;

	json_array_foreach(now, i, one) {
		const char *name = json_string_value(json_object_get(one, "name"));
		const char *why = json_string_value(json_object_get(one, "why"));
		json_t *before = interface_before(agent, name);
		bool attached = json_is_true(json_object_get(one, "attached"));
		/* at the first look that it runs is no news: hooks would be told with every start */
		bool was = !before || json_is_true(json_object_get(before, "attached"));

		warn_interface(name, before, one);
		if (attached && was && was_reattached(before, one))
			agent_event(agent, EVENT_dataplane_repaired, EVENT_NOBODY,
				    "%s: somebody had taken the program off: it runs again (%s mode)", name,
				    json_string_value(json_object_get(one, "mode")));
		else if (attached == was)
			continue;
		else if (attached)
			agent_event(agent, EVENT_interface_attached, EVENT_NOBODY, "%s: the program runs (%s mode)",
				    name, json_string_value(json_object_get(one, "mode")));
		else
			agent_event(agent, EVENT_interface_lost, EVENT_NOBODY, "%s: not attached: %s", name,
				    *why ? why : "there is no such interface");
	}
	json_decref(agent->interfaces);
	agent->interfaces = now;
}

void agent_attach(struct agent *agent)
{
	dataplane_attach(agent->dataplane, agent->state.config, &agent->state.network);
	tell_interfaces(agent);
}

/* What does not hurry: tables are written already. */
static void commit_rest(struct agent *agent)
{
	if (agent->saved_maps != dataplane_maps_id(agent->dataplane))
		agent_save_ids(agent);
	agent_attach(agent);
	ways_refresh(agent);
}

int agent_commit(struct agent *agent)
{
	struct change_times change = {.verdict = agent->verdict};
	enum plan_scope scope = agent->scope;
	int err;

	agent->plan->second = (__u32)(clock_ms() / 1000);
	agent->plan->former = dataplane_maps(agent->dataplane)->moves;
	plan_make(agent->plan, &agent->state, scope);
	change.planned = clock_us();
	err = dataplane_sync(agent->dataplane, agent->plan);
	if (err) {
		agent->scope = PLAN_ALL;
		return err;
	}
	change.written = clock_us();
	if (change.verdict)
		agent->state.change = change;
	agent->verdict = 0;
	agent->scope = PLAN_HEALTH;
	if (scope != PLAN_HEALTH)
		commit_rest(agent);
	return 0;
}

void agent_commit_now(struct agent *agent)
{
	if (!agent->dataplane || !agent->dirty)
		return;
	agent->dirty = false;
	agent->behind = agent_commit(agent) != 0;
	if (!agent->behind)
		return;
	agent->dirty = true;
	log_error("the kernel was not brought to the wanted state: trying again in a second");
}

static void clear_service(void *dataplane, __u32 index)
{
	dataplane_counters_clear(dataplane, COUNTED_SERVICES, index);
	dataplane_move_clear(dataplane, index);
}

static void clear_backend(void *dataplane, __u32 index)
{
	dataplane_counters_clear(dataplane, COUNTED_BACKENDS, index);
}

static void note_backend(void *backends, __u32 index)
{
	((bool *)backends)[index] = true;
}

/* Where every index is used up, a new backend may get one that records still name. */
static void forget_reused(struct agent *agent)
{
	bool *backends;

	if (!ids_reused(agent->state.ids))
		return;
	backends = memory_new(SLUICE_MAX_BACKENDS + 1, sizeof(*backends));
	ids_each_new(agent->state.ids, NULL, note_backend, backends);
	dataplane_forget_flows(agent->dataplane, backends);
	free(backends);
}

/* A service that is called otherwise goes on with its counters, and with the move that keeps its connections. */
static void rename_services(struct agent *agent, const struct config *from, const struct config *to)
{
	struct config_places places;

	config_places_open(&places, from);
	for (size_t i = 0; i < to->service_count; i++) {
		const struct config_service *former = config_places_former(&places, from, to, &to->services[i]);

		if (former)
			ids_rename_service(agent->state.ids, former->name, to->services[i].name);
	}
	config_places_close(&places);
}

int agent_assign(struct agent *agent, const struct config *config)
{
	int err;

	ids_reserve(agent->state.ids, dataplane_maps(agent->dataplane)->moves);
	rename_services(agent, agent->state.config, config);
	err = ids_assign(agent->state.ids, config);
	if (err) {
		rename_services(agent, config, agent->state.config);
		log_error("no room for the pools' tables: %u slots in all at most, in one piece for each pool",
			  SLUICE_MAX_SLOTS);
		return err;
	}
	sweep_again(agent);
	ids_each_new(agent->state.ids, clear_service, clear_backend, agent->dataplane);
	forget_reused(agent);
	if (!dataplane_maps_id(agent->dataplane)) /* the first commit makes the maps and saves the indices with them */
		return 0;
	if (!agent_save_ids(agent))
		return 0;
	/*
	 * A full disk must not keep traffic from being balanced, but the indices of another time
	 * would lead a restart astray: none are better. Where they cannot be removed, nothing changes.
	 */
	agent->saved_maps = 0;
	err = agent_remove(agent, "snapshot");
	if (!err)
		log_warning("going on without a snapshot: if sluiced restarts before it can be written, counters start "
			    "anew");
	return err;
}

void agent_forget(struct agent *agent)
{
	ids_free(agent->state.ids);
	agent->state.ids = ids_new();
	dataplane_disown_maps(agent->dataplane);
}

/* Whether its packets go to that next hop's neighbour, as far as header and hop can tell. */
static bool goes_by(const struct backend *running, const struct next_hop *hop)
{
	return hop->address.family && running->ifindex == hop->out_ifindex && running->tags == hop->tags &&
	       memcmp(running->tag, hop->tag, sizeof(hop->tag)) == 0;
}

void agent_remember_neighbours(struct agent *agent)
{
	const struct config *config = agent->state.config;

	for (size_t i = 0; i < config->pool_count; i++) {
		for (size_t j = 0; j < config->pools[i].backend_count; j++) {
			const struct config_backend *backend = &config->pools[i].backends[j];
			__u16 index = ids_backend(agent->state.ids, config->pools[i].name, &backend->address);
			const struct backend *running = dataplane_backend(agent->dataplane, index);
			struct next_hop hop;

			if (!running || running->encap == ENCAP_NONE ||
			    network_next_hop(&agent->state.network, &backend->address, &hop) || !goes_by(running, &hop))
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
