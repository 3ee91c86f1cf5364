/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/sync_entries.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/memory.h"

/* The first word is a trie's prefix length: the longest first. */
static int entry_order(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;
	__u32 one, other;

	memcpy(&one, left->key, sizeof(one));
	memcpy(&other, right->key, sizeof(other));
	if (one != other)
		return one > other ? -1 : 1;
	return memcmp(left->key, right->key, ENTRY_KEY);
}

static const struct entry *entry_find(const struct entry *sorted, size_t count, const struct entry *key)
{
	return count ? bsearch(key, sorted, count, sizeof(*sorted), entry_order) : NULL;
}

/* All entries of a map, sorted; to be freed. */
static struct entry *read_entries(int fd, size_t *count)
{
	struct entry *present = memory_new(64, sizeof(*present)), next = {0};
	size_t room = 64;
	void *previous = NULL;

	*count = 0;
	while (!bpf_map_get_next_key(fd, previous, next.key)) {
		if (*count == room) {
			room *= 2;
			present = memory_resize(present, room, sizeof(*present));
		}
		present[*count] = next;
		bpf_map_lookup_elem(fd, next.key, present[(*count)++].value);
		previous = next.key;
	}
	qsort(present, *count, sizeof(*present), entry_order);
	return present;
}

/*
 * Writes what is not present yet: a look-up in the map would not do, for it finds a
 * shorter prefix too. Returns how many did not fit, or another negative errno.
 */
static int write_entries(int fd, const struct entry *entries, size_t count, const struct entry *present,
			 size_t present_count)
{
	int unfit = 0;

	for (size_t i = 0; i < count; i++) {
		const struct entry *found = entry_find(present, present_count, &entries[i]);
		int err;

		if (found && memcmp(found->value, entries[i].value, ENTRY_VALUE) == 0)
			continue;
		err = bpf_map_update_elem(fd, entries[i].key, entries[i].value, BPF_ANY);
		/* a trie says ENOSPC, a hash map E2BIG */
		if (err && err != -ENOSPC && err != -E2BIG)
			return err;
		unfit += err != 0;
	}
	return unfit;
}

/* Removes of what is present what is not wanted, from the end on. Both are sorted. */
static int remove_others(int fd, const struct entry *entries, size_t count, const struct entry *present,
			 size_t present_count)
{
	int err = 0;

	for (size_t i = present_count; i-- && !err;)
		if (!entry_find(entries, count, &present[i]))
			err = bpf_map_delete_elem(fd, present[i].key);
	return err;
}

static int sync_map(int fd, struct entry *entries, size_t count, enum vips what)
{
	size_t present_count;
	struct entry *present = read_entries(fd, &present_count);
	int unfit, err;

	qsort(entries, count, sizeof(*entries), entry_order);
	unfit = write_entries(fd, entries, count, present, present_count);
	err = unfit < 0 ? unfit : 0;
	if (!err && what == VIPS_ADD)
		unfit = 0;
	else if (!err)
		err = remove_others(fd, entries, count, present, present_count);
	if (!err && unfit) /* a nearly full map in which everything changed: now there is room */
		unfit = write_entries(fd, entries, count, present, present_count);
	free(present);
	return err ?: unfit > 0 ? -ENOSPC : unfit;
}

int sync_entries(const struct maps *maps, enum map map, struct entry *entries, size_t count, enum vips what)
{
	int err = sync_map(maps->fd[map], entries, count, what);

	if (err)
		log_error("map %s: %s", map_name(map), strerror(-err));
	return err;
}
