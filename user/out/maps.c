/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/log.h"
#include "out/array.h"
#include "out/pins.h"
#include "out/slot_store.h"
#include "sluice.skel.h"

static const char *const map_names[] = {
#define MAP_NAME(name) #name,
	MAPS(MAP_NAME)
#undef MAP_NAME
};

const char *map_name(enum map map)
{
	return map_names[map];
}

/* One more than the highest number that a CPU can have: the possible ones may have gaps ("0-3,8-11"). */
static __u32 cpus_possible(void)
{
	FILE *file = fopen("/sys/devices/system/cpu/possible", "re");
	unsigned int last = 0;

	if (!file)
		return (__u32)libbpf_num_possible_cpus();
	while (fscanf(file, "%u%*[-,]", &last) == 1)
		;
	fclose(file);
	return last + 1;
}

void maps_init(struct maps *maps)
{
	memset(maps, 0, sizeof(*maps));
	for (int i = 0; i < MAP_COUNT; i++)
		maps->fd[i] = -1;
	maps->cpus = cpus_possible();
}

/* Of the maps that programs read by address (array.h); 0: of another one. */
static __u32 element_size(enum map map)
{
	switch (map) {
	case MAP_vips:
		return sizeof(struct vip_bucket);
	case MAP_slots:
		return sizeof(struct slot);
	case MAP_owners:
		return sizeof(__u16);
	case MAP_backends:
		return sizeof(struct backend);
	case MAP_counts:
		return sizeof(struct count_page);
	default:
		return 0;
	}
}

static __u32 element_count(const struct maps *maps, enum map map)
{
	switch (map) {
	case MAP_vips:
		return VIP_BUCKETS(maps->vips.shift);
	case MAP_slots:
	case MAP_owners:
		return maps->slot_capacity;
	case MAP_counts:
		return maps->cpus;
	default:
		return SLUICE_MAX_BACKENDS + 1;
	}
}

/* Bytes of a map that is mapped into memory. */
static size_t mapped_size(const struct maps *maps, enum map map)
{
	switch (map) {
	case MAP_moves:
		return SLUICE_MAX_SERVICES * sizeof(*maps->moves);
	case MAP_options:
		return SLUICE_MAX_SERVICES * sizeof(*maps->options);
	default:
		return (size_t)element_size(map) * element_count(maps, map);
	}
}

static void unmap(const struct maps *maps, enum map map, void *memory)
{
	if (memory)
		munmap(memory, mapped_size(maps, map));
}

void maps_close(struct maps *maps)
{
	unmap(maps, MAP_vips, maps->vips.buckets);
	unmap(maps, MAP_slots, maps->slots);
	unmap(maps, MAP_owners, maps->owners);
	unmap(maps, MAP_backends, maps->backends);
	unmap(maps, MAP_moves, maps->moves);
	unmap(maps, MAP_options, maps->options);
	unmap(maps, MAP_counts, maps->counts);
	for (int i = 0; i < MAP_COUNT; i++)
		if (maps->fd[i] >= 0)
			close(maps->fd[i]);
	maps_init(maps);
}

static int map_info(int fd, struct bpf_map_info *info)
{
	__u32 length = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(fd, info, &length);
}

__u32 map_id(const struct maps *maps, enum map map)
{
	struct bpf_map_info info;

	return maps->fd[map] >= 0 && !map_info(maps->fd[map], &info) ? info.id : 0;
}

int maps_make_arrays(struct maps *maps, const struct settings *settings)
{
	maps->vips.shift = settings->vip_shift;
	maps->slot_capacity = settings->slot_capacity;
	for (int i = 0; i < MAP_COUNT; i++) {
		const __u32 size = element_size((enum map)i);

		if (!size || maps->fd[i] >= 0)
			continue;
		maps->fd[i] = array_create(map_name((enum map)i), size, element_count(maps, (enum map)i));
		if (maps->fd[i] < 0)
			return maps->fd[i];
	}
	return 0;
}

static bool array_fits(const struct maps *maps, enum map map, const struct bpf_map_info *info)
{
	const __u32 count = array_count(info->value_size, element_size(map));

	/* these two grow; owners, which are as many as slots, are opened after those */
	if (map == MAP_slots)
		return info->max_entries == 1 && count && count <= SLUICE_MAX_SLOTS;
	if (map == MAP_vips)
		return info->max_entries == 1 && count == VIP_BUCKETS(vip_table_shift(count));
	return info->max_entries == 1 && count == element_count(maps, map);
}

/* Whether a pinned map is what this build's program would make. */
static bool shape_fits(const struct maps *maps, struct bpf_object *object, enum map map,
		       const struct bpf_map_info *info)
{
	const struct bpf_map *wanted = bpf_object__find_map_by_name(object, map_name(map));
	const bool as_configured = map == MAP_flows || map == MAP_sources || map == MAP_fragments;

	if (info->type != (__u32)bpf_map__type(wanted) || info->key_size != bpf_map__key_size(wanted) ||
	    info->map_flags != bpf_map__map_flags(wanted))
		return false;
	if (element_size(map))
		return array_fits(maps, map, info);
	return info->value_size == bpf_map__value_size(wanted) &&
	       (as_configured || info->max_entries == bpf_map__max_entries(wanted));
}

static int open_one(struct maps *maps, const char *folder, struct bpf_object *object, enum map map)
{
	char path[PIN_PATH_MAX];
	struct bpf_map_info info;
	int err = pins_path(path, folder, PINS_MAPS, map_name(map));

	if (err)
		return err;
	maps->fd[map] = bpf_obj_get(path);
	if (maps->fd[map] < 0)
		return -errno;
	err = map_info(maps->fd[map], &info);
	if (err)
		return err;
	if (!shape_fits(maps, object, map, &info))
		return -EINVAL;
	if (map == MAP_slots)
		maps->slot_capacity = array_count(info.value_size, sizeof(struct slot));
	if (map == MAP_vips)
		maps->vips.shift = vip_table_shift(array_count(info.value_size, sizeof(struct vip_bucket)));
	if (map == MAP_flows)
		maps->flow_capacity = info.max_entries;
	if (map == MAP_sources)
		maps->source_capacity = info.max_entries;
	if (map == MAP_fragments)
		maps->fragment_capacity = info.max_entries;
	return 0;
}

/* An agent may have ended between the two stores of a slot. */
static void mend_owners(const struct maps *maps)
{
	for (__u32 i = 0; i < maps->slot_capacity; i++)
		if (maps->owners[i] != slot_owner_entry(&maps->slots[i]))
			slot_store(maps, i, maps->slots[i]);
}

int maps_open_pinned(struct maps *maps, const char *folder)
{
	struct sluice_bpf *skeleton = sluice_bpf__open();
	int missing = 0, err = 0;

	if (!skeleton)
		return -errno;
	for (int i = 0; i < MAP_COUNT && (!err || err == -ENOENT); i++) {
		err = open_one(maps, folder, skeleton->obj, (enum map)i);
		missing += err == -ENOENT;
	}
	sluice_bpf__destroy(skeleton);
	if (!err && !missing) {
		err = maps_mmap(maps);
		if (!err)
			mend_owners(maps);
		return err;
	}
	maps_close(maps);
	if (missing == MAP_COUNT)
		return -ENOENT;
	if (err == -EMFILE || err == -ENFILE || err == -ENOMEM) { /* our own trouble says nothing of the maps */
		log_error("%s/" PINS_MAPS ": %s", folder, strerror(-err));
		return err;
	}
	log_warning("%s/" PINS_MAPS ": %s: new maps will replace them", folder,
		    missing ? "some maps are missing" : "the pinned maps are another version's");
	return -EINVAL;
}

int maps_pin(const struct maps *maps, const char *folder)
{
	char path[PIN_PATH_MAX];
	int err = 0;

	for (int i = 0; i < MAP_COUNT && !err; i++) {
		err = pins_path(path, folder, PINS_MAPS, map_name((enum map)i));
		if (!err)
			err = pins_replace(maps->fd[i], path);
	}
	return err;
}

static int map_memory(const struct maps *maps, enum map map, void *out)
{
	void *memory = mmap(NULL, mapped_size(maps, map), PROT_READ | PROT_WRITE, MAP_SHARED, maps->fd[map], 0);

	if (memory == MAP_FAILED) {
		int err = -errno;

		log_error("mapping %s into memory: %s", map_name(map), strerror(-err));
		return err;
	}
	*(void **)out = memory;
	return 0;
}

int maps_mmap(struct maps *maps)
{
	return map_memory(maps, MAP_vips, &maps->vips.buckets) ?:
	       map_memory(maps, MAP_slots, &maps->slots) ?:
	       map_memory(maps, MAP_owners, &maps->owners) ?:
	       map_memory(maps, MAP_backends, &maps->backends) ?:
	       map_memory(maps, MAP_moves, &maps->moves) ?:
	       map_memory(maps, MAP_options, &maps->options) ?:
	       map_memory(maps, MAP_counts, &maps->counts);
}
