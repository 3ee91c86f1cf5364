/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/report.h"

#include <linux/bpf.h>
#include <linux/neighbour.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/memory.h"

/* Jansson's set functions take a failed allocation's NULL and say so; a reply that lacks a key is all that follows. */
static void set(json_t *object, const char *key, json_t *value)
{
	json_object_set_new(object, key, value);
}

static void append(json_t *array, json_t *value)
{
	json_array_append_new(array, value);
}

/* NULL or empty text is null. */
static json_t *text_or_null(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

static json_t *address_or_null(const struct address *address)
{
	char text[ADDRESS_TEXT];

	return address->family ? json_string(address_format(address, text)) : json_null();
}

static json_t *mac_text(const __u8 mac[6])
{
	return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static json_t *time_text(time_t when)
{
	char text[sizeof("2026-01-01T00:00:00Z")];
	struct tm utc;

	if (!gmtime_r(&when, &utc) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc))
		return json_null();
	return json_string(text);
}

/* The first `count` counters, to be freed; NULL if they cannot be read, which is shown as null and not as 0. */
static struct counters *counters_read(const struct report *report, enum counted what, __u32 count)
{
	struct counters *counters = memory_new(count, sizeof(*counters));

	/* once detached there is no dataplane, but the agent still answers for a moment */
	if (report->dataplane && dataplane_counters(report->dataplane, what, 0, count, counters) == 0)
		return counters;
	free(counters);
	return NULL;
}

static void set_counters(json_t *object, const struct counters *counters)
{
	set(object, "packets", counters ? json_integer((json_int_t)counters->packets) : json_null());
	set(object, "bytes", counters ? json_integer((json_int_t)counters->bytes) : json_null());
}

static void add_counters(struct counters *sum, const struct counters *one)
{
	sum->packets += one->packets;
	sum->bytes += one->bytes;
}

static __u16 backend_index(const struct report *report, const struct config_pool *pool, size_t i)
{
	return ids_backend(report->state->ids, pool->name, pool->backends[i].name);
}

/* All backends' counters, by index; as counters_read(). */
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
	return counters_read(report, COUNTED_BACKENDS, count);
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

static size_t pool_resolved(const struct report *report, const struct config_pool *pool)
{
	struct next_hop hop;
	size_t resolved = 0;

	for (size_t i = 0; i < pool->backend_count; i++)
		resolved += backend_reach(report, pool, i, &hop);
	return resolved;
}

json_t *report_status(const struct report *report)
{
	const struct state *state = report->state;
	const struct config *config = state->config;
	struct counters *reasons = counters_read(report, COUNTED_REASONS, REASON_COUNT);
	size_t backends = 0, resolved = 0;
	json_t *status = json_object();

	for (size_t i = 0; i < config->pool_count; i++) {
		backends += config->pools[i].backend_count;
		resolved += pool_resolved(report, &config->pools[i]);
	}
	if (reasons)
		add_counters(&reasons[REASON_forwarded], &reasons[REASON_redirected]);

	set(status, "version", json_string(SLUICE_VERSION));
	set(status, "pid", json_integer(getpid()));
	set(status, "uptime_s", json_integer(time(NULL) - state->started));
	set(status, "config",
	    json_pack("{s:o, s:o}", "file", text_or_null(config->file), "loaded_at", time_text(state->config_loaded)));
	set(status, "interfaces", report->dataplane ? dataplane_interfaces_json(report->dataplane) : json_array());
	set(status, "services", json_integer((json_int_t)config->service_count));
	set(status, "pools", json_integer((json_int_t)config->pool_count));
	set(status, "backends", json_integer((json_int_t)backends));
	set(status, "backends_unresolved", json_integer((json_int_t)(backends - resolved)));
	set_counters(status, reasons ? &reasons[REASON_forwarded] : NULL);
	set(status, "last_error", text_or_null(state->last_error));
	free(reasons);
	return status;
}

static json_t *service_json(const struct config *config, const struct config_service *service)
{
	json_t *object = json_object(), *addresses = json_array(), *ports = json_array();
	char text[ADDRESS_TEXT], port[CONFIG_PORT_TEXT];

	for (size_t i = 0; i < service->address_count; i++)
		append(addresses, json_string(prefix_format(&service->addresses[i], text)));
	for (size_t i = 0; i < service->port_count; i++)
		append(ports, json_string(config_port_format(&service->ports[i], port)));
	set(object, "name", json_string(service->name));
	set(object, "addresses", addresses);
	set(object, "ports", ports);
	set(object, "pool", json_string(config->pools[service->pool].name));
	set(object, "hash", json_string(hash_names[service->hash]));
	return object;
}

json_t *report_services(const struct report *report)
{
	const struct state *state = report->state;
	struct counters *counters = counters_read(report, COUNTED_SERVICES, SLUICE_MAX_SERVICES);
	json_t *services = json_array();

	for (size_t i = 0; i < state->config->service_count; i++) {
		const struct config_service *service = &state->config->services[i];
		json_t *object = service_json(state->config, service);

		set_counters(object, counters ? &counters[ids_service(state->ids, service->name)] : NULL);
		append(services, object);
	}
	free(counters);
	return services;
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
			add_counters(&sum, &counters[backend_index(report, pool, j)]);
		set(object, "name", json_string(pool->name));
		set(object, "forward", json_string(forward_names[pool->forward]));
		set(object, "table_size", json_integer(pool->table_size));
		set(object, "first_slot", json_integer(ids_pool_first(report->state->ids, pool->name)));
		set(object, "backends", json_integer((json_int_t)pool->backend_count));
		set(object, "resolved", json_integer((json_int_t)pool_resolved(report, pool)));
		set(object, "services", services);
		set_counters(object, counters ? &sum : NULL);
		append(pools, object);
	}
	free(counters);
	return pools;
}

/* How many slots of the wanted tables each backend index has; to be freed. */
static __u32 *slots_owned(const struct plan *plan)
{
	__u32 *owned = memory_new(SLUICE_MAX_BACKENDS + 1, sizeof(*owned));

	for (size_t i = 0; plan && i < plan->table_count; i++)
		for (__u32 slot = 0; slot < plan->tables[i]->size; slot++)
			owned[plan->tables[i]->owner[slot]]++;
	return owned;
}

static json_t *backend_json(const struct report *report, const struct config_pool *pool, size_t i, __u64 weights)
{
	const struct config_backend *backend = &pool->backends[i];
	json_t *object = json_object();
	struct next_hop hop;
	bool resolved = backend_reach(report, pool, i, &hop);

	set(object, "pool", json_string(pool->name));
	set(object, "name", json_string(backend->name));
	set(object, "index", json_integer(backend_index(report, pool, i)));
	set(object, "address", address_or_null(&backend->address));
	set(object, "weight", json_integer(backend->weight));
	set(object, "state", json_string("up"));
	set(object, "share", json_real(weights ? (double)backend->weight / (double)weights : 0));
	set(object, "resolved", json_boolean(resolved));
	set(object, "why", resolved ? json_null() : text_or_null(hop.why));
	set(object, "interface", text_or_null(hop.interface));
	set(object, "next_hop", address_or_null(&hop.address));
	set(object, "mac", hop.resolved ? mac_text(hop.mac) : json_null());
	set(object, "mtu", hop.mtu ? json_integer(hop.mtu) : json_null());
	return object;
}

json_t *report_backends(const struct report *report)
{
	const struct config *config = report->state->config;
	struct counters *counters = backend_counters(report);
	__u32 *slots = slots_owned(report->plan);
	json_t *backends = json_array();

	for (size_t i = 0; i < config->pool_count; i++) {
		const struct config_pool *pool = &config->pools[i];
		__u64 weights = 0;

		for (size_t j = 0; j < pool->backend_count; j++)
			weights += pool->backends[j].weight;
		for (size_t j = 0; j < pool->backend_count; j++) {
			json_t *object = backend_json(report, pool, j, weights);
			__u16 index = backend_index(report, pool, j);

			set(object, "slots", json_integer(slots[index]));
			set_counters(object, counters ? &counters[index] : NULL);
			append(backends, object);
		}
	}
	free(slots);
	free(counters);
	return backends;
}

static const char *nud_name(__u16 nud)
{
	switch (nud) {
	case 0:
		return "forgotten";
	case NUD_INCOMPLETE:
		return "incomplete";
	case NUD_REACHABLE:
		return "reachable";
	case NUD_STALE:
		return "stale";
	case NUD_DELAY:
		return "delay";
	case NUD_PROBE:
		return "probe";
	case NUD_FAILED:
		return "failed";
	case NUD_NOARP:
		return "noarp";
	case NUD_PERMANENT:
		return "permanent";
	default:
		return "unknown";
	}
}

/* A neighbour that is the next hop of backends. */
struct gateway {
	struct neighbour_key key;
	char interface[IFNAMSIZ];
	size_t backends;
	UT_hash_handle hh;
};

static int compare_gateways(const struct gateway *a, const struct gateway *b)
{
	if (a->key.address.family != b->key.address.family)
		return a->key.address.family < b->key.address.family ? -1 : 1;

	int order = memcmp(a->key.address.word, b->key.address.word, sizeof(a->key.address.word));

	return order ? order : strcmp(a->interface, b->interface);
}

/* All of them by address; the set is to be freed with its elements. */
static struct gateway *gateways_find(const struct report *report)
{
	const struct config *config = report->state->config;
	struct gateway *gateways = NULL, *gateway;
	struct next_hop hop;

	for (size_t i = 0; i < config->pool_count; i++) {
		for (size_t j = 0; j < config->pools[i].backend_count; j++) {
			struct neighbour_key key;

			network_next_hop(&report->state->network, &config->pools[i].backends[j].address, &hop);
			if (!hop.ifindex || !hop.address.family)
				continue;
			key = (struct neighbour_key){.ifindex = hop.ifindex, .address = hop.address};
			HASH_FIND(hh, gateways, &key, sizeof(key), gateway);
			if (!gateway) {
				gateway = memory_new(1, sizeof(*gateway));
				gateway->key = key;
				memcpy(gateway->interface, hop.interface, sizeof(gateway->interface));
				HASH_ADD(hh, gateways, key, sizeof(key), gateway);
			}
			gateway->backends++;
		}
	}
	HASH_SORT(gateways, compare_gateways);
	return gateways;
}

json_t *report_neighbours(const struct report *report)
{
	struct gateway *gateways = gateways_find(report), *gateway, *next;
	json_t *neighbours = json_array();

	HASH_ITER(hh, gateways, gateway, next) {
		const struct neighbour *neighbour;
		json_t *object = json_object();
		bool known;

		HASH_FIND(hh, report->state->network.neighbours, &gateway->key, sizeof(gateway->key), neighbour);
		known = neighbour && neighbour->known;
		set(object, "address", address_or_null(&gateway->key.address));
		set(object, "interface", text_or_null(gateway->interface));
		set(object, "mac", known ? mac_text(neighbour->mac) : json_null());
		set(object, "known", json_boolean(known));
		set(object, "state", json_string(nud_name(neighbour ? neighbour->nud : 0)));
		set(object, "backends", json_integer((json_int_t)gateway->backends));
		append(neighbours, object);
		HASH_DEL(gateways, gateway);
		free(gateway);
	}
	return neighbours;
}

static const char *action_name(enum xdp_action action)
{
	switch (action) {
	case XDP_ABORTED:
		return "aborted";
	case XDP_DROP:
		return "drop";
	case XDP_PASS:
		return "pass";
	case XDP_TX:
		return "tx";
	case XDP_REDIRECT:
		return "redirect";
	}
	return "unknown";
}

json_t *report_drops(const struct report *report)
{
	static const struct {
		const char *name;
		enum xdp_action action;
		const char *help;
	} reasons[] = {
#define REASON_ROW(name, action, help) {#name, action, help},
		REASONS(REASON_ROW)
#undef REASON_ROW
	};
	struct counters *counters = counters_read(report, COUNTED_REASONS, REASON_COUNT);
	json_t *drops = json_array();

	for (size_t i = REASON_go_on + 1; i < REASON_COUNT; i++) {
		json_t *object = json_object();

		set(object, "reason", json_string(reasons[i].name));
		set(object, "action", json_string(action_name(reasons[i].action)));
		set(object, "help", json_string(reasons[i].help));
		set_counters(object, counters ? &counters[i] : NULL);
		append(drops, object);
	}
	free(counters);
	return drops;
}

json_t *report_bpf(const struct report *report)
{
	return report->dataplane ? dataplane_bpf_json(report->dataplane) : json_object();
}
