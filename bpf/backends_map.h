/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The map of backends, which the dataplane and the way of probes share. */
#ifndef SLUICE_BACKENDS_MAP_H
#define SLUICE_BACKENDS_MAP_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

/* User space writes it through mmap. BPF_F_MMAPABLE also aligns the entries to cache lines. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLUICE_MAX_BACKENDS + 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct backend);
} backends SEC(".maps");

#endif
