/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bpf/sluice.bpf.c as a part of this process, in one of the fuzzer's worlds. */
#ifndef SLUICE_FUZZ_BPF_PROGRAM_H
#define SLUICE_FUZZ_BPF_PROGRAM_H

#include "fuzz/bpf_kernel.h"
#include "fuzz/bpf_world.h"

/* Makes all worlds. */
void program_init(void);

/* From now on the program is in this world, 0 to FUZZ_WORLDS - 1, and nothing has happened there yet. */
const struct fuzz_world *program_enter(unsigned int world);

/* As kernel_run(). */
int program_run(const struct kernel_frame *frame, __u8 *out, __u32 *out_length);

/* Of the one CPU there is. */
struct count_page *program_counts(void);

#endif
