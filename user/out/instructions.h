/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What is changed in programs' instructions on loading: maps that are read by address (bpf/array.h has why), and
 * settings that are constants (bpf/setting.h).
 *
 * libbpf lets a program have the address of a value for global variables alone, whose size is fixed when they are
 * compiled. So the programs name the map, and when libbpf has put its descriptor into their instructions, these are
 * changed from "address of the map" to "address of its value" (BPF_PSEUDO_MAP_VALUE, Linux 5.2). Values of more than 4
 * MiB need Linux 6.0.
 */
#ifndef SLUICE_INSTRUCTIONS_H
#define SLUICE_INSTRUCTIONS_H

#include "abi.h"

/*
 * For programs in sections that libbpf has no name of its own for. To be called before their object is opened; their
 * type is to be set by the caller. `settings`, NULL for programs that have none, is copied, and is that of all objects
 * loaded until the next call. 0 or a negative errno.
 */
int instructions_prepare(const struct settings *settings);

#endif
