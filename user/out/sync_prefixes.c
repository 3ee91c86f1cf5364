/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The VIP prefixes: LPM tries. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "out/sync_entries.h"

_Static_assert(sizeof(struct prefix_key6) <= ENTRY_KEY && sizeof(struct service) == ENTRY_VALUE, "an entry has room");

static void prefix_entry(const struct plan_vip *vip, struct entry *entry)
{
	const struct address *address = &vip->address.address;
	__u32 bits = PREFIX_KEY_FIXED_BITS + vip->address.length;
	__be16 port = htons(vip->port);

	memcpy(entry->value, &vip->service, sizeof(vip->service));
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

static int sync_family(const struct maps *maps, const struct plan *plan, enum map map, __u32 family, enum vips what)
{
	struct entry *entries = memory_new(plan->vip_count, sizeof(*entries));
	size_t count = 0;
	int err;

	for (size_t i = 0; i < plan->vip_count; i++)
		if (!plan_vip_is_exact(&plan->vips[i]) && plan->vips[i].address.address.family == family)
			prefix_entry(&plan->vips[i], &entries[count++]);
	err = sync_entries(maps, map, entries, count, what);
	free(entries);
	return err;
}

int sync_prefixes(const struct maps *maps, const struct plan *plan, enum vips what)
{
	int err4 = sync_family(maps, plan, MAP_prefixes4, AF_INET, what);
	int err6 = sync_family(maps, plan, MAP_prefixes6, AF_INET6, what);

	return err4 ?: err6;
}
