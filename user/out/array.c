/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/array.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

int array_create(const char *name, __u32 element_size, __u32 count)
{
	const __u64 size = (__u64)element_size * count;
	int fd;
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);

	if (!count || size > INT32_MAX)
		return -EINVAL;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(__u32), (__u32)size, 1, &options);
	return fd < 0 ? -errno : fd;
}

__u32 array_count(__u32 map_value_size, __u32 element_size)
{
	return map_value_size % element_size ? 0 : map_value_size / element_size;
}

/* No other map that these programs name has one value in memory that user space maps. */
static bool is_array(int fd)
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &length) && info.type == BPF_MAP_TYPE_ARRAY &&
	       info.max_entries == 1 && info.map_flags & BPF_F_MMAPABLE;
}

/* libbpf calls it when maps have their descriptors in the instructions. An address takes two of them. */
static int read_by_address(struct bpf_program *program, struct bpf_prog_load_opts *options, long cookie)
{
	const size_t count = bpf_program__insn_cnt(program);
	struct bpf_insn *instructions = memory_new(count, sizeof(*instructions));
	int err;

	(void)options;
	(void)cookie;
	memcpy(instructions, bpf_program__insns(program), count * sizeof(*instructions));
	for (size_t i = 0; i + 1 < count; i++) {
		if (instructions[i].code != (BPF_LD | BPF_DW | BPF_IMM))
			continue;
		if (instructions[i].src_reg == BPF_PSEUDO_MAP_FD && is_array(instructions[i].imm)) {
			instructions[i].src_reg = BPF_PSEUDO_MAP_VALUE;
			instructions[i + 1].imm = 0; /* the offset in it */
		}
		i++;
	}
	err = bpf_program__set_insns(program, instructions, count);
	free(instructions);
	return err;
}

int array_prepare(void)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, options, .prog_prepare_load_fn = read_by_address);
	int handler = libbpf_register_prog_handler(NULL, BPF_PROG_TYPE_XDP, 0, &options);

	return handler >= 0 || handler == -EBUSY ? 0 : handler; /* there can be one, and is */
}
