/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The map of backends, which the dataplane and the way of probes share. */
#ifndef SLUICE_BACKENDS_MAP_H
#define SLUICE_BACKENDS_MAP_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "array.h"

/* User space writes it through mmap. BPF_F_MMAPABLE also aligns the entries to cache lines. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLUICE_MAX_BACKENDS + 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct backend);
} backends SEC(".maps");

_Static_assert((SLUICE_MAX_BACKENDS & (SLUICE_MAX_BACKENDS + 1)) == 0, "SLUICE_MAX_BACKENDS is a mask");

static __always_inline const struct backend *backend_at(__u32 index)
{
	return array_of(backends) + (index & SLUICE_MAX_BACKENDS);
}

#endif
