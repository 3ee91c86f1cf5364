/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What services say of policies, sources, limits and packets, and pools of QUIC and outer headers; and its limits. */
#include "unit/config_read.h"

#include <stdlib.h>

#include "abi.h"
#include "model/config_advice.h"

#define SERVICES RIGHT "/services.yaml"

static void numbers_have_their_defaults(void **state)
{
	struct config *plain = read_pool(""), *config = read_right(SERVICES);

	(void)state;
	assert_int_equal(plain->fragment_records, 16384);
	assert_int_equal(plain->source_records, 262144);
	assert_int_equal(plain->reply_rate, 1000);
	assert_int_equal(config->fragment_records, 4194304);
	assert_int_equal(config->source_records, 1024);
	assert_int_equal(config->reply_rate, 0);
	config_free(plain);
	config_free(config);
}

static void check_limit(const struct config_limit *limit, __u32 rate, __u32 burst)
{
	assert_int_equal(limit->rate, rate);
	assert_int_equal(limit->burst, burst);
}

static void services_that_say_nothing_have_defaults(void **state)
{
	struct config *config = read_right(SERVICES);
	const struct config_service *plain = config_service_find(config, "a_plain");
	const struct config_limits none = {.source_bits4 = 32, .source_bits6 = 64};

	(void)state;
	assert_int_equal(plain->unknown_port, UNKNOWN_PASS);
	assert_int_equal(plain->echo, ECHO_ANSWER);
	assert_int_equal(plain->fragments, FRAGMENTS_FOLLOW);
	assert_int_equal(plain->vlan, 0);
	assert_int_equal(plain->mss, 0);
	assert_false(plain->mss_auto);
	assert_int_equal(plain->rule_count, 0);
	assert_memory_equal(&plain->limits, &none, sizeof(none));
	config_free(config);
}

static void services_say_what_they_take(void **state)
{
	struct config *config = read_right(SERVICES);
	const struct config_service *all = config_service_find(config, "b_all");

	(void)state;
	assert_int_equal(all->unknown_port, UNKNOWN_REJECT);
	assert_int_equal(all->echo, ECHO_DROP);
	assert_int_equal(all->fragments, FRAGMENTS_SOURCE);
	assert_int_equal(all->vlan, 4094);
	assert_true(all->mss_auto);
	assert_int_equal(all->mss, 0);
	assert_int_equal(config_service_find(config, "c_follows")->mss, 536);
	assert_int_equal(config_service_find(config, "d_prefix")->mss, 65495);

	check_limit(&all->limits.source_packets, 1000, 5000);
	check_limit(&all->limits.source_connections, 9, 1);
	check_limit(&all->limits.service_packets, 10000000, 1000000);
	check_limit(&all->limits.service_connections, 25, 2);
	assert_int_equal(all->limits.source_bits4, 24);
	assert_int_equal(all->limits.source_bits6, 48);
	assert_int_equal(all->limits.excess, EXCESS_PASS);
	check_limit(&config_service_find(config, "e_follows_far")->limits.source_packets, 0, 0);
	config_free(config);
}

/* What one service says of an address holds for all that have it, and for those which these have addresses with. */
static void services_of_an_address_agree(void **state)
{
	struct config *config = read_right(SERVICES);
	static const char *const names[] = {"c_follows", "e_follows_far"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct config_service *service = config_service_find(config, names[i]);

		assert_int_equal(service->unknown_port, UNKNOWN_REJECT);
		assert_int_equal(service->echo, ECHO_DROP);
		assert_int_equal(service->fragments, FRAGMENTS_FOLLOW); /* b_all's alone */
	}
	assert_int_equal(config_service_find(config, "d_prefix")->unknown_port, UNKNOWN_DROP);
	assert_int_equal(config_service_find(config, "d_prefix")->echo, ECHO_ANSWER);
	config_free(config);
}

static void check_from(const struct config_rule *rule, size_t i, const char *expected)
{
	char text[ADDRESS_TEXT];

	assert_true(i < rule->from_count);
	assert_string_equal(prefix_format(&rule->from[i], text), expected);
}

static void rules_keep_their_order(void **state)
{
	struct config *config = read_right(SERVICES);
	const struct config_service *service = config_service_find(config, "b_all");
	const struct config_rule *rules = service->rules;

	(void)state;
	assert_int_equal(service->rule_count, 4);
	assert_int_equal(rules[0].action, RULE_POOL);
	assert_string_equal(config->pools[rules[0].pool].name, "d_internal");
	assert_int_equal(rules[0].from_count, 2);
	check_from(&rules[0], 0, "10.1.0.0/16");
	check_from(&rules[0], 1, "2001:db8:1::/48");
	assert_int_equal(rules[1].action, RULE_ALLOW);
	check_from(&rules[1], 0, "10.0.0.0/8");
	assert_int_equal(rules[2].action, RULE_DENY);
	check_from(&rules[2], 0, "192.0.2.77");
	assert_int_equal(rules[3].action, RULE_DENY);
	assert_int_equal(rules[3].from_count, 2);
	check_from(&rules[3], 0, "0.0.0.0/0");
	check_from(&rules[3], 1, "::/0");
	assert_int_equal(config_service_find(config, "f_rules")->rules[0].from_count, 2);
	config_free(config);
}

static void check_server_id(const struct config_pool *pool, const char *name, size_t length, const __u8 *expected)
{
	const struct config_backend *backend = config_backend_find(pool, name);

	assert_non_null(backend);
	assert_int_equal(backend->server_id_length, length);
	assert_memory_equal(backend->server_id, expected, length);
}

static void quic_and_local_are_read(void **state)
{
	static const __u8 lengths[QUIC_CONFIGS] = {2, 0, 0, 0, 0, 0, 15}, none[QUIC_CONFIGS];
	struct config *config = read_right(SERVICES);
	const struct config_pool *pool = config_pool_find(config, "b_gue");

	(void)state;
	assert_memory_equal(pool->quic_server_id_length, lengths, sizeof(lengths));
	assert_memory_equal(config_pool_find(config, "a_ipip")->quic_server_id_length, none, sizeof(none));
	assert_memory_equal(config_pool_find(config, "d_internal")->quic_server_id_length, none, sizeof(none));
	check_server_id(pool, "one", 2, (__u8[]){0x0a, 0x0b});
	check_server_id(pool, "two", 15, (__u8[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14});
	check_server_id(pool, "three", 0, none);
	check_server_id(pool, "four", 2, (__u8[]){0x12, 0x34});
	assert_true(config_backend_find(pool, "one")->local);
	assert_false(config_backend_find(pool, "two")->local);
	assert_false(config_backend_find(pool, "three")->local);
	config_free(config);
}

static void check_outer(const struct config *config, const char *name, bool df, __u8 ttl, const char *source4,
			const char *source6)
{
	const struct config_outer *outer = &config_pool_find(config, name)->outer;
	char text[ADDRESS_TEXT];

	assert_int_equal(outer->df, df);
	assert_int_equal(outer->ttl, ttl);
	assert_int_equal(outer->source4.length != 0, source4 != NULL);
	assert_int_equal(outer->source6.length != 0, source6 != NULL);
	if (source4)
		assert_string_equal(prefix_format(&outer->source4, text), source4);
	if (source6)
		assert_string_equal(prefix_format(&outer->source6, text), source6);
}

static void outer_headers_are_read(void **state)
{
	struct config *config = read_right(SERVICES);

	(void)state;
	check_outer(config, "a_ipip", false, 255, "100.64.0.0/10", "2001:db8:64::/64");
	check_outer(config, "b_gue", true, 1, NULL, NULL);
	check_outer(config, "c_l2", true, 64, NULL, NULL);
	check_outer(config, "d_internal", true, 64, "10.99.0.0/31", NULL);
	check_outer(config, "e_six", true, 64, NULL, "2001:db8:64::/127");
	config_free(config);
}

static void what_is_hardly_meant_is_advised_on(void **state)
{
	static const char text[] = HEAD "pools:\n"
					"  a: {quic: [{config: 0, server_id_length: 1}], backends: [{name: x, "
					"address: 10.0.0.1, server_id: '01'}, {name: y, address: 10.0.0.2}]}\n"
					"  b: {quic: [{config: 0, server_id_length: 1}], backends: [{name: x, "
					"address: 10.0.0.1, server_id: '01'}]}\n"
					"  c: {quic: [{config: 0, server_id_length: 1}]}\n"
					"services:\n"
					"  a: {address: 192.0.2.1, ports: 1/tcp, pool: a, "
					"sources: [{from: 10.0.0.0/8, action: allow}]}\n"
					"  b: {address: 192.0.2.2, ports: 1/tcp, pool: a, "
					"sources: [{from: 10.0.0.0/8, pool: b}]}\n";
	struct config *config;
	json_t *advice;

	(void)state;
	assert_null(read_bytes(text, strlen(text), &config));
	advice = config_advice(config);
	assert_int_equal(json_array_size(advice), 2);
	assert_string_equal(json_string_value(json_array_get(advice, 0)),
			    "pool a: quic, but 1 of 2 backends without a server_id: a client of theirs that changes "
			    "its address may reach another one");
	assert_string_equal(json_string_value(json_array_get(advice, 1)),
			    "service a: its sources only allow, and so is what no rule has: end them with "
			    "{from: any, action: deny}");
	json_decref(advice);
	config_free(config);
}

/* So many different prefixes, in rules of two services. */
static void check_prefixes(const char *format, unsigned int count, const char *expected)
{
	char *text = NULL, *errors;
	struct config *config;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	fputs(HEAD "pools: {web: {}}\nservices:\n", out);
	for (unsigned int service = 0; service < 2; service++) {
		fprintf(out,
			"  s%u:\n    address: 192.0.2.%u\n    ports: 443/tcp\n    pool: web\n"
			"    sources:\n      - action: deny\n        from: [",
			service, service + 1);
		for (unsigned int i = service; i < count; i += 2) {
			fprintf(out, format, i >> 16, i >> 8 & 255, i & 255);
			fputs(", ", out);
		}
		fputs("]\n", out);
	}
	fclose(out);
	errors = read_bytes(text, size, &config);
	if (expected) {
		assert_non_null(errors);
		assert_non_null(strstr(errors, expected));
	} else {
		assert_null(errors);
		assert_int_equal(config->services[0].rules[0].from_count, count / 2);
	}
	config_free(config);
	free(errors);
	free(text);
}

static void rules_are_bounded(void **state)
{
	(void)state;
	check_prefixes("10.%u.%u.%u", SLUICE_MAX_RULES, NULL);
	check_prefixes("'2001:db8:%x::%x%02x'", SLUICE_MAX_RULES, NULL);
	check_prefixes("10.%u.%u.%u", SLUICE_MAX_RULES + 1,
		       "more than 65536 IPv4 prefixes in the sources of all services");
	check_prefixes("'2001:db8:%x::%x%02x'", SLUICE_MAX_RULES + 1,
		       "more than 65536 IPv6 prefixes in the sources of all services");
}

/* So many backends with a server ID that is one of seven configs each. */
static void check_servers(unsigned int count, const char *expected)
{
	char *text = NULL, *errors;
	struct config *config;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	fputs(HEAD "pools:\n  web:\n    quic: [", out);
	for (unsigned int i = 0; i < QUIC_CONFIGS; i++)
		fprintf(out, "{config: %u, server_id_length: 2}, ", i);
	fputs("]\n    backends:\n", out);
	for (unsigned int i = 0; i < count; i++)
		fprintf(out, "      - {name: b%u, address: 10.0.%u.%u, server_id: \"%04x\"}\n", i, i >> 8, i & 255, i);
	fclose(out);
	errors = read_bytes(text, size, &config);
	assert_int_equal(errors != NULL, expected != NULL);
	if (expected)
		assert_non_null(strstr(errors, expected));
	config_free(config);
	free(errors);
	free(text);
}

static void server_ids_are_bounded(void **state)
{
	(void)state;
	check_servers(SLUICE_MAX_QUIC_SERVERS / QUIC_CONFIGS, NULL);
	check_servers(SLUICE_MAX_QUIC_SERVERS / QUIC_CONFIGS + 2,
		      "more than 65536 server IDs in all pools, each counted for each config of its length\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_have_their_defaults),
		cmocka_unit_test(services_that_say_nothing_have_defaults),
		cmocka_unit_test(services_say_what_they_take),
		cmocka_unit_test(services_of_an_address_agree),
		cmocka_unit_test(rules_keep_their_order),
		cmocka_unit_test(quic_and_local_are_read),
		cmocka_unit_test(outer_headers_are_read),
		cmocka_unit_test(what_is_hardly_meant_is_advised_on),
		cmocka_unit_test(rules_are_bounded),
		cmocka_unit_test(server_ids_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
