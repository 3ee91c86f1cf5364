/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Maps that programs read by address (bpf/array.h has why; instructions.h, how): arrays that lie in the kernel as one
 * value, and in this process, where they are mapped, like any array.
 */
#ifndef SLUICE_ARRAY_H
#define SLUICE_ARRAY_H

#include <linux/types.h>

/* Creates such a map of `count` elements, all zero. Its descriptor, or a negative errno: -E2BIG before Linux 6.0. */
int array_create(const char *name, __u32 element_size, __u32 count);

/* The number of its elements, from what the kernel tells of it; 0: it is none of them. */
__u32 array_count(__u32 map_value_size, __u32 element_size);

#endif
