/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Pools and backends, for the reports. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/memory.h"
#include "out/member.h"
#include "out/report_part.h"

static __u16 backend_index(const struct report *report, const struct config_pool *pool, size_t i)
{
	return ids_backend(report->state->ids, pool->name, &pool->backends[i].address);
}

/* The counters of the backends of the pools [first, end), by index; as report_counters(). */
static struct counters *backend_counters(const struct report *report, size_t first, size_t end)
{
	const struct config *config = report->state->config;
	__u32 count = 1;

	for (size_t i = first; i < end; i++) {
		for (size_t j = 0; j < config->pools[i].backend_count; j++) {
			__u32 index = backend_index(report, &config->pools[i], j);

			count = index >= count ? index + 1 : count;
		}
	}
	return report_counters(report, COUNTED_BACKENDS, count);
}

/* A backend that is this host itself has to say so: by a wrong address all its packets would end here. */
static bool local_reach(const struct config_backend *backend, struct next_hop *hop)
{
	char text[ADDRESS_TEXT];

	if (!backend->local)
		snprintf(hop->why, sizeof(hop->why), "%s is this host's own address: set local: true",
			 address_format(&backend->address, text));
	return backend->local;
}

/* Whether packets can be sent to the backend: next hop known and outer header made. Otherwise hop->why says why not. */
static bool backend_reach(const struct report *report, const struct config_pool *pool, size_t i, __u16 index,
			  struct next_hop *hop)
{
	const struct address *address = &pool->backends[i].address;

	if (!network_next_hop(&report->state->network, address, hop))
		return hop->local && local_reach(&pool->backends[i], hop);
	if (!report->plan || report->plan->backends[index].encap != ENCAP_NONE)
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

/* Returns what report_resolved() does, and adds up the counters where there are any. */
static size_t add_up(const struct report *report, const struct config_pool *pool, const struct counters *counters,
		     struct counters *sum)
{
	struct next_hop hop;
	size_t resolved = 0;

	for (size_t i = 0; i < pool->backend_count; i++) {
		__u16 index = backend_index(report, pool, i);

		resolved += backend_reach(report, pool, i, index, &hop);
		if (counters)
			report_add_counters(sum, &counters[index]);
	}
	return resolved;
}

size_t report_resolved(const struct report *report, const struct config_pool *pool)
{
	return add_up(report, pool, NULL, NULL);
}

json_t *report_pools(const struct report *report)
{
	const struct config *config = report->state->config;
	struct counters *counters = backend_counters(report, 0, config->pool_count);
	struct counters *services_counters = report_counters(report, COUNTED_SERVICES, SLUICE_MAX_SERVICES);
	__u64 *tracked = report_tracked(report);
	json_t *pools = json_array();

	for (size_t i = 0; i < config->pool_count; i++) {
		const struct config_pool *pool = &config->pools[i];
		json_t *object = json_object(), *services = json_array();
		struct counters sum = {0};
		size_t resolved = add_up(report, pool, counters, &sum);

		for (size_t j = 0; j < config->service_count; j++)
			if (config->services[j].pool == i)
				append(services, json_string(config->services[j].name));
		set(object, "name", json_string(pool->name));
		set(object, "forward", json_string(forward_names[pool->forward]));
		set(object, "table_size", json_integer(pool->table_size));
		set(object, "first_slot", json_integer(ids_pool_first(report->state->ids, pool->name)));
		set(object, "backends", count_json(pool->backend_count));
		set(object, "resolved", count_json(resolved));
		set(object, "services", services);
		report_set_pool_options(object, config, i);
		report_set_pool_health(object, report->state, i);
		report_set_pool_flows(object, report, i, tracked, services_counters);
		report_set_counters(object, counters ? &sum : NULL);
		append(pools, object);
	}
	free(services_counters);
	free(tracked);
	free(counters);
	return pools;
}

/* What is read once for all backends that are told of. */
struct readings {
	const struct report *report;
	struct counters *counters; /* by index, NULL if they cannot be read */
	__u32 *slots;		   /* by index: of the wanted tables */
};

/* For the backends of the pools [first, end). */
static void readings_take(struct readings *readings, const struct report *report, size_t first, size_t end)
{
	const struct plan *plan = report->plan;

	readings->report = report;
	readings->counters = backend_counters(report, first, end);
	readings->slots = memory_new(SLUICE_MAX_BACKENDS + 1, sizeof(*readings->slots));
	for (size_t i = first; plan && i < end && i < plan->table_count; i++)
		for (__u32 slot = 0; slot < plan->tables[i]->size; slot++)
			readings->slots[plan->tables[i]->owner[slot]]++;
}

static void readings_free(struct readings *readings)
{
	free(readings->counters);
	free(readings->slots);
}

/* `weights`: of the pool. */
static void view_take(struct backend_view *view, const struct readings *readings, size_t pool, size_t i, __u64 weights)
{
	const struct state *state = readings->report->state;
	const struct swept *swept = report_swept(readings->report);

	view->pool = &state->config->pools[pool];
	view->config = &view->pool->backends[i];
	view->health = health_pool(state->health, pool)->backends[i];
	view->weights = weights;
	view->index = backend_index(readings->report, view->pool, i);
	view->resolved = backend_reach(readings->report, view->pool, i, view->index, &view->hop);
	view->slots = readings->slots[view->index];
	view->swept = swept;
	view->records = swept ? sweep_tally_backend(&swept->tally, view->index) : 0;
	view->counters = readings->counters ? &readings->counters[view->index] : NULL;
}

void report_each_backend(const struct report *report, backend_view_fn each, void *argument)
{
	const struct config *config = report->state->config;
	struct readings readings;
	struct backend_view view;

	readings_take(&readings, report, 0, config->pool_count);
	for (size_t i = 0; i < config->pool_count; i++) {
		__u64 weights = report_weights(health_pool(report->state->health, i));

		for (size_t j = 0; j < config->pools[i].backend_count; j++) {
			view_take(&view, &readings, i, j, weights);
			each(argument, &view);
		}
	}
	readings_free(&readings);
}

/* Backends as JSON. */
struct listing {
	struct buffer text;
	const struct prober *prober;
	__u64 now;
	struct report_user user;
};

static void list_address(struct buffer *to, const char *name, const struct address *address)
{
	char text[ADDRESS_TEXT];

	member_text(to, name, address->family ? address_format(address, text) : NULL);
}

/* In hexadecimal digits, as configured; none is null. */
static void list_server_id(struct buffer *to, const struct config_backend *backend)
{
	char text[2 * QUIC_SERVER_ID_MAX + 1] = "";

	for (size_t i = 0; i < backend->server_id_length; i++)
		snprintf(text + 2 * i, 3, "%02x", backend->server_id[i]);
	member_text(to, "server_id", text);
}

static void list_backend(void *argument, const struct backend_view *view)
{
	struct listing *listing = argument;
	struct buffer *to = &listing->text;
	const struct next_hop *hop = &view->hop;
	char mac[REPORT_MAC], tags[REPORT_TAGS];

	member_begin(to, NULL, '{');
	member_text(to, "pool", view->pool->name);
	member_text(to, "name", view->config->name);
	member_number(to, "index", view->index);
	list_address(to, "address", &view->config->address);
	list_server_id(to, view->config);
	report_add_health(to, listing->prober, view->health, view->weights, listing->now, &listing->user);
	member_bool(to, "resolved", view->resolved);
	member_bool(to, "local", view->resolved && hop->local);
	member_text(to, "why", view->resolved ? NULL : hop->why);
	member_text(to, "interface", hop->interface);
	member_text(to, "parent", hop->tags ? hop->out_interface : NULL);
	member_text(to, "tags", report_tags_format(hop, tags));
	list_address(to, "next_hop", &hop->address);
	member_text(to, "mac", hop->resolved ? report_mac_format(hop->mac, mac) : NULL);
	member_number_or_null(to, "mtu", hop->mtu, hop->mtu);
	member_number(to, "slots", view->slots);
	member_number_or_null(to, "records", view->swept, view->records);
	member_number_or_null(to, "packets", view->counters, view->counters ? view->counters->packets : 0);
	member_number_or_null(to, "bytes", view->counters, view->counters ? view->counters->bytes : 0);
	member_end(to, '}');
}

char *report_backends(const struct report *report)
{
	struct listing listing = {.prober = report->prober, .now = clock_ms()};

	member_begin(&listing.text, NULL, '[');
	report_each_backend(report, list_backend, &listing);
	member_end(&listing.text, ']');
	buffer_add(&listing.text, "\n", 1);
	return buffer_take(&listing.text);
}

json_t *report_backend(const struct report *report, const char *pool, const char *backend)
{
	const struct config *config = report->state->config;
	const struct config_pool *in = config_pool_find(config, pool);
	const struct config_backend *found = in ? config_backend_find(in, backend) : NULL;
	struct listing listing = {.prober = report->prober, .now = clock_ms()};
	size_t i = in ? (size_t)(in - config->pools) : 0;
	struct readings readings;
	struct backend_view view;
	json_t *object;
	char *text;

	if (!found)
		return NULL;
	readings_take(&readings, report, i, i + 1);
	view_take(&view, &readings, i, (size_t)(found - in->backends),
		  report_weights(health_pool(report->state->health, i)));
	list_backend(&listing, &view);
	readings_free(&readings);
	text = buffer_take(&listing.text);
	object = json_loads(text, 0, NULL);
	free(text);
	return object;
}
