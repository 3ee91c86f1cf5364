/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The kernel's own maps hold what the plan wants after every change, and on the
 * way there what the former VIPs lead to stays whole.
 */
#include "unit/sample.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/plan.h"
#include "out/program.h"
#include "out/sync.h"
#include "unit/map_check.h"

#define SLOTS 4096

struct bench {
	struct maps maps;
	struct program program;
	struct state state;
	struct plan *plan;
	struct synced synced;
};

static int begin(void **state)
{
	struct settings settings = {
		.slot_capacity = SLOTS, .flow_capacity = 1024, .source_capacity = 1, .fragment_capacity = 1};
	struct bench *bench;

	if (geteuid() != 0)
		return 0;
	bench = calloc(1, sizeof(*bench));
	maps_init(&bench->maps);
	program_init(&bench->program);
	if (program_load(&bench->program, &bench->maps, &settings))
		return -1;
	if (maps_mmap(&bench->maps))
		return -1;
	bench->state.ids = ids_new();
	sample_network(&bench->state.network);
	bench->plan = plan_new();
	*state = bench;
	return 0;
}

static int end(void **state)
{
	struct bench *bench = *state;

	if (!bench)
		return 0;
	synced_free(&bench->synced);
	plan_free(bench->plan);
	ids_free(bench->state.ids);
	network_free(&bench->state.network);
	health_free(bench->state.health);
	config_free(bench->state.config);
	program_close(&bench->program);
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

/* Plans for another configuration. */
static void plan_for(struct bench *bench, struct config *config)
{
	config_free(bench->state.config);
	bench->state.config = config;
	sample_routes(&bench->state.network, config);
	assert_int_equal(ids_assign(bench->state.ids, config), 0);
	sample_plan(bench->plan, &bench->state);
}

static int sync_whole(struct bench *bench)
{
	bool changed = sync_tables(&bench->maps, bench->plan, &bench->synced, false);
	int err = sync_vips(&bench->maps, bench->plan, VIPS_ALL) ?: sync_prefixes(&bench->maps, bench->plan, VIPS_ALL);

	sync_clear(&bench->maps, bench->plan, &bench->synced, changed);
	return err;
}

/* What the maps held before a change. */
struct before {
	struct map_vips vips;
	struct slot slots[SLOTS];
	struct backend backends[SLUICE_MAX_BACKENDS + 1];
};

static void read_vips(const struct bench *bench, struct map_vips *all)
{
	*all = (struct map_vips){0};
	map_vips_read_table(&bench->maps, all);
	map_vips_read_prefixes(&bench->maps, MAP_prefixes4, all);
	map_vips_read_prefixes(&bench->maps, MAP_prefixes6, all);
}

static struct before *remember(const struct bench *bench)
{
	struct before *before = calloc(1, sizeof(*before));

	assert_non_null(before);
	read_vips(bench, &before->vips);
	memcpy(before->slots, bench->maps.slots, sizeof(before->slots));
	memcpy(before->backends, bench->maps.backends, sizeof(before->backends));
	return before;
}

static bool is_planned(const struct plan *plan, __u32 first, __u32 size)
{
	for (size_t i = 0; i < plan->table_count; i++)
		if (plan->tables[i]->first == first && plan->tables[i]->size == size)
			return true;
	return false;
}

/*
 * The former VIPs, which are still there, lead to the pool's own new table or to
 * the former one, untouched; every slot of it to a backend whose header is there.
 */
static void assert_former_vips_lead_on(const struct bench *bench, const struct before *before)
{
	const struct plan *plan = bench->plan;

	for (size_t i = 0; i < before->vips.count; i++) {
		const struct service *service = &before->vips.vips[i].service;

		for (__u32 j = service->slot_first; j < service->slot_first + service->slot_count; j++) {
			__u16 owner = bench->maps.slots[j].owner, former = before->slots[j].owner;

			if (!is_planned(plan, service->slot_first, service->slot_count))
				assert_int_equal(owner, former);
			if (owner == former && plan->backends[owner].encap == ENCAP_NONE)
				assert_memory_equal(&bench->maps.backends[owner], &before->backends[owner],
						    sizeof(struct backend));
			else
				assert_memory_equal(&bench->maps.backends[owner], &plan->backends[owner],
						    sizeof(struct backend));
		}
	}
}

static bool is_among(const struct map_vips *all, const struct map_vip *vip, size_t size)
{
	for (size_t i = 0; i < all->count; i++)
		if (memcmp(&all->vips[i], vip, size) == 0)
			return true;
	return false;
}

/* New VIPs as well as those that will go. */
static void assert_all_vips(const struct bench *bench, const struct before *before)
{
	struct map_vips present, wanted = {0};

	read_vips(bench, &present);
	map_vips_planned(bench->plan, &wanted);
	for (size_t i = 0; i < wanted.count; i++)
		assert_true(is_among(&present, &wanted.vips[i], sizeof(wanted.vips[i])));
	for (size_t i = 0; i < before->vips.count; i++)
		assert_true(is_among(&present, &before->vips.vips[i], offsetof(struct map_vip, service)));
	free(present.vips);
	free(wanted.vips);
}

static void forget(struct before *before)
{
	free(before->vips.vips);
	free(before);
}

/* The whole change, looked at on the way and afterwards. */
static void sync_and_check(struct bench *bench)
{
	struct before *before = remember(bench);
	bool changed = sync_tables(&bench->maps, bench->plan, &bench->synced, false);

	assert_former_vips_lead_on(bench, before);
	assert_int_equal(sync_vips(&bench->maps, bench->plan, VIPS_ADD), 0);
	assert_int_equal(sync_prefixes(&bench->maps, bench->plan, VIPS_ADD), 0);
	assert_all_vips(bench, before);
	assert_int_equal(sync_vips(&bench->maps, bench->plan, VIPS_ALL), 0);
	assert_int_equal(sync_prefixes(&bench->maps, bench->plan, VIPS_ALL), 0);
	check_vips(&bench->maps, bench->plan);
	sync_clear(&bench->maps, bench->plan, &bench->synced, changed);
	check_maps(&bench->maps, bench->plan);
	forget(before);
}

static void random_pool(struct config *config, unsigned int number, __u64 *seed)
{
	static const __u32 sizes[] = {7, 13, 61, 127, 251};
	struct config_pool *pool = sample_pool(config, sample_name(config, "p%u", number),
					       sizes[sample_random(seed, 8) ? number % 5 : sample_random(seed, 5)], 10);

	pool->forward = sample_random(seed, 8) ? FORWARD_IPIP : FORWARD_GUE;
	for (unsigned int i = 0; i < 10; i++) {
		struct config_backend *backend;

		if (!sample_random(seed, 4))
			continue;
		backend = sample_backend(pool, sample_name(config, "b%u", i),
					 sample_host(100 * number + i + sample_random(seed, 20) / 19 * 50));
		backend->weight = sample_random(seed, 6) ? 100 : sample_random(seed, 1000);
	}
}

/* Every address has at most one service; prefixes lie within each other. */
static void random_services(struct config *config, __u64 *seed)
{
	static const char *const addresses[] = {
		"192.0.2.1",	"192.0.2.2",	 "192.0.2.3",	   "10.0.0.1",	     "2001:db8::1",
		"2001:db8::2",	"2001:db8:1::1", "0.0.0.0/0",	   "192.0.0.0/8",    "192.0.2.0/24",
		"192.0.2.0/25", "192.0.2.0/31",	 "192.0.2.128/25", "10.0.0.0/8",     "10.0.0.0/24",
		"::/0",		"2001:db8::/32", "2001:db8::/48",  "2001:db8::/127", "2001:db8:1::/48",
	};
	const size_t count = sizeof(addresses) / sizeof(addresses[0]);
	static const struct config_port ports[] = {
		{80, IPPROTO_TCP}, {443, IPPROTO_TCP}, {443, IPPROTO_UDP}, {0, IPPROTO_TCP}, {0, IPPROTO_UDP}};
	unsigned int owner[sizeof(addresses) / sizeof(addresses[0])];

	for (size_t i = 0; i < count; i++)
		owner[i] = sample_random(seed, 7);
	for (unsigned int number = 0; number < 6; number++) {
		struct config_service *service;

		if (!sample_random(seed, 5))
			continue;
		service = sample_service(config, sample_name(config, "s%u", number),
					 sample_random(seed, (__u32)config->pool_count), count, 5);
		service->hash = sample_random(seed, 4) ? HASH_FLOW : HASH_SOURCE;
		for (size_t i = 0; i < count; i++)
			if (owner[i] == number)
				sample_vip(service, addresses[i]);
		for (size_t i = 0; i < 5; i++)
			if (sample_random(seed, 3))
				sample_port(service, ports[i].port, ports[i].protocol);
	}
}

static struct config *random_config(__u64 *seed)
{
	struct config *config = sample_config(8, 6);

	for (unsigned int i = 0; i < 8; i++)
		if (!i || sample_random(seed, 4))
			random_pool(config, i, seed);
	random_services(config, seed);
	return config;
}

static void test_random_changes(void **state)
{
	struct bench *bench = need_root(state);

	for (__u64 number = 0; number < 120; number++) {
		__u64 seed = number / 3; /* each configuration again with one part of another */
		struct config *config = random_config(&seed);

		if (number % 3 == 1)
			config->service_count /= 2;
		if (number % 3 == 2)
			config->pools[config->pool_count - 1].backend_count /= 2;
		plan_for(bench, config);
		sync_and_check(bench);
	}
}

/* A restarted agent knows nothing of what it wrote. */
static void test_adoption_cleans_up(void **state)
{
	struct bench *bench = need_root(state);
	__u64 seed = 7;

	plan_for(bench, random_config(&seed));
	sync_and_check(bench);
	synced_free(&bench->synced);
	plan_free(bench->plan);
	bench->plan = plan_new();
	plan_for(bench, random_config(&seed));
	sync_and_check(bench);
}

static void test_unresolved_backends_come_and_go(void **state)
{
	struct bench *bench = need_root(state);
	__u64 seed = 8;

	plan_for(bench, random_config(&seed));
	sync_and_check(bench);
	network_link_delete(&bench->state.network, SAMPLE_IFINDEX);
	sample_plan(bench->plan, &bench->state);
	sync_and_check(bench);
	sample_network(&bench->state.network);
	sample_plan(bench->plan, &bench->state);
	sync_and_check(bench);
}

/* A prefix covered by another one of the same service must not count as being there: it is missing once that goes. */
static void test_a_prefix_within_another_one(void **state)
{
	static const char *const prefixes[][2] = {{"10.0.0.0/8", "10.1.0.0/16"}, {"2001:db8::/32", "2001:db8::/48"}};
	struct bench *bench = need_root(state);

	for (size_t i = 0; i < 2; i++) {
		for (size_t from = 0; from < 2; from++) {
			struct config *config = sample_config(1, 1);
			struct config_service *service;

			sample_pool(config, "p", 7, 0);
			service = sample_service(config, "s", 0, 2, 1);
			sample_port(service, 80, IPPROTO_TCP);
			for (size_t j = from; j < 2; j++)
				sample_vip(service, prefixes[i][j]);
			plan_for(bench, config);
			sync_and_check(bench);
		}
	}
}

static void test_a_pool_that_goes_leaves_no_slot(void **state)
{
	struct bench *bench = need_root(state);

	for (unsigned int pools = 2; pools; pools--) {
		struct config *config = sample_config(2, 0);

		for (unsigned int i = 0; i < pools; i++)
			sample_backend(sample_pool(config, i ? "b" : "a", 7, 1), "one", sample_host(i));
		plan_for(bench, config);
		sync_and_check(bench);
	}
}

/* Seals the maps: any store into memory is a fault from now on, any system call that writes fails. */
static void seal(const struct maps *maps, int protection)
{
	assert_int_equal(
		mprotect(maps->vips.buckets, VIP_BUCKETS(maps->vips.shift) * sizeof(struct vip_bucket), protection), 0);
	assert_int_equal(mprotect(maps->slots, SLOTS * sizeof(struct slot), protection), 0);
	assert_int_equal(mprotect(maps->owners, SLOTS * sizeof(*maps->owners), protection), 0);
	assert_int_equal(mprotect(maps->backends, (SLUICE_MAX_BACKENDS + 1) * sizeof(struct backend), protection), 0);
}

static void test_what_is_right_is_not_written(void **state)
{
	struct bench *bench = need_root(state);
	__u64 seed = 9;

	plan_for(bench, random_config(&seed));
	assert_int_equal(sync_whole(bench), 0);
	seal(&bench->maps, PROT_READ);
	assert_int_equal(bpf_map_freeze(bench->maps.fd[MAP_prefixes4]), 0);
	assert_int_equal(bpf_map_freeze(bench->maps.fd[MAP_prefixes6]), 0);
	assert_int_equal(sync_whole(bench), 0);
	synced_free(&bench->synced); /* after a restart it has to look, but not to write */
	assert_int_equal(sync_whole(bench), 0);
	check_maps(&bench->maps, bench->plan);
	seal(&bench->maps, PROT_READ | PROT_WRITE);
}

/* One service with addresses x ports from 10.0.0.0 or fd00:: on. */
static struct config *many_vips(__u32 from, __u32 addresses, __u32 ports, bool v6)
{
	struct config *config = sample_config(1, 1);
	struct config_service *service;

	sample_pool(config, "p", 7, 0);
	service = sample_service(config, "s", 0, addresses, ports);
	for (__u32 i = 0; i < addresses; i++) {
		struct prefix *vip = &service->addresses[service->address_count++];

		*vip = (struct prefix){.address = sample_host(from + i), .length = 32};
		if (v6)
			*vip = (struct prefix){.address = {AF_INET6, {htonl(0xfd000000), 0, 0, htonl(from + i)}},
					       .length = 128};
	}
	for (__u32 i = 0; i < ports; i++)
		sample_port(service, (__u16)(i + 1), i % 2 ? IPPROTO_UDP : IPPROTO_TCP);
	return config;
}

static void test_full_tables_are_replaced_whole(void **state)
{
	/* from, addresses, ports */
	static const __u32 shapes[][3] = {{0, 65536, 1}, {1U << 20, 65536, 1}, {5, 4096, 16}, {9, 256, 256},
					  {0, 16, 4096}, {0, 1, 65535},	       {1, 1, 65535}, {0, 0, 0}};
	struct bench *bench = need_root(state);

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		for (int v6 = 0; v6 < 2; v6++) {
			plan_for(bench, many_vips(shapes[i][0], shapes[i][1], shapes[i][2], v6));
			assert_int_equal(sync_whole(bench), 0);
			check_vips(&bench->maps, bench->plan);
		}
	}
}

static struct config *many_prefixes(__u32 from, bool v6)
{
	struct config *config = many_vips(from, SLUICE_MAX_PREFIXES, 1, v6);
	struct config_service *service = &config->services[0];

	for (size_t i = 0; i < service->address_count; i++) {
		struct address *address = &service->addresses[i].address;

		address->word[v6 ? 3 : 0] = htonl(ntohl(address->word[v6 ? 3 : 0]) << 1);
		service->addresses[i].length--;
	}
	return config;
}

static void test_full_prefix_maps_are_replaced_whole(void **state)
{
	struct bench *bench = need_root(state);

	for (int v6 = 0; v6 < 2; v6++) {
		struct config *config;

		plan_for(bench, many_prefixes(0, v6));
		assert_int_equal(sync_whole(bench), 0);
		check_vips(&bench->maps, bench->plan);
		config = many_prefixes(0, v6); /* all lead elsewhere */
		config->pools[0].table_size = 13;
		plan_for(bench, config);
		assert_int_equal(sync_whole(bench), 0);
		check_vips(&bench->maps, bench->plan);
		plan_for(bench, many_prefixes(SLUICE_MAX_PREFIXES, v6));
		assert_int_equal(sync_whole(bench), 0);
		check_vips(&bench->maps, bench->plan);
	}
}

static void test_what_does_not_fit_is_an_error(void **state)
{
	struct bench *bench = need_root(state);
	struct config *config = many_prefixes(0, false);
	struct config_service *service = &config->services[0];

	service->ports = (struct config_port[]){{1, IPPROTO_TCP}, {1, IPPROTO_UDP}};
	service->port_count = 2;
	plan_for(bench, config);
	assert_true(sync_prefixes(&bench->maps, bench->plan, VIPS_ALL) < 0);
	plan_for(bench, many_prefixes(5, false));
	assert_int_equal(sync_whole(bench), 0);
	check_vips(&bench->maps, bench->plan);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_random_changes),
		TEST(test_adoption_cleans_up),
		TEST(test_unresolved_backends_come_and_go),
		TEST(test_a_prefix_within_another_one),
		TEST(test_a_pool_that_goes_leaves_no_slot),
		TEST(test_what_is_right_is_not_written),
		TEST(test_full_tables_are_replaced_whole),
		TEST(test_full_prefix_maps_are_replaced_whole),
		TEST(test_what_does_not_fit_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
