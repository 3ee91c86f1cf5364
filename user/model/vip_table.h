/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Writes the VIP table of include/vip.h. The table is memory that the XDP program
 * reads meanwhile: every store here leaves it whole.
 */
#ifndef SLUICE_VIP_TABLE_H
#define SLUICE_VIP_TABLE_H

#include <linux/types.h>
#include <stddef.h>

#include "lib/address.h"
#include "vip.h"

struct vip_table {
	struct vip_bucket *buckets; /* VIP_BUCKETS(shift) of them */
	__u32 shift;
};

/* The shift of a table for so many entries. */
__u32 vip_table_shift(size_t entries);

/* The key as an entry holds it; port in host byte order, 0: any. The service is zero. */
struct vip_entry vip_key(const struct address *address, __u16 port, __u8 protocol);

/* The entry with this key, NULL if there is none. */
struct vip_entry *vip_table_find(struct vip_table table, const struct vip_entry *key);

/* Adds the entry, or changes the service of the one with its key. 0, or -ENOSPC: both its buckets are full. */
int vip_table_set(struct vip_table table, const struct vip_entry *entry);

/* Adds what another table has. 0 or -ENOSPC. */
int vip_table_copy(struct vip_table table, struct vip_table from);

/* Frees an entry of the table. */
void vip_table_remove(struct vip_entry *entry);

#endif
