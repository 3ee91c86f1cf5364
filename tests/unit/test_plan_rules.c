/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Source rules: an ordered list says the same as the longest prefix of what is planned. */
#include "unit/plan_lab.h"

#define SEEDS	400
#define SOURCES 300

/* Pools "a" and "b", the latter with a fallback, "c"; services "r" and "s" without rules. */
static struct config *sample(void)
{
	struct config *config = sample_config(3, 2);
	struct config_service *service;

	for (unsigned int i = 0; i < 3; i++)
		sample_backend(sample_pool(
				       config, &"a\0b\0c" [2 * i], (const __u32[]) { 7, 11, 13 }[i], 1),
			       "one", sample_host(i));
	config->pools[1].fallback = 2;
	for (unsigned int i = 0; i < 2; i++) {
		service = sample_service(config, i ? "s" : "r", 0, 1, 1);
		sample_vip(service, i ? "192.0.2.2" : "192.0.2.1");
		sample_port(service, 80, IPPROTO_TCP);
	}
	return config;
}

static struct config_rule *add_rule(struct config *config, size_t service, enum rule_action action, size_t pool,
				    size_t prefixes)
{
	struct config_service *of = &config->services[service];
	struct config_rule *rules = arena_array(config->arena, of->rule_count + 1, sizeof(*rules)), *rule;

	if (of->rule_count)
		memcpy(rules, of->rules, of->rule_count * sizeof(*rules));
	rule = &rules[of->rule_count++];
	of->rules = rules;
	rule->action = action;
	rule->pool = pool;
	rule->from = arena_array(config->arena, prefixes, sizeof(*rule->from));
	return rule;
}

static void add_from(struct config_rule *rule, const char *text)
{
	assert_int_equal(prefix_parse(text, &rule->from[rule->from_count++]), 0);
}

/* Few bits differ, so that prefixes lie within each other. */
static struct address random_address(__u64 *seed)
{
	struct address address = {.family = AF_INET6};

	if (sample_random(seed, 2)) {
		address.family = AF_INET;
		address.word[0] = htonl(sample_random(seed, 16) << 28 | sample_random(seed, 4));
		return address;
	}
	for (int i = 0; i < 4; i++)
		address.word[i] = htonl(sample_random(seed, 3) << 30 | sample_random(seed, 3));
	return address;
}

static struct prefix random_prefix(__u64 *seed)
{
	struct prefix prefix = {.address = random_address(seed)};
	unsigned int bits = address_bits(&prefix.address);

	prefix.length = sample_random(seed, 3) ? sample_random(seed, bits + 1) : sample_random(seed, 5);
	for (unsigned int i = prefix.length; i < bits; i++)
		prefix.address.word[i / 32] &= ~htonl(1U << (31 - i % 32));
	return prefix;
}

static struct config *random_config(__u64 *seed)
{
	struct config *config = sample();

	for (size_t service = 0; service < 2; service++) {
		unsigned int rules = sample_random(seed, 12);

		for (unsigned int i = 0; i < rules; i++) {
			struct config_rule *rule = add_rule(config, service, (enum rule_action)sample_random(seed, 3),
							    sample_random(seed, 3), 8);

			rule->from_count = sample_random(seed, 8);
			for (size_t j = 0; j < rule->from_count; j++)
				rule->from[j] = random_prefix(seed);
		}
	}
	return config;
}

/* What the configuration says: the first rule that has the source. NULL: none. */
static const struct config_rule *first_rule(const struct config_service *service, const struct address *source)
{
	for (size_t i = 0; i < service->rule_count; i++)
		for (size_t j = 0; j < service->rules[i].from_count; j++)
			if (prefix_contains(&service->rules[i].from[j], source))
				return &service->rules[i];
	return NULL;
}

/* What the dataplane will say: the longest prefix. */
static const struct plan_rule *longest_rule(const struct plan *plan, __u16 service, const struct address *source)
{
	const struct plan_rule *longest = NULL;

	for (size_t i = 0; i < plan->rule_count; i++) {
		const struct plan_rule *rule = &plan->rules[i];

		if (rule->service != service || !prefix_contains(&rule->from, source))
			continue;
		if (longest)
			assert_int_not_equal(longest->from.length, rule->from.length);
		if (!longest || rule->from.length > longest->from.length)
			longest = rule;
	}
	return longest;
}

static void assert_same(const struct plan *plan, const struct state *state, const struct address *source)
{
	for (size_t i = 0; i < 2; i++) {
		const struct config_service *service = &state->config->services[i];
		const struct config_rule *wanted = first_rule(service, source);
		const struct plan_rule *found = longest_rule(plan, ids_service(state->ids, service->name), source);

		if (!wanted) {
			assert_null(found);
			continue;
		}
		assert_non_null(found);
		assert_int_equal(found->rule.action, wanted->action);
		assert_int_equal(found->rule.table.slot_count,
				 wanted->action == RULE_POOL ? state->config->pools[wanted->pool].table_size : 0);
	}
}

static void test_the_longest_prefix_says_what_the_first_rule_does(void **unused)
{
	struct state state;
	struct plan *plan;
	__u64 seed = 1;

	(void)unused;
	plan_start(&state, &plan, sample());
	for (unsigned int i = 0; i < SEEDS; i++) {
		struct config *config = random_config(&seed);

		plan_reload(&state, plan, config);
		for (unsigned int j = 0; j < SOURCES; j++) {
			struct address source = random_address(&seed);

			assert_same(plan, &state, &source);
		}
		for (size_t j = 0; j < plan->rule_count; j++) /* the edges of them all */
			assert_same(plan, &state, &plan->rules[j].from.address);
	}
	plan_end(&state, plan);
}

/* What comes after a rule for all of its addresses is never reached. */
static void test_what_says_nothing_new_is_left_out(void **unused)
{
	struct config *config = sample();
	struct config_rule *rule;
	struct state state;
	struct plan *plan;

	(void)unused;
	rule = add_rule(config, 0, RULE_ALLOW, 0, 4);
	add_from(rule, "10.0.0.0/8");
	add_from(rule, "10.1.0.0/16"); /* within the one before */
	add_from(rule, "2001:db8::/32");
	add_from(rule, "10.0.0.0/8");
	add_from(add_rule(config, 0, RULE_DENY, 0, 1), "10.2.0.0/16"); /* too late */
	rule = add_rule(config, 0, RULE_DENY, 0, 2);
	add_from(rule, "0.0.0.0/0");
	add_from(rule, "::/0");
	plan_start(&state, &plan, config);
	assert_int_equal(plan->rule_count, 4);
	plan_end(&state, plan);
}

static __u32 pool_rule_first(const struct plan *plan)
{
	assert_int_equal(plan->rule_count, 1);
	assert_int_equal(plan->rules[0].rule.action, RULE_POOL);
	return plan->rules[0].rule.table.slot_first;
}

static struct config *with_pool_rule(void)
{
	struct config *config = sample();

	add_from(add_rule(config, 0, RULE_POOL, 1, 1), "10.0.0.0/8");
	return config;
}

/* A pool that only rules lead to has a table of its own, and its fallback serves in its place. */
static void test_rules_follow_their_pool(void **unused)
{
	struct config *config = with_pool_rule();
	struct health_backend *backend;
	struct state state;
	struct plan *plan;
	__u64 generation;

	(void)unused;
	plan_start(&state, &plan, config);
	assert_int_equal(pool_rule_first(plan), ids_pool_first(state.ids, "b"));
	assert_int_equal(plan->tables[1]->size, 11);
	assert_int_not_equal(plan->tables[1]->owner[0], 0);
	generation = plan->options_generation;
	sample_plan(plan, &state);
	assert_int_equal(plan->options_generation, generation);

	backend = health_find(state.health, "b", "one");
	health_maint(state.health, backend, 0, NULL, 2);
	plan_make(plan, &state, PLAN_HEALTH);
	assert_int_equal(pool_rule_first(plan), ids_pool_first(state.ids, "c"));
	assert_int_equal(plan->options_generation, generation + 1);
	health_ready(state.health, backend, 0, NULL, 3);
	plan_make(plan, &state, PLAN_HEALTH);
	assert_int_equal(pool_rule_first(plan), ids_pool_first(state.ids, "b"));

	config = with_pool_rule();
	config->pools[1].table_size = 31;
	generation = plan->options_generation;
	plan_reload(&state, plan, config);
	assert_int_equal(pool_rule_first(plan), ids_pool_first(state.ids, "b"));
	assert_int_equal(plan->rules[0].rule.table.slot_count, 31);
	assert_int_equal(plan->options_generation, generation + 1);
	plan_reload(&state, plan, sample());
	assert_int_equal(plan->rule_count, 0);
	assert_int_equal(plan->options_generation, generation + 2);
	plan_end(&state, plan);
}

static void test_as_many_rules_as_there_may_be(void **unused)
{
	struct config *config = sample();
	struct config_rule *rule = add_rule(config, 1, RULE_DENY, 0, SLUICE_MAX_RULES);
	struct state state;
	struct plan *plan;

	(void)unused;
	for (__u32 i = 0; i < SLUICE_MAX_RULES; i++)
		rule->from[rule->from_count++] =
			(struct prefix){.address = sample_host(i * 2654435761U % (1U << 24)), .length = 32};
	plan_start(&state, &plan, config);
	assert_int_equal(plan->rule_count, SLUICE_MAX_RULES);
	plan_end(&state, plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_longest_prefix_says_what_the_first_rule_does),
		cmocka_unit_test(test_what_says_nothing_new_is_left_out),
		cmocka_unit_test(test_rules_follow_their_pool),
		cmocka_unit_test(test_as_many_rules_as_there_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
