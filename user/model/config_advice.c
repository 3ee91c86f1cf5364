/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/config_advice.h"

static bool has_quic(const struct config_pool *pool)
{
	for (size_t i = 0; i < QUIC_CONFIGS; i++)
		if (pool->quic_server_id_length[i])
			return true;
	return false;
}

static void advise_pool(json_t *advice, const struct config_pool *pool)
{
	size_t without = 0;

	for (size_t i = 0; i < pool->backend_count; i++)
		without += !pool->backends[i].server_id_length;
	if (has_quic(pool) && without)
		json_array_append_new(
			advice, json_sprintf("pool %s: quic, but %zu of %zu backends without a server_id: a client "
					     "of theirs that changes its address may reach another one",
					     pool->name, without, pool->backend_count));
}

static void advise_service(json_t *advice, const struct config_service *service)
{
	for (size_t i = 0; i < service->rule_count; i++)
		if (service->rules[i].action != RULE_ALLOW)
			return;
	if (service->rule_count)
		json_array_append_new(advice, json_sprintf("service %s: its sources only allow, and so is what no rule "
							   "has: end them with {from: any, action: deny}",
							   service->name));
}

json_t *config_advice(const struct config *config)
{
	json_t *advice = json_array();

	for (size_t i = 0; i < config->pool_count; i++)
		advise_pool(advice, &config->pools[i]);
	for (size_t i = 0; i < config->service_count; i++)
		advise_service(advice, &config->services[i]);
	return advice;
}
