/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The settings of a loaded program: constants, so the verifier drops what is not configured.
 *
 * What the fast path asks for is in its instructions: each place has a constant that tells which field is meant, and
 * user space puts the value there on loading (user/out/instructions.h). Reading `settings` would cost each packet an
 * address and a load, also for features that are not configured.
 */
#ifndef SLUICE_SETTING_H
#define SLUICE_SETTING_H

#include <linux/bpf.h>
#include <stddef.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

const volatile struct settings settings = {};

#ifndef setting_bits
/* Volatile, or the compiler would keep it in a register. */
#define setting_bits(field, bits)                                                                                      \
	({                                                                                                             \
		__u64 value_;                                                                                          \
                                                                                                                       \
		_Static_assert(sizeof(settings.field) == sizeof(__u32), "one word");                                   \
		asm volatile("%0 = %1 ll"                                                                              \
			     : "=r"(value_)                                                                            \
			     : "i"((__u64)SETTING_MARK << 48 | (__u64)offsetof(struct settings, field) << 32 |         \
				   (__u32)(bits)));                                                                    \
		value_;                                                                                                \
	})
#endif

#define setting(field) setting_bits(field, ~0U)
#define feature(which) setting_bits(features, which)

#endif
