/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The fast path of an earlier build, to be measured beside the present one: its object file is loaded over the present
 * maps, as far as both have them alike. Of its settings those count that come first in both.
 */
#ifndef SLUICE_BENCH_PATHS_FORMER_H
#define SLUICE_BENCH_PATHS_FORMER_H

#include <bpf/libbpf.h>

#include "bench/packet_lab.h"

static inline bool former_is_alike(const struct bpf_map *map, int fd)
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &length) && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) && info.value_size == bpf_map__value_size(map);
}

static inline int former_maps(struct bpf_object *object, const struct maps *maps)
{
	int err = 0;

	for (enum map i = 0; i < MAP_COUNT && !err; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, map_name(i));

		/* which bucket a VIP is in depends on how many there are */
		if (map && i != MAP_vips && former_is_alike(map, maps->fd[i]))
			err = bpf_map__reuse_fd(map, maps->fd[i]);
	}
	return err;
}

static inline int former_settings(struct bpf_object *object, const struct settings *settings)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		__u8 value[512] = {0};
		size_t size = bpf_map__value_size(map);

		if (!strstr(bpf_map__name(map), ".rodata") || size > sizeof(value))
			continue;
		memcpy(value, settings, size < sizeof(*settings) ? size : sizeof(*settings));
		return bpf_map__set_initial_value(map, value, size);
	}
	return -ENOENT;
}

/* A bucket's number is the first bits of a hash: fewer buckets, fewer bits. */
static inline int former_vips(struct bpf_object *object, const struct maps *maps)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, "vips");
	const __u32 ratio = map ? VIP_BUCKETS / bpf_map__max_entries(map) : 0;

	if (!ratio || bpf_map__value_size(map) != sizeof(struct vip_bucket))
		return -EINVAL;
	for (__u32 first = 0; first < VIP_BUCKETS; first += ratio) {
		const __u32 index = first / ratio;
		struct vip_bucket bucket = {0};
		int filled = 0;

		for (__u32 i = 0; i < ratio * VIP_BUCKET_ENTRIES && filled < VIP_BUCKET_ENTRIES; i++) {
			const struct vip_entry *entry =
				&maps->vips[first + i / VIP_BUCKET_ENTRIES].entry[i % VIP_BUCKET_ENTRIES];

			if (entry->tail)
				bucket.entry[filled++] = *entry;
		}
		if (filled && bpf_map_update_elem(bpf_map__fd(map), &index, &bucket, BPF_ANY))
			return -errno;
	}
	return 0;
}

/* The program's descriptor, which the object owns; NULL in *object if it was refused. Negative errno. */
static inline int former_load(struct bpf_object **object, const char *path, const struct maps *maps,
			      const struct settings *settings)
{
	struct bpf_program *program;
	int err;

	*object = bpf_object__open_file(path, NULL);
	if (!*object)
		return -errno;
	bpf_object__for_each_program(program, *object)
	{
		bpf_program__set_expected_attach_type(program, 0);
		if (settings->features & FEATURE_MULTI)
			bpf_program__set_flags(program, BPF_F_XDP_HAS_FRAGS);
	}
	err = former_settings(*object, settings) ?: former_maps(*object, maps) ?: bpf_object__load(*object);
	err = err ?: former_vips(*object, maps);
	program = bpf_object__find_program_by_name(*object, "sluice");
	if (!err && !program)
		err = -ENOENT;
	return err ?: bpf_program__fd(program);
}

#endif
