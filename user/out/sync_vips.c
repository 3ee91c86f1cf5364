/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The VIPs: hash and LPM maps, written through system calls, each entry replaced atomically by the kernel. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/memory.h"
#include "out/sync.h"

#define VIP_KEY_MAX sizeof(struct prefix_key6)

struct entry {
	__u8 key[VIP_KEY_MAX]; /* zero beyond the map's key size */
	struct service service;
};

static int entry_order(const void *a, const void *b)
{
	return memcmp(a, b, VIP_KEY_MAX);
}

/* The map that a VIP belongs to, and its entry there. */
static enum map vip_entry(const struct plan_vip *vip, struct entry *entry)
{
	const struct address *address = &vip->address.address;
	bool prefix = vip->address.length != address_bits(address);
	__be16 port = htons(vip->port);

	memset(entry, 0, sizeof(*entry));
	entry->service = vip->service;
	if (address->family == AF_INET && !prefix) {
		struct vip_key4 key = {.address = address->word[0], .port = port, .protocol = vip->protocol};

		memcpy(entry->key, &key, sizeof(key));
		return MAP_vips4;
	}
	if (address->family == AF_INET) {
		struct prefix_key4 key = {.prefixlen = PREFIX_KEY_FIXED_BITS + vip->address.length,
					  .protocol = vip->protocol,
					  .port = port,
					  .address = address->word[0]};

		memcpy(entry->key, &key, sizeof(key));
		return MAP_prefixes4;
	}
	if (!prefix) {
		struct vip_key6 key = {.port = port, .protocol = vip->protocol};

		memcpy(key.address, address->word, sizeof(key.address));
		memcpy(entry->key, &key, sizeof(key));
		return MAP_vips6;
	}
	struct prefix_key6 key = {
		.prefixlen = PREFIX_KEY_FIXED_BITS + vip->address.length, .protocol = vip->protocol, .port = port};

	memcpy(key.address, address->word, sizeof(key.address));
	memcpy(entry->key, &key, sizeof(key));
	return MAP_prefixes6;
}

/* Writes what is not there yet. Returns how many did not fit (-E2BIG, -ENOSPC), or another negative errno. */
static int write_entries(int fd, const struct entry *entries, size_t count)
{
	int unfit = 0;

	for (size_t i = 0; i < count; i++) {
		struct service present;
		int err;

		if (!bpf_map_lookup_elem(fd, entries[i].key, &present) &&
		    memcmp(&present, &entries[i].service, sizeof(present)) == 0)
			continue;
		err = bpf_map_update_elem(fd, entries[i].key, &entries[i].service, BPF_ANY);
		if (err == -E2BIG || err == -ENOSPC)
			unfit++;
		else if (err)
			return err;
	}
	return unfit;
}

/* Removes what is not wanted; `entries` is sorted. */
static int remove_others(int fd, const struct entry *entries, size_t count)
{
	struct entry present = {0}, *gone = NULL;
	size_t gone_count = 0, room = 0;
	void *previous = NULL;
	int err = 0;

	while (!bpf_map_get_next_key(fd, previous, present.key)) {
		if (!bsearch(&present, entries, count, sizeof(*entries), entry_order)) {
			if (gone_count == room) {
				struct entry *more = memory_new(room = room ? room * 2 : 64, sizeof(*more));

				if (gone)
					memcpy(more, gone, gone_count * sizeof(*more));
				free(gone);
				gone = more;
			}
			gone[gone_count++] = present;
		}
		previous = present.key;
	}
	for (size_t i = 0; i < gone_count && !err; i++)
		err = bpf_map_delete_elem(fd, gone[i].key);
	free(gone);
	return err;
}

static int sync_vip_map(int fd, struct entry *entries, size_t count)
{
	int unfit, err;

	qsort(entries, count, sizeof(*entries), entry_order);
	unfit = write_entries(fd, entries, count);
	if (unfit < 0)
		return unfit;
	err = remove_others(fd, entries, count);
	if (err || !unfit)
		return err;
	/* a nearly full map in which everything changed: now there is room */
	unfit = write_entries(fd, entries, count);
	return unfit > 0 ? -E2BIG : unfit;
}

int sync_vips(const struct maps *maps, const struct plan *plan)
{
	static const enum map vip_maps[] = {MAP_vips4, MAP_vips6, MAP_prefixes4, MAP_prefixes6};
	struct entry *entries = memory_new(plan->vip_count, sizeof(*entries));
	int result = 0;

	for (size_t m = 0; m < sizeof(vip_maps) / sizeof(vip_maps[0]); m++) {
		size_t count = 0;
		int err;

		for (size_t i = 0; i < plan->vip_count; i++)
			if (vip_entry(&plan->vips[i], &entries[count]) == vip_maps[m])
				count++;
		err = sync_vip_map(maps->fd[vip_maps[m]], entries, count);
		if (err) {
			log_error("map %s: %s", map_name(vip_maps[m]), strerror(-err));
			result = err;
		}
	}
	free(entries);
	return result;
}
