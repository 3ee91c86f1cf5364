/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * An agent's dataplane without the agent. Each test has an empty bpffs and a veth,
 * v0 - v1, in a network namespace of this process's own.
 */
#ifndef SLUICE_TEST_DATAPLANE_LAB_H
#define SLUICE_TEST_DATAPLANE_LAB_H

#include "unit/sample.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <sys/stat.h>

#include "out/dataplane.h"
#include "out/pins.h"
#include "unit/map_check.h"
#include "unit/private_bpffs.h"

#define FOLDER BPFFS "/sluice"

static bool have_namespaces; /* main() makes them */

struct lab {
	struct state state;
	struct plan *plan;
	struct dataplane *dataplane;
};

static inline int begin(void **state)
{
	struct lab *lab;

	if (!have_namespaces)
		return 0;
	if (private_bpffs_mount() || system("ip link add v0 type veth peer name v1 && ip link set v0 up") != 0)
		return -1;
	lab = calloc(1, sizeof(*lab));
	lab->state.ids = ids_new();
	lab->plan = plan_new();
	sample_network(&lab->state.network);
	*state = lab;
	return 0;
}

static inline int end(void **state)
{
	struct lab *lab = *state;

	if (!lab)
		return 0;
	dataplane_close(lab->dataplane);
	plan_free(lab->plan);
	ids_free(lab->state.ids);
	network_free(&lab->state.network);
	health_free(lab->state.health);
	config_free(lab->state.config);
	free(lab);
	if (if_nametoindex("v0") && system("ip link del v0") != 0)
		return -1;
	return private_bpffs_unmount();
}

static inline struct lab *need_lab(void **state)
{
	if (!*state)
		skip();
	return *state;
}

/* What the agent knows of an interface. */
static inline void know_link(struct lab *lab, const char *name)
{
	struct link link = {.ifindex = if_nametoindex(name), .ethernet = true, .up = true, .mtu = 1500};

	assert_int_not_equal(link.ifindex, 0);
	strcpy(link.name, name);
	network_link_set(&lab->state.network, &link);
}

/* Two services over two pools, on v0. */
static inline struct config *sample(enum xdp_mode mode)
{
	struct config *config = sample_config(3, 3);
	struct config_service *service;

	config->interfaces = arena_array(config->arena, 2, sizeof(*config->interfaces));
	config->interfaces[0] = (struct config_interface){.name = "v0", .mode = mode};
	config->interface_count = 1;
	for (unsigned int i = 0; i < 2; i++) {
		struct config_pool *pool = sample_pool(config, i ? "b" : "a", i ? 251 : 131, 3);

		sample_backend(pool, "one", sample_host(10 * i + 1));
		sample_backend(pool, "two", sample_host(10 * i + 2));
		service = sample_service(config, i ? "s2" : "s1", i, 3, 2);
		sample_vip(service, i ? "192.0.2.2" : "192.0.2.1");
		sample_port(service, 80, IPPROTO_TCP);
	}
	return config;
}

static inline struct config *with_other_key(void)
{
	struct config *config = sample(MODE_AUTO);

	config->hash_key[3] ^= 0x55;
	return config;
}

static inline void plan_for(struct lab *lab, struct config *config)
{
	config_free(lab->state.config);
	lab->state.config = config;
	sample_routes(&lab->state.network, config);
	assert_int_equal(ids_assign(lab->state.ids, config), 0);
	sample_plan(lab->plan, &lab->state);
}

static inline void open_dataplane(struct lab *lab)
{
	assert_int_equal(dataplane_open(&lab->dataplane, FOLDER), 0);
}

static inline int attach(struct lab *lab)
{
	return dataplane_attach(lab->dataplane, lab->state.config, &lab->state.network);
}

/* Open, fill and attached. */
static inline void start(struct lab *lab, struct config *config)
{
	open_dataplane(lab);
	plan_for(lab, config);
	know_link(lab, "v0");
	assert_int_equal(dataplane_sync(lab->dataplane, lab->plan), 0);
	assert_int_equal(attach(lab), 0);
}

static inline void stop(struct lab *lab)
{
	dataplane_close(lab->dataplane);
	lab->dataplane = NULL;
}

/* A new process: it has its snapshot, but no plan. */
static inline void restart(struct lab *lab)
{
	stop(lab);
	plan_free(lab->plan);
	lab->plan = plan_new();
	open_dataplane(lab);
	sample_plan(lab->plan, &lab->state);
}

/* The ids of what is in the kernel. */
struct kernel {
	__u32 program;
	__u32 map[MAP_COUNT];
	__u32 link, link_program;
};

static inline __u32 pinned_id(const char *path)
{
	union {
		struct bpf_prog_info program;
		struct bpf_map_info map;
	} info = {0};
	__u32 length = sizeof(info);
	int fd = bpf_obj_get(path);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &length), 0);
	close(fd);
	_Static_assert(offsetof(struct bpf_prog_info, id) == offsetof(struct bpf_map_info, id), "one id for both");
	return info.map.id;
}

static inline struct kernel kernel(void)
{
	struct bpf_link_info info = {0};
	__u32 length = sizeof(info);
	struct kernel now = {.program = pinned_id(FOLDER "/prog")};
	char path[PIN_PATH_MAX];
	int link;

	for (int i = 0; i < MAP_COUNT; i++) {
		assert_int_equal(pins_path(path, FOLDER, PINS_MAPS, map_name((enum map)i)), 0);
		now.map[i] = pinned_id(path);
	}
	link = bpf_obj_get(FOLDER "/links/v0");
	if (link < 0)
		return now;
	assert_int_equal(bpf_obj_get_info_by_fd(link, &info, &length), 0);
	close(link);
	now.link = info.id;
	now.link_program = info.prog_id;
	return now;
}

/* The ids of a program's maps, behind those that are there already. */
static inline __u32 add_map_ids(__u32 id, __u32 *ids, __u32 count)
{
	struct bpf_prog_info info = {.nr_map_ids = 32, .map_ids = (__u64)(unsigned long)(ids + count)};
	__u32 length = sizeof(info);
	int program = bpf_prog_get_fd_by_id(id);

	assert_int_equal(bpf_obj_get_info_by_fd(program, &info, &length), 0);
	close(program);
	return count + info.nr_map_ids;
}

/* The program of the slow path, at either place. */
static inline __u32 slow_program(__u32 programs, __u32 place)
{
	int map = bpf_map_get_fd_by_id(programs);
	__u32 id = 0;

	assert_true(map >= 0);
	bpf_map_lookup_elem(map, &place, &id);
	close(map);
	return id;
}

/* The maps as the programs that are attached see them hold the plan. */
static inline void check_kernel(const struct lab *lab)
{
	struct kernel now = kernel();
	__u32 ids[3 * 32], count;
	struct maps maps;

	assert_int_equal(now.link_program, now.program);
	count = add_map_ids(now.program, ids, 0);
	for (__u32 place = 0; place < 2; place++) {
		__u32 slow = slow_program(now.map[MAP_programs], place);

		if (slow)
			count = add_map_ids(slow, ids, count);
	}
	for (int i = 0; i < MAP_COUNT; i++) {
		bool used = false;

		for (__u32 j = 0; j < count; j++)
			used |= ids[j] == now.map[i];
		if (!used)
			fail_msg("no program uses the pinned map %s", map_name((enum map)i));
	}
	maps_init(&maps);
	assert_int_equal(maps_open_pinned(&maps, FOLDER), 0);
	check_maps(&maps, lab->plan);
	maps_close(&maps);
}

static inline __u32 attached_mode(const char *interface)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	assert_int_equal(bpf_xdp_query((int)if_nametoindex(interface), 0, &query), 0);
	return query.attach_mode;
}

#endif
