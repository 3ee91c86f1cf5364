/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What services ask for beyond their pool: limits, source rules, QUIC, MSS, a VLAN. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "model/plan_inner.h"

#define SECOND_NS	1000000000U
#define REPLIES_A_BURST 10 /* the burst of what the dataplane answers by itself is so much of a second's */

static struct limit limit_of(const struct config_limit *from)
{
	const __u64 interval = from->rate ? SECOND_NS / from->rate : 0;

	return (struct limit){.interval = interval, .tolerance = from->burst ? interval * (from->burst - 1) : 0};
}

static bool limits_sources(const struct config_limits *limits)
{
	return limits->source_packets.rate || limits->source_connections.rate;
}

static bool has_limits(const struct config_limits *limits)
{
	return limits_sources(limits) || limits->service_packets.rate || limits->service_connections.rate;
}

static bool has_protocol(const struct config_service *service, __u8 protocol)
{
	for (size_t i = 0; i < service->port_count; i++)
		if (service->ports[i].protocol == protocol)
			return true;
	return false;
}

/* Whether the service's pool, or one that may serve in its place, routes by connection ID. */
static bool may_have_quic(const struct config *config, const struct config_service *service)
{
	if (!has_protocol(service, IPPROTO_UDP))
		return false;
	for (size_t i = service->pool; i != CONFIG_NONE; i = config->pools[i].fallback)
		if (plan_has_quic(&config->pools[i]))
			return true;
	return false;
}

static __u32 service_features(const struct config *config, const struct config_service *service)
{
	const bool mss = (service->mss || service->mss_auto) && has_protocol(service, IPPROTO_TCP);
	__u32 features = 0;

	features |= has_limits(&service->limits) ? FEATURE_LIMITS : 0;
	features |= service->rule_count ? FEATURE_RULES : 0;
	features |= may_have_quic(config, service) ? FEATURE_QUIC : 0;
	if (features || mss || service->vlan)
		features |= FEATURE_SLOW;
	if (service->unknown_port != UNKNOWN_PASS || service->fragments == FRAGMENTS_SOURCE)
		features |= FEATURE_ADDRESS;
	return features;
}

static bool has_entropy(const struct config_pool *pool)
{
	return pool->forward == FORWARD_IPIP && (pool->outer.source4.length || pool->outer.source6.length);
}

/* Of outer headers. */
static bool has_fragments(const struct config_pool *pool)
{
	return pool->forward != FORWARD_L2 && !pool->outer.df;
}

void plan_option_settings(struct settings *settings, const struct config *config)
{
	const __u32 burst = config->reply_rate / REPLIES_A_BURST;
	const struct config_limit replies = {.rate = config->reply_rate, .burst = burst ?: 1};

	settings->replies = limit_of(&replies);
	settings->fragment_capacity = config->fragment_records;
	settings->source_capacity = 1;
	for (size_t i = 0; i < config->pool_count; i++) {
		settings->features |= has_entropy(&config->pools[i]) ? FEATURE_ENTROPY : 0;
		settings->features |= has_fragments(&config->pools[i]) ? FEATURE_ID : 0;
	}
	for (size_t i = 0; i < config->service_count; i++) {
		settings->features |= service_features(config, &config->services[i]);
		if (limits_sources(&config->services[i].limits))
			settings->source_capacity = config->source_records;
	}
}

__u16 plan_slow_flag(const struct service_options *options, __u8 protocol)
{
	const __u16 own = protocol == IPPROTO_TCP ? OPTION_MSS_AUTO : OPTION_QUIC;
	const __u16 flags = OPTION_LIMITS | OPTION_RULES | own;

	if (options->flags & flags || options->vlan || (options->mss && protocol == IPPROTO_TCP))
		return SERVICE_SLOW;
	return 0;
}

static void take_limits(struct service_options *options, const struct config_limits *limits)
{
	if (!has_limits(limits))
		return;
	options->flags |= OPTION_LIMITS | (limits->excess == EXCESS_PASS ? OPTION_EXCESS_PASS : 0);
	options->source_packets = limit_of(&limits->source_packets);
	options->source_connections = limit_of(&limits->source_connections);
	options->service_packets = limit_of(&limits->service_packets);
	options->service_connections = limit_of(&limits->service_connections);
	options->source_bits4 = limits->source_bits4;
	options->source_bits6 = limits->source_bits6;
}

/* Of the pool that serves now. */
static void take_quic(struct service_options *options, const struct plan *plan, const struct config *config,
		      const struct config_service *service)
{
	const size_t serves = plan->effective[service->pool];
	const struct config_pool *pool = &config->pools[serves];

	if (!plan_has_quic(pool) || !has_protocol(service, IPPROTO_UDP))
		return;
	options->flags |= OPTION_QUIC;
	memcpy(options->quic_server_id_length, pool->quic_server_id_length, sizeof(pool->quic_server_id_length));
	options->quic_pool = plan->tables[serves]->first;
}

static void service_options(struct service_options *options, const struct plan *plan, const struct config *config,
			    const struct config_service *service)
{
	take_limits(options, &service->limits);
	take_quic(options, plan, config, service);
	options->flags |= service->rule_count ? OPTION_RULES : 0;
	options->flags |= service->mss_auto ? OPTION_MSS_AUTO : 0;
	options->mss = service->mss;
	options->vlan = service->vlan;
}

void plan_options(struct plan *plan, const struct state *state)
{
	const struct config *config = state->config;
	struct service_options *former = plan->options;
	bool differs = !plan->options_generation;

	plan->options = memory_new(SLUICE_MAX_SERVICES, sizeof(*plan->options));
	for (size_t i = 0; i < config->service_count; i++)
		service_options(&plan->options[ids_service(state->ids, config->services[i].name)], plan, config,
				&config->services[i]);
	differs |= memcmp(plan->options, former, SLUICE_MAX_SERVICES * sizeof(*former)) != 0;
	differs |= plan_rules(plan, state);
	differs |= plan_quic(plan, state);
	plan->options_generation += differs;
	free(former);
}
