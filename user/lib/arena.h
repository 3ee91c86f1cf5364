/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Memory that is freed all at once. As with memory_new(), the process ends when there is none. */
#ifndef SLUICE_ARENA_H
#define SLUICE_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_new(void);

/* `size` zeroed bytes, aligned for any type. Valid until arena_free(); never NULL. */
void *arena_alloc(struct arena *arena, size_t size);

/* The same for `count` elements of `size` bytes; ends the process if the product overflows. */
void *arena_array(struct arena *arena, size_t count, size_t size);

char *arena_strdup(struct arena *arena, const char *text);

/* Copies `length` bytes and adds a NUL. */
char *arena_strndup(struct arena *arena, const char *text, size_t length);

/* NULL is fine. */
void arena_free(struct arena *arena);

#endif
