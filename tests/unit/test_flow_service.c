/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A flow's service in user space: the most exact entry wins, as in the dataplane. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/address.h"
#include "lib/memory.h"
#include "model/vip_table.h"
#include "out/flow_service.h"

#define PREFIXES (FEATURE_PREFIX4 | FEATURE_PREFIX6)

static struct flow_tuple flow(const char *destination, __u16 port, __u8 protocol)
{
	struct flow_tuple tuple = {.source_port = htons(40000), .destination_port = htons(port), .protocol = protocol};
	struct address address;

	assert_int_equal(address_parse(destination, &address), 0);
	memcpy(tuple.destination, address.word, sizeof(tuple.destination));
	tuple.version = address.family == AF_INET ? 4 : 6;
	return tuple;
}

static int make_trie(__u32 key_size)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);

	return bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "test_prefixes", key_size, sizeof(struct service), 16, &options);
}

static struct maps *need_maps(void)
{
	int fd = geteuid() ? -1 : make_trie(sizeof(struct prefix_key4));
	struct maps *maps;

	if (fd < 0) {
		fprintf(stderr, "skipped: only root may make BPF maps\n");
		skip();
	}
	maps = memory_new(1, sizeof(*maps));
	maps->fd[MAP_prefixes4] = fd;
	maps->fd[MAP_prefixes6] = make_trie(sizeof(struct prefix_key6));
	assert_true(maps->fd[MAP_prefixes6] >= 0);
	maps->vips =
		(struct vip_table){memory_new(VIP_BUCKETS(VIP_SHIFT_MOST), sizeof(struct vip_bucket)), VIP_SHIFT_MOST};
	return maps;
}

static void free_maps(struct maps *maps)
{
	close(maps->fd[MAP_prefixes4]);
	close(maps->fd[MAP_prefixes6]);
	free(maps->vips.buckets);
	free(maps);
}

static void set_vip(struct maps *maps, const char *text, __u16 port, __u8 protocol, __u16 index)
{
	struct address address;
	struct vip_entry entry;

	assert_int_equal(address_parse(text, &address), 0);
	entry = vip_key(&address, port, protocol);
	entry.service.index = index;
	assert_int_equal(vip_table_set(maps->vips, &entry), 0);
}

static void set_prefix(struct maps *maps, const char *text, __u16 port, __u8 protocol, __u16 index)
{
	const struct service service = {.index = index};
	struct prefix prefix;
	struct prefix_key4 key4 = {.protocol = protocol, .port = htons(port)};
	struct prefix_key6 key6 = {.protocol = protocol, .port = htons(port)};

	assert_int_equal(prefix_parse(text, &prefix), 0);
	key4.prefixlen = key6.prefixlen = PREFIX_KEY_FIXED_BITS + prefix.length;
	key4.address = prefix.address.word[0];
	memcpy(key6.address, prefix.address.word, sizeof(key6.address));
	if (prefix.address.family == AF_INET)
		assert_int_equal(bpf_map_update_elem(maps->fd[MAP_prefixes4], &key4, &service, BPF_ANY), 0);
	else
		assert_int_equal(bpf_map_update_elem(maps->fd[MAP_prefixes6], &key6, &service, BPF_ANY), 0);
}

/* -1: none */
static int find(const struct maps *maps, __u32 features, struct flow_service_cache *cache, const char *destination,
		__u16 port, __u8 protocol)
{
	const struct flow_tuple tuple = flow(destination, port, protocol);
	const struct service *service = flow_service(maps, features, cache, &tuple);

	return service ? service->index : -1;
}

static void the_most_exact_entry_wins(void **state)
{
	struct flow_service_cache *cache = memory_new(1, sizeof(*cache));
	struct maps *maps = need_maps();

	(void)state;
	set_vip(maps, "192.0.2.10", 443, IPPROTO_TCP, 1);
	set_vip(maps, "192.0.2.10", 0, IPPROTO_TCP, 2);
	set_vip(maps, "2001:db8::10", 443, IPPROTO_UDP, 3);
	set_prefix(maps, "192.0.2.0/24", 80, IPPROTO_TCP, 4);
	set_prefix(maps, "192.0.2.0/28", 0, IPPROTO_TCP, 5);
	set_prefix(maps, "2001:db8::/32", 443, IPPROTO_UDP, 6);
	for (int again = 0; again < 2; again++) { /* the second time from the cache */
		assert_int_equal(find(maps, PREFIXES, cache, "192.0.2.10", 443, IPPROTO_TCP), 1);
		assert_int_equal(find(maps, PREFIXES, cache, "192.0.2.10", 80, IPPROTO_TCP), 2);
		assert_int_equal(find(maps, PREFIXES, cache, "192.0.2.11", 80, IPPROTO_TCP), 4);
		assert_int_equal(find(maps, PREFIXES, cache, "192.0.2.11", 81, IPPROTO_TCP), 5);
		assert_int_equal(find(maps, PREFIXES, cache, "192.0.2.99", 81, IPPROTO_TCP), -1);
		assert_int_equal(find(maps, PREFIXES, cache, "192.0.2.10", 443, IPPROTO_UDP), -1);
		assert_int_equal(find(maps, PREFIXES, cache, "2001:db8::10", 443, IPPROTO_UDP), 3);
		assert_int_equal(find(maps, PREFIXES, cache, "2001:db8::11", 443, IPPROTO_UDP), 6);
		assert_int_equal(find(maps, PREFIXES, cache, "2001:db9::11", 443, IPPROTO_UDP), -1);
	}
	assert_int_equal(find(maps, 0, cache, "192.0.2.11", 80, IPPROTO_TCP), -1);
	free(cache);
	free_maps(maps);
}

/* Many more destinations than it has room for. */
static void the_cache_mixes_nothing_up(void **state)
{
	struct flow_service_cache *cache = memory_new(1, sizeof(*cache));
	struct maps *maps = need_maps();
	char text[ADDRESS_TEXT];

	(void)state;
	for (__u16 i = 0; i < 8; i++) {
		snprintf(text, sizeof(text), "10.0.%u.0/24", i);
		set_prefix(maps, text, 80, IPPROTO_TCP, i);
	}
	for (unsigned int again = 0; again < 2; again++) {
		for (unsigned int i = 0; i < 10 * 256; i++) {
			snprintf(text, sizeof(text), "10.0.%u.%u", i / 256, i % 256);
			assert_int_equal(find(maps, PREFIXES, cache, text, 80, IPPROTO_TCP),
					 i / 256 < 8 ? (int)(i / 256) : -1);
		}
	}
	free(cache);
	free_maps(maps);
}

static void set_rule(int fd, struct prefix from, __u16 service, struct rule rule)
{
	struct rule_key4 key4 = {
		.prefixlen = RULE_KEY_FIXED_BITS + from.length, .service = service, .address = from.address.word[0]};
	struct rule_key6 key6 = {.prefixlen = key4.prefixlen, .service = service};

	memcpy(key6.address, from.address.word, sizeof(key6.address));
	assert_int_equal(
		bpf_map_update_elem(fd, from.address.family == AF_INET ? (void *)&key4 : &key6, &rule, BPF_ANY), 0);
}

/* The slot_first of a flow's table. */
static __u32 table_of(const struct maps *maps, __u32 features, const char *source, const char *destination)
{
	struct flow_service_cache *cache = memory_new(1, sizeof(*cache));
	struct flow_tuple tuple = flow(destination, 443, IPPROTO_TCP);
	const struct service *service;
	struct address address;
	__u32 first;

	assert_int_equal(address_parse(source, &address), 0);
	memcpy(tuple.source, address.word, sizeof(tuple.source));
	service = flow_service(maps, features, cache, &tuple);
	assert_non_null(service);
	first = service->slot_first;
	free(cache);
	return first;
}

static void source_rules_lead_to_other_tables(void **state)
{
	const struct rule pool = {.table = {.slot_first = 700, .slot_count = 7}, .action = RULE_POOL};
	struct maps *maps = need_maps();
	struct prefix from4, from6;

	(void)state;
	maps->fd[MAP_rules4] = make_trie(sizeof(struct rule_key4));
	maps->fd[MAP_rules6] = make_trie(sizeof(struct rule_key6));
	maps->options = memory_new(SLUICE_MAX_SERVICES, sizeof(*maps->options));
	maps->options[5].flags = OPTION_RULES;
	assert_int_equal(prefix_parse("10.0.0.0/8", &from4), 0);
	assert_int_equal(prefix_parse("2001:db8::/32", &from6), 0);
	set_rule(maps->fd[MAP_rules4], from4, 5, pool);
	set_rule(maps->fd[MAP_rules6], from6, 5, pool);
	set_rule(maps->fd[MAP_rules4], from4, 6, pool);
	assert_int_equal(prefix_parse("10.1.0.0/16", &from4), 0);
	set_rule(maps->fd[MAP_rules4], from4, 5, (struct rule){.action = RULE_ALLOW});
	set_vip(maps, "192.0.2.5", 443, IPPROTO_TCP, 5);
	set_vip(maps, "192.0.2.6", 443, IPPROTO_TCP, 6);
	set_vip(maps, "2001:db8::5", 443, IPPROTO_TCP, 5);
	assert_int_equal(table_of(maps, FEATURE_RULES, "10.2.0.1", "192.0.2.5"), 700);
	assert_int_equal(table_of(maps, FEATURE_RULES, "2001:db8:9::1", "2001:db8::5"), 700);
	assert_int_equal(table_of(maps, FEATURE_RULES, "10.1.0.1", "192.0.2.5"), 0);
	assert_int_equal(table_of(maps, FEATURE_RULES, "11.0.0.1", "192.0.2.5"), 0);
	assert_int_equal(table_of(maps, FEATURE_RULES, "10.2.0.1", "192.0.2.6"), 0); /* has no rules any more */
	assert_int_equal(table_of(maps, 0, "10.2.0.1", "192.0.2.5"), 0);
	close(maps->fd[MAP_rules4]);
	close(maps->fd[MAP_rules6]);
	free(maps->options);
	free_maps(maps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_most_exact_entry_wins),
		cmocka_unit_test(the_cache_mixes_nothing_up),
		cmocka_unit_test(source_rules_lead_to_other_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
