/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The VIP table at and beyond its limits. The packet tests show that the XDP program reads it. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "abi.h"
#include "model/vip_table.h"

static struct vip_table sized_table(__u32 shift)
{
	struct vip_table table = {calloc(VIP_BUCKETS(shift), sizeof(struct vip_bucket)), shift};

	assert_non_null(table.buckets);
	return table;
}

static struct vip_table new_table(void)
{
	return sized_table(VIP_SHIFT_LEAST);
}

static struct vip_entry numbered4(__u32 base, __u32 i, __u16 port)
{
	struct address address = {.family = AF_INET, .word = {htonl(base + i)}};

	return vip_key(&address, port, IPPROTO_TCP);
}

/* Consecutive in the last word or in the network part, as operators number them. */
static struct vip_entry numbered6(__u32 network, __u32 host)
{
	struct address address = {.family = AF_INET6, .word = {htonl(0x20010db8), htonl(network), 0, htonl(host)}};

	return vip_key(&address, 443, IPPROTO_TCP);
}

/* The address's own entry. */
static struct vip_entry of_address(struct vip_entry key)
{
	key.tail = vip_tail(0, 0, (key.tail & 0xff) == 6);
	return key;
}

static void put(struct vip_table table, struct vip_entry entry, __u32 value)
{
	entry.service.slot_first = value;
	assert_int_equal(vip_table_set(table, &entry), 0);
}

static void expect(struct vip_table table, struct vip_entry key, __u32 value)
{
	const struct vip_entry *found = vip_table_find(table, &key);

	assert_non_null(found);
	assert_int_equal(found->service.slot_first, value);
}

/* The configuration's limit in both families at once, each VIP of another address: consecutive addresses, as the worst
 * that is usual. */
static void holds_the_limit_of_both_families(void **state)
{
	struct vip_table table = new_table();

	(void)state;
	for (__u32 i = 0; i < SLUICE_MAX_VIPS; i++) {
		put(table, numbered4(0xc0a80000, i, 443), i);
		put(table, i % 2 ? numbered6(i, 1) : numbered6(0, i), i);
		put(table, of_address(numbered4(0xc0a80000, i, 443)), i + 1);
		put(table, of_address(i % 2 ? numbered6(i, 1) : numbered6(0, i)), i + 1);
	}
	for (__u32 i = 0; i < SLUICE_MAX_VIPS; i++) {
		expect(table, numbered4(0xc0a80000, i, 443), i);
		expect(table, i % 2 ? numbered6(i, 1) : numbered6(0, i), i);
		expect(table, of_address(numbered4(0xc0a80000, i, 443)), i + 1);
		expect(table, of_address(i % 2 ? numbered6(i, 1) : numbered6(0, i)), i + 1);
	}
	free(table.buckets);
}

static void holds_every_port_of_one_address(void **state)
{
	struct vip_table table = new_table();

	(void)state;
	for (__u32 port = 0; port < SLUICE_MAX_VIPS; port++)
		put(table, numbered4(0xc0000201, 0, (__u16)port), port);
	for (__u32 port = 0; port < SLUICE_MAX_VIPS; port++)
		expect(table, numbered4(0xc0000201, 0, (__u16)port), port);
	free(table.buckets);
}

static void changes_in_place(void **state)
{
	struct vip_table table = new_table();
	struct vip_entry key = numbered4(0xc0000201, 0, 80);
	const struct vip_entry *first;

	(void)state;
	put(table, key, 1);
	first = vip_table_find(table, &key);
	put(table, key, 2);
	assert_ptr_equal(vip_table_find(table, &key), first);
	expect(table, key, 2);
	free(table.buckets);
}

static void removed_are_gone_and_make_room(void **state)
{
	struct vip_table table = new_table();
	struct vip_entry key = numbered4(0xc0000201, 0, 80), other = numbered4(0xc0000201, 0, 81);

	(void)state;
	put(table, key, 1);
	put(table, other, 2);
	vip_table_remove(vip_table_find(table, &key));
	assert_null(vip_table_find(table, &key));
	expect(table, other, 2);
	put(table, key, 3);
	expect(table, key, 3);
	free(table.buckets);
}

static void families_protocols_and_ports_differ(void **state)
{
	struct vip_table table = new_table();
	struct address four = {.family = AF_INET, .word = {htonl(0xc0000201)}}, six = four;

	(void)state;
	six.family = AF_INET6; /* the same bytes */
	put(table, vip_key(&four, 53, IPPROTO_TCP), 1);
	put(table, vip_key(&four, 53, IPPROTO_UDP), 2);
	put(table, vip_key(&six, 53, IPPROTO_TCP), 3);
	put(table, vip_key(&four, 0, IPPROTO_TCP), 4);
	expect(table, vip_key(&four, 53, IPPROTO_TCP), 1);
	expect(table, vip_key(&four, 53, IPPROTO_UDP), 2);
	expect(table, vip_key(&six, 53, IPPROTO_TCP), 3);
	expect(table, vip_key(&four, 0, IPPROTO_TCP), 4);
	free(table.buckets);
}

/* Keys that share a bucket with one key, until both of a further one's buckets are full. */
static void full_buckets_refuse(void **state)
{
	struct vip_table table = new_table();
	struct vip_entry key = numbered4(0xc0000201, 0, 80);
	__u64 hash = vip_hash4(key.address[0], key.tail);
	__u64 first = vip_place_first(hash, table.shift), second = vip_place_second(hash, table.shift);

	(void)state;
	for (int i = 0; i < VIP_BUCKET_ENTRIES; i++) {
		table.buckets[first / VIP_BUCKET_ENTRIES].entry[i].tail = 1;
		table.buckets[second / VIP_BUCKET_ENTRIES].entry[i].tail = 1;
	}
	assert_int_equal(vip_table_set(table, &key), -ENOSPC);
	assert_null(vip_table_find(table, &key));
	table.buckets[second / VIP_BUCKET_ENTRIES].entry[2].tail = 0;
	put(table, key, 7);
	expect(table, key, 7);
	free(table.buckets);
}

/* Consecutive VIPs and their addresses. */
static void each_size_holds_its_entries(void **state)
{
	(void)state;
	for (__u32 entries = 2; entries <= 1U << 16; entries = entries * 3 / 2 + 1) {
		struct vip_table table = sized_table(vip_table_shift(entries));

		assert_in_range(VIP_BUCKETS(table.shift), entries, 1U << 18);
		for (__u32 i = 0; i < entries; i++)
			put(table,
			    i % 2 ? of_address(numbered4(0xc0000200, i / 2, 443)) : numbered4(0xc0000200, i / 2, 443),
			    i);
		expect(table, numbered4(0xc0000200, 0, 443), 0);
		free(table.buckets);
	}
}

static void a_copy_of_another_size_has_all(void **state)
{
	struct vip_table small = sized_table(VIP_SHIFT_MOST), large = sized_table(VIP_SHIFT_MOST - 3);

	(void)state;
	for (__u32 i = 0; i < 256; i++)
		put(small, numbered4(0xc0000200, i, 80), i);
	assert_int_equal(vip_table_copy(large, small), 0);
	for (__u32 i = 0; i < 256; i++)
		expect(large, numbered4(0xc0000200, i, 80), i);
	free(small.buckets);
	free(large.buckets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_the_limit_of_both_families),
		cmocka_unit_test(holds_every_port_of_one_address),
		cmocka_unit_test(changes_in_place),
		cmocka_unit_test(removed_are_gone_and_make_room),
		cmocka_unit_test(families_protocols_and_ports_differ),
		cmocka_unit_test(full_buckets_refuse),
		cmocka_unit_test(each_size_holds_its_entries),
		cmocka_unit_test(a_copy_of_another_size_has_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
