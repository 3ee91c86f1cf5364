/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "lib/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

#define BLOCK_SIZE 65536
#define ALIGNMENT  alignof(max_align_t)

struct block {
	struct block *next;
	size_t size, used;
	alignas(max_align_t) unsigned char bytes[];
};

struct arena {
	struct block *blocks; /* the first one is being filled */
};

static struct block *block_new(size_t size)
{
	struct block *block = memory_new(1, sizeof(*block) + size);

	block->size = size;
	return block;
}

struct arena *arena_new(void)
{
	return memory_new(1, sizeof(struct arena));
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct block *block = arena->blocks;

	if (size > SIZE_MAX / 2)
		size = SIZE_MAX / 2; /* fails below, without an overflow on the way */
	size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if (block && block->size - block->used >= size) {
		block->used += size;
		return block->bytes + block->used - size;
	}

	/* a large piece gets a block of its own, behind the one being filled */
	struct block *fresh = block_new(size > BLOCK_SIZE / 4 ? size : BLOCK_SIZE);

	fresh->used = size;
	if (block && fresh->size == size) {
		fresh->next = block->next;
		block->next = fresh;
	} else {
		fresh->next = block;
		arena->blocks = fresh;
	}
	return fresh->bytes;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	return arena_alloc(arena, size && count > SIZE_MAX / 2 / size ? SIZE_MAX : count * size);
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
	char *copy = arena_alloc(arena, length + 1);

	memcpy(copy, text, length);
	return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
	return arena_strndup(arena, text, strlen(text));
}

void arena_free(struct arena *arena)
{
	if (!arena)
		return;
	for (struct block *block = arena->blocks, *next; block; block = next) {
		next = block->next;
		free(block);
	}
	free(arena);
}
