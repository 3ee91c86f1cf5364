/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The dataplane in the kernel over the agent's lives: adopted, grown, replaced, repaired. */
#include "unit/dataplane_lab.h"

static void test_a_restart_changes_nothing(void **state)
{
	struct lab *lab = need_lab(state);
	struct kernel before, after;
	json_t *show, *again;

	start(lab, sample(MODE_AUTO));
	check_kernel(lab);
	assert_int_equal(attached_mode("v0"), XDP_ATTACHED_DRV);
	before = kernel();
	show = dataplane_bpf_json(lab->dataplane);
	stop(lab);
	assert_int_equal(attached_mode("v0"), XDP_ATTACHED_DRV); /* the dataplane goes on */

	restart(lab);
	assert_int_equal(dataplane_sync(lab->dataplane, lab->plan), 0);
	assert_int_equal(attach(lab), 0);
	after = kernel();
	assert_memory_equal(&before, &after, sizeof(before));
	check_kernel(lab);
	again = dataplane_bpf_json(lab->dataplane);
	assert_true(json_equal(show, again));
	json_decref(show);
	json_decref(again);
}

/* An array is replaced by a larger one, and with it those that `replaced` names; nothing else is. */
static void check_growth(struct lab *lab, struct config *config, const bool replaced[MAP_COUNT])
{
	struct kernel before, after;

	start(lab, sample(MODE_AUTO));
	before = kernel();
	plan_for(lab, config);
	assert_int_equal(dataplane_sync(lab->dataplane, lab->plan), 0);
	assert_int_equal(attach(lab), 0);
	check_kernel(lab);
	after = kernel();
	assert_int_not_equal(after.program, before.program);
	assert_int_equal(after.link, before.link);
	for (int i = 0; i < MAP_COUNT; i++)
		assert_int_equal(after.map[i] == before.map[i], !replaced[i]);

	/* it does not shrink again: that would only disturb */
	plan_for(lab, sample(MODE_AUTO));
	assert_int_equal(dataplane_sync(lab->dataplane, lab->plan), 0);
	check_kernel(lab);
	before = kernel();
	assert_memory_equal(&before, &after, sizeof(before));
	restart(lab);
	assert_int_equal(dataplane_sync(lab->dataplane, lab->plan), 0);
	check_kernel(lab);
	before = kernel();
	assert_memory_equal(&before, &after, sizeof(before));
}

static void test_slots_grow(void **state)
{
	static const bool replaced[MAP_COUNT] = {[MAP_slots] = true, [MAP_owners] = true};
	struct config *config = sample(MODE_AUTO);

	sample_backend(sample_pool(config, "large", 2097169, 1), "one", sample_host(5));
	check_growth(need_lab(state), config, replaced);
}

static void test_vips_grow(void **state)
{
	static const bool replaced[MAP_COUNT] = {[MAP_vips] = true};
	struct config *config = sample(MODE_AUTO);
	struct config_service *service = sample_service(config, "zz", 0, 1, 5000);

	sample_vip(service, "203.0.113.77");
	for (__u16 port = 1; port <= 5000; port++)
		sample_port(service, port, IPPROTO_TCP);
	check_growth(need_lab(state), config, replaced);
}

/* More ports of an address than both of their buckets hold: of the smallest table, the same two of all. */
static __u32 colliding_ports(const char *address, __u16 ports[static 65535])
{
	static __u8 count[256][256];
	const struct address vip = parsed_address(address);
	__u32 found = 0, worst = 0;
	int low = 0, high = 0;

	for (int pass = 0; pass < 2; pass++) {
		for (__u32 port = 1; port < 65536; port++) {
			__u64 hash = vip_hash4(vip.word[0], vip_tail(htons((__u16)port), IPPROTO_TCP, 0));
			int one = (int)(vip_place_first(hash, VIP_SHIFT_MOST) / VIP_BUCKET_ENTRIES);
			int other = (int)(vip_place_second(hash, VIP_SHIFT_MOST) / VIP_BUCKET_ENTRIES);
			int least = one < other ? one : other, most = one < other ? other : one;

			if (pass && least == low && most == high)
				ports[found++] = (__u16)port;
			if (!pass && ++count[least][most] > worst) {
				worst = count[least][most];
				low = least;
				high = most;
			}
		}
	}
	assert_true(found > 2 * VIP_BUCKET_ENTRIES);
	return found;
}

static void test_vips_that_collide_grow(void **state)
{
	static const bool replaced[MAP_COUNT] = {[MAP_vips] = true};
	struct config *config = sample(MODE_AUTO);
	static __u16 ports[65535];
	const __u32 count = colliding_ports("203.0.113.77", ports);
	struct config_service *service = sample_service(config, "zz", 0, 1, count);

	sample_vip(service, "203.0.113.77");
	for (__u32 i = 0; i < count; i++)
		sample_port(service, ports[i], IPPROTO_TCP);
	check_growth(need_lab(state), config, replaced);
}

static void assert_only_program_changed(const struct kernel *before)
{
	struct kernel after = kernel();

	assert_int_not_equal(after.program, before->program);
	assert_int_equal(after.link, before->link);
	assert_memory_equal(after.map, before->map, sizeof(after.map));
}

static void test_a_new_key_is_a_new_program(void **state)
{
	struct lab *lab = need_lab(state);
	struct kernel before;

	start(lab, sample(MODE_AUTO));
	before = kernel();
	plan_for(lab, with_other_key());
	assert_int_equal(dataplane_sync(lab->dataplane, lab->plan), 0);
	assert_only_program_changed(&before);
	check_kernel(lab);
}

static void test_a_new_key_at_a_restart(void **state)
{
	struct lab *lab = need_lab(state);
	struct kernel before;

	start(lab, sample(MODE_AUTO));
	before = kernel();
	plan_for(lab, with_other_key());
	restart(lab);
	assert_int_equal(dataplane_sync(lab->dataplane, lab->plan), 0);
	assert_int_equal(attach(lab), 0);
	assert_only_program_changed(&before);
	check_kernel(lab);
}

static void test_lost_pins(void **state)
{
	static const char *const lost[][3] = {{"maps/vips", "maps/slots", "maps/counts"},
					      {"maps/prefixes6", NULL, NULL},
					      {"maps/backends", "prog", NULL}};
	struct lab *lab = need_lab(state);

	start(lab, sample(MODE_AUTO));
	for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		struct kernel before = kernel(), after;

		for (size_t j = 0; j < 3 && lost[i][j]; j++) {
			char path[PIN_PATH_MAX];

			snprintf(path, sizeof(path), FOLDER "/%s", lost[i][j]);
			assert_int_equal(unlink(path), 0);
		}
		restart(lab);
		assert_int_equal(dataplane_maps_id(lab->dataplane), 0);
		assert_int_equal(dataplane_sync(lab->dataplane, lab->plan), 0);
		assert_int_equal(attach(lab), 0);
		check_kernel(lab);
		after = kernel();
		assert_int_equal(after.link, before.link);
		for (int j = 0; j < MAP_COUNT; j++)
			assert_int_not_equal(after.map[j], before.map[j]);
	}
}

static void test_a_lost_program_pin(void **state)
{
	struct lab *lab = need_lab(state);
	struct kernel before;

	start(lab, sample(MODE_AUTO));
	before = kernel();
	assert_int_equal(unlink(FOLDER "/prog"), 0);
	restart(lab);
	assert_int_equal(dataplane_sync(lab->dataplane, lab->plan), 0);
	assert_int_equal(attach(lab), 0);
	assert_only_program_changed(&before);
	check_kernel(lab);
}

/* A crash between pinning one new map and the next: the running program knows nothing of the first. */
static void test_pins_of_two_generations(void **state)
{
	struct lab *lab = need_lab(state);
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);
	int fd;

	start(lab, sample(MODE_AUTO));
	stop(lab);
	fd = bpf_obj_get(FOLDER "/maps/prefixes4");
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &length), 0);
	close(fd);
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = info.map_flags);
	fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "prefixes4", info.key_size, info.value_size, info.max_entries,
			    &options);
	assert_true(fd >= 0);
	assert_int_equal(pins_replace(fd, FOLDER "/maps/prefixes4"), 0);
	close(fd);
	open_dataplane(lab);
	sample_plan(lab->plan, &lab->state);
	assert_int_equal(dataplane_sync(lab->dataplane, lab->plan), 0);
	assert_int_equal(attach(lab), 0);
	check_kernel(lab);
}

static void test_disowned_maps(void **state)
{
	struct lab *lab = need_lab(state);
	struct kernel before, after;

	start(lab, sample(MODE_AUTO));
	before = kernel();
	restart(lab);
	assert_int_equal(dataplane_maps_id(lab->dataplane), before.map[MAP_backends]);
	dataplane_disown_maps(lab->dataplane);
	assert_int_equal(dataplane_maps_id(lab->dataplane), 0);
	assert_int_equal(dataplane_sync(lab->dataplane, lab->plan), 0);
	assert_int_equal(attach(lab), 0);
	after = kernel();
	assert_int_equal(after.link, before.link);
	assert_int_not_equal(after.map[MAP_backends], before.map[MAP_backends]);
	check_kernel(lab);
}

/* What former VIPs lead to must stay for as long as they are there. */
static void test_a_failed_sync_clears_nothing(void **state)
{
	struct lab *lab = need_lab(state);
	struct config *config = sample(MODE_AUTO);
	struct maps maps;
	int fd;

	sample_vip(&config->services[0], "10.0.0.0/8");
	start(lab, config);
	fd = bpf_obj_get(FOLDER "/maps/prefixes4");
	assert_int_equal(bpf_map_freeze(fd), 0); /* the kernel refuses to write it from now on */
	close(fd);

	config = sample(MODE_AUTO);
	config->pools[0].table_size = 127;
	sample_vip(&config->services[0], "10.0.0.0/8");
	plan_for(lab, config);
	assert_true(dataplane_sync(lab->dataplane, lab->plan) < 0);
	maps_init(&maps);
	assert_int_equal(maps_open_pinned(&maps, FOLDER), 0);
	for (__u32 i = 0; i < 131; i++)
		assert_int_not_equal(maps.slots[i].owner, 0);
	maps_close(&maps);

	/* with maps that can be written again, everything comes right */
	assert_int_equal(unlink(FOLDER "/maps/prefixes4"), 0);
	restart(lab);
	assert_int_equal(dataplane_sync(lab->dataplane, lab->plan), 0);
	assert_int_equal(attach(lab), 0);
	check_kernel(lab);
}

/*
 * A service of any port gets single ones, so the program no longer looks for any
 * port: the single ones must be there before that program is.
 */
static void test_vips_come_before_the_program_that_needs_them(void **state)
{
	struct lab *lab = need_lab(state);
	struct config *config = sample(MODE_AUTO);
	struct kernel before, after;
	int fd;

	sample_port(&config->services[0], 0, IPPROTO_TCP);
	start(lab, config);
	before = kernel();
	fd = bpf_obj_get(FOLDER "/maps/prefixes4");
	assert_int_equal(bpf_map_freeze(fd), 0);
	close(fd);
	config = sample(MODE_AUTO);
	sample_vip(&config->services[0], "198.51.100.0/24");
	plan_for(lab, config);
	assert_true(dataplane_sync(lab->dataplane, lab->plan) < 0);
	after = kernel();
	assert_memory_equal(&after, &before, sizeof(after));
}

/* A program that knows of no records would send all flows of an open slot to its new owner. */
static void test_no_slot_opens_under_a_program_without_transitions(void **state)
{
	const struct config_transition transition = {.window_ms = 60000, .udp_window_ms = 5000, .idle_ms = 60000};
	struct config *config = sample(MODE_AUTO);
	struct lab *lab = need_lab(state);
	struct kernel before, after;
	int fd;

	start(lab, sample(MODE_AUTO));
	before = kernel();
	fd = bpf_obj_get(FOLDER "/maps/prefixes4");
	assert_int_equal(bpf_map_freeze(fd), 0); /* so that the change stops half way */
	close(fd);
	config->pools[0].transition = transition;
	config->flow_records = 1024;
	sample_backend(&config->pools[0], "zero", sample_host(3));
	sample_vip(&config->services[0], "198.51.100.0/24");
	plan_for(lab, config);
	assert_true(dataplane_sync(lab->dataplane, lab->plan) < 0);
	after = kernel();
	for (__u32 i = 0; i < lab->plan->slots_used; i++)
		assert_true(!dataplane_maps(lab->dataplane)->slots[i].phase ||
			    after.link_program != before.link_program);
}

static void test_counters_of_a_new_name_are_zero(void **state)
{
	struct lab *lab = need_lab(state);
	__u64 tracked[SLUICE_MAX_SERVICES];
	struct counters counters[2];
	struct maps maps;

	start(lab, sample(MODE_AUTO));
	maps_init(&maps);
	assert_int_equal(maps_open_pinned(&maps, FOLDER), 0);
	for (__u32 cpu = 0; cpu < maps.cpus; cpu++)
		for (__u32 i = 5; i < 7; i++)
			maps.counts[cpu].backend[i] = (struct counters){.packets = i, .bytes = 100 * i};
	for (__u32 cpu = 0; cpu < maps.cpus; cpu++)
		maps.counts[cpu].tracked[6] = maps.counts[cpu].tracked[7] = 3;
	restart(lab); /* they count on */
	dataplane_counters_clear(lab->dataplane, COUNTED_BACKENDS, 5);
	dataplane_counters_clear(lab->dataplane, COUNTED_SERVICES, 6);
	assert_int_equal(dataplane_counters(lab->dataplane, COUNTED_BACKENDS, 5, 2, counters), 0);
	assert_int_equal(counters[0].packets, 0);
	assert_int_equal(counters[0].bytes, 0);
	assert_int_equal(counters[1].packets, 6 * maps.cpus);
	assert_int_equal(counters[1].bytes, 600 * maps.cpus);
	assert_int_equal(dataplane_tracked(lab->dataplane, tracked), 0);
	assert_int_equal(tracked[6], 0);
	assert_int_equal(tracked[7], 3 * maps.cpus);
	maps_close(&maps);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_a_restart_changes_nothing),
		TEST(test_slots_grow),
		TEST(test_vips_grow),
		TEST(test_vips_that_collide_grow),
		TEST(test_a_new_key_is_a_new_program),
		TEST(test_a_new_key_at_a_restart),
		TEST(test_lost_pins),
		TEST(test_a_lost_program_pin),
		TEST(test_pins_of_two_generations),
		TEST(test_disowned_maps),
		TEST(test_a_failed_sync_clears_nothing),
		TEST(test_vips_come_before_the_program_that_needs_them),
		TEST(test_no_slot_opens_under_a_program_without_transitions),
		TEST(test_counters_of_a_new_name_are_zero),
	};

	have_namespaces = private_namespaces();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
