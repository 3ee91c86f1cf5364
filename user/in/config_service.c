/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "in/config_read.h"

#define PORT_TEXT 16

#define MIN_MSS	 536   /* what every IPv4 host takes: RFC 9293 3.7.1 */
#define MAX_MSS	 65495 /* of the largest IPv4 packet */
#define MAX_VLAN 4094

enum {
	KEY_ADDRESS,
	KEY_PORTS,
	KEY_POOL,
	KEY_HASH,
	KEY_POLICY,
	KEY_VLAN = KEY_POLICY + POLICY_KEYS,
	KEY_MSS,
	KEY_SOURCES,
	KEY_LIMITS,
	SERVICE_KEYS
};

static const struct value_key service_keys[SERVICE_KEYS] = {
	[KEY_ADDRESS] = {.name = "address", .needed = "its VIP, or a list of them"},
	[KEY_PORTS] = {.name = "ports", .needed = "such as 443/tcp, or a list of them"},
	[KEY_POOL] = {.name = "pool", .needed = "the name of the pool that serves it"},
	[KEY_HASH] = {.name = "hash"},
	[KEY_POLICY + POLICY_UNKNOWN_PORT] = {.name = "unknown_port"},
	[KEY_POLICY + POLICY_ECHO] = {.name = "echo"},
	[KEY_POLICY + POLICY_FRAGMENTS] = {.name = "fragments"},
	[KEY_VLAN] = {.name = "vlan"},
	[KEY_MSS] = {.name = "mss"},
	[KEY_SOURCES] = {.name = "sources"},
	[KEY_LIMITS] = {.name = "limits"},
};

static const char address_expected[] = "an IPv4 or IPv6 address or prefix";
static const char port_expected[] = "a port and protocol such as 443/tcp, 443/udp or any/tcp";

/* An address or port with the place where it stands. */
struct address_item {
	struct prefix prefix;
	const struct node *node;
};

struct port_item {
	struct config_port port;
	const struct node *node;
};

/* One (VIP, port, protocol) of a service. */
struct vip {
	const char *service;
	const struct address_item *address;
	const struct port_item *port;
};

#define MAX_VIPS_IN_ALL (FAMILIES * (SLUICE_MAX_VIPS + SLUICE_MAX_PREFIXES))

/* The services while they are read. */
struct services {
	struct reading *reading;
	__u64 exact[FAMILIES], prefixes[FAMILIES]; /* entries of the dataplane's maps so far */
	struct vip *vips;			   /* of services that are within the limits */
	size_t vip_count;
};

static char *port_format(const struct config_port *port, char text[static PORT_TEXT])
{
	const char *protocol = port->protocol == IPPROTO_TCP ? "tcp" : "udp";

	if (port->port)
		snprintf(text, PORT_TEXT, "%u/%s", port->port, protocol);
	else
		snprintf(text, PORT_TEXT, "any/%s", protocol);
	return text;
}

static bool read_port(struct services *services, const struct node *node, struct config_port *out)
{
	struct source *source = services->reading->source;
	const char *text, *slash;
	__u32 port = 0;

	if (!value_text(source, node, port_expected, &text))
		return false;
	slash = strchr(text, '/');
	if (!slash) {
		value_unexpected(source, node, port_expected);
		return false;
	}
	if (strcmp(slash, "/tcp") != 0 && strcmp(slash, "/udp") != 0) {
		source_error(source, node->offset, "'%.64s' is no protocol Sluice balances: write tcp or udp",
			     slash + 1);
		return false;
	}
	if (strncmp(text, "any/", 4) != 0 &&
	    (!value_parse_number(text, (size_t)(slash - text), 65535, &port) || port == 0)) {
		source_error(source, node->offset, "'%.*s' is no port: write a number from 1 to 65535, or any",
			     slash - text < 64 ? (int)(slash - text) : 64, text);
		return false;
	}
	out->port = (__u16)port;
	out->protocol = strcmp(slash, "/tcp") == 0 ? IPPROTO_TCP : IPPROTO_UDP;
	return true;
}

static int compare_offset(const struct node *a, const struct node *b)
{
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static int compare_port(const struct config_port *a, const struct config_port *b)
{
	return (a->protocol << 16 | a->port) - (b->protocol << 16 | b->port);
}

static int compare_address_item(const void *a, const void *b)
{
	const struct address_item *x = a, *y = b;
	int order = prefix_compare(&x->prefix, &y->prefix);

	return order ? order : compare_offset(x->node, y->node);
}

static int compare_port_item(const void *a, const void *b)
{
	const struct port_item *x = a, *y = b;
	int order = compare_port(&x->port, &y->port);

	return order ? order : compare_offset(x->node, y->node);
}

static int compare_vip(const void *a, const void *b)
{
	const struct vip *x = a, *y = b;
	int order = prefix_compare(&x->address->prefix, &y->address->prefix);

	if (!order)
		order = compare_port(&x->port->port, &y->port->port);
	return order ? order : compare_offset(x->address->node, y->address->node);
}

/* Fills the service's addresses, and *items with the different ones. Returns the number of those. */
static size_t read_addresses(struct services *services, const struct node *node, struct config_service *service,
			     struct address_item **items)
{
	struct reading *reading = services->reading;
	struct source *source = reading->source;
	size_t room, count = 0, unique = 0;
	const struct node *first = value_items(source, node, address_expected, &room);
	struct address_item *item = *items = arena_array(source->arena, room, sizeof(*item));

	for (const struct node *child = first; child; child = node->kind == NODE_LIST ? child->next : NULL)
		if (prefix_read(reading, child, address_expected, &item[count].prefix) &&
		    address_usable(reading, child, &item[count].prefix))
			item[count++].node = child;
	service->address_count = count;
	service->addresses = arena_array(reading->config->arena, count, sizeof(*service->addresses));
	for (size_t i = 0; i < count; i++)
		service->addresses[i] = item[i].prefix;

	qsort(item, count, sizeof(*item), compare_address_item);
	for (size_t i = 0; i < count; i++) {
		if (i && prefix_compare(&item[unique - 1].prefix, &item[i].prefix) == 0)
			source_error(source, item[i].node->offset, "duplicate address %s: it is already on line %zu",
				     item[i].node->text, source_line(source, item[unique - 1].node->offset));
		else
			item[unique++] = item[i];
	}
	return unique;
}

/* The same for its ports. */
static size_t read_ports(struct services *services, const struct node *node, struct config_service *service,
			 struct port_item **items)
{
	struct reading *reading = services->reading;
	struct source *source = reading->source;
	size_t room, count = 0, unique = 0;
	const struct node *first = value_items(source, node, port_expected, &room);
	struct port_item *item = *items = arena_array(source->arena, room, sizeof(*item));

	for (const struct node *child = first; child; child = node->kind == NODE_LIST ? child->next : NULL)
		if (read_port(services, child, &item[count].port))
			item[count++].node = child;
	service->port_count = count;
	service->ports = arena_array(reading->config->arena, count, sizeof(*service->ports));
	for (size_t i = 0; i < count; i++)
		service->ports[i] = item[i].port;

	qsort(item, count, sizeof(*item), compare_port_item);
	for (size_t i = 0; i < count; i++) {
		if (i && compare_port(&item[unique - 1].port, &item[i].port) == 0)
			source_error(source, item[i].node->offset, "duplicate port %s: it is already on line %zu",
				     item[i].node->text, source_line(source, item[unique - 1].node->offset));
		else
			item[unique++] = item[i];
	}
	return unique;
}

/* True while the total stays within the limit; notes the service that first passes it. */
static bool within(struct services *services, const struct node *key, __u64 *total, size_t count, __u64 limit,
		   const char *what)
{
	bool before = *total <= limit;

	*total += count;
	if (before && *total > limit)
		source_error(services->reading->source, key->offset,
			     "more than %llu entries of %s, port and protocol in all services",
			     (unsigned long long)limit, what);
	return *total <= limit;
}

/* Adds every combination of the service's addresses and ports. */
static void add_vips(struct services *services, const struct node *key, const struct config_service *service,
		     const struct address_item *addresses, size_t address_count, const struct port_item *ports,
		     size_t port_count)
{
	size_t exact[FAMILIES] = {0}, prefixes[FAMILIES] = {0};

	for (size_t i = 0; i < address_count; i++) {
		const struct prefix *prefix = &addresses[i].prefix;
		int family = prefix->address.family == AF_INET6 ? IPV6 : IPV4;

		if (prefix->length == address_bits(&prefix->address))
			exact[family] += port_count;
		else
			prefixes[family] += port_count;
	}

	bool fits = within(services, key, &services->exact[IPV4], exact[IPV4], SLUICE_MAX_VIPS, "IPv4 VIP");

	fits &= within(services, key, &services->exact[IPV6], exact[IPV6], SLUICE_MAX_VIPS, "IPv6 VIP");
	fits &= within(services, key, &services->prefixes[IPV4], prefixes[IPV4], SLUICE_MAX_PREFIXES, "IPv4 prefix");
	fits &= within(services, key, &services->prefixes[IPV6], prefixes[IPV6], SLUICE_MAX_PREFIXES, "IPv6 prefix");
	for (size_t i = 0; fits && i < address_count; i++)
		for (size_t j = 0; j < port_count; j++)
			services->vips[services->vip_count++] = (struct vip){service->name, &addresses[i], &ports[j]};
}

static void check_duplicate_vips(struct services *services)
{
	struct source *source = services->reading->source;
	const struct vip *first = services->vips;
	char address[ADDRESS_TEXT], port[PORT_TEXT];

	qsort(services->vips, services->vip_count, sizeof(*services->vips), compare_vip);
	for (size_t i = 1; i < services->vip_count; i++) {
		const struct vip *vip = &services->vips[i];

		if (prefix_compare(&first->address->prefix, &vip->address->prefix) != 0 ||
		    compare_port(&first->port->port, &vip->port->port) != 0) {
			first = vip;
			continue;
		}
		source_error(source, vip->address->node->offset,
			     "duplicate VIP %s %s: service '%s' on line %zu has it already",
			     prefix_format(&vip->address->prefix, address), port_format(&vip->port->port, port),
			     first->service, source_line(source, first->address->node->offset));
	}
}

/* Whether what the pool sends to this backend is a packet for this VIP again. A prefix may well hold its backends. */
static bool comes_back(const struct config_pool *pool, const struct config_backend *backend, const struct vip *vip)
{
	const struct prefix *prefix = &vip->address->prefix;
	__u16 port = vip->port->port.port;

	return pool->forward == FORWARD_GUE && (!port || port == pool->gue_port) &&
	       prefix->length == address_bits(&prefix->address) && prefix_contains(prefix, &backend->address);
}

static void check_pool_loops(struct services *services, const struct config_pool *pool, const struct vip *vip)
{
	char port[PORT_TEXT];

	for (size_t i = 0; i < pool->backend_count; i++) {
		const struct config_backend *backend = &pool->backends[i];

		if (!comes_back(pool, backend, vip))
			continue;
		source_error(services->reading->source, vip->address->node->offset,
			     "this VIP is backend %.64s/%.64s's address too, and %s takes what is sent there: packets "
			     "would go round in a loop; give the backend an address that is no VIP",
			     pool->name, backend->name, port_format(&vip->port->port, port));
		return;
	}
}

static void check_loops(struct services *services)
{
	const struct config *config = services->reading->config;

	for (size_t i = 0; i < services->vip_count; i++)
		if (services->vips[i].port->port.protocol == IPPROTO_UDP)
			for (size_t j = 0; j < config->pool_count; j++)
				check_pool_loops(services, &config->pools[j], &services->vips[i]);
}

static void read_pool_name(struct services *services, const struct node *node, struct config_service *service)
{
	const struct config *config = services->reading->config;
	const struct config_pool *pool;
	const char *name;

	if (!value_text(services->reading->source, node, "the name of a pool", &name) ||
	    !services->reading->pools_known)
		return;
	pool = pool_named(services->reading, node, name);
	if (pool)
		service->pool = (size_t)(pool - config->pools);
}

static void read_mss(struct source *source, const struct node *node, struct config_service *service)
{
	__u32 mss;

	service->mss_auto = node->kind == NODE_SCALAR && strcmp(node->text, "auto") == 0;
	if (service->mss_auto)
		return;
	if (node->kind == NODE_SCALAR && !node->quoted &&
	    value_parse_number(node->text, strlen(node->text), MAX_MSS, &mss) && mss >= MIN_MSS)
		service->mss = (__u16)mss;
	else
		value_unexpected(source, node, "auto, or a number of bytes from 536 to 65495");
}

/* What is not about who gets the packets. */
static void read_options(struct services *services, const struct node *const *found, struct config_service *service,
			 struct policy_given *given)
{
	struct reading *reading = services->reading;
	__u32 vlan = 0;

	policies_read(reading, &found[KEY_POLICY], service, given);
	if (found[KEY_VLAN])
		value_number(reading->source, found[KEY_VLAN]->value, 1, MAX_VLAN, &vlan);
	service->vlan = (__u16)vlan;
	if (found[KEY_MSS])
		read_mss(reading->source, found[KEY_MSS]->value, service);
	if (found[KEY_SOURCES])
		sources_read(reading, found[KEY_SOURCES]->value, service);
	limits_read(reading, found[KEY_LIMITS] ? found[KEY_LIMITS]->value : NULL, service);
}

static void read_service(struct services *services, const struct node *key, struct config_service *service,
			 struct policy_given *given)
{
	struct source *source = services->reading->source;
	const struct node *found[SERVICE_KEYS];
	struct address_item *addresses = NULL;
	struct port_item *ports = NULL;
	size_t address_count = 0, port_count = 0;
	int hash = HASH_FLOW;

	if (!value_keys(source, key->value, key->offset, "a service", service_keys, SERVICE_KEYS, found))
		return;
	if (found[KEY_ADDRESS])
		address_count = read_addresses(services, found[KEY_ADDRESS]->value, service, &addresses);
	if (found[KEY_PORTS])
		port_count = read_ports(services, found[KEY_PORTS]->value, service, &ports);
	if (found[KEY_POOL])
		read_pool_name(services, found[KEY_POOL]->value, service);
	if (found[KEY_HASH])
		value_choice(source, found[KEY_HASH]->value, hash_names, 2, &hash);
	service->hash = (enum hash_by)hash;
	read_options(services, found, service, given);
	add_vips(services, key, service, addresses, address_count, ports, port_count);
}

static int compare_service(const void *a, const void *b)
{
	return strcmp(((const struct config_service *)a)->name, ((const struct config_service *)b)->name);
}

void services_read(struct reading *reading, const struct node *node)
{
	struct config *config = reading->config;
	struct services services = {.reading = reading};
	struct policy_given *given;
	const char *name;

	if (!value_is_map(reading->source, node, "a map of services, by name"))
		return;
	services.vips = arena_array(reading->source->arena, MAX_VIPS_IN_ALL, sizeof(*services.vips));
	config->services = arena_array(config->arena, node->count, sizeof(*config->services));
	given = arena_array(reading->source->arena, node->count, sizeof(*given));
	for (const struct node *key = node->first; key; key = key->next) {
		struct config_service *service = &config->services[config->service_count];

		if (config->service_count == SLUICE_MAX_SERVICES) {
			source_error(reading->source, key->offset, "more than %d services", SLUICE_MAX_SERVICES);
			break;
		}
		if (!value_name(reading->source, key, "service", &name))
			name = key->text;
		service->name = arena_strdup(config->arena, name);
		read_service(&services, key, service, &given[config->service_count++]);
	}
	check_duplicate_vips(&services);
	check_loops(&services);
	policies_share(reading, given);
	qsort(config->services, config->service_count, sizeof(*config->services), compare_service);
}
