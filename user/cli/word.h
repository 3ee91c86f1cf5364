/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Finds a word in a table by its name or an abbreviation that only one name has. */
#ifndef SLUICE_WORD_H
#define SLUICE_WORD_H

#include <stddef.h>

/*
 * `table` is an array of `count` structs of `size` bytes whose first member is
 * their name (const char *). Returns the index, or -1 after a message that lists
 * the candidates or the nearest name; `kind` says what the words are ("verb").
 */
int word_find(const char *kind, const char *typed, const void *table, size_t count, size_t size);

#endif
