/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Arrays that are read by address, as global variables are. bpf_map_lookup_elem() is a call: for the compiler, which
 * keeps nothing in five of ten registers over it, and for the CPU, which stores an index and loads it again, compares
 * it and then the pointer. An array of the fast path is a map of one value, therefore, in which all its elements lie,
 * and its address in the program is made that of the value on loading (user/out/instructions.h). The verifier then
 * wants each index proven, as in any C array.
 */
#ifndef SLUICE_ARRAY_H
#define SLUICE_ARRAY_H

#include <bpf/bpf_helpers.h>

/* What the compiler cannot know. */
#define assume(truth) ((truth) ? (void)0 : __builtin_unreachable())

/* The first element. The compiler must not know the map by it, which is smaller. */
#ifndef array_of
#define array_of(map)                                                                                                  \
	({                                                                                                             \
		typeof(*(map).value) *first_ = (void *)&(map);                                                         \
                                                                                                                       \
		barrier_var(first_);                                                                                   \
		assume(first_);                                                                                        \
		first_;                                                                                                \
	})
#endif

#endif
