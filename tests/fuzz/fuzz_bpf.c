/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The whole XDP program, fast path and slow, as a part of this process. Inputs are sequences: bpf_sequence.h. */
#include <stdbool.h>

#include "fuzz/bpf_sequence.h"
#include "fuzz/fuzz.h"

/* libFuzzer's own; not there when kept inputs are fed without it. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;

	if (!ready) {
		sequence_init();
		if (LLVMFuzzerMutate)
			atexit(sequence_tell);
		ready = true;
	}
	sequence_run(data, size);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed)
{
	return sequence_mutate(data, size, most, seed, LLVMFuzzerMutate);
}
