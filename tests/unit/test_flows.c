/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Walking over the flow map, and removing from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/memory.h"
#include "out/flows_reader.h"
#include "unit/descriptors.h"

#define CAPACITY (1U << 14)
#define RECORDS	 5000

static int make_map(__u32 capacity)
{
	return bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "test_flows", sizeof(struct flow_tuple),
			      sizeof(struct flow_record), capacity, NULL);
}

static int need_map(void)
{
	int fd = geteuid() ? -1 : make_map(CAPACITY);

	if (fd < 0) {
		fprintf(stderr, "skipped: only root may make BPF maps\n");
		skip();
	}
	return fd;
}

static struct flow_tuple tuple(__u32 number)
{
	return (struct flow_tuple){.source = {number}, .version = 4};
}

static void fill(int fd, __u32 records, __u32 born)
{
	for (__u32 i = 0; i < records; i++) {
		const struct flow_tuple key = tuple(i);
		const struct flow_record record = {.backend = (__u16)i, .born = born, .seen = born};

		assert_int_equal(bpf_map_update_elem(fd, &key, &record, BPF_ANY), 0);
	}
}

/* Walks over all; how many there are, each of which is expected once. */
static __u32 walk(int fd, __u8 seen[RECORDS])
{
	struct flows_walk *walk = memory_new(1, sizeof(*walk));
	__u32 count = 0;

	memset(seen, 0, RECORDS);
	while (!walk->ended) {
		assert_int_equal(flows_next(fd, walk), 0);
		for (__u32 i = 0; i < walk->count; i++) {
			__u32 number = walk->tuple[i].source[0];

			assert_in_range(number, 0, RECORDS - 1);
			assert_int_equal(walk->record[i].backend, number);
			assert_int_equal(seen[number]++, 0);
		}
		count += walk->count;
	}
	free(walk);
	return count;
}

static void every_record_is_read_once(void **state)
{
	static __u8 seen[RECORDS];
	int fd = need_map();

	(void)state;
	assert_int_equal(walk(fd, seen), 0);
	fill(fd, 1, 7);
	assert_int_equal(walk(fd, seen), 1);
	fill(fd, RECORDS, 7);
	assert_int_equal(walk(fd, seen), RECORDS);
	close(fd);
}

/* Those that are removed on the way take no others with them. */
static void records_may_go_during_the_walk(void **state)
{
	struct flows_walk *walking = memory_new(1, sizeof(*walking));
	static __u8 seen[RECORDS];
	int fd = need_map();

	(void)state;
	fill(fd, RECORDS, 7);
	while (!walking->ended) {
		assert_int_equal(flows_next(fd, walking), 0);
		for (__u32 i = 0; i < walking->count; i++)
			if (walking->tuple[i].source[0] % 2)
				assert_true(flows_remove(fd, &walking->tuple[i], &walking->record[i]));
	}
	assert_int_equal(walk(fd, seen), RECORDS / 2);
	for (__u32 i = 0; i < RECORDS; i++)
		assert_int_equal(seen[i], i % 2 == 0);
	free(walking);
	close(fd);
}

static void what_was_seen_meanwhile_stays(void **state)
{
	const struct flow_tuple key = tuple(1);
	struct flow_record read = {.backend = 1, .born = 7, .seen = 7}, record = read;
	int fd = need_map();

	(void)state;
	record.seen = 8;
	assert_int_equal(bpf_map_update_elem(fd, &key, &record, BPF_ANY), 0);
	assert_false(flows_remove(fd, &key, &read));
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &read), 0);
	assert_true(flows_remove(fd, &key, &read));
	assert_false(flows_remove(fd, &key, &read));
	close(fd);
}

/* Also where some are gone already. */
static void many_are_removed_at_once(void **state)
{
	static struct flow_tuple tuples[RECORDS];
	static __u8 seen[RECORDS];
	int fd = need_map();

	(void)state;
	fill(fd, RECORDS, 7);
	for (__u32 i = 0; i < RECORDS; i++)
		tuples[i] = tuple(i);
	for (__u32 i = 0; i < RECORDS; i += 100)
		assert_int_equal(bpf_map_delete_elem(fd, &tuples[i]), 0);
	flows_remove_all(fd, tuples, RECORDS - 1);
	assert_int_equal(walk(fd, seen), 1);
	assert_int_equal(seen[RECORDS - 1], 1);
	flows_remove_all(fd, tuples, 0);
	close(fd);
}

static void put(int fd, __u32 number, struct flow_record record)
{
	const struct flow_tuple key = tuple(number);

	assert_int_equal(bpf_map_update_elem(fd, &key, &record, BPF_ANY), 0);
}

static struct flow_record get(int fd, __u32 number)
{
	const struct flow_tuple key = tuple(number);
	struct flow_record record;

	assert_int_equal(bpf_map_lookup_elem(fd, &key, &record), 0);
	return record;
}

/* While the old map is written to: a flow that began anew, one that ended, one that came, and one that only spoke. */
static void records_go_over_to_another_map(void **state)
{
	const __u32 now = (__u32)(clock_ms() / 1000);
	static __u8 seen[RECORDS];
	int from = need_map(), to = make_map(4 * CAPACITY);
	__u32 since;

	(void)state;
	assert_true(to >= 0);
	fill(from, RECORDS - 1, 7);
	since = flows_carry_over(from, to, 0, false);
	assert_in_range(since, now - 1, now + 600);
	assert_int_equal(walk(to, seen), RECORDS - 1);
	put(from, 1, (struct flow_record){.backend = 9, .born = since, .seen = since});
	put(from, 2, (struct flow_record){.backend = 2, .flags = FLOW_CLOSING, .born = 7, .seen = since});
	put(from, 3, (struct flow_record){.backend = 3, .born = 7, .seen = since});
	put(from, RECORDS - 1, (struct flow_record){.backend = 4, .born = since, .seen = since});
	flows_carry_over(from, to, since, false);
	assert_int_equal(get(to, 1).backend, 9);
	assert_int_equal(get(to, 2).flags, FLOW_CLOSING);
	assert_int_equal(get(to, 3).seen, 7);
	assert_int_equal(get(to, RECORDS - 1).backend, 4);
	close(from);
	close(to);
}

/* What the dataplane has written to the new map is newer. */
static void records_that_are_there_stay(void **state)
{
	static __u8 seen[RECORDS];
	int from = need_map(), to = make_map(CAPACITY);

	(void)state;
	assert_true(to >= 0);
	fill(from, RECORDS, 7);
	put(to, 1, (struct flow_record){.backend = 1, .born = 9, .seen = 9});
	flows_carry_over(from, to, 7, true);
	assert_int_equal(walk(to, seen), RECORDS);
	assert_int_equal(get(to, 1).born, 9);
	assert_int_equal(walk(from, seen), RECORDS);
	flows_carry_over(-1, to, 0, true);
	close(from);
	close(to);
}

/* The map's descriptor may be closed as soon as reading has begun. */
static void a_thread_reads_the_same(void **state)
{
	struct flows_walk *walk = memory_new(1, sizeof(*walk));
	struct flows_reader *reader = flows_reader_new();
	int fd = need_map(), batch;
	__u32 count = 0;

	(void)state;
	assert_non_null(reader);
	fill(fd, RECORDS, 7);
	while (!walk->ended) {
		struct pollfd done = {.fd = flows_reader_fd(reader), .events = POLLIN};

		batch = dup(fd);
		assert_int_equal(flows_reader_begin(reader, batch, walk), 0);
		close(batch);
		assert_int_equal(poll(&done, 1, 60000), 1);
		assert_int_equal(flows_reader_end(reader), 0);
		assert_int_equal(poll(&done, 1, 0), 0);
		count += walk->count;
	}
	assert_int_equal(count, RECORDS);
	assert_int_equal(flows_reader_begin(reader, -1, walk), -EBADF);
	flows_reader_free(reader);
	free(walk);
	close(fd);
}

/* It has a descriptor of the map then. */
static void a_thread_may_be_stopped_while_it_reads(void **state)
{
	struct flows_walk *walk = memory_new(1, sizeof(*walk));
	int fd = need_map();
	size_t before = descriptors_open();

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct flows_reader *reader = flows_reader_new();

		assert_non_null(reader);
		walk->begun = walk->ended = false;
		assert_int_equal(flows_reader_begin(reader, fd, walk), 0);
		flows_reader_free(reader);
		assert_true(walk->ended);
	}
	assert_int_equal(descriptors_open(), before);
	free(walk);
	close(fd);
}

static void a_map_that_is_none_is_an_error(void **state)
{
	struct flows_walk *walk = memory_new(1, sizeof(*walk));

	(void)state;
	assert_true(flows_next(-1, walk) < 0);
	assert_true(walk->ended);
	assert_int_equal(walk->count, 0);
	free(walk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_record_is_read_once),
		cmocka_unit_test(records_may_go_during_the_walk),
		cmocka_unit_test(what_was_seen_meanwhile_stays),
		cmocka_unit_test(many_are_removed_at_once),
		cmocka_unit_test(records_go_over_to_another_map),
		cmocka_unit_test(records_that_are_there_stay),
		cmocka_unit_test(a_thread_reads_the_same),
		cmocka_unit_test(a_thread_may_be_stopped_while_it_reads),
		cmocka_unit_test(a_map_that_is_none_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
