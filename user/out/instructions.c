/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/instructions.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

/* libbpf has one handler for all objects, and hands it nothing of theirs. */
static struct settings prepared;

/* No other map that these programs name has one value in memory that user space maps. */
static bool is_array(int fd)
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &length) && info.type == BPF_MAP_TYPE_ARRAY &&
	       info.max_entries == 1 && info.map_flags & BPF_F_MMAPABLE;
}

/* Both halves of a constant of 64 bits. */
static void put_setting(struct bpf_insn *low, struct bpf_insn *high)
{
	const __u32 offset = (__u32)high->imm & 0xffff;
	__u32 value;

	if ((__u32)high->imm >> 16 != SETTING_MARK || offset > sizeof(prepared) - sizeof(value))
		return;
	memcpy(&value, (const char *)&prepared + offset, sizeof(value));
	low->imm &= (__s32)value;
	high->imm = 0;
}

/* libbpf calls it when maps have their descriptors in the instructions. A constant of 64 bits takes two of them. */
static int change_constants(struct bpf_program *program, struct bpf_prog_load_opts *options, long cookie)
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
		} else if (!instructions[i].src_reg) {
			put_setting(&instructions[i], &instructions[i + 1]);
		}
		i++;
	}
	err = bpf_program__set_insns(program, instructions, count);
	free(instructions);
	return err;
}

int instructions_prepare(const struct settings *settings)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, options, .prog_prepare_load_fn = change_constants);
	int handler = libbpf_register_prog_handler(NULL, BPF_PROG_TYPE_XDP, 0, &options);

	prepared = settings ? *settings : (struct settings){0};
	return handler >= 0 || handler == -EBUSY ? 0 : handler; /* there can be one, and is */
}
