/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The fuzzer's inputs: a world's number, and packets that come one after the other, each as
 *
 *   length, 2 bytes, low one first | time since the one before | way | bytes of the first buffer, if any | the frame
 *
 * Most mutations know what a packet is: blind ones nearly all end at the program's first checks.
 */
#ifndef SLUICE_FUZZ_BPF_SEQUENCE_H
#define SLUICE_FUZZ_BPF_SEQUENCE_H

#include <stddef.h>
#include <stdint.h>

void sequence_init(void);

/* Runs the program over an input. A broken promise ends the process. */
void sequence_run(const uint8_t *data, size_t size);

/* Says on standard error how many packets there were, and how they ended. */
void sequence_tell(void);

typedef size_t blind_mutator(uint8_t *data, size_t size, size_t most);

/* Changes an input of at most `most` bytes in place. `blindly` changes any bytes. Returns the new size. */
size_t sequence_mutate(uint8_t *data, size_t size, size_t most, unsigned int seed, blind_mutator *blindly);

#endif
