/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/config_diff.h"
#include "unit/config_diff_lines.h"
#include "unit/sample.h"

/* Two equal configurations, one of which a test changes. All names are sorted, as the parser leaves them. */
struct pair {
	struct config config[2];
	struct config_interface interfaces[2][2];
	struct config_pool pools[2][2];
	struct config_backend backends[2][3];
	struct config_service services[2][2];
	struct prefix addresses[2][12];
	struct config_port ports[2][2];
};

static void fill(struct pair *pair, int i)
{
	pair->interfaces[i][0] = (struct config_interface){.name = "eth0"};
	pair->interfaces[i][1] = (struct config_interface){.name = "eth1", .mode = MODE_NATIVE};
	pair->backends[i][0] =
		(struct config_backend){.name = "web1", .address = parsed_address("10.0.0.11"), .weight = 100};
	pair->backends[i][1] =
		(struct config_backend){.name = "web2", .address = parsed_address("10.0.0.12"), .weight = 100};
	pair->backends[i][2] =
		(struct config_backend){.name = "web3", .address = parsed_address("2001:db8::13"), .weight = 50};
	pair->pools[i][0] = (struct config_pool){.name = "web",
						 .forward = FORWARD_GUE,
						 .gue_port = 6080,
						 .table_size = 65537,
						 .outer = {.df = true, .ttl = 64},
						 .fallback = CONFIG_NONE,
						 .transition = {900000, 60000, 7200000},
						 .backends = pair->backends[i],
						 .backend_count = 3};
	pair->pools[i][1] = (struct config_pool){.name = "zone",
						 .forward = FORWARD_L2,
						 .table_size = 251,
						 .fallback = CONFIG_NONE,
						 .transition = {900000, 60000, 7200000}};
	pair->addresses[i][0] = parsed_prefix("192.0.2.10");
	pair->addresses[i][1] = parsed_prefix("2001:db8::10");
	pair->ports[i][0] = (struct config_port){443, IPPROTO_TCP};
	pair->ports[i][1] = (struct config_port){0, IPPROTO_UDP};
	pair->services[i][0] = (struct config_service){.name = "www",
						       .addresses = pair->addresses[i],
						       .address_count = 2,
						       .ports = pair->ports[i],
						       .port_count = 2};
	pair->services[i][1] = (struct config_service){.name = "zones",
						       .addresses = pair->addresses[i],
						       .address_count = 1,
						       .ports = pair->ports[i],
						       .port_count = 1,
						       .hash = HASH_SOURCE,
						       .pool = 1};
	pair->config[i] = (struct config){
		.interfaces = pair->interfaces[i],
		.interface_count = 2,
		.pools = pair->pools[i],
		.pool_count = 2,
		.services = pair->services[i],
		.service_count = 2,
	};
}

static int setup(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	fill(pair, 0);
	fill(pair, 1);
	*state = pair;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void expect(const struct config *from, const struct config *to, const char *lines)
{
	expect_knowing(NULL, from, to, lines);
}

static void equal_configs_change_nothing(void **state)
{
	struct pair *pair = *state;

	pair->config[0].file = "/a";
	pair->config[1].file = "/b";
	pair->pools[1][0].line = 77;
	expect(&pair->config[0], &pair->config[1], "");
}

static void everything_is_new_at_first(void **state)
{
	struct pair *pair = *state;

	expect(NULL, &pair->config[0],
	       "add interface eth0: mode auto, attach exclusive\n"
	       "add interface eth1: mode native, attach exclusive\n"
	       "add pool web: forward gue, gue_port 6080, table_size 65537\n"
	       "add backend web/web1: address 10.0.0.11, weight 100\n"
	       "add backend web/web2: address 10.0.0.12, weight 100\n"
	       "add backend web/web3: address 2001:db8::13, weight 50\n"
	       "add pool zone: forward l2, table_size 251\n"
	       "add service www: address 192.0.2.10 2001:db8::10, ports 443/tcp any/udp, pool web\n"
	       "add service zones: address 192.0.2.10, ports 443/tcp, pool zone, hash source\n");
}

static void backends_come_go_and_change(void **state)
{
	struct pair *pair = *state;

	pair->backends[1][0].weight = 50;
	pair->backends[1][1].name = "web20";
	pair->backends[1][2].address = parsed_address("10.0.0.13");
	expect(&pair->config[0], &pair->config[1],
	       "remove backend web/web2: address 10.0.0.12, weight 100\n" /* it is web20 now */
	       "change backend web/web1: weight 100 -> 50\n"
	       "add backend web/web20: address 10.0.0.12, weight 100\n"
	       "change backend web/web3: address 2001:db8::13 -> 10.0.0.13\n"
	       "    warning: another address is another server: connections to the former one are cut; drain it "
	       "first\n");
}

static void a_removed_pool_takes_its_backends_along(void **state)
{
	struct pair *pair = *state;

	pair->config[1].pools++;
	pair->config[1].pool_count--;
	pair->services[1][0].pool = pair->services[1][1].pool = 0;
	expect(&pair->config[0], &pair->config[1],
	       "remove pool web: forward gue, gue_port 6080, table_size 65537\n"
	       "    warning: removed: its backends' connections are cut; drain them first\n"
	       "remove backend web/web1: address 10.0.0.11, weight 100\n"
	       "remove backend web/web2: address 10.0.0.12, weight 100\n"
	       "remove backend web/web3: address 2001:db8::13, weight 50\n"
	       "change service www: pool web -> zone\n");
}

static void pools_change_in_every_way(void **state)
{
	struct pair *pair = *state;
	struct config_pool *pool = &pair->pools[1][0];

	pool->gue_port = 6081;
	pool->table_size = 251;
	pair->pools[1][1].forward = FORWARD_IPIP;
	pair->pools[1][1].gue_port = 1; /* means nothing without gue */
	expect(&pair->config[0], &pair->config[1],
	       "change pool web: gue_port 6080 -> 6081, table_size 65537 -> 251\n"
	       "change pool zone: forward l2 -> ipip\n");
}

static void transitions_change(void **state)
{
	struct pair *pair = *state;

	pair->pools[1][0].transition = (struct config_transition){0, 0, 86400000};
	pair->pools[0][0].second_hop = true;
	pair->pools[1][1].transition.udp_window_ms = 90000;
	pair->pools[1][1].second_hop = true; /* means nothing without gue */
	pair->config[0].flow_records = 1024;
	pair->config[1].flow_records = 1048576;
	expect(&pair->config[0], &pair->config[1],
	       "change flow_records: 1024 -> 1048576\n"
	       "change pool web: second_hop true -> false, transition window 15m -> 0s, "
	       "transition udp_window 1m -> 0s, transition idle 2h -> 24h\n"
	       "    warning: without a window connections break where slots change, and where they have just changed\n"
	       "change pool zone: transition udp_window 1m -> 90s\n");

	/* another pool that has none, and another table */
	fill(pair, 0);
	fill(pair, 1);
	pair->pools[0][0].transition.window_ms = pair->pools[1][0].transition.window_ms = 0;
	pair->pools[1][0].table_size = 251;
	pair->services[1][1].pool = 0;
	expect(&pair->config[0], &pair->config[1],
	       "change pool web: table_size 65537 -> 251\n"
	       "    warning: without a window connections break where slots change, and where they have just changed\n"
	       "change service zones: pool zone -> web\n");
	pair->pools[0][1].backends = pair->backends[0];
	pair->pools[0][1].backend_count = 1;
	pair->pools[1][1].backends = pair->backends[1];
	pair->pools[1][1].backend_count = 1;
	pair->pools[1][0].table_size = 65537;
	expect(&pair->config[0], &pair->config[1],
	       "change service zones: pool zone -> web\n"
	       "    warning: its pool has no window: its connections break\n");
}

static struct health *health_of(const struct config *config)
{
	struct health *health = health_new(sample_event, NULL, time);

	health_configure(health, config, false, 1);
	return health;
}

static void who_has_no_connections_is_not_warned_of(void **state)
{
	struct pair *pair = *state;
	struct health *health = health_of(&pair->config[0]);
	struct health_backend *drained = health_find(health, "web", "web1"),
			      *draining = health_find(health, "web", "web2");

	health_drain(health, drained, 0, NULL, 0, 2);
	health_drain_swept(health, drained, false, 3);
	health_drain(health, draining, 0, NULL, 0, 3);
	health_maint(health, health_find(health, "web", "web3"), 0, NULL, 3);
	pair->pools[1][0].backend_count = 0;
	expect_knowing(health, &pair->config[0], &pair->config[1],
		       "remove backend web/web1: address 10.0.0.11, weight 100\n"
		       "remove backend web/web2: address 10.0.0.12, weight 100\n"
		       "    warning: removed: its connections are cut; drain it first\n"
		       "remove backend web/web3: address 2001:db8::13, weight 50\n");

	health_drain_swept(health, draining, false, 4);
	pair->services[1][0].pool = pair->services[1][1].pool = 0;
	pair->config[1].pools++;
	pair->config[1].pool_count--;
	expect_knowing(health, &pair->config[0], &pair->config[1],
		       "remove pool web: forward gue, gue_port 6080, table_size 65537\n"
		       "remove backend web/web1: address 10.0.0.11, weight 100\n"
		       "remove backend web/web2: address 10.0.0.12, weight 100\n"
		       "remove backend web/web3: address 2001:db8::13, weight 50\n"
		       "change service www: pool web -> zone\n");
	health_free(health);
}

static void probes_change_key_by_key(void **state)
{
	struct pair *pair = *state;
	struct config_probe probes[2][3] = {
		{{.type = PROBE_TCP, .interval_ms = 2000, .rise = 2, .send = {"QUIT\r\n", 6}},
		 {.type = PROBE_PING, .interval_ms = 500}},
		{{.type = PROBE_TCP, .interval_ms = 500, .rise = 3, .port = 25, .send = {"\0\xff\"", 3}},
		 {.type = PROBE_PING, .interval_ms = 500, .via = VIA_ADDRESS},
		 {.type = PROBE_EXEC, .interval_ms = 60000}},
	};

	for (int i = 0; i < 2; i++) {
		pair->pools[i][0].probes = probes[i];
		pair->pools[i][0].probe_count = 1;
	}
	expect(&pair->config[0], &pair->config[1],
	       "change pool web: probe interval 2s -> 500ms, probe rise 2 -> 3, probe port the service's -> 25, "
	       "probe send \"QUIT\\r\\n\" -> \"\\x00\\xff\\\"\"\n");

	probes[1][0] = probes[0][0];
	pair->pools[0][0].probe_count = 2;
	pair->pools[1][0].probe_count = 3;
	expect(&pair->config[0], &pair->config[1],
	       "change pool web: probe 2 via auto -> address, probe 3 none -> exec every 1m\n");

	pair->pools[0][0].probe_count = 0;
	pair->pools[1][0].probe_count = 1;
	expect(&pair->config[0], &pair->config[1], "change pool web: probe none -> tcp every 2s\n");
	expect(&pair->config[1], &pair->config[0], "change pool web: probe tcp every 2s -> none\n");
}

static void secrets_in_headers_are_not_shown(void **state)
{
	struct pair *pair = *state;
	const char *before = "Authorization: Bearer 5ec2e7", *after = "Authorization: Bearer 7e2ce5";
	struct config_probe probes[2] = {{.type = PROBE_HTTP, .headers = &before, .header_count = 1},
					 {.type = PROBE_HTTP, .headers = &after, .header_count = 1}};

	for (int i = 0; i < 2; i++) {
		pair->pools[i][0].probes = &probes[i];
		pair->pools[i][0].probe_count = 1;
	}
	expect(&pair->config[0], &pair->config[1], "change pool web: probe headers changed\n");
}

static void judgement_and_fallback_change(void **state)
{
	struct pair *pair = *state;

	pair->pools[0][0].judgement = (struct config_judgement){
		.min_healthy = 2, .hold_first_ms = 10000, .hold_max_ms = 300000, .hold_decay_ms = 600000};
	pair->pools[1][0].judgement = (struct config_judgement){
		.any = true, .start = START_UP, .min_healthy = 50, .min_healthy_percent = true, .ramp_ms = 30000};
	pair->pools[1][0].fallback = 1;
	pair->pools[0][1].fallback = 0;
	expect(&pair->config[0], &pair->config[1],
	       "change pool web: any false -> true, start probe -> up, min_healthy 2 -> 50%, ramp 0s -> 30s, "
	       "hold_down 10s to 5m with decay 10m -> off, fallback none -> zone\n"
	       "change pool zone: fallback web -> none\n");
}

static void new_pools_tell_their_probes(void **state)
{
	struct pair *pair = *state;
	struct config_probe probes[2] = {{.type = PROBE_TCP, .interval_ms = 2000},
					 {.type = PROBE_DNS, .interval_ms = 60000}};

	pair->pools[1][1].probes = probes;
	pair->pools[1][1].probe_count = 2;
	pair->pools[1][1].fallback = 0;
	pair->config[0].pool_count = 1;
	pair->config[0].service_count = pair->config[1].service_count = 1;
	expect(&pair->config[0], &pair->config[1],
	       "add pool zone: forward l2, table_size 251, probe tcp every 2s, probe dns every 1m, fallback web\n");
}

static void notify_comes_goes_and_changes(void **state)
{
	struct pair *pair = *state;
	const char *one[] = {"/bin/tell", "ops", NULL}, *other[] = {"/bin/tell", "ops", "night", NULL};

	pair->config[1].notify =
		(struct config_notify){.command = one, .user = "nobody", .timeout_ms = 10000, .rate = 60};
	expect(&pair->config[0], &pair->config[1],
	       "add notify: command /bin/tell ops, user nobody, timeout 10s, rate 60\n");
	expect(NULL, &(struct config){.notify = pair->config[1].notify},
	       "add notify: command /bin/tell ops, user nobody, timeout 10s, rate 60\n");
	expect(&pair->config[1], &pair->config[0],
	       "remove notify: command /bin/tell ops, user nobody, timeout 10s, rate 60\n");
	pair->config[0].notify =
		(struct config_notify){.command = other, .user = "sluice", .timeout_ms = 500, .rate = 6};
	expect(&pair->config[0], &pair->config[1],
	       "change notify: command /bin/tell ops night -> /bin/tell ops, user sluice -> nobody, "
	       "timeout 500ms -> 10s, rate 6 -> 60\n");
}

static void services_compare_whatever_the_order(void **state)
{
	struct pair *pair = *state;

	pair->addresses[1][0] = parsed_prefix("2001:db8::10");
	pair->addresses[1][1] = parsed_prefix("192.0.2.10");
	pair->ports[1][0] = (struct config_port){0, IPPROTO_UDP};
	pair->ports[1][1] = (struct config_port){443, IPPROTO_TCP};
	pair->config[1].service_count = pair->config[0].service_count = 1;
	expect(&pair->config[0], &pair->config[1], "");

	pair->addresses[1][1] = parsed_prefix("192.0.2.0/28");
	pair->ports[1][1].port = 80;
	pair->services[1][0].hash = HASH_SOURCE;
	expect(&pair->config[0], &pair->config[1],
	       "change service www: address +192.0.2.0/28, address -192.0.2.10, ports +80/tcp, ports -443/tcp, "
	       "hash flow -> source\n");
}

/* What goes over to another table with its service goes on; with another service it does not. */
static void vips_that_go_to_another_service_are_warned_of(void **state)
{
	struct pair *pair = *state;
	struct config_service *services = pair->services[1];
	const char *warning = "    warning: takes VIPs of a service of another name and table over: their connections "
			      "break; give that service the other pool instead\n";
	char lines[1024];

	pair->ports[0][1].port = pair->ports[1][1].port = 53; /* of www alone */
	services[0].port_count = 1;
	services[1].ports++;
	snprintf(lines, sizeof(lines),
		 "change service www: ports -53/udp\n"
		 "change service zones: ports +53/udp, ports -443/tcp\n%s",
		 warning);
	expect(&pair->config[0], &pair->config[1], lines);

	/* another name for the same service is none, whatever table it gets */
	fill(pair, 1);
	pair->config[0].service_count = pair->config[1].service_count = 1;
	services[0].name = "web";
	pair->pools[1][0].table_size = 251;
	expect(&pair->config[0], &pair->config[1],
	       "change pool web: table_size 65537 -> 251\n"
	       "remove service www: address 192.0.2.10 2001:db8::10, ports 443/tcp 53/udp, pool web\n"
	       "add service web: address 192.0.2.10 2001:db8::10, ports 443/tcp any/udp, pool web\n");
}

static void long_lists_are_cut(void **state)
{
	struct pair *pair = *state;

	for (int i = 2; i < 12; i++) {
		char text[ADDRESS_TEXT];

		snprintf(text, sizeof(text), "198.51.100.%d", 100 + i);
		pair->addresses[1][i] = parsed_prefix(text);
	}
	pair->services[1][0].address_count = 12;
	expect(&pair->config[0], &pair->config[1],
	       "change service www: address +198.51.100.102 +198.51.100.103 +198.51.100.104 +198.51.100.105 "
	       "+198.51.100.106 +198.51.100.107 +198.51.100.108 +198.51.100.109 and 2 more\n");
}

static void interfaces_change(void **state)
{
	struct pair *pair = *state;

	pair->interfaces[1][0].name = "eth2";
	pair->interfaces[1][1].mode = MODE_GENERIC;
	pair->interfaces[1][1].attach = ATTACH_SHARED;
	expect(&pair->config[0], &pair->config[1],
	       "remove interface eth0: mode auto, attach exclusive\n"
	       "add interface eth2: mode auto, attach exclusive\n"
	       "change interface eth1: mode native -> generic, attach exclusive -> shared\n");
}

static void the_hash_key_stays_secret(void **state)
{
	struct pair *pair = *state;

	memset(pair->config[1].hash_key, 0xab, 16);
	expect(&pair->config[0], &pair->config[1],
	       "change hash_key: another one\n"
	       "    warning: every flow is hashed anew, established connections break; see sluice.yaml(5)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(equal_configs_change_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(everything_is_new_at_first, setup, teardown),
		cmocka_unit_test_setup_teardown(backends_come_go_and_change, setup, teardown),
		cmocka_unit_test_setup_teardown(a_removed_pool_takes_its_backends_along, setup, teardown),
		cmocka_unit_test_setup_teardown(pools_change_in_every_way, setup, teardown),
		cmocka_unit_test_setup_teardown(transitions_change, setup, teardown),
		cmocka_unit_test_setup_teardown(who_has_no_connections_is_not_warned_of, setup, teardown),
		cmocka_unit_test_setup_teardown(probes_change_key_by_key, setup, teardown),
		cmocka_unit_test_setup_teardown(secrets_in_headers_are_not_shown, setup, teardown),
		cmocka_unit_test_setup_teardown(judgement_and_fallback_change, setup, teardown),
		cmocka_unit_test_setup_teardown(new_pools_tell_their_probes, setup, teardown),
		cmocka_unit_test_setup_teardown(notify_comes_goes_and_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(services_compare_whatever_the_order, setup, teardown),
		cmocka_unit_test_setup_teardown(vips_that_go_to_another_service_are_warned_of, setup, teardown),
		cmocka_unit_test_setup_teardown(long_lists_are_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(interfaces_change, setup, teardown),
		cmocka_unit_test_setup_teardown(the_hash_key_stays_secret, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
