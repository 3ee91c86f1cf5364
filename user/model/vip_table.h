/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Writes the VIP table of include/vip.h. The table is memory that the XDP program
 * reads meanwhile: every store here leaves it whole.
 */
#ifndef SLUICE_VIP_TABLE_H
#define SLUICE_VIP_TABLE_H

#include <linux/types.h>

#include "lib/address.h"
#include "vip.h"

/* The key as an entry holds it; port in host byte order, 0: any. The service is zero. */
struct vip_entry vip_key(const struct address *address, __u16 port, __u8 protocol);

/* The entry with this key, NULL if there is none. `table` has VIP_BUCKETS buckets, here and below. */
struct vip_entry *vip_table_find(struct vip_bucket *table, const struct vip_entry *key);

/* Adds the entry, or changes the service of the one with its key. 0, or -ENOSPC: both its buckets are full. */
int vip_table_set(struct vip_bucket *table, const struct vip_entry *entry);

/* Frees an entry of the table. */
void vip_table_remove(struct vip_entry *entry);

#endif
