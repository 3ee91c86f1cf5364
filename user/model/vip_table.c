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

static __u64 hash(const struct vip_entry *key)
{
	__u64 words[2];

	if ((key->tail & 0xff) == 4)
		return vip_hash4(key->address[0], key->tail);
	memcpy(words, key->address, sizeof(words));
	return vip_hash6(words, key->tail);
}

static struct vip_entry *bucket_find(struct vip_bucket *bucket, const struct vip_entry *key)
{
	for (int i = 0; i < VIP_BUCKET_ENTRIES; i++)
		if (bucket->entry[i].tail == key->tail &&
		    memcmp(bucket->entry[i].address, key->address, sizeof(key->address)) == 0)
			return &bucket->entry[i];
	return NULL;
}

static struct vip_bucket *bucket_of(struct vip_table table, __u64 place)
{
	return &table.buckets[place / VIP_BUCKET_ENTRIES];
}

static struct vip_entry *entry_of(struct vip_table table, __u64 place)
{
	return &bucket_of(table, place)->entry[place % VIP_BUCKET_ENTRIES];
}

struct vip_entry *vip_table_find(struct vip_table table, const struct vip_entry *key)
{
	const __u64 hashed = hash(key);
	struct vip_entry *found = bucket_find(bucket_of(table, vip_place_first(hashed, table.shift)), key);

	return found ?: bucket_find(bucket_of(table, vip_place_second(hashed, table.shift)), key);
}

static int bucket_used(const struct vip_bucket *bucket)
{
	int used = 0;

	for (int i = 0; i < VIP_BUCKET_ENTRIES; i++)
		used += bucket->entry[i].tail != 0;
	return used;
}

/*
 * Where a new key goes: its own place, unless the bucket is half full and the other one emptier; then there. NULL: both
 * are full.
 */
static struct vip_entry *choose(struct vip_table table, __u64 hashed)
{
	__u64 place = vip_place_first(hashed, table.shift), other = vip_place_second(hashed, table.shift);
	const int used = bucket_used(bucket_of(table, place)), used_other = bucket_used(bucket_of(table, other));

	if (!entry_of(table, place)->tail && (used < VIP_BUCKET_ENTRIES / 2 || used < used_other))
		return entry_of(table, place);
	if (used_other < used)
		place = other;
	for (__u64 i = 0; i < VIP_BUCKET_ENTRIES; i++) /* the number of one of the same bucket */
		if (!entry_of(table, place ^ i)->tail)
			return entry_of(table, place ^ i);
	return NULL;
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
	struct vip_entry *to = vip_table_find(table, entry);

	if (to) {
		service_store(to, &entry->service);
		return 0;
	}
	to = choose(table, hash(entry));
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
