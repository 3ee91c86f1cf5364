/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What all fuzzers share. Each takes any bytes, whole and alone: nothing of one input is left for the next, so that
 * an input which ends the program does so again. Whatever it holds is to be refused in words or taken, and what is
 * taken has to keep the promises that the product makes of it.
 */
#ifndef SLUICE_FUZZ_H
#define SLUICE_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* As libFuzzer calls it: once for each input. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One that changes inputs in a way of its own, too. libFuzzer's own way is not there without it. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed);
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

/* A promise that an input breaks ends the program; the input is kept. */
#define fuzz_require(condition)                                                                                        \
	do {                                                                                                           \
		if (condition)                                                                                         \
			break;                                                                                         \
		fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);                                \
		abort();                                                                                               \
	} while (0)

/* The input, cut into pieces from the front. */
struct fuzz_input {
	const uint8_t *data;
	size_t size;
};

/* The next byte; 0 once there is none. */
static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
	if (!input->size)
		return 0;
	input->size--;
	return *input->data++;
}

/*
 * What stands before the next line that is only "%%", or all of the rest: a copy to be freed, of exactly that many
 * bytes and a NUL.
 */
char *fuzz_part(struct fuzz_input *input, size_t *length);

/* A folder of this process alone, which is gone with it. */
const char *fuzz_folder(void);

/* Makes a file of these bytes in that folder, which it returns. */
const char *fuzz_file(const char *name, const void *data, size_t size);

#endif
