/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/vip_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

struct vip_entry vip_key(const struct address *address, __u16 port, __u8 protocol)
{
	struct vip_entry key = {.tail = vip_tail(htons(port), protocol, address->family == AF_INET6)};

	memcpy(key.address, address->word, sizeof(key.address));
	return key;
}

static __u64 fold(const struct vip_entry *key)
{
	__u64 words[2];

	if ((key->tail & 0xff) == 4)
		return vip_fold4(key->address[0], key->tail);
	memcpy(words, key->address, sizeof(words));
	return vip_fold6(words, key->tail);
}

static struct vip_entry *bucket_find(struct vip_bucket *bucket, const struct vip_entry *key)
{
	for (int i = 0; i < VIP_BUCKET_ENTRIES; i++)
		if (bucket->entry[i].tail == key->tail &&
		    memcmp(bucket->entry[i].address, key->address, sizeof(key->address)) == 0)
			return &bucket->entry[i];
	return NULL;
}

struct vip_entry *vip_table_find(struct vip_bucket *table, const struct vip_entry *key)
{
	__u64 folded = fold(key);
	struct vip_entry *found = bucket_find(&table[vip_bucket_first(folded)], key);

	return found ?: bucket_find(&table[vip_bucket_second(folded)], key);
}

/* The bucket's first free entry; *used counts the others. */
static struct vip_entry *bucket_free(struct vip_bucket *bucket, int *used)
{
	struct vip_entry *free = NULL;

	*used = 0;
	for (int i = VIP_BUCKET_ENTRIES - 1; i >= 0; i--) {
		if (bucket->entry[i].tail)
			++*used;
		else
			free = &bucket->entry[i];
	}
	return free;
}

/* A packet reads the table first: if that is the new one, it sees that the service is moving. */
static void service_store(struct vip_entry *to, const struct service *from)
{
	__u64 slots;
	__u32 rest;

	memcpy(&slots, &from->slot_first, sizeof(slots));
	memcpy(&rest, &from->index, sizeof(rest));
	__atomic_store_n((__u32 *)&to->service.index, rest, __ATOMIC_RELEASE);
	__atomic_store_n((__u64 *)&to->service.slot_first, slots, __ATOMIC_RELEASE);
}

int vip_table_set(struct vip_bucket *table, const struct vip_entry *entry)
{
	struct vip_entry *to = vip_table_find(table, entry), *other;
	__u64 folded = fold(entry);
	int used, other_used;

	if (to) {
		service_store(to, &entry->service);
		return 0;
	}
	to = bucket_free(&table[vip_bucket_first(folded)], &used);
	other = bucket_free(&table[vip_bucket_second(folded)], &other_used);
	if (!to || (other && other_used < used))
		to = other;
	if (!to)
		return -ENOSPC;
	service_store(to, &entry->service);
	memcpy(to->address, entry->address, sizeof(to->address));
	__atomic_store_n(&to->tail, entry->tail, __ATOMIC_RELEASE);
	return 0;
}

void vip_table_remove(struct vip_entry *entry)
{
	__atomic_store_n(&entry->tail, 0, __ATOMIC_RELEASE);
}
