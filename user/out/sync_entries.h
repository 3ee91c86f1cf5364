/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Maps that are written through system calls, an entry each, which the kernel replaces atomically. For sync_*.c alone.
 */
#ifndef SLUICE_SYNC_ENTRIES_H
#define SLUICE_SYNC_ENTRIES_H

#include <stddef.h>

#include "out/sync.h"

#define ENTRY_KEY   24 /* bytes, of the largest */
#define ENTRY_VALUE 12

/* Both are zero beyond what the map has. */
struct entry {
	__u8 key[ENTRY_KEY];
	__u8 value[ENTRY_VALUE];
};

/*
 * Writes what is new or changed, then removes what is not wanted; with VIPS_ADD it does not, and what has no room is
 * not missed. Sorts `entries`. A negative errno, with a message in the log.
 *
 * In LPM tries longer prefixes come before shorter ones, and go after them: at every moment each address has the
 * value that it had or the one that it will have. But for maps that are full, which have to make room first.
 */
int sync_entries(const struct maps *maps, enum map map, struct entry *entries, size_t count, enum vips what);

#endif
