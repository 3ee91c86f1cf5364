/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "backend/tc_program.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend.skel.h"
#include "lib/log.h"

#define MAPS_MAX 16 /* more than a program of ours has */

static struct address_key make_address_key(const struct address *address)
{
	struct address_key key = {.version = address->family == AF_INET6 ? 6 : 4};

	memcpy(key.word, address->word, sizeof(key.word));
	return key;
}

static int print_warnings(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

/* The descriptor of the map `name` of a loaded program, to be closed, or a negative errno. */
static int open_map(__u32 program_id, const char *name, struct bpf_map_info *info)
{
	__u32 ids[MAPS_MAX];
	struct bpf_prog_info program = {.nr_map_ids = MAPS_MAX, .map_ids = (__u64)(unsigned long)ids};
	__u32 size = sizeof(program);
	int fd = bpf_prog_get_fd_by_id(program_id);
	int err;

	if (fd < 0)
		return fd;
	err = bpf_obj_get_info_by_fd(fd, &program, &size);
	close(fd);
	if (err)
		return err;
	for (__u32 i = 0; i < program.nr_map_ids && i < MAPS_MAX; i++) {
		fd = bpf_map_get_fd_by_id(ids[i]);
		if (fd < 0)
			continue;
		size = sizeof(*info);
		*info = (struct bpf_map_info){0};
		if (!bpf_obj_get_info_by_fd(fd, info, &size) && !strcmp(info->name, name))
			return fd;
		close(fd);
	}
	return -ENOENT;
}

/* Lets the predecessor's counters go on; they start anew if it counted other things. */
static void keep_counters(struct backend_bpf *skeleton, __u32 predecessor)
{
	struct bpf_map_info info;
	int fd = open_map(predecessor, "outcomes", &info);

	if (fd < 0)
		return;
	if (info.type == BPF_MAP_TYPE_PERCPU_ARRAY && info.max_entries == OUTCOME_COUNT &&
	    info.value_size == sizeof(__u64))
		bpf_map__reuse_fd(skeleton->maps.outcomes, fd);
	close(fd);
}

int tc_program_load(struct tc_program *program, __u16 gue_port, __u32 predecessor)
{
	libbpf_print_fn_t former = libbpf_set_print(print_warnings);
	int err = 0;

	*program = (struct tc_program){0};
	program->skeleton = backend_bpf__open();
	if (!program->skeleton) {
		err = -errno;
		goto out;
	}
	program->skeleton->rodata->gue_port = gue_port;
	if (predecessor)
		keep_counters(program->skeleton, predecessor);
	err = backend_bpf__load(program->skeleton);
	if (err)
		goto out;
	program->decap_fd = bpf_program__fd(program->skeleton->progs.sluice_decap);
	program->mss_fd = bpf_program__fd(program->skeleton->progs.sluice_mss);
out:
	libbpf_set_print(former);
	if (err)
		log_error("the kernel does not load the BPF programs: %s; kernel 5.15 or later is needed, and root's "
			  "rights",
			  strerror(-err));
	return err;
}

void tc_program_free(struct tc_program *program)
{
	backend_bpf__destroy(program->skeleton);
	*program = (struct tc_program){0};
}

static int set_prefixes(struct bpf_map *map, const char *what, const struct prefixes *prefixes)
{
	const __u8 one = 1;

	for (size_t i = 0; i < prefixes->count; i++) {
		const struct prefix *prefix = &prefixes->items[i];
		struct net_key key = {
			.prefixlen = NET_KEY_FIXED_BITS + prefix->length,
			.address = make_address_key(&prefix->address),
		};
		int err = bpf_map__update_elem(map, &key, sizeof(key), &one, sizeof(one), BPF_ANY);

		if (err) {
			log_error("cannot fill the BPF map of the %s: %s", what, strerror(-err));
			return err;
		}
	}
	return 0;
}

int tc_program_set_vips(struct tc_program *program, const struct prefixes *vips)
{
	return set_prefixes(program->skeleton->maps.vips, "VIPs", vips);
}

int tc_program_set_from(struct tc_program *program, const struct prefixes *from)
{
	return set_prefixes(program->skeleton->maps.from, "--from prefixes", from);
}

int tc_program_add_own(struct tc_program *program, const struct address *address)
{
	struct address_key key = make_address_key(address);
	const __u8 one = 1;
	int err = bpf_map__update_elem(program->skeleton->maps.own, &key, sizeof(key), &one, sizeof(one), BPF_ANY);

	if (err)
		log_error("cannot fill the BPF map of the host's own addresses (at most %d): %s", BACKEND_MAX_OWN,
			  strerror(-err));
	return err;
}

int tc_program_set_mss(struct tc_program *program, __u32 ifindex, const struct link_mss *mss)
{
	int err = bpf_map__update_elem(program->skeleton->maps.mss, &ifindex, sizeof(ifindex), mss, sizeof(*mss),
				       BPF_ANY);

	if (err)
		log_error("cannot fill the BPF map of MSS limits: %s", strerror(-err));
	return err;
}

int tc_program_counters(__u32 program_id, __u64 packets[static OUTCOME_COUNT])
{
	struct bpf_map_info info;
	int cpus = libbpf_num_possible_cpus();
	int fd = open_map(program_id, "outcomes", &info);
	__u64 *values;
	int err = 0;

	if (fd < 0)
		return fd;
	values = cpus > 0 ? calloc((size_t)cpus, sizeof(*values)) : NULL;
	if (!values)
		err = -ENOMEM;
	for (__u32 i = 0; !err && i < OUTCOME_COUNT; i++) {
		packets[i] = 0;
		/* a program of another version may count less */
		if (i >= info.max_entries)
			continue;
		err = bpf_map_lookup_elem(fd, &i, values);
		for (int cpu = 0; !err && cpu < cpus; cpu++)
			packets[i] += values[cpu];
	}
	free(values);
	close(fd);
	return err;
}

int tc_program_has_own(__u32 program_id, const struct address *address)
{
	struct bpf_map_info info;
	struct address_key key = make_address_key(address);
	int fd = open_map(program_id, "own", &info);
	__u8 value;
	int err;

	if (fd < 0)
		return fd;
	err = bpf_map_lookup_elem(fd, &key, &value);
	close(fd);
	return err == -ENOENT ? 0 : err ? err : 1;
}

int tc_program_stranger(__u32 program_id, struct address *stranger)
{
	struct bpf_map_info info;
	struct address_key key = {0};
	const __u32 first = 0;
	int fd = open_map(program_id, "stranger", &info);
	int err;

	if (fd < 0)
		return fd;
	err = bpf_map_lookup_elem(fd, &first, &key);
	close(fd);
	if (err)
		return err;
	*stranger = (struct address){.family = key.version == 6 ? AF_INET6 : key.version == 4 ? AF_INET : 0};
	memcpy(stranger->word, key.word, sizeof(stranger->word));
	return 0;
}

int tc_program_mss(__u32 program_id, __u32 ifindex, struct link_mss *mss)
{
	struct bpf_map_info info;
	int fd = open_map(program_id, "mss", &info);
	int err;

	if (fd < 0)
		return fd;
	err = bpf_map_lookup_elem(fd, &ifindex, mss);
	close(fd);
	return err;
}
