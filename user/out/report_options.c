/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What services and pools are configured to do beyond balancing, for the reports. */
#include "out/report_part.h"

static json_t *number_or_null(__u32 number)
{
	return number ? count_json(number) : json_null();
}

static void set_limit(json_t *object, const char *rate, const char *burst, const struct config_limit *limit)
{
	set(object, rate, number_or_null(limit->rate));
	set(object, burst, limit->rate ? count_json(limit->burst) : json_null());
}

/* New reference; null where neither is limited. */
static json_t *limits_of(const struct config_limit *packets, const struct config_limit *connections)
{
	json_t *object;

	if (!packets->rate && !connections->rate)
		return json_null();
	object = json_object();
	set_limit(object, "packets", "packets_burst", packets);
	set_limit(object, "connections", "connections_burst", connections);
	return object;
}

static json_t *limits_json(const struct config_limits *limits)
{
	json_t *source = limits_of(&limits->source_packets, &limits->source_connections);
	json_t *service = limits_of(&limits->service_packets, &limits->service_connections);
	json_t *object;

	if (json_is_null(source) && json_is_null(service))
		return json_null();
	if (!json_is_null(source)) {
		set(source, "prefix4", count_json(limits->source_bits4));
		set(source, "prefix6", count_json(limits->source_bits6));
	}
	object = json_object();
	set(object, "source", source);
	set(object, "service", service);
	set(object, "excess", json_string(excess_names[limits->excess]));
	return object;
}

/* Of prefixes there may be tens of thousands: the file has them. */
static json_t *sources_json(const struct config *config, const struct config_service *service)
{
	json_t *rules = json_array();

	for (size_t i = 0; i < service->rule_count; i++) {
		const struct config_rule *rule = &service->rules[i];
		const char *pool = rule->action == RULE_POOL ? config->pools[rule->pool].name : NULL;
		json_t *object = json_object();

		set(object, "action", json_string(rule_action_names[rule->action]));
		set(object, "pool", text_or_null(pool));
		set(object, "prefixes", count_json(rule->from_count));
		append(rules, object);
	}
	return rules;
}

void report_set_service_options(json_t *object, const struct config *config, const struct config_service *service)
{
	set(object, "unknown_port", json_string(port_policy_names[service->unknown_port]));
	set(object, "echo", json_string(echo_policy_names[service->echo]));
	set(object, "fragments", json_string(fragment_policy_names[service->fragments]));
	set(object, "vlan", number_or_null(service->vlan));
	set(object, "mss", service->mss_auto ? json_string("auto") : number_or_null(service->mss));
	set(object, "sources", sources_json(config, service));
	set(object, "limits", limits_json(&service->limits));
}

static json_t *outer_json(const struct config_outer *outer)
{
	const struct prefix *const sources[] = {&outer->source4, &outer->source6};
	json_t *object = json_object(), *list = json_array();
	char text[ADDRESS_TEXT];

	for (size_t i = 0; i < 2; i++)
		if (sources[i]->length)
			append(list, json_string(prefix_format(sources[i], text)));
	set(object, "df", json_boolean(outer->df));
	set(object, "ttl", count_json(outer->ttl));
	set(object, "source", list);
	return object;
}

static json_t *quic_json(const struct config_pool *pool)
{
	json_t *list = json_array(), *object;

	for (__u32 i = 0; i < QUIC_CONFIGS; i++) {
		if (!pool->quic_server_id_length[i])
			continue;
		object = json_object();
		set(object, "config", count_json(i));
		set(object, "server_id_length", count_json(pool->quic_server_id_length[i]));
		append(list, object);
	}
	return list;
}

static bool leads_to(const struct config_service *service, size_t pool)
{
	for (size_t i = 0; i < service->rule_count; i++)
		if (service->rules[i].action == RULE_POOL && service->rules[i].pool == pool)
			return true;
	return false;
}

void report_set_pool_options(json_t *object, const struct config *config, size_t pool)
{
	json_t *services = json_array();

	for (size_t i = 0; i < config->service_count; i++)
		if (leads_to(&config->services[i], pool))
			append(services, json_string(config->services[i].name));
	set(object, "source_services", services);
	set(object, "outer", outer_json(&config->pools[pool].outer));
	set(object, "quic", quic_json(&config->pools[pool]));
}
