/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Maps that programs read by address (bpf/array.h has why): arrays that lie in the kernel as one value, and in this
 * process, where they are mapped, like any array.
 *
 * libbpf lets a program have the address of a value for global variables alone, whose size is fixed when they are
 * compiled. So the programs name the map, and when libbpf has put its descriptor into their instructions, these are
 * changed from "address of the map" to "address of its value" (BPF_PSEUDO_MAP_VALUE, Linux 5.2). Values of more than 4
 * MiB need Linux 6.0.
 */
#ifndef SLUICE_ARRAY_H
#define SLUICE_ARRAY_H

#include <linux/types.h>

/* Creates such a map of `count` elements, all zero. Its descriptor, or a negative errno: -E2BIG before Linux 6.0. */
int array_create(const char *name, __u32 element_size, __u32 count);

/* The number of its elements, from what the kernel tells of it; 0: it is none of them. */
__u32 array_count(__u32 map_value_size, __u32 element_size);

/*
 * Lets programs in sections that libbpf has no name of its own for read such maps. To be called before their object is
 * opened; again does no harm. Their type is to be set by the caller. 0 or a negative errno.
 */
int array_prepare(void);

#endif
