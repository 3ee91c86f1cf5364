/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The fast path of an earlier build, to be measured beside the present one: its object file is loaded over the present
 * maps, as far as both have them alike. Arrays that it reads by look-ups are its own, with what the present ones hold.
 * Of its settings those count that come first in both.
 */
#ifndef SLUICE_BENCH_PATHS_FORMER_H
#define SLUICE_BENCH_PATHS_FORMER_H

#include <bpf/libbpf.h>

#include "bench/packet_lab.h"
#include "out/array.h"

/* An array of the fast path, and what the present one has in memory. */
struct former_array {
	enum map map;
	const void *present;
	__u32 size, count; /* of elements */
};

#define FORMER_ARRAYS 6

static inline void former_arrays(struct former_array arrays[FORMER_ARRAYS], const struct maps *maps)
{
	const struct former_array all[FORMER_ARRAYS] = {
		{MAP_vips, NULL, sizeof(struct vip_bucket), 0}, /* former_vips() */
		{MAP_slots, maps->slots, sizeof(struct slot), maps->slot_capacity},
		{MAP_backends, maps->backends, sizeof(struct backend), SLUICE_MAX_BACKENDS + 1},
		{MAP_moves, maps->moves, sizeof(struct service_move), SLUICE_MAX_SERVICES},
		{MAP_options, maps->options, sizeof(struct service_options), SLUICE_MAX_SERVICES},
		{MAP_counts, NULL, sizeof(struct count_page), maps->cpus},
	};

	memcpy(arrays, all, sizeof(all));
}

/* Whether it reads arrays by address (user/out/array.h): libbpf has no name for the sections of such programs. */
static inline bool former_reads_by_address(const struct bpf_object *object)
{
	const struct bpf_program *program = bpf_object__find_program_by_name(object, "sluice");

	return program && strcmp(bpf_program__section_name(program), "xdp") != 0;
}

static inline bool former_is_alike(const struct bpf_map *map, int fd)
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &length) && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) && info.value_size == bpf_map__value_size(map);
}

/* Arrays: its own, or where it reads by address the present ones. */
static inline int former_array_prepare(struct bpf_map *map, const struct former_array *array, const struct maps *maps,
				       bool by_address)
{
	if (bpf_map__value_size(map) != array->size ||
	    (by_address && array->map == MAP_vips && bpf_map__max_entries(map) != VIP_BUCKETS)) {
		fprintf(stderr, "bench: BASE: its map %s has another shape\n", map_name(array->map));
		return -EINVAL;
	}
	if (by_address)
		return bpf_map__reuse_fd(map, maps->fd[array->map]);
	return array->count ? bpf_map__set_max_entries(map, array->count) : 0;
}

static inline int former_maps(struct bpf_object *object, const struct maps *maps)
{
	const bool by_address = former_reads_by_address(object);
	struct former_array arrays[FORMER_ARRAYS];
	int err = 0;

	former_arrays(arrays, maps);
	for (enum map i = 0; i < MAP_COUNT && !err; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, map_name(i));
		const struct former_array *array = arrays;

		while (array < arrays + FORMER_ARRAYS && array->map != i)
			array++;
		if (map && array < arrays + FORMER_ARRAYS)
			err = former_array_prepare(map, array, maps, by_address);
		else if (map && former_is_alike(map, maps->fd[i]))
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

static inline int former_array_fill(const struct bpf_map *map, const struct former_array *array)
{
	static const __u8 none[sizeof(struct count_page)];
	const __u8 *element = array->present;

	for (__u32 i = 0; element && i < array->count; i++, element += array->size)
		if (memcmp(element, none, array->size) != 0 &&
		    bpf_map_update_elem(bpf_map__fd(map), &i, element, BPF_ANY))
			return -errno;
	return 0;
}

static inline int former_fill(struct bpf_object *object, const struct maps *maps)
{
	struct former_array arrays[FORMER_ARRAYS];
	int err = 0;

	if (former_reads_by_address(object))
		return 0;
	former_arrays(arrays, maps);
	for (int i = 0; i < FORMER_ARRAYS && !err; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, map_name(arrays[i].map));

		err = map ? former_array_fill(map, &arrays[i]) : 0;
	}
	return err ?: former_vips(object, maps);
}

/* The program's descriptor, which the object owns; NULL in *object if it was refused. Negative errno. */
static inline int former_load(struct bpf_object **object, const char *path, const struct maps *maps,
			      const struct settings *settings)
{
	struct bpf_program *program;
	int err;

	err = array_prepare();
	*object = err ? NULL : bpf_object__open_file(path, NULL);
	if (!*object)
		return err ?: -errno;
	bpf_object__for_each_program(program, *object)
	{
		bpf_program__set_type(program, BPF_PROG_TYPE_XDP);
		bpf_program__set_expected_attach_type(program, 0);
		if (settings->features & FEATURE_MULTI)
			bpf_program__set_flags(program, BPF_F_XDP_HAS_FRAGS);
	}
	err = former_settings(*object, settings) ?: former_maps(*object, maps) ?: bpf_object__load(*object);
	err = err ?: former_fill(*object, maps);
	program = bpf_object__find_program_by_name(*object, "sluice");
	if (!err && !program)
		err = -ENOENT;
	return err ?: bpf_program__fd(program);
}

#endif
