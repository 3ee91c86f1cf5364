/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Source rules: from ordered lists to prefixes of which the longest that has an address decides (service_options.h).
 * Of two prefixes that share an address one has all of the other: sorted by address, and the shorter one first, the
 * prefixes that have all of one are a path to it. A prefix's verdict is that of the first rule on its path, so that
 * those whose own rule comes later than one before them on the path say nothing new, and are left out.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "lib/siphash.h"
#include "model/plan_inner.h"

#define PATH_MAX_LENGTH 129 /* prefixes of an IPv6 address */

/* A prefix as the configuration has it. */
struct stated {
	struct prefix from;
	__u32 rule; /* in the service's order */
};

static int stated_order(const void *a, const void *b)
{
	const struct stated *left = a, *right = b;
	int order = 0;

	if (left->from.address.family != right->from.address.family)
		return left->from.address.family < right->from.address.family ? -1 : 1;
	order = memcmp(left->from.address.word, right->from.address.word, sizeof(left->from.address.word));
	if (!order)
		order = (int)left->from.length - (int)right->from.length;
	return order ?: left->rule < right->rule ? -1 : left->rule > right->rule;
}

static void add_rule(struct plan *plan, __u16 service, const struct stated *stated, const struct config_rule *rule)
{
	plan->rules[plan->rule_count++] = (struct plan_rule){
		.from = stated->from,
		.service = service,
		.pool = rule->action == RULE_POOL ? (__u32)rule->pool : 0,
		.rule = {.action = rule->action},
	};
}

/* `stated` is sorted. */
static void add_rules(struct plan *plan, __u16 index, const struct config_service *service, const struct stated *stated,
		      size_t count)
{
	const struct stated *path[PATH_MAX_LENGTH];
	size_t length = 0;

	for (size_t i = 0; i < count; i++) {
		while (length && !prefix_contains(&path[length - 1]->from, &stated[i].from.address))
			length--;
		if (length && path[length - 1]->rule <= stated[i].rule)
			continue;
		/* of the same prefix the first rule comes first, so that a path has each length once */
		path[length++] = &stated[i];
		add_rule(plan, index, &stated[i], &service->rules[stated[i].rule]);
	}
}

static size_t count_prefixes(const struct config_service *service)
{
	size_t count = 0;

	for (size_t i = 0; i < service->rule_count; i++)
		count += service->rules[i].from_count;
	return count;
}

static void flatten(struct plan *plan, __u16 index, const struct config_service *service)
{
	size_t count = count_prefixes(service), n = 0;
	struct stated *stated = memory_new(count, sizeof(*stated));

	for (size_t i = 0; i < service->rule_count; i++)
		for (size_t j = 0; j < service->rules[i].from_count; j++)
			stated[n++] = (struct stated){.from = service->rules[i].from[j], .rule = (__u32)i};
	qsort(stated, count, sizeof(*stated), stated_order);
	add_rules(plan, index, service, stated, count);
	free(stated);
}

/* Of all that the rules are made from: there may be many, and most plans have those of the one before. */
static __u64 hash_inputs(const struct state *state)
{
	const struct config *config = state->config;
	__u64 inputs = 0;

	for (size_t i = 0; i < config->service_count; i++) {
		const struct config_service *service = &config->services[i];
		const __u16 index = service->rule_count ? ids_service(state->ids, service->name) : 0;

		for (size_t j = 0; j < service->rule_count; j++) {
			const struct config_rule *rule = &service->rules[j];
			const __u64 one[] = {
				inputs, index, rule->action, rule->pool,
				siphash(config->hash_key, rule->from, rule->from_count * sizeof(*rule->from))};

			inputs = siphash(config->hash_key, one, sizeof(one));
		}
	}
	return inputs;
}

static void find_rules(struct plan *plan, const struct state *state)
{
	const struct config *config = state->config;
	size_t count = 0;

	for (size_t i = 0; i < config->service_count; i++)
		count += count_prefixes(&config->services[i]);
	free(plan->rules);
	plan->rules = memory_new(count, sizeof(*plan->rules));
	plan->rule_count = 0;
	for (size_t i = 0; i < config->service_count; i++)
		flatten(plan, ids_service(state->ids, config->services[i].name), &config->services[i]);
}

/* A rule's pool may fall back, too, and a table may have moved. */
static bool lead_rules(struct plan *plan)
{
	bool differs = false;

	for (size_t i = 0; i < plan->rule_count; i++) {
		struct plan_rule *rule = &plan->rules[i];
		const struct table *table;

		if (rule->rule.action != RULE_POOL)
			continue;
		table = plan->tables[plan->effective[rule->pool]];
		differs |= rule->rule.table.slot_first != table->first || rule->rule.table.slot_count != table->size;
		rule->rule.table = (struct table_use){.slot_first = table->first, .slot_count = table->size};
	}
	return differs;
}

bool plan_rules(struct plan *plan, const struct state *state)
{
	const __u64 inputs = hash_inputs(state);
	const bool differs = inputs != plan->rules_inputs;

	if (differs)
		find_rules(plan, state);
	plan->rules_inputs = inputs;
	return lead_rules(plan) || differs;
}
