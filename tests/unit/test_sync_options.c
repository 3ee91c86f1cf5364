/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The kernel's maps of options, source rules and QUIC servers, and in which order they come and go. */
#include "unit/plan_lab.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "out/sync.h"

struct bench {
	struct maps maps;
	struct state state;
	struct plan *plan;
};

static int make_map(enum bpf_map_type type, __u32 key, __u32 value, __u32 entries, __u32 flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = flags);
	int fd = bpf_map_create(type, "test", key, value, entries, &options);

	assert_true(fd >= 0);
	return fd;
}

/* As in bpf/maps.h, with less room. */
static void make_maps(struct maps *maps, __u32 rules, __u32 servers)
{
	size_t size = SLUICE_MAX_SERVICES * sizeof(struct service_options);

	maps_init(maps);
	maps->fd[MAP_options] =
		make_map(BPF_MAP_TYPE_ARRAY, 4, sizeof(struct service_options), SLUICE_MAX_SERVICES, BPF_F_MMAPABLE);
	maps->fd[MAP_rules4] = make_map(BPF_MAP_TYPE_LPM_TRIE, sizeof(struct rule_key4), sizeof(struct rule), rules,
					BPF_F_NO_PREALLOC);
	maps->fd[MAP_rules6] = make_map(BPF_MAP_TYPE_LPM_TRIE, sizeof(struct rule_key6), sizeof(struct rule), rules,
					BPF_F_NO_PREALLOC);
	maps->fd[MAP_quic_servers] =
		make_map(BPF_MAP_TYPE_HASH, sizeof(struct quic_key), 4, servers, BPF_F_NO_PREALLOC);
	maps->options = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, maps->fd[MAP_options], 0);
	assert_true(maps->options != MAP_FAILED);
}

static struct config *sample(void)
{
	struct config *config = sample_config(2, 3);

	for (unsigned int i = 0; i < 2; i++) {
		struct config_pool *pool = sample_pool(config, i ? "b" : "a", i ? 11 : 7, 2);

		pool->backends[0].server_id_length = pool->backends[1].server_id_length = 2;
		pool->backends[0].server_id[0] = 1;
		pool->backends[1].server_id[0] = 2;
		sample_backend(pool, "one", sample_host(1 + 2 * i));
		sample_backend(pool, "two", sample_host(2 + 2 * i));
	}
	for (unsigned int i = 0; i < 3; i++) {
		struct config_service *service = sample_service(config, sample_name(config, "s%u", i), i % 2, 1, 1);

		sample_vip(service, sample_name(config, "192.0.2.%u", i));
		sample_port(service, 443, IPPROTO_UDP);
		service->rules = arena_array(config->arena, 20, sizeof(*service->rules));
	}
	return config;
}

static void add_rule(struct config *config, size_t service, enum rule_action action, const char *from)
{
	struct config_service *of = &config->services[service];
	struct config_rule *rule = &of->rules[of->rule_count++];

	*rule = (struct config_rule){
		.action = action, .from = arena_array(config->arena, 1, sizeof(*rule->from)), .from_count = 1};
	assert_int_equal(prefix_parse(from, rule->from), 0);
}

static int begin(void **state)
{
	struct bench *bench;

	if (geteuid() != 0)
		return 0;
	bench = calloc(1, sizeof(*bench));
	make_maps(&bench->maps, 12, 12);
	plan_start(&bench->state, &bench->plan, sample());
	*state = bench;
	return 0;
}

static int end(void **state)
{
	struct bench *bench = *state;

	if (!bench)
		return 0;
	plan_end(&bench->state, bench->plan);
	maps_close(&bench->maps);
	free(bench);
	return 0;
}

static struct bench *need_root(void **state)
{
	if (!*state) {
		fprintf(stderr, "skipped: only root may make BPF maps\n");
		skip();
	}
	return *state;
}

static size_t count_entries(const struct maps *maps, enum map map)
{
	__u8 key[24];
	void *previous = NULL;
	size_t count = 0;

	for (; !bpf_map_get_next_key(maps->fd[map], previous, key); previous = key)
		count++;
	return count;
}

/* What the dataplane finds for a source; RULE_ALLOW where there is nothing. */
static __u32 verdict(const struct bench *bench, size_t service, const char *source)
{
	__u16 index = ids_service(bench->state.ids, bench->state.config->services[service].name);
	struct address address = parsed_address(source);
	struct rule rule = {.action = RULE_ALLOW};

	if (address.family == AF_INET) {
		struct rule_key4 key = {
			.prefixlen = RULE_KEY_FIXED_BITS + 32, .service = index, .address = address.word[0]};

		bpf_map_lookup_elem(bench->maps.fd[MAP_rules4], &key, &rule);
	} else {
		struct rule_key6 key = {.prefixlen = RULE_KEY_FIXED_BITS + 128, .service = index};

		memcpy(key.address, address.word, sizeof(key.address));
		bpf_map_lookup_elem(bench->maps.fd[MAP_rules6], &key, &rule);
	}
	return rule.action;
}

static __u32 server(const struct bench *bench, size_t pool, __u8 config, __u8 id)
{
	struct quic_key key = {.pool = ids_pool_first(bench->state.ids, bench->state.config->pools[pool].name),
			       .config = config,
			       .length = 2,
			       .server_id = {id}};
	__u32 index = 0;

	bpf_map_lookup_elem(bench->maps.fd[MAP_quic_servers], &key, &index);
	return index;
}

static void check_options(const struct bench *bench)
{
	assert_memory_equal(bench->maps.options, bench->plan->options,
			    SLUICE_MAX_SERVICES * sizeof(struct service_options));
}

static void sync_whole(struct bench *bench)
{
	assert_int_equal(sync_options_begin(&bench->maps, bench->plan), 0);
	assert_int_equal(sync_options_end(&bench->maps, bench->plan), 0);
	check_options(bench);
}

static void test_what_is_asked_is_there(void **state)
{
	struct bench *bench = need_root(state);
	struct config *config = sample();
	const struct plan *plan = bench->plan;

	add_rule(config, 0, RULE_ALLOW, "10.1.0.0/16");
	add_rule(config, 0, RULE_DENY, "10.0.0.0/8");
	add_rule(config, 1, RULE_DENY, "2001:db8::/32");
	config->pools[1].quic_server_id_length[3] = 2;
	config->services[2].mss = 1400;
	plan_reload(&bench->state, bench->plan, config);
	sync_whole(bench);
	assert_int_equal(verdict(bench, 0, "10.1.2.3"), RULE_ALLOW);
	assert_int_equal(verdict(bench, 0, "10.2.2.3"), RULE_DENY);
	assert_int_equal(verdict(bench, 1, "10.2.2.3"), RULE_ALLOW); /* another's */
	assert_int_equal(verdict(bench, 1, "2001:db8::1"), RULE_DENY);
	assert_int_equal(server(bench, 1, 3, 1), plan->tables[1]->members[0].owner);
	assert_int_equal(server(bench, 1, 3, 2), plan->tables[1]->members[1].owner);
	assert_int_equal(server(bench, 1, 2, 2), 0);
	assert_int_equal(server(bench, 0, 3, 1), 0);

	/* all of it goes */
	plan_reload(&bench->state, bench->plan, sample());
	sync_whole(bench);
	assert_int_equal(count_entries(&bench->maps, MAP_rules4) + count_entries(&bench->maps, MAP_rules6), 0);
	assert_int_equal(count_entries(&bench->maps, MAP_quic_servers), 0);
}

/* While VIPs may lead there, what is gone is kept; what is new is there before they do. */
static void test_order_of_coming_and_going(void **state)
{
	struct bench *bench = need_root(state);
	struct config *config = sample();

	add_rule(config, 0, RULE_DENY, "10.0.0.0/8");
	config->pools[0].quic_server_id_length[0] = 2;
	plan_reload(&bench->state, bench->plan, config);
	assert_int_equal(sync_options_begin(&bench->maps, bench->plan), 0);
	check_options(bench);
	assert_int_equal(verdict(bench, 0, "10.0.0.1"), RULE_DENY);
	assert_int_not_equal(server(bench, 0, 0, 1), 0);

	plan_reload(&bench->state, bench->plan, sample());
	assert_int_equal(sync_options_begin(&bench->maps, bench->plan), 0);
	assert_int_equal(bench->maps.options[ids_service(bench->state.ids, "s0")].flags, OPTION_RULES | OPTION_QUIC);
	assert_int_equal(verdict(bench, 0, "10.0.0.1"), RULE_DENY);
	assert_int_not_equal(server(bench, 0, 0, 1), 0);
	assert_int_equal(sync_options_end(&bench->maps, bench->plan), 0);
	check_options(bench);
	assert_int_equal(verdict(bench, 0, "10.0.0.1"), RULE_ALLOW);
	assert_int_equal(server(bench, 0, 0, 1), 0);
}

static void test_what_is_right_is_not_written(void **state)
{
	struct bench *bench = need_root(state);
	struct config *config = sample();
	size_t size = SLUICE_MAX_SERVICES * sizeof(struct service_options);

	add_rule(config, 0, RULE_ALLOW, "10.1.0.0/16");
	add_rule(config, 0, RULE_DENY, "10.0.0.0/8");
	config->pools[0].quic_server_id_length[0] = 2;
	config->services[1].limits.service_packets = (struct config_limit){.rate = 1000, .burst = 100};
	plan_reload(&bench->state, bench->plan, config);
	sync_whole(bench);
	/* any store is a fault from now on, any system call that writes fails */
	assert_int_equal(mprotect(bench->maps.options, size, PROT_READ), 0);
	assert_int_equal(bpf_map_freeze(bench->maps.fd[MAP_rules4]), 0);
	assert_int_equal(bpf_map_freeze(bench->maps.fd[MAP_rules6]), 0);
	assert_int_equal(bpf_map_freeze(bench->maps.fd[MAP_quic_servers]), 0);
	sync_whole(bench);
}

static struct config *full(unsigned int from, unsigned int rules)
{
	struct config *config = sample();

	for (unsigned int i = 0; i < rules; i++)
		add_rule(config, 0, RULE_DENY, sample_name(config, "10.%u.0.0/16", from + i));
	for (unsigned int i = 0; i < 3; i++)
		for (unsigned int j = 0; j < 2; j++)
			config->pools[j].quic_server_id_length[(from + i) % QUIC_CONFIGS] = 2;
	return config;
}

static void test_full_maps_are_replaced_whole(void **state)
{
	struct bench *bench = need_root(state);

	for (unsigned int from = 0; from < 4; from++) {
		plan_reload(&bench->state, bench->plan, full(20 * from, 12));
		sync_whole(bench);
		assert_int_equal(count_entries(&bench->maps, MAP_rules4), 12);
		assert_int_equal(count_entries(&bench->maps, MAP_quic_servers), 12);
	}
	plan_reload(&bench->state, bench->plan, full(0, 13));
	assert_int_equal(sync_options_begin(&bench->maps, bench->plan), 0);
	assert_int_equal(sync_options_end(&bench->maps, bench->plan), -ENOSPC);
}

/*
 * Whoever is denied by both configurations is at no moment let in by a step between them. The map's room makes the
 * writes fail one by one, so that each step is seen.
 */
static void test_each_step_is_the_former_or_the_next(void **state)
{
	static const char *const before[] = {"10.1.0.0/16", "0.0.0.0/0"}, *const after[] = {"10.2.0.0/16", "0.0.0.0/1"};
	struct bench *bench = need_root(state);

	for (__u32 room = 1; room <= 4; room++) {
		struct config *config = sample();

		maps_close(&bench->maps);
		make_maps(&bench->maps, room, 12);
		add_rule(config, 0, RULE_ALLOW, before[0]);
		add_rule(config, 0, RULE_DENY, before[1]);
		plan_reload(&bench->state, bench->plan, config);
		sync_options_begin(&bench->maps, bench->plan);
		/* who is to be let in is, before anybody is kept out */
		assert_int_equal(verdict(bench, 0, "10.1.0.1"), RULE_ALLOW);
		config = sample();
		add_rule(config, 0, RULE_ALLOW, after[0]);
		add_rule(config, 0, RULE_DENY, after[1]);
		plan_reload(&bench->state, bench->plan, config);
		sync_options_begin(&bench->maps, bench->plan);
		if (room > 2)
			assert_int_equal(verdict(bench, 0, "10.2.0.1"), RULE_ALLOW);
		if (room > 1)
			assert_int_equal(verdict(bench, 0, "11.0.0.1"), RULE_DENY);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_asked_is_there),
		TEST(test_order_of_coming_and_going),
		TEST(test_what_is_right_is_not_written),
		TEST(test_full_maps_are_replaced_whole),
		TEST(test_each_step_is_the_former_or_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
