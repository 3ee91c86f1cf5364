/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/program.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/siphash.h"
#include "model/vip_table.h"
#include "out/instructions.h"

#define PROGRAM_MAPS_MAX 64

void program_init(struct program *program)
{
	memset(program, 0, sizeof(*program));
	program->fd = -1;
}

void program_close(struct program *program)
{
	if (program->fd >= 0)
		close(program->fd);
	program_init(program);
}

__u64 program_object(void)
{
	static const __u8 key[16];
	size_t size;
	const void *bytes = sluice_bpf__elf_bytes(&size);

	return siphash(key, bytes, size);
}

struct sluice_bpf *program_prepare(const struct maps *maps, const struct settings *settings)
{
	struct sluice_bpf *skeleton;
	int err = instructions_prepare(settings);

	errno = -err;
	skeleton = err ? NULL : sluice_bpf__open();
	if (!skeleton) {
		log_error("opening the XDP program: %s", strerror(errno));
		return NULL;
	}
	/* the agent never writes it again: const for the verifier alone */
	memcpy((void *)&skeleton->rodata->settings, settings, sizeof(*settings));
	if (settings->features & FEATURE_MULTI) {
		bpf_program__set_flags(skeleton->progs.sluice, BPF_F_XDP_HAS_FRAGS);
		bpf_program__set_flags(skeleton->progs.slow, BPF_F_XDP_HAS_FRAGS);
	}
	for (int i = 0; i < MAP_COUNT && !err; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(skeleton->obj, map_name((enum map)i));

		if (maps->fd[i] >= 0)
			err = bpf_map__reuse_fd(map, maps->fd[i]);
		else if (i == MAP_flows)
			err = bpf_map__set_max_entries(map, settings->flow_capacity);
		else if (i == MAP_sources)
			err = bpf_map__set_max_entries(map, settings->source_capacity);
		else if (i == MAP_fragments)
			err = bpf_map__set_max_entries(map, settings->fragment_capacity);
	}
	if (err) {
		log_error("preparing the XDP program's maps: %s", strerror(-err));
		sluice_bpf__destroy(skeleton);
		return NULL;
	}
	return skeleton;
}

static int program_id(int fd, __u32 *id)
{
	struct bpf_prog_info info = {};
	__u32 length = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &length);

	*id = info.id;
	return err;
}

__u32 program_features(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_get_buff_len, NULL) > 0 ? FEATURE_MULTI : 0;
}

/*
 * Takes what was made on loading out of the skeleton, which closes its own descriptors; and puts the slow path where
 * the fast one calls it, which nothing runs yet.
 */
static int take_over(struct program *program, struct maps *maps, const struct sluice_bpf *skeleton,
		     const struct settings *settings)
{
	int slow = bpf_program__fd(skeleton->progs.slow);

	for (int i = 0; i < MAP_COUNT; i++) {
		if (maps->fd[i] >= 0)
			continue;
		maps->fd[i] = fcntl(bpf_object__find_map_fd_by_name(skeleton->obj, map_name((enum map)i)),
				    F_DUPFD_CLOEXEC, 0);
		if (maps->fd[i] < 0)
			return -errno;
	}
	if (bpf_map_update_elem(maps->fd[MAP_programs], &settings->slow, &slow, BPF_ANY))
		return -errno;
	program->fd = fcntl(bpf_program__fd(skeleton->progs.sluice), F_DUPFD_CLOEXEC, 0);
	return program->fd < 0 ? -errno : program_id(program->fd, &program->id);
}

int program_load(struct program *program, struct maps *maps, const struct settings *settings)
{
	struct sluice_bpf *skeleton;
	int err;

	program->settings = *settings;
	program->settings.cpus = maps->cpus;
	if (!settings->vip_shift)
		program->settings.vip_shift = maps->vips.shift ?: vip_table_shift(4 * SLUICE_MAX_VIPS);
	err = maps_make_arrays(maps, &program->settings);
	if (err) {
		log_error("making the XDP program's maps: %s",
			  err == -E2BIG ? "this kernel takes no values of several megabytes: 6.0 or later is needed"
					: strerror(-err));
		return err;
	}
	skeleton = program_prepare(maps, &program->settings);
	if (!skeleton)
		return -EINVAL;
	err = sluice_bpf__load(skeleton);
	if (err)
		log_error("loading the XDP program: %s: %s", strerror(-err),
			  err == -EPERM ? "sluiced needs root (CAP_BPF and CAP_NET_ADMIN)"
					: "the kernel refuses it, its words are above; what forwards now goes on");
	else
		err = take_over(program, maps, skeleton, settings);
	sluice_bpf__destroy(skeleton);
	return err;
}

/* Finds among a program's maps one by its id, or (id 0) the one with its constants. */
static int find_map(int fd, __u32 wanted, struct bpf_map_info *found)
{
	__u32 ids[PROGRAM_MAPS_MAX];
	struct bpf_prog_info info = {.nr_map_ids = PROGRAM_MAPS_MAX, .map_ids = (__u64)(unsigned long)ids};
	__u32 length = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &length);

	for (__u32 i = 0; !err && i < info.nr_map_ids && i < PROGRAM_MAPS_MAX; i++) {
		__u32 map_length = sizeof(*found);
		int map = bpf_map_get_fd_by_id(ids[i]);

		if (map < 0)
			continue;
		memset(found, 0, sizeof(*found));
		err = bpf_obj_get_info_by_fd(map, found, &map_length);
		if (!err && (wanted ? found->id == wanted : strstr(found->name, ".rodata") != NULL))
			return map;
		close(map);
	}
	return err ? err : -EINVAL;
}

/* Reads the settings that a program of ours was loaded with. -EINVAL if it is none. */
static int program_settings(int fd, struct settings *settings)
{
	struct bpf_map_info info;
	__u8 value[4096];
	__u32 zero = 0;
	int map = find_map(fd, 0, &info), err = -EINVAL;

	if (map < 0)
		return map;
	/* settings are the only constants, or the first of them: the object's id in them tells ours apart */
	if (info.value_size >= sizeof(*settings) && info.value_size <= sizeof(value))
		err = bpf_map_lookup_elem(map, &zero, value);
	if (!err)
		memcpy(settings, value, sizeof(*settings));
	close(map);
	return err;
}

static bool has_map(int fd, __u32 id)
{
	struct bpf_map_info info;
	int map = fd >= 0 ? find_map(fd, id, &info) : -1;

	if (map >= 0)
		close(map);
	return map >= 0;
}

/* A crash while pins were replaced leaves maps of two generations: each has to be one of the two programs'. */
static int check_maps(const struct program *program, const struct maps *maps)
{
	__u32 id;
	int slow, err = 0;

	if (bpf_map_lookup_elem(maps->fd[MAP_programs], &program->settings.slow, &id))
		return -EINVAL;
	slow = bpf_prog_get_fd_by_id(id);
	for (int i = 0; i < MAP_COUNT && !err; i++)
		if (!has_map(program->fd, map_id(maps, (enum map)i)) && !has_map(slow, map_id(maps, (enum map)i)))
			err = -EINVAL;
	if (slow >= 0)
		close(slow);
	return err;
}

int program_open_pinned(struct program *program, const char *path, const struct maps *maps)
{
	int err;

	program->fd = bpf_obj_get(path);
	if (program->fd < 0)
		return -errno;
	err = program_settings(program->fd, &program->settings);
	if (!err)
		err = check_maps(program, maps);
	if (!err)
		err = program_id(program->fd, &program->id);
	if (err)
		program_close(program);
	return err;
}
