/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a configuration says of transitions, second hops and flow records. Run from the repository's root. */
#include "unit/config_read.h"

#define SECOND 1000U
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)

static void check(const struct config_pool *pool, __u32 window_ms, __u32 udp_window_ms, __u32 idle_ms)
{
	assert_non_null(pool);
	assert_int_equal(pool->transition.window_ms, window_ms);
	assert_int_equal(pool->transition.udp_window_ms, udp_window_ms);
	assert_int_equal(pool->transition.idle_ms, idle_ms);
}

static void check_keys(const char *keys, __u32 window_ms, __u32 udp_window_ms, __u32 idle_ms)
{
	struct config *config = read_pool(keys);

	check(config->pools, window_ms, udp_window_ms, idle_ms);
	config_free(config);
}

static void what_is_not_given_goes_along_with_the_window(void **state)
{
	(void)state;
	check_keys("", 15 * MINUTE, MINUTE, 2 * HOUR);
	check_keys("transition: ", 15 * MINUTE, MINUTE, 2 * HOUR);
	check_keys("transition: {window: 30s}", 30 * SECOND, 30 * SECOND, 2 * HOUR);
	check_keys("transition: {window: 0s}", 0, 0, 2 * HOUR);
	check_keys("transition: {window: 24h}", 24 * HOUR, MINUTE, 24 * HOUR);
	check_keys("transition: {udp_window: 0s}", 15 * MINUTE, 0, 2 * HOUR);
	check_keys("transition: {udp_window: 15m}", 15 * MINUTE, 15 * MINUTE, 2 * HOUR);
	check_keys("transition: {idle: 900s}", 15 * MINUTE, MINUTE, 15 * MINUTE);
	check_keys("transition: {window: 0s, idle: 1s}", 0, 0, SECOND);
}

static void pools_inherit_key_by_key(void **state)
{
	struct config *config = read_right(RIGHT "/transitions.yaml");

	(void)state;
	check(config_pool_find(config, "a_inherits"), 30 * MINUTE, 2 * MINUTE, 2 * HOUR);
	check(config_pool_find(config, "b_longer"), 3 * HOUR, 2 * MINUTE, 3 * HOUR);
	check(config_pool_find(config, "c_none"), 0, 0, 2 * HOUR);
	check(config_pool_find(config, "d_udp"), 30 * MINUTE, 30 * MINUTE, 2 * HOUR);
	check(config_pool_find(config, "e_idle"), 24 * HOUR, 24 * HOUR, 7 * 24 * HOUR);
	check(config_pool_find(config, "f_nothing"), 30 * MINUTE, 2 * MINUTE, 2 * HOUR);
	config_free(config);
}

static void second_hops_and_flow_records_are_read(void **state)
{
	struct config *config = read_right(RIGHT "/transitions.yaml"), *plain = read_pool("forward: gue");

	(void)state;
	assert_int_equal(config->flow_records, 1024);
	assert_true(config_pool_find(config, "d_udp")->second_hop);
	assert_false(config_pool_find(config, "e_idle")->second_hop);
	assert_int_equal(plain->flow_records, CONFIG_DEFAULT_FLOW_RECORDS);
	assert_false(plain->pools[0].second_hop);
	config_free(config);
	config_free(plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_given_goes_along_with_the_window),
		cmocka_unit_test(pools_inherit_key_by_key),
		cmocka_unit_test(second_hops_and_flow_records_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
