/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* From a state to the maps' wanted contents, and what is kept from one plan to the next. */
#include "model/maglev.h"
#include "unit/plan_lab.h"

/* Two pools with two backends each, and a service. */
static struct config *two_pools(void)
{
	struct config *config = sample_config(3, 2);
	struct config_pool *pool = sample_pool(config, "a", 131, 3);
	struct config_service *service;

	sample_backend(pool, "one", sample_host(1));
	sample_backend(pool, "two", sample_host(2));
	pool = sample_pool(config, "b", 251, 3);
	sample_backend(pool, "one", sample_host(3));
	sample_backend(pool, "two", sample_host(4));
	service = sample_service(config, "web", 1, 4, 4);
	sample_vip(service, "192.0.2.1");
	sample_port(service, 80, IPPROTO_TCP);
	return config;
}

/* The features of a plan with one service of this address and port. */
static __u32 features_of(const char *address, __u16 port)
{
	struct config *config = sample_config(1, 1);
	struct config_service *service;
	struct state state;
	struct plan *plan;
	__u32 features;

	sample_pool(config, "p", 7, 0);
	service = sample_service(config, "s", 0, 1, 1);
	sample_vip(service, address);
	sample_port(service, port, IPPROTO_UDP);
	plan_start(&state, &plan, config);
	features = plan->settings.features;
	assert_int_equal(plan_vip_is_exact(&plan->vips[0]), !(features & (FEATURE_PREFIX4 | FEATURE_PREFIX6)));
	plan_end(&state, plan);
	return features;
}

static void test_features_are_what_is_configured(void **unused)
{
	(void)unused;
	assert_int_equal(features_of("192.0.2.1", 80), 0);
	assert_int_equal(features_of("192.0.2.1/32", 80), 0);
	assert_int_equal(features_of("2001:db8::1", 80), 0);
	assert_int_equal(features_of("192.0.2.1", 0), FEATURE_ANY_PORT);
	assert_int_equal(features_of("192.0.2.0/31", 80), FEATURE_PREFIX4);
	assert_int_equal(features_of("0.0.0.0/0", 0), FEATURE_PREFIX4 | FEATURE_ANY_PORT);
	assert_int_equal(features_of("2001:db8::/32", 80), FEATURE_PREFIX6);
	assert_int_equal(features_of("2001:db8::/127", 0), FEATURE_PREFIX6 | FEATURE_ANY_PORT);
}

static void test_no_features_are_left_over(void **unused)
{
	struct config *config = two_pools();
	struct state state;
	struct plan *plan;

	(void)unused;
	sample_vip(&config->services[0], "198.51.100.0/24");
	sample_vip(&config->services[0], "2001:db8::/64");
	sample_port(&config->services[0], 0, IPPROTO_TCP);
	plan_start(&state, &plan, config);
	assert_int_equal(plan->settings.features, FEATURE_ANY_PORT | FEATURE_PREFIX4 | FEATURE_PREFIX6);
	plan_reload(&state, plan, two_pools());
	assert_int_equal(plan->settings.features, 0);
	plan_end(&state, plan);
}

static bool has_vip(const struct plan *plan, const char *text, __u16 port, __u8 protocol, const struct service *service)
{
	const struct plan_vip *vip = plan_find(plan, text, port, protocol);

	return vip && memcmp(&vip->service, service, sizeof(*service)) == 0;
}

static void test_an_entry_for_each_address_and_port(void **unused)
{
	static const char *const addresses[] = {"192.0.2.1", "2001:db8::10", "198.51.100.0/24"};
	struct config *config = two_pools();
	struct config_service *service = sample_service(config, "web2", 0, 3, 2);
	struct service web, web2;
	struct state state;
	struct plan *plan;

	(void)unused;
	sample_port(&config->services[0], 443, IPPROTO_UDP);
	sample_port(&config->services[0], 0, IPPROTO_UDP);
	sample_vip(&config->services[0], addresses[1]);
	sample_vip(&config->services[0], addresses[2]);
	sample_vip(service, "203.0.113.1");
	sample_port(service, 53, IPPROTO_UDP);
	service->hash = HASH_SOURCE;
	plan_start(&state, &plan, config);

	web = (struct service){.slot_first = ids_pool_first(state.ids, "b"),
			       .slot_count = 251,
			       .index = ids_service(state.ids, "web")};
	web2 = (struct service){.slot_first = ids_pool_first(state.ids, "a"),
				.slot_count = 131,
				.index = ids_service(state.ids, "web2"),
				.flags = SERVICE_HASH_SOURCE};
	assert_int_equal(plan->vip_count, 3 * 3 + 1 + 3 + 1);
	for (size_t i = 0; i < 3; i++) {
		assert_true(has_vip(plan, addresses[i], 80, IPPROTO_TCP, &web));
		assert_true(has_vip(plan, addresses[i], 443, IPPROTO_UDP, &web));
		assert_true(has_vip(plan, addresses[i], 0, IPPROTO_UDP, &web));
	}
	assert_true(has_vip(plan, "203.0.113.1", 53, IPPROTO_UDP, &web2));
	web.flags = ADDRESS_ECHO_ANSWER;
	for (size_t i = 0; i < 3; i++)
		assert_true(has_vip(plan, addresses[i], 0, 0, &web));
	plan_end(&state, plan);
}

/* The pool's table is Maglev's, of the backends' own indices. */
static void assert_table(const struct plan *plan, const struct state *state, size_t pool)
{
	const struct config_pool *config = &state->config->pools[pool];
	const struct table *table = plan->tables[pool];
	struct maglev_backend members[8];
	__u16 *expected = calloc(config->table_size, sizeof(*expected));

	for (size_t i = 0; i < config->backend_count; i++)
		members[i] = (struct maglev_backend){
			.name = config->backends[i].name,
			.weight = config->backends[i].weight,
			.owner = ids_backend(state->ids, config->name, &config->backends[i].address)};
	assert_int_equal(
		maglev_build(expected, config->table_size, members, config->backend_count, state->config->hash_key), 0);
	assert_string_equal(table->pool, config->name);
	assert_int_equal(table->size, config->table_size);
	assert_int_equal(table->first, ids_pool_first(state->ids, config->name));
	assert_in_range(table->first + table->size, 1, plan->slots_used);
	assert_memory_equal(table->owner, expected, config->table_size * sizeof(*expected));
	free(expected);
}

static void test_tables_of_the_pools(void **unused)
{
	struct state state;
	struct plan *plan;

	(void)unused;
	plan_start(&state, &plan, two_pools());
	assert_int_equal(plan->table_count, 2);
	assert_int_equal(plan->slots_used, 131 + 251);
	assert_table(plan, &state, 0);
	assert_table(plan, &state, 1);
	plan_end(&state, plan);
}

static void test_a_pool_without_backends_owns_nothing(void **unused)
{
	struct config *config = two_pools();
	struct state state;
	struct plan *plan;

	(void)unused;
	config->pools[0].backend_count = 0;
	config->pools[1].backends[0].weight = config->pools[1].backends[1].weight = 0;
	plan_start(&state, &plan, config);
	for (size_t i = 0; i < 131; i++)
		assert_int_equal(plan->tables[0]->owner[i], 0);
	for (size_t i = 0; i < 251; i++)
		assert_int_equal(plan->tables[1]->owner[i], 0);
	plan_end(&state, plan);
}

static void nothing(struct config *config)
{
	(void)config;
}

static void change_what_tables_ignore(struct config *config)
{
	config->pools[1].forward = FORWARD_GUE;
	config->services[0].hash = HASH_SOURCE;
	sample_vip(&config->services[0], "192.0.2.7");
}

static void change_weight(struct config *config)
{
	config->pools[1].backends[1].weight++;
}

/* Another server, with an index of its own. */
static void change_address(struct config *config)
{
	config->pools[1].backends[0].address = sample_host(77);
}

static void change_name(struct config *config)
{
	config->pools[1].backends[1].name = "zwei";
}

static void change_size(struct config *config)
{
	config->pools[1].table_size = 257;
}

static void add_backend(struct config *config)
{
	sample_backend(&config->pools[1], "zzz", sample_host(5));
}

static void remove_backend(struct config *config)
{
	config->pools[1].backend_count--;
}

static void change_key(struct config *config)
{
	config->hash_key[15] ^= 1;
}

static void test_tables_are_kept_while_their_inputs_are_the_same(void **unused)
{
	static const struct {
		void (*change)(struct config *config);
		bool anew[2]; /* of each pool */
	} cases[] = {
		{nothing, {false, false}},	 {change_what_tables_ignore, {false, false}},
		{change_weight, {false, true}},	 {change_name, {false, true}},
		{change_size, {false, true}},	 {add_backend, {false, true}},
		{remove_backend, {false, true}}, {change_key, {true, true}},
		{change_address, {false, true}},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *config = two_pools();
		struct state state;
		struct plan *plan;
		__u64 before[2];

		plan_start(&state, &plan, two_pools());
		for (size_t j = 0; j < 2; j++)
			before[j] = plan->tables[j]->generation;
		cases[i].change(config);
		plan_reload(&state, plan, config);
		for (size_t j = 0; j < 2; j++) {
			if (cases[i].anew[j])
				assert_true(plan->tables[j]->generation > before[j]);
			else
				assert_int_equal(plan->tables[j]->generation, before[j]);
			assert_table(plan, &state, j);
		}
		plan_end(&state, plan);
	}
}

/* A pool that comes back must not pass for the one that went. */
static void test_a_pool_that_comes_back_has_a_new_table(void **unused)
{
	struct config *without = two_pools();
	struct state state;
	struct plan *plan;
	__u64 before;

	(void)unused;
	plan_start(&state, &plan, two_pools());
	before = plan->tables[1]->generation;
	without->pool_count = 1;
	without->services[0].pool = 0;
	plan_reload(&state, plan, without);
	assert_int_equal(plan->table_count, 1);
	assert_int_equal(HASH_COUNT(plan->cache), 1);
	plan_reload(&state, plan, two_pools());
	assert_true(plan->tables[1]->generation > before);
	assert_table(plan, &state, 1);
	plan_end(&state, plan);
}

static void test_vips_have_a_generation(void **unused)
{
	struct config *config = two_pools();
	struct state state;
	struct plan *plan;
	__u64 before;

	(void)unused;
	plan_start(&state, &plan, two_pools());
	before = plan->vip_generation;
	assert_true(before > 0);
	change_weight(config);
	plan_reload(&state, plan, config);
	assert_int_equal(plan->vip_generation, before);
	config = two_pools();
	change_size(config); /* moves the pool, so its VIPs lead elsewhere */
	plan_reload(&state, plan, config);
	assert_true(plan->vip_generation > before);
	before = plan->vip_generation;
	config = two_pools();
	change_size(config);
	config->services[0].address_count = 0;
	plan_reload(&state, plan, config);
	assert_true(plan->vip_generation > before);
	plan_end(&state, plan);
}

static void test_settings_have_the_key(void **unused)
{
	struct config *config = two_pools();
	struct settings before;
	struct state state;
	struct plan *plan;

	(void)unused;
	plan_start(&state, &plan, two_pools());
	before = plan->settings;
	plan_reload(&state, plan, two_pools());
	assert_memory_equal(&plan->settings, &before, sizeof(before));
	change_key(config);
	plan_reload(&state, plan, config);
	assert_memory_not_equal(&plan->settings.key, &before.key, sizeof(before.key));
	plan_end(&state, plan);
}

static const struct backend *backend(const struct plan *plan, const struct state *state, const char *pool,
				     const char *name)
{
	const struct config_pool *config = config_pool_find(state->config, pool);

	return &plan->backends[ids_backend(state->ids, pool, &config_backend_find(config, name)->address)];
}

static void test_headers_of_backends(void **unused)
{
	static const struct backend none;
	struct config *config = two_pools(), *other = two_pools();
	struct state state;
	struct plan *plan;
	unsigned int known = 0;
	__u16 gone;

	(void)unused;
	config->pools[1].forward = FORWARD_GUE;
	config->pools[1].backends[1].address = parsed_address("2001:db8::7");
	plan_start(&state, &plan, config);
	assert_int_equal(backend(plan, &state, "a", "one")->encap, ENCAP_IPIP4);
	assert_int_equal(backend(plan, &state, "b", "one")->encap, ENCAP_GUE4);
	assert_int_equal(backend(plan, &state, "b", "two")->encap, ENCAP_GUE6);
	assert_int_equal(backend(plan, &state, "b", "two")->ifindex, SAMPLE_IFINDEX);
	assert_memory_equal(&plan->backends[0], &none, sizeof(none));
	for (size_t i = 0; i <= SLUICE_MAX_BACKENDS; i++)
		known += memcmp(&plan->backends[i], &none, sizeof(none)) != 0;
	assert_int_equal(known, 4);

	gone = ids_backend(state.ids, "a", &config->pools[0].backends[1].address);
	other->pools[0].backend_count = 1;
	plan_reload(&state, plan, other);
	assert_memory_equal(&plan->backends[gone], &none, sizeof(none));

	network_link_delete(&state.network, SAMPLE_IFINDEX);
	sample_plan(plan, &state);
	assert_int_equal(backend(plan, &state, "a", "one")->encap, ENCAP_NONE);
	assert_ptr_equal(&plan->backends[plan->tables[0]->owner[0]],
			 backend(plan, &state, "a", "one")); /* still its own */
	sample_network(&state.network);
	sample_plan(plan, &state);
	assert_int_equal(backend(plan, &state, "a", "one")->encap, ENCAP_IPIP4);
	plan_end(&state, plan);
}

/* What netlink may tell: of our interface, gateway and routes, and of another interface and neighbour. */
static void change_network(struct network *network, const struct config *config, __u64 *seed)
{
	__u32 ifindex = SAMPLE_IFINDEX + sample_random(seed, 2), other = sample_random(seed, 2);
	struct neighbour_key key = {.ifindex = ifindex, .address = parsed_address(other ? "10.9.9.9" : SAMPLE_GATEWAY)};
	const struct link link = {
		.ifindex = ifindex, .name = "x", .ethernet = true, .up = sample_random(seed, 4), .mtu = 1400 + other};
	struct neighbour *neighbour = network_neighbour_add(network, &key);
	const struct config_pool *pool = &config->pools[sample_random(seed, 2)];
	struct route *route = (struct route *)network_route(network, &pool->backends[other].address);

	switch (sample_random(seed, 6)) {
	case 0:
		network_link_set(network, &link);
		break;
	case 1:
		network_link_delete(network, ifindex);
		break;
	case 2:
		sample_network(network);
		break;
	case 3:
		neighbour->known = true;
		neighbour->mac[5]++;
		break;
	case 4:
		route->kind = sample_random(seed, 4) ? ROUTE_UNICAST : ROUTE_NONE;
		route->ifindex = ifindex;
		break;
	case 5:
		route->gateway = key.address;
		route->mtu = 1300 + other;
		break;
	}
}

static void assert_same_plan(const struct plan *plan, const struct plan *fresh)
{
	assert_memory_equal(plan->backends, fresh->backends, (SLUICE_MAX_BACKENDS + 1) * sizeof(*plan->backends));
	assert_int_equal(plan->backend_end, fresh->backend_end);
	assert_memory_equal(plan->standing, fresh->standing, SLUICE_MAX_BACKENDS + 1);
	assert_int_equal(plan->vip_count, fresh->vip_count);
	assert_memory_equal(plan->vips, fresh->vips, plan->vip_count * sizeof(*plan->vips));
	for (size_t i = 0; i < plan->table_count; i++)
		assert_memory_equal(plan->tables[i]->owner, fresh->tables[i]->owner,
				    plan->tables[i]->size * sizeof(*plan->tables[i]->owner));
}

/* Whatever of it changes, and whatever of the health with it, a look at the network alone misses nothing. */
static void test_the_network_alone(void **unused)
{
	const size_t size = (SLUICE_MAX_BACKENDS + 1) * sizeof(struct backend);
	struct backend *before = malloc(size);
	struct state state;
	struct plan *plan;
	__u64 seed = 1, changes = 0;

	(void)unused;
	plan_start(&state, &plan, two_pools());
	for (__u64 i = 0; i < 500; i++) {
		__u64 generation = plan->backends_generation, tables = plan->generation;
		struct health_backend *weighed = health_pool(state.health, i % 2)->backends[i / 2 % 2];
		bool weigh = sample_random(&seed, 4) == 0;
		struct plan *fresh = plan_new();

		memcpy(before, plan->backends, size);
		change_network(&state.network, state.config, &seed);
		if (weigh)
			health_set_weight(state.health, weighed, sample_random(&seed, 3), 0, NULL, i);
		plan_make(plan, &state, PLAN_NETWORK);
		plan_make(fresh, &state, PLAN_ALL);
		assert_same_plan(plan, fresh);
		plan_free(fresh);
		assert_true(weigh || plan->generation == tables);
		if (!weigh)
			assert_int_equal(plan->backends_generation != generation,
					 memcmp(before, plan->backends, size) != 0);
		changes += plan->backends_generation != generation;
	}
	assert_in_range(changes, 100, 400); /* and both kinds were there */
	free(before);
	plan_end(&state, plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_features_are_what_is_configured),
		cmocka_unit_test(test_no_features_are_left_over),
		cmocka_unit_test(test_an_entry_for_each_address_and_port),
		cmocka_unit_test(test_tables_of_the_pools),
		cmocka_unit_test(test_a_pool_without_backends_owns_nothing),
		cmocka_unit_test(test_tables_are_kept_while_their_inputs_are_the_same),
		cmocka_unit_test(test_a_pool_that_comes_back_has_a_new_table),
		cmocka_unit_test(test_vips_have_a_generation),
		cmocka_unit_test(test_settings_have_the_key),
		cmocka_unit_test(test_headers_of_backends),
		cmocka_unit_test(test_the_network_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
