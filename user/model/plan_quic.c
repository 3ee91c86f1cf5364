/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Which backend has which QUIC server ID, under each configuration of its pool that has IDs of that length. */
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "model/plan_inner.h"

bool plan_has_quic(const struct config_pool *pool)
{
	for (int i = 0; i < QUIC_CONFIGS; i++)
		if (pool->quic_server_id_length[i])
			return true;
	return false;
}

static size_t count_backends(const struct config *config)
{
	size_t count = 0;

	for (size_t i = 0; i < config->pool_count; i++)
		count += plan_has_quic(&config->pools[i]) ? config->pools[i].backend_count : 0;
	return count;
}

static void add_backend(struct plan *plan, size_t pool, const struct config_pool *config, size_t i)
{
	const struct config_backend *backend = &config->backends[i];
	struct plan_quic_server *server;

	for (__u8 id = 0; backend->server_id_length && id < QUIC_CONFIGS; id++) {
		if (config->quic_server_id_length[id] != backend->server_id_length)
			continue;
		server = &plan->quic[plan->quic_count++];
		server->backend = plan->tables[pool]->members[i].owner;
		server->key.pool = plan->tables[pool]->first;
		server->key.config = id;
		server->key.length = backend->server_id_length;
		memcpy(server->key.server_id, backend->server_id, backend->server_id_length);
	}
}

bool plan_quic(struct plan *plan, const struct state *state)
{
	const struct config *config = state->config;
	struct plan_quic_server *former = plan->quic;
	size_t former_count = plan->quic_count;
	bool differs;

	plan->quic = memory_new(count_backends(config) * QUIC_CONFIGS, sizeof(*plan->quic));
	plan->quic_count = 0;
	for (size_t i = 0; i < config->pool_count; i++)
		for (size_t j = 0; plan_has_quic(&config->pools[i]) && j < config->pools[i].backend_count; j++)
			add_backend(plan, i, &config->pools[i], j);
	differs = plan->quic_count != former_count ||
		  (former_count && memcmp(plan->quic, former, former_count * sizeof(*former)) != 0);
	free(former);
	return differs;
}
