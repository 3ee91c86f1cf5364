/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Pools and backends, for the reports. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/memory.h"
#include "out/report_part.h"

static __u16 backend_index(const struct report *report, const struct config_pool *pool, size_t i)
{
	return ids_backend(report->state->ids, pool->name, pool->backends[i].name);
}

/* All backends' counters, by index; as report_counters(). */
static struct counters *backend_counters(const struct report *report)
{
	const struct config *config = report->state->config;
	__u32 count = 1;

	for (size_t i = 0; i < config->pool_count; i++) {
		for (size_t j = 0; j < config->pools[i].backend_count; j++) {
			__u32 index = backend_index(report, &config->pools[i], j);

			count = index >= count ? index + 1 : count;
		}
	}
	return report_counters(report, COUNTED_BACKENDS, count);
}

/* Whether packets can be sent to the backend: next hop known and outer header made. Otherwise hop->why says why not. */
static bool backend_reach(const struct report *report, const struct config_pool *pool, size_t i, struct next_hop *hop)
{
	const struct address *address = &pool->backends[i].address;

	if (!network_next_hop(&report->state->network, address, hop))
		return false;
	if (!report->plan || report->plan->backends[backend_index(report, pool, i)].encap != ENCAP_NONE)
		return true;
	if (pool->forward == FORWARD_L2 && !hop->on_link)
		snprintf(hop->why, sizeof(hop->why), "behind a router, which forward: l2 cannot reach");
	else if (hop->source.family != address->family)
		snprintf(hop->why, sizeof(hop->why), "no %s source address on %s",
			 address->family == AF_INET6 ? "IPv6" : "IPv4", hop->interface);
	else
		snprintf(hop->why, sizeof(hop->why), "its outer header is not made yet");
	return false;
}

size_t report_resolved(const struct report *report, const struct config_pool *pool)
{
	struct next_hop hop;
	size_t resolved = 0;

	for (size_t i = 0; i < pool->backend_count; i++)
		resolved += backend_reach(report, pool, i, &hop);
	return resolved;
}

json_t *report_pools(const struct report *report)
{
	const struct config *config = report->state->config;
	struct counters *counters = backend_counters(report);
	json_t *pools = json_array();

	for (size_t i = 0; i < config->pool_count; i++) {
		const struct config_pool *pool = &config->pools[i];
		json_t *object = json_object(), *services = json_array();
		struct counters sum = {0};

		for (size_t j = 0; j < config->service_count; j++)
			if (config->services[j].pool == i)
				append(services, json_string(config->services[j].name));
		for (size_t j = 0; counters && j < pool->backend_count; j++)
			report_add_counters(&sum, &counters[backend_index(report, pool, j)]);
		set(object, "name", json_string(pool->name));
		set(object, "forward", json_string(forward_names[pool->forward]));
		set(object, "table_size", json_integer(pool->table_size));
		set(object, "first_slot", json_integer(ids_pool_first(report->state->ids, pool->name)));
		set(object, "backends", json_integer((json_int_t)pool->backend_count));
		set(object, "resolved", json_integer((json_int_t)report_resolved(report, pool)));
		set(object, "services", services);
		report_set_pool_health(object, report->state, i);
		report_set_counters(object, counters ? &sum : NULL);
		append(pools, object);
	}
	free(counters);
	return pools;
}

/* What is read once for all backends that are told of. */
struct view {
	const struct report *report;
	__u64 now;
	struct counters *counters; /* by index, NULL if they cannot be read */
	__u32 *slots;		   /* by index: of the wanted tables */
	struct report_user user;
};

/* Of the tables [first, end) alone, which are in the config's order. */
static void view_open(struct view *view, const struct report *report, size_t first, size_t end)
{
	const struct plan *plan = report->plan;

	*view = (struct view){.report = report, .now = clock_ms(), .counters = backend_counters(report)};
	view->slots = memory_new(SLUICE_MAX_BACKENDS + 1, sizeof(*view->slots));
	for (size_t i = first; plan && i < end && i < plan->table_count; i++)
		for (__u32 slot = 0; slot < plan->tables[i]->size; slot++)
			view->slots[plan->tables[i]->owner[slot]]++;
}

static void view_close(struct view *view)
{
	free(view->counters);
	free(view->slots);
}

/* `health` is the pool's, `weights` the sum of its backends' weights now. */
static json_t *backend_json(struct view *view, const struct config_pool *pool, size_t i,
			    const struct health_pool *health, __u64 weights)
{
	const struct config_backend *backend = &pool->backends[i];
	__u16 index = backend_index(view->report, pool, i);
	json_t *object = json_object();
	struct next_hop hop;
	bool resolved = backend_reach(view->report, pool, i, &hop);

	set(object, "pool", json_string(pool->name));
	set(object, "name", json_string(backend->name));
	set(object, "index", json_integer(index));
	set(object, "address", report_address(&backend->address));
	report_set_health(object, view->report->prober, health->backends[i], weights, view->now, &view->user);
	set(object, "resolved", json_boolean(resolved));
	set(object, "why", resolved ? json_null() : text_or_null(hop.why));
	set(object, "interface", text_or_null(hop.interface));
	set(object, "next_hop", report_address(&hop.address));
	set(object, "mac", hop.resolved ? report_mac(hop.mac) : json_null());
	set(object, "mtu", hop.mtu ? json_integer(hop.mtu) : json_null());
	set(object, "slots", json_integer(view->slots[index]));
	report_set_counters(object, view->counters ? &view->counters[index] : NULL);
	return object;
}

json_t *report_backends(const struct report *report)
{
	const struct config *config = report->state->config;
	json_t *backends = json_array();
	struct view view;

	view_open(&view, report, 0, config->pool_count);
	for (size_t i = 0; i < config->pool_count; i++) {
		const struct health_pool *health = health_pool(report->state->health, i);
		__u64 weights = report_weights(health);

		for (size_t j = 0; j < config->pools[i].backend_count; j++)
			append(backends, backend_json(&view, &config->pools[i], j, health, weights));
	}
	view_close(&view);
	return backends;
}

json_t *report_backend(const struct report *report, const char *pool, const char *backend)
{
	const struct config *config = report->state->config;
	const struct config_pool *in = config_pool_find(config, pool);
	const struct config_backend *found = in ? config_backend_find(in, backend) : NULL;
	size_t i = in ? (size_t)(in - config->pools) : 0;
	const struct health_pool *health;
	struct view view;
	json_t *object;

	if (!found)
		return NULL;
	health = health_pool(report->state->health, i);
	view_open(&view, report, i, i + 1);
	object = backend_json(&view, in, (size_t)(found - in->backends), health, report_weights(health));
	view_close(&view);
	return object;
}
