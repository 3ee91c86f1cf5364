/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The fast path of an earlier build, to be measured beside the present one: its object file is loaded over the present
 * maps, with the same settings. Both builds have them alike, or it is refused: then the bench of the earlier tree can
 * still run in turn with this one.
 */
#ifndef SLUICE_BENCH_PATHS_FORMER_H
#define SLUICE_BENCH_PATHS_FORMER_H

#include <bpf/libbpf.h>

#include "bench/packet_lab.h"
#include "out/instructions.h"

static inline int former_refuse(const char *what)
{
	fprintf(stderr, "bench: BASE: its %s have another shape\n", what);
	return -EINVAL;
}

static inline bool former_is_alike(const struct bpf_map *one, const struct bpf_map *other)
{
	return one && other && bpf_map__type(one) == bpf_map__type(other) &&
	       bpf_map__key_size(one) == bpf_map__key_size(other) &&
	       bpf_map__value_size(one) == bpf_map__value_size(other);
}

static inline int former_maps(struct bpf_object *object, const struct sluice_bpf *present, const struct maps *maps)
{
	int err = 0;

	for (enum map i = 0; i < MAP_COUNT && !err; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, map_name(i));

		if (!former_is_alike(map, bpf_object__find_map_by_name(present->obj, map_name(i))))
			return former_refuse(map_name(i));
		err = bpf_map__reuse_fd(map, maps->fd[i]);
	}
	return err;
}

static inline int former_settings(struct bpf_object *object, const struct settings *settings)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		if (!strstr(bpf_map__name(map), ".rodata"))
			continue;
		if (bpf_map__value_size(map) != sizeof(*settings))
			break;
		return bpf_map__set_initial_value(map, settings, sizeof(*settings));
	}
	return former_refuse("settings");
}

/* The program's descriptor, which the object owns; NULL in *object if it was refused. Negative errno. */
static inline int former_load(struct bpf_object **object, const char *path, const struct maps *maps,
			      const struct settings *settings)
{
	struct sluice_bpf *present = sluice_bpf__open();
	struct bpf_program *program;
	int err = instructions_prepare(settings);

	*object = err ? NULL : bpf_object__open_file(path, NULL);
	if (!present || !*object)
		return err ?: -errno;
	bpf_object__for_each_program(program, *object)
	{
		bpf_program__set_type(program, BPF_PROG_TYPE_XDP);
		bpf_program__set_expected_attach_type(program, 0);
		if (settings->features & FEATURE_MULTI)
			bpf_program__set_flags(program, BPF_F_XDP_HAS_FRAGS);
	}
	err = former_settings(*object, settings) ?: former_maps(*object, present, maps) ?: bpf_object__load(*object);
	sluice_bpf__destroy(present);
	program = bpf_object__find_program_by_name(*object, "sluice");
	if (!err && !program)
		err = -ENOENT;
	return err ?: bpf_program__fd(program);
}

#endif
