/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What services ask for beyond their pool: options, addresses, QUIC servers, and what the program has to know of it. */
#include "model/plan_inner.h"
#include "unit/plan_lab.h"

/*
 * Pools "a", which falls back to "b", and "b", with two backends each; services "dns" (192.0.2.1, 53/udp) and "web"
 * (192.0.2.1 and 2001:db8::1, 443/tcp and 443/udp), both of "a".
 */
static struct config *sample(void)
{
	struct config *config = sample_config(2, 3);
	struct config_service *service;

	for (unsigned int i = 0; i < 2; i++) {
		struct config_pool *pool = sample_pool(config, i ? "b" : "a", i ? 251 : 131, 2);

		sample_backend(pool, "one", sample_host(1 + 2 * i));
		sample_backend(pool, "two", sample_host(2 + 2 * i));
	}
	config->pools[0].fallback = 1;
	service = sample_service(config, "dns", 0, 2, 1);
	sample_vip(service, "192.0.2.1");
	sample_port(service, 53, IPPROTO_UDP);
	service = sample_service(config, "web", 0, 3, 2);
	sample_vip(service, "192.0.2.1");
	sample_vip(service, "2001:db8::1");
	sample_port(service, 443, IPPROTO_TCP);
	sample_port(service, 443, IPPROTO_UDP);
	return config;
}

/* The same with connection IDs in "b": config 1 of 4 bytes, config 5 of 4 as well, config 6 of 8. */
static struct config *sample_quic(void)
{
	struct config *config = sample();
	struct config_pool *pool = &config->pools[1];

	pool->quic_server_id_length[1] = pool->quic_server_id_length[5] = 4;
	pool->quic_server_id_length[6] = 8;
	pool->backends[0].server_id_length = 4;
	memcpy(pool->backends[0].server_id, "\1\2\3\4", 4);
	pool->backends[1].server_id_length = 8;
	memcpy(pool->backends[1].server_id, "\1\2\3\4\5\6\7\10", 8);
	return config;
}

/* "a" has nobody left, so that "b" serves; or somebody again. */
static void empty_pool(struct state *state, bool empty)
{
	for (size_t i = 0; i < 2; i++) {
		struct health_backend *backend = health_find(state->health, "a", i ? "two" : "one");

		if (empty)
			health_maint(state->health, backend, 0, NULL, 2);
		else
			health_ready(state->health, backend, 0, NULL, 3);
	}
}

static void test_nothing_asked_is_nothing(void **unused)
{
	static const struct service_options none[SLUICE_MAX_SERVICES];
	struct state state;
	struct plan *plan;

	(void)unused;
	plan_start(&state, &plan, sample());
	assert_memory_equal(plan->options, none, sizeof(none));
	assert_int_equal(plan->options_generation, 1);
	assert_int_equal(plan->rule_count + plan->quic_count, 0);
	assert_int_equal(plan->settings.features, 0);
	assert_int_equal(plan->settings.source_capacity, 1);
	assert_int_equal(plan->settings.fragment_capacity, CONFIG_MIN_FRAGMENT_RECORDS);
	assert_int_equal(plan->settings.replies.interval, 0);
	plan_reload(&state, plan, sample());
	assert_int_equal(plan->options_generation, 1);
	plan_end(&state, plan);
}

static void test_limits_are_intervals_and_tolerances(void **unused)
{
	struct config *config = sample();
	struct config_limits *limits = &config->services[1].limits;
	struct service_options expected = {
		.source_packets = {1000000, 99 * 1000000ULL},
		.service_connections = {100, 0},
		.flags = OPTION_LIMITS,
		.source_bits4 = 32,
		.source_bits6 = 56,
	};
	struct state state;
	struct plan *plan;

	(void)unused;
	config->source_records = 4096;
	config->reply_rate = 1000;
	limits->source_bits4 = 32;
	limits->source_bits6 = 56;
	limits->source_packets = (struct config_limit){.rate = 1000, .burst = 100};
	limits->service_connections = (struct config_limit){.rate = 10000000, .burst = 1};
	plan_start(&state, &plan, config);
	assert_memory_equal(plan_options_of(plan, &state, "web"), &expected, sizeof(expected));
	assert_int_equal(plan->settings.features, FEATURE_SLOW | FEATURE_LIMITS);
	assert_int_equal(plan->settings.source_capacity, 4096);
	assert_int_equal(plan->settings.replies.interval, 1000000);
	assert_int_equal(plan->settings.replies.tolerance, 99 * 1000000);

	config = sample(); /* of the service alone: there is nothing to know of sources */
	config->source_records = 4096;
	config->reply_rate = 5;
	config->services[1].limits.service_packets = (struct config_limit){.rate = 3, .burst = 4000000000U};
	config->services[1].limits.excess = EXCESS_PASS;
	expected = (struct service_options){.service_packets = {333333333, 333333333ULL * 3999999999U},
					    .flags = OPTION_LIMITS | OPTION_EXCESS_PASS};
	plan_reload(&state, plan, config);
	assert_memory_equal(plan_options_of(plan, &state, "web"), &expected, sizeof(expected));
	assert_int_equal(plan->options_generation, 2);
	assert_int_equal(plan->settings.source_capacity, 1);
	assert_int_equal(plan->settings.replies.interval, 200000000);
	assert_int_equal(plan->settings.replies.tolerance, 0); /* one packet is the least burst */
	plan_end(&state, plan);
}

static void ask_vlan(struct config *config)
{
	config->services[1].vlan = 7;
}

static void ask_mss(struct config *config)
{
	config->services[1].mss = 1400;
}

static void ask_mss_auto(struct config *config)
{
	config->services[1].mss_auto = true;
}

/* Of UDP alone: nothing. */
static void ask_mss_of_dns(struct config *config)
{
	config->services[0].mss = 1400;
}

static void ask_limit(struct config *config)
{
	config->services[1].limits.service_packets = (struct config_limit){.rate = 3, .burst = 1};
}

static void ask_rule(struct config *config)
{
	struct config_rule *rule = arena_array(config->arena, 1, sizeof(*rule));

	rule->action = RULE_DENY;
	rule->from = arena_array(config->arena, 1, sizeof(*rule->from));
	rule->from_count = 1;
	assert_int_equal(prefix_parse("0.0.0.0/0", rule->from), 0);
	config->services[1].rules = rule;
	config->services[1].rule_count = 1;
}

static void ask_quic(struct config *config)
{
	config->pools[0].quic_server_id_length[0] = 1;
}

/* Of a pool that does not serve now, but may. */
static void ask_quic_of_fallback(struct config *config)
{
	config->pools[1].quic_server_id_length[0] = 1;
}

static void ask_reject(struct config *config)
{
	config->services[0].unknown_port = config->services[1].unknown_port = UNKNOWN_REJECT;
}

static void ask_source(struct config *config)
{
	config->services[1].fragments = FRAGMENTS_SOURCE;
}

static void ask_echo(struct config *config)
{
	config->services[0].echo = config->services[1].echo = ECHO_DROP;
}

static void ask_entropy(struct config *config)
{
	assert_int_equal(prefix_parse("10.7.0.0/16", &config->pools[1].outer.source4), 0);
}

static void test_only_who_asks_is_slow(void **unused)
{
	static const struct {
		void (*ask)(struct config *config);
		__u32 features;
		__u16 tcp, udp, dns; /* flags of web's entries, and of dns's */
	} cases[] = {
		{ask_vlan, FEATURE_SLOW, SERVICE_SLOW, SERVICE_SLOW, 0},
		{ask_mss, FEATURE_SLOW, SERVICE_SLOW, 0, 0},
		{ask_mss_auto, FEATURE_SLOW, SERVICE_SLOW, 0, 0},
		{ask_mss_of_dns, 0, 0, 0, 0},
		{ask_limit, FEATURE_SLOW | FEATURE_LIMITS, SERVICE_SLOW, SERVICE_SLOW, 0},
		{ask_rule, FEATURE_SLOW | FEATURE_RULES, SERVICE_SLOW, SERVICE_SLOW, 0},
		{ask_quic, FEATURE_SLOW | FEATURE_QUIC, 0, SERVICE_SLOW, SERVICE_SLOW},
		{ask_quic_of_fallback, FEATURE_SLOW | FEATURE_QUIC, 0, 0, 0},
		{ask_reject, FEATURE_ADDRESS, 0, 0, 0},
		{ask_source, FEATURE_ADDRESS, 0, 0, 0},
		{ask_echo, 0, 0, 0, 0},
		{ask_entropy, FEATURE_ENTROPY, 0, 0, 0},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *config = sample();
		struct state state;
		struct plan *plan;

		cases[i].ask(config);
		plan_start(&state, &plan, config);
		assert_int_equal(plan->settings.features, cases[i].features);
		assert_int_equal(plan_find(plan, "192.0.2.1", 443, IPPROTO_TCP)->service.flags, cases[i].tcp);
		assert_int_equal(plan_find(plan, "2001:db8::1", 443, IPPROTO_UDP)->service.flags, cases[i].udp);
		assert_int_equal(plan_find(plan, "192.0.2.1", 53, IPPROTO_UDP)->service.flags, cases[i].dns);
		plan_reload(&state, plan, sample());
		assert_int_equal(plan->settings.features, 0);
		assert_int_equal(plan_find(plan, "2001:db8::1", 443, IPPROTO_UDP)->service.flags, 0);
		plan_end(&state, plan);
	}
}

static void test_mss_and_vlan_are_told(void **unused)
{
	struct config *config = sample();
	struct service_options expected = {.flags = OPTION_MSS_AUTO, .mss = 1400, .vlan = 7};
	struct state state;
	struct plan *plan;

	(void)unused;
	ask_vlan(config);
	ask_mss(config);
	ask_mss_auto(config);
	plan_start(&state, &plan, config);
	assert_memory_equal(plan_options_of(plan, &state, "web"), &expected, sizeof(expected));
	plan_end(&state, plan);
}

/* Every distinct address once, whatever the services that have it. */
static void test_addresses_have_entries(void **unused)
{
	struct config *config = sample();
	const struct plan_vip *vip;
	struct state state;
	struct plan *plan;

	(void)unused;
	sample_vip(&config->services[1], "198.51.100.0/24");
	config->services[0].unknown_port = config->services[1].unknown_port = UNKNOWN_DROP;
	config->services[0].echo = config->services[1].echo = ECHO_PASS;
	config->services[1].pool = 1;
	plan_start(&state, &plan, config);
	assert_int_equal(plan->vip_count, 1 + 3 * 2 + 3);
	assert_int_equal(plan->settings.features, FEATURE_ADDRESS | FEATURE_PREFIX4);
	vip = plan_find(plan, "192.0.2.1", 0, 0);
	assert_int_equal(vip->service.index, ids_service(state.ids, "dns"));
	assert_int_equal(vip->service.flags, ADDRESS_DROP);
	assert_int_equal(vip->service.slot_count, 131);
	vip = plan_find(plan, "198.51.100.0/24", 0, 0);
	assert_int_equal(vip->service.index, ids_service(state.ids, "web"));

	config = sample();
	config->services[1].pool = 1;
	config->services[1].hash = HASH_SOURCE;
	config->services[0].unknown_port = config->services[1].unknown_port = UNKNOWN_REJECT;
	ask_source(config);
	ask_limit(config); /* which is no matter of the address's */
	plan_reload(&state, plan, config);
	vip = plan_find(plan, "192.0.2.1", 0, 0);
	assert_int_equal(vip->service.index, ids_service(state.ids, "web"));
	assert_int_equal(vip->service.slot_first, ids_pool_first(state.ids, "b"));
	assert_int_equal(vip->service.flags,
			 ADDRESS_REJECT | ADDRESS_ECHO_ANSWER | ADDRESS_FRAGMENTS_SOURCE | SERVICE_HASH_SOURCE);
	plan_end(&state, plan);
}

static void test_many_addresses(void **unused)
{
	enum { ADDRESSES = 20000 };
	struct config *config = sample_config(1, 2);
	struct state state;
	struct plan *plan;

	(void)unused;
	sample_pool(config, "p", 7, 0);
	for (unsigned int i = 0; i < 2; i++) {
		struct config_service *service = sample_service(config, i ? "s" : "r", 0, ADDRESSES, 1);

		for (__u32 j = 0; j < ADDRESSES; j++) /* half of them are of both */
			service->addresses[service->address_count++] =
				(struct prefix){.address = sample_host(j + i * ADDRESSES / 2), .length = 32};
		sample_port(service, (__u16)(i + 1), IPPROTO_TCP);
	}
	plan_start(&state, &plan, config);
	assert_int_equal(plan->vip_count, 2 * ADDRESSES + ADDRESSES * 3 / 2);
	assert_int_equal(plan_find(plan, "10.0.39.16", 0, 0)->service.index, ids_service(state.ids, "r"));
	assert_int_equal(plan_find(plan, "10.0.117.47", 0, 0)->service.index, ids_service(state.ids, "s"));
	plan_end(&state, plan);
}

static bool has_server(const struct plan *plan, const struct quic_key *key, __u32 backend)
{
	for (size_t i = 0; i < plan->quic_count; i++)
		if (memcmp(&plan->quic[i].key, key, sizeof(*key)) == 0)
			return plan->quic[i].backend == backend;
	return false;
}

static void test_quic_servers_of_every_config(void **unused)
{
	struct config *config = sample_quic();
	struct quic_key key = {.config = 1, .length = 4, .server_id = {1, 2, 3, 4}};
	struct state state;
	struct plan *plan;
	__u16 one, two;

	(void)unused;
	config->pools[1].backends[0].address = sample_host(77);
	plan_start(&state, &plan, config);
	one = ids_backend(state.ids, "b", &config->pools[1].backends[0].address);
	two = ids_backend(state.ids, "b", &config->pools[1].backends[1].address);
	key.pool = ids_pool_first(state.ids, "b");
	assert_int_equal(plan->quic_count, 3);
	assert_true(has_server(plan, &key, one));
	key.config = 5;
	assert_true(has_server(plan, &key, one));
	key = (struct quic_key){.pool = key.pool, .config = 6, .length = 8, .server_id = {1, 2, 3, 4, 5, 6, 7, 8}};
	assert_true(has_server(plan, &key, two));
	plan_end(&state, plan);
}

/* The program knows of it before, so that a health verdict need not load another one. */
static void test_quic_goes_with_the_pool_that_serves(void **unused)
{
	static const __u8 lengths[QUIC_CONFIGS] = {[1] = 4, [5] = 4, [6] = 8};
	const struct service_options *options;
	struct settings settings;
	struct state state;
	struct plan *plan;

	(void)unused;
	plan_start(&state, &plan, sample_quic());
	assert_int_equal(plan_options_of(plan, &state, "web")->flags, 0);
	settings = plan->settings;
	empty_pool(&state, true);
	plan_make(plan, &state, PLAN_HEALTH);
	options = plan_options_of(plan, &state, "web");
	assert_int_equal(plan->options_generation, 2);
	assert_int_equal(options->flags, OPTION_QUIC);
	assert_memory_equal(options->quic_server_id_length, lengths, sizeof(lengths));
	assert_int_equal(options->quic_pool, ids_pool_first(state.ids, "b"));
	assert_int_equal(plan_find(plan, "192.0.2.1", 443, IPPROTO_UDP)->service.flags & SERVICE_SLOW, SERVICE_SLOW);
	assert_int_equal(plan_find(plan, "192.0.2.1", 443, IPPROTO_TCP)->service.flags & SERVICE_SLOW, 0);
	assert_memory_equal(&plan->settings, &settings, sizeof(settings));

	empty_pool(&state, false);
	plan_make(plan, &state, PLAN_HEALTH);
	assert_int_equal(plan_options_of(plan, &state, "web")->flags, 0);
	assert_int_equal(plan_find(plan, "192.0.2.1", 443, IPPROTO_UDP)->service.flags & SERVICE_SLOW, 0);
	assert_int_equal(plan->options_generation, 3);
	plan_make(plan, &state, PLAN_HEALTH);
	assert_int_equal(plan->options_generation, 3);
	plan_end(&state, plan);
}

static void test_a_backend_may_be_this_host(void **unused)
{
	struct config *config = sample();
	const struct backend *backend;
	struct route *route;
	struct state state;
	struct plan *plan;

	(void)unused;
	plan_start(&state, &plan, config);
	route = (struct route *)network_route(&state.network, &config->pools[0].backends[0].address);
	backend = &plan->backends[ids_backend(state.ids, "a", &config->pools[0].backends[0].address)];
	route->kind = ROUTE_LOCAL;
	sample_plan(plan, &state);
	assert_int_equal(backend->encap, ENCAP_NONE); /* nobody said so */
	config->pools[0].backends[0].local = config->pools[0].backends[1].local = true;
	sample_plan(plan, &state);
	assert_int_equal(backend->encap, ENCAP_LOCAL);
	assert_int_equal(backend->flags, BACKEND_SERVES);
	backend = &plan->backends[ids_backend(state.ids, "a", &config->pools[0].backends[1].address)];
	assert_int_equal(backend->encap, ENCAP_IPIP4); /* here it means nothing */
	plan_end(&state, plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_asked_is_nothing),
		cmocka_unit_test(test_limits_are_intervals_and_tolerances),
		cmocka_unit_test(test_only_who_asks_is_slow),
		cmocka_unit_test(test_mss_and_vlan_are_told),
		cmocka_unit_test(test_addresses_have_entries),
		cmocka_unit_test(test_many_addresses),
		cmocka_unit_test(test_quic_servers_of_every_config),
		cmocka_unit_test(test_quic_goes_with_the_pool_that_serves),
		cmocka_unit_test(test_a_backend_may_be_this_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
