/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * libbpf's header as the fuzzer has it: the program is compiled for this machine, and its helpers are the functions
 * of tests/fuzz/bpf_kernel.c. A map stays the struct that its definition makes; its first word, which is all that maps
 * of every kind have in common, is used to point to the map's contents.
 */
#ifndef SLUICE_FUZZ_BPF_HELPERS_H
#define SLUICE_FUZZ_BPF_HELPERS_H

#include <linux/bpf.h>
#include <stddef.h>

#include "fuzz/bpf_kernel.h"

#undef __always_inline /* the C library has one, too */
#define __always_inline inline __attribute__((always_inline))
#define __noinline	__attribute__((noinline))
#define __weak		__attribute__((weak))
#define SEC(name)
#define __uint(name, value)   int(*name)[value]
#define __type(name, value)   typeof(value) *name
#define barrier_var(variable) asm volatile("" : "+r"(variable))

#define map_of(map) (*(struct kernel_map *const *)(map))

#define setting_bits(field, bits) (settings.field & (__u32)(bits))

#define array_of(map) ((typeof((map).value))map_of(&(map))->values)

#define bpf_map_lookup_elem(map, key)		    kernel_lookup(map_of(map), key)
#define bpf_map_update_elem(map, key, value, flags) kernel_update(map_of(map), key, value, flags)

/* What is called returns in the caller's place. */
#define bpf_tail_call(ctx, map, index)                                                                                 \
	({                                                                                                             \
		kernel_program *called_ = kernel_called(map_of(map), index);                                           \
                                                                                                                       \
		if (called_)                                                                                           \
			return called_(ctx);                                                                           \
		-1L;                                                                                                   \
	})

#define bpf_xdp_adjust_head(ctx, delta) kernel_adjust_head(ctx, delta)
#define bpf_xdp_adjust_tail(ctx, delta) kernel_adjust_tail(ctx, delta)
#define bpf_xdp_get_buff_len(ctx)	kernel_length(ctx)
#define bpf_redirect(ifindex, flags)	kernel_redirect(ifindex, flags)
#define bpf_ktime_get_ns()		kernel_now()
#define bpf_ktime_get_coarse_ns()	kernel_now()
#define bpf_get_smp_processor_id()	0U
#define bpf_get_prandom_u32()		kernel_random()

#endif
