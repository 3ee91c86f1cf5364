/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The VIP prefixes: LPM tries, written through system calls, each entry replaced atomically by the kernel. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/memory.h"
#include "out/sync.h"

#define PREFIX_KEY_MAX sizeof(struct prefix_key6)

struct entry {
	__u8 key[PREFIX_KEY_MAX]; /* zero beyond the map's key size */
	struct service service;
};

static int entry_order(const void *a, const void *b)
{
	return memcmp(a, b, PREFIX_KEY_MAX);
}

static void prefix_entry(const struct plan_vip *vip, struct entry *entry)
{
	const struct address *address = &vip->address.address;
	__u32 bits = PREFIX_KEY_FIXED_BITS + vip->address.length;
	__be16 port = htons(vip->port);

	memset(entry, 0, sizeof(*entry));
	entry->service = vip->service;
	if (address->family == AF_INET) {
		struct prefix_key4 key = {
			.prefixlen = bits, .protocol = vip->protocol, .port = port, .address = address->word[0]};

		memcpy(entry->key, &key, sizeof(key));
	} else {
		struct prefix_key6 key = {.prefixlen = bits, .protocol = vip->protocol, .port = port};

		memcpy(key.address, address->word, sizeof(key.address));
		memcpy(entry->key, &key, sizeof(key));
	}
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
			struct entry *more = memory_new(room * 2, sizeof(*more));

			memcpy(more, present, room * sizeof(*more));
			free(present);
			present = more;
			room *= 2;
		}
		present[*count] = next;
		bpf_map_lookup_elem(fd, next.key, &present[(*count)++].service);
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

		if (found && memcmp(&found->service, &entries[i].service, sizeof(found->service)) == 0)
			continue;
		err = bpf_map_update_elem(fd, entries[i].key, &entries[i].service, BPF_ANY);
		if (err == -E2BIG || err == -ENOSPC)
			unfit++;
		else if (err)
			return err;
	}
	return unfit;
}

/* Removes of what is present what is not wanted; `entries` is sorted. */
static int remove_others(int fd, const struct entry *entries, size_t count, const struct entry *present,
			 size_t present_count)
{
	int err = 0;

	for (size_t i = 0; i < present_count && !err; i++)
		if (!entry_find(entries, count, &present[i]))
			err = bpf_map_delete_elem(fd, present[i].key);
	return err;
}

static int sync_prefix_map(int fd, struct entry *entries, size_t count, enum vips what)
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

static int sync_family(const struct maps *maps, const struct plan *plan, enum map map, __u32 family, enum vips what)
{
	struct entry *entries = memory_new(plan->vip_count, sizeof(*entries));
	size_t count = 0;
	int err;

	for (size_t i = 0; i < plan->vip_count; i++)
		if (!plan_vip_is_exact(&plan->vips[i]) && plan->vips[i].address.address.family == family)
			prefix_entry(&plan->vips[i], &entries[count++]);
	err = sync_prefix_map(maps->fd[map], entries, count, what);
	if (err)
		log_error("map %s: %s", map_name(map), strerror(-err));
	free(entries);
	return err;
}

int sync_prefixes(const struct maps *maps, const struct plan *plan, enum vips what)
{
	int err4 = sync_family(maps, plan, MAP_prefixes4, AF_INET, what);
	int err6 = sync_family(maps, plan, MAP_prefixes6, AF_INET6, what);

	return err4 ?: err6;
}
