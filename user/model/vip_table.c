/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/vip_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

__u32 vip_table_shift(size_t entries)
{
	__u32 shift = VIP_SHIFT_MOST;

	while (shift > VIP_SHIFT_LEAST && VIP_BUCKETS(shift) < entries)
		shift--;
	return shift;
}

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

static struct vip_bucket *first_of(struct vip_table table, __u64 folded)
{
	return &table.buckets[vip_bucket_first(folded, table.shift)];
}

static struct vip_bucket *second_of(struct vip_table table, __u64 folded)
{
	return &table.buckets[vip_bucket_second(folded, table.shift)];
}

struct vip_entry *vip_table_find(struct vip_table table, const struct vip_entry *key)
{
	__u64 folded = fold(key);
	struct vip_entry *found = bucket_find(first_of(table, folded), key);

	return found ?: bucket_find(second_of(table, folded), key);
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

int vip_table_set(struct vip_table table, const struct vip_entry *entry)
{
	struct vip_entry *to = vip_table_find(table, entry), *other;
	__u64 folded = fold(entry);
	int used, other_used;

	if (to) {
		service_store(to, &entry->service);
		return 0;
	}
	to = bucket_free(first_of(table, folded), &used);
	other = bucket_free(second_of(table, folded), &other_used);
	if (!to || (other && other_used < used))
		to = other;
	if (!to)
		return -ENOSPC;
	service_store(to, &entry->service);
	memcpy(to->address, entry->address, sizeof(to->address));
	__atomic_store_n(&to->tail, entry->tail, __ATOMIC_RELEASE);
	return 0;
}

int vip_table_copy(struct vip_table table, struct vip_table from)
{
	int err = 0;

	for (size_t i = 0; i < VIP_BUCKETS(from.shift) && !err; i++)
		for (int j = 0; j < VIP_BUCKET_ENTRIES && !err; j++)
			if (from.buckets[i].entry[j].tail)
				err = vip_table_set(table, &from.buckets[i].entry[j]);
	return err;
}

void vip_table_remove(struct vip_entry *entry)
{
	__atomic_store_n(&entry->tail, 0, __ATOMIC_RELEASE);
}
