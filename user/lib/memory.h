/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Allocation that cannot fail: without memory the process ends with a message.
 * The dataplane goes on in the kernel, and a restarted agent adopts it, which is
 * a better answer than error paths that nobody can test.
 */
#ifndef SLUICE_MEMORY_H
#define SLUICE_MEMORY_H

#include <stddef.h>

/* Ends the process: for libraries that say by NULL that there was no memory. */
_Noreturn void memory_exhausted(void);

/* Zeroed memory for count elements, never NULL. */
void *memory_new(size_t count, size_t size);

/*
 * The memory with room for count elements, never NULL; `memory` may be NULL. What
 * is new in it is not zeroed. To be used instead of it, as with reallocarray(3).
 */
void *memory_resize(void *memory, size_t count, size_t size);

/* The text in new memory, never NULL. */
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
