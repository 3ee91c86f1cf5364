/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * States made by hand, for tests of what the agent does with them. Names must be
 * added in order, as a configuration has them. Texts that are given stay the
 * caller's; sample_name() makes one that lives as long as the configuration.
 */
#ifndef SLUICE_TEST_SAMPLE_H
#define SLUICE_TEST_SAMPLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arena.h"
#include "model/config.h"
#include "model/network.h"
#include "model/plan.h"
#include "unit/health_saved.h"
#include "unit/parsed.h"

#define SAMPLE_IFINDEX 7
#define SAMPLE_GATEWAY "10.255.255.254"

/* Room for so many pools and services. */
static inline struct config *sample_config(size_t pools, size_t services)
{
	struct arena *arena = arena_new();
	struct config *config = arena_alloc(arena, sizeof(*config));

	config->arena = arena;
	config->file = "sample.yaml";
	memcpy(config->hash_key, "the sample's key", sizeof(config->hash_key));
	config->fragment_records = CONFIG_MIN_FRAGMENT_RECORDS;
	config->pools = arena_array(arena, pools, sizeof(*config->pools));
	config->services = arena_array(arena, services, sizeof(*config->services));
	return config;
}

__attribute__((format(printf, 2, 3))) static inline const char *sample_name(struct config *config, const char *format,
									    ...)
{
	char name[CONFIG_NAME_MAX + 1];
	va_list arguments;

	va_start(arguments, format);
	assert_in_range(vsnprintf(name, sizeof(name), format, arguments), 1, CONFIG_NAME_MAX);
	va_end(arguments);
	return arena_strdup(config->arena, name);
}

/* With room for so many backends. */
static inline struct config_pool *sample_pool(struct config *config, const char *name, __u32 table_size,
					      size_t backends)
{
	struct config_pool *pool = &config->pools[config->pool_count++];

	if (config->pool_count > 1)
		assert_true(strcmp(pool[-1].name, name) < 0);
	pool->name = name;
	pool->forward = FORWARD_IPIP;
	pool->gue_port = 6080;
	pool->table_size = table_size;
	pool->outer = (struct config_outer){.df = true, .ttl = CONFIG_DEFAULT_TTL};
	pool->fallback = CONFIG_NONE;
	pool->backends = arena_array(config->arena, backends, sizeof(*pool->backends));
	return pool;
}

static inline struct config_backend *sample_backend(struct config_pool *pool, const char *name, struct address address)
{
	struct config_backend *backend = &pool->backends[pool->backend_count++];

	if (pool->backend_count > 1)
		assert_true(strcmp(backend[-1].name, name) < 0);
	backend->name = name;
	backend->address = address;
	backend->weight = CONFIG_DEFAULT_WEIGHT;
	return backend;
}

/* With room for so many addresses and ports. */
static inline struct config_service *sample_service(struct config *config, const char *name, size_t pool,
						    size_t addresses, size_t ports)
{
	struct config_service *service = &config->services[config->service_count++];

	if (config->service_count > 1)
		assert_true(strcmp(service[-1].name, name) < 0);
	service->name = name;
	service->pool = pool;
	service->addresses = arena_array(config->arena, addresses, sizeof(*service->addresses));
	service->ports = arena_array(config->arena, ports, sizeof(*service->ports));
	return service;
}

static inline void sample_vip(struct config_service *service, const char *prefix)
{
	assert_int_equal(prefix_parse(prefix, &service->addresses[service->address_count++]), 0);
}

static inline void sample_port(struct config_service *service, __u16 port, __u8 protocol)
{
	service->ports[service->port_count++] = (struct config_port){.port = port, .protocol = protocol};
}

/* A network of one interface, and a gateway on it whose MAC is known. */
static inline void sample_network(struct network *network)
{
	struct link link = {
		.ifindex = SAMPLE_IFINDEX, .ethernet = true, .up = true, .mtu = 1500, .mac = {2, 0, 0, 0, 0, 1}};
	struct neighbour_key key = {.ifindex = SAMPLE_IFINDEX, .address = parsed_address(SAMPLE_GATEWAY)};

	strcpy(link.name, "eth0");
	network_link_set(network, &link);
	network_neighbour_remember(network, &key, (__u8[6]){2, 0, 0, 0, 0, 2});
}

/* A route over that gateway. */
static inline void sample_route(struct network *network, struct address destination)
{
	struct route *route = calloc(1, sizeof(*route));

	assert_non_null(route);
	if (network_route(network, &destination)) {
		free(route);
		return;
	}
	route->destination = destination;
	route->kind = ROUTE_UNICAST;
	route->type = RTN_UNICAST;
	route->ifindex = SAMPLE_IFINDEX;
	route->gateway = parsed_address(SAMPLE_GATEWAY);
	route->source = parsed_address(destination.family == AF_INET ? "10.0.0.1" : "2001:db8::1");
	HASH_ADD(hh, network->routes, destination, sizeof(route->destination), route);
}

/* Routes to all backends of the configuration. */
static inline void sample_routes(struct network *network, const struct config *config)
{
	for (size_t i = 0; i < config->pool_count; i++)
		for (size_t j = 0; j < config->pools[i].backend_count; j++)
			sample_route(network, config->pools[i].backends[j].address);
}

/* The n-th IPv4 address of 10.0.0.0/8. */
static inline struct address sample_host(__u32 n)
{
	return (struct address){.family = AF_INET, .word = {htonl(0x0a000000 + n)}};
}

static inline void sample_event(void *argument, const struct event_fact *fact)
{
	(void)argument;
	(void)fact;
}

/* Plans for the state's configuration: without probes, every backend counts as up. The health is to be freed. */
static inline void sample_plan(struct plan *plan, struct state *state)
{
	if (!state->health)
		state->health = health_new(sample_event, NULL, time);
	health_configure(state->health, state->config, false, 1);
	plan_make(plan, state, PLAN_ALL);
}

/* Numbers that look random but are the same in every run. */
static inline __u32 sample_random(__u64 *seed, __u32 below)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (__u32)((*seed >> 33) % below);
}

#endif
