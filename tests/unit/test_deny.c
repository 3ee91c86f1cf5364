/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The deny list: what is on it and until when, what the maps are told of it, and wishes as they come as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi.h"
#include "in/prefix_list.h"
#include "lib/memory.h"
#include "model/deny.h"
#include "out/sync_deny.h"

#define HOSTS 600 /* prefixes that random changes are about */

static struct prefix prefix_of(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	return prefix;
}

/* Number i of many prefixes, of both families and several lengths. */
static struct prefix prefix_number(__u32 i)
{
	struct prefix prefix = {.address.family = i & 1 ? AF_INET6 : AF_INET};

	prefix.length = i & 1 ? 64 : i & 2 ? 32 : 30;
	prefix.address.word[i & 1] = htonl(i << 2);
	return prefix;
}

/* The maps as they would be: by the number above, or by family and position for what is not of these. */
struct model_maps {
	bool has[HOSTS];
	size_t count, highest;
};

static size_t number_of(const struct prefix *prefix)
{
	return ntohl(prefix->address.word[prefix->address.family == AF_INET6]) >> 2;
}

/* One step of bringing the list to the maps; false: they hold it. */
static bool tell_maps(struct deny *deny, struct model_maps *maps, size_t most)
{
	struct prefix prefixes[64];
	struct deny_change change;
	size_t count = deny_due(deny, &change, prefixes, most);

	for (size_t i = 0; i < count; i++) {
		bool *has = &maps->has[number_of(&prefixes[i])];

		assert_int_equal(prefixes[i].address.family, change.family);
		assert_int_not_equal(*has, change.add);
		*has = change.add;
		maps->count += change.add ? 1 : -(size_t)1;
	}
	if (maps->count > maps->highest)
		maps->highest = maps->count;
	deny_done(deny, &change, count);
	return count != 0;
}

/* What the list should be. */
struct wanted {
	bool on[HOSTS];
	__u64 until[HOSTS];
};

static void check_list(const struct deny *deny, const struct wanted *wanted)
{
	bool seen[HOSTS] = {false};
	__u64 first = 0;
	size_t count = 0;
	__u32 at = 0;
	struct denied denied;

	while (deny_walk(deny, &at, &denied)) {
		size_t i = number_of(&denied.prefix);

		assert_true(wanted->on[i] && !seen[i]);
		assert_true(denied.until == wanted->until[i]);
		seen[i] = true;
		count++;
	}
	assert_int_equal(deny_count(deny), count);
	for (size_t i = 0; i < HOSTS; i++) {
		assert_int_equal(seen[i], wanted->on[i]);
		if (wanted->on[i] && wanted->until[i] && (!first || wanted->until[i] < first))
			first = wanted->until[i];
	}
	assert_true(deny_next(deny) == first);
}

static void expire(struct deny *deny, struct wanted *wanted, __u64 now)
{
	while (deny_expire(deny, now, 7))
		;
	for (size_t i = 0; i < HOSTS; i++)
		if (wanted->on[i] && wanted->until[i] && wanted->until[i] <= now)
			wanted->on[i] = false;
}

/* Adds, renews, removes, lets time pass, and tells the maps a little of it, at random. */
static void test_random_changes(void **state)
{
	struct deny *deny = deny_new();
	struct wanted *wanted = memory_new(1, sizeof(*wanted));
	struct model_maps *maps = memory_new(1, sizeof(*maps));
	__u64 now = 1;

	(void)state;
	srandom(5);
	for (int round = 0; round < 200000; round++) {
		__u32 i = (__u32)random() % HOSTS;
		struct prefix prefix = prefix_number(i);

		switch (random() % 8) {
		case 0 ... 2:
			wanted->until[i] = random() % 4 ? now + 1 + (__u64)random() % 500 : DENY_FOREVER;
			assert_int_equal(deny_add(deny, &prefix, wanted->until[i]), !wanted->on[i]);
			wanted->on[i] = true;
			break;
		case 3 ... 4:
			assert_int_equal(deny_remove(deny, &prefix), wanted->on[i]);
			wanted->on[i] = false;
			break;
		case 5:
			assert_int_equal(deny_draft(deny, &prefix), 0);
			if (random() % 2)
				tell_maps(deny, maps, 64);
			deny_undraft(deny, &prefix);
			break;
		case 6:
			expire(deny, wanted, now += (__u64)random() % 20);
			break;
		default:
			tell_maps(deny, maps, 1 + (size_t)random() % 64);
		}
		if (round % 64 == 0)
			check_list(deny, wanted);
	}
	while (tell_maps(deny, maps, 64))
		;
	assert_memory_equal(maps->has, wanted->on, sizeof(wanted->on));
	deny_free(deny);
	free(wanted);
	free(maps);
}

static void test_full(void **state)
{
	struct deny *deny = deny_new();
	struct prefix more = prefix_of("192.0.2.0/24"), other = prefix_of("2001:db8::1"), first = prefix_number(0);

	(void)state;
	for (__u32 i = 0; i < SLUICE_MAX_DENIED - 1; i++) {
		struct prefix prefix = prefix_number(i);

		assert_int_equal(deny_add(deny, &prefix, DENY_FOREVER), 1);
	}
	assert_int_equal(deny_draft(deny, &more), 0);
	assert_int_equal(deny_draft(deny, &more), 0); /* twice in one wish */
	assert_int_equal(deny_draft(deny, &other), -ENOSPC);
	assert_int_equal(deny_add(deny, &other, 7), -ENOSPC);
	assert_int_equal(deny_draft(deny, &first), 0); /* it has its place */
	assert_int_equal(deny_add(deny, &first, 7), 0);
	deny_undraft(deny, &first);
	deny_undraft(deny, &more);
	assert_int_equal(deny_add(deny, &other, 7), 1);
	assert_int_equal(deny_add(deny, &more, 7), -ENOSPC);
	assert_int_equal(deny_count(deny), SLUICE_MAX_DENIED);
	deny_free(deny);
}

/* A whole list that the maps have gives way to another one: they never hold more than one list. */
static void test_one_full_list_after_the_other(void **state)
{
	struct deny *deny = deny_new();
	struct prefix prefixes[512];
	struct deny_change change;
	size_t present = 0, count;

	(void)state;
	for (__u32 list = 0; list < 3; list++) {
		for (__u32 i = 0; i < SLUICE_MAX_DENIED; i++) {
			struct prefix prefix = prefix_number(list * SLUICE_MAX_DENIED + i);

			assert_int_equal(deny_add(deny, &prefix, 7), 1);
		}
		while ((count = deny_due(deny, &change, prefixes, 512))) {
			present += change.add ? count : -count;
			assert_in_range(present, 0, SLUICE_MAX_DENIED);
			deny_done(deny, &change, count);
		}
		assert_int_equal(present, SLUICE_MAX_DENIED);
		while (deny_expire(deny, 7, 1000))
			;
		assert_int_equal(deny_count(deny), 0);
	}
	deny_free(deny);
}

static void test_what_comes_back_is_not_written_again(void **state)
{
	struct deny *deny = deny_new();
	struct prefix prefix = prefix_of("192.0.2.0/24"), due[2];
	struct deny_change change;

	(void)state;
	deny_add(deny, &prefix, DENY_FOREVER);
	assert_int_equal(deny_due(deny, &change, due, 2), 1);
	deny_done(deny, &change, 1);
	assert_true(deny_remove(deny, &prefix));
	assert_int_equal(deny_due(deny, &change, due, 2), 1);
	assert_false(change.add);
	deny_add(deny, &prefix, DENY_FOREVER);
	assert_int_equal(deny_due(deny, &change, due, 2), 0);
	deny_free(deny);
}

static void test_features(void **state)
{
	struct deny *deny = deny_new();
	struct prefix v4 = prefix_of("192.0.2.0/24"), v6 = prefix_of("2001:db8::/32");

	(void)state;
	assert_int_equal(deny_features(deny), 0);
	deny_add(deny, &v4, DENY_FOREVER);
	assert_int_equal(deny_features(deny), FEATURE_DENY4);
	deny_add(deny, &v6, 5);
	assert_int_equal(deny_features(deny), FEATURE_DENY4 | FEATURE_DENY6);
	assert_int_equal(deny_expire(deny, 5, 9), 1);
	assert_int_equal(deny_features(deny), FEATURE_DENY4 | FEATURE_DENY6);
	deny_settle(deny);
	assert_int_equal(deny_features(deny), FEATURE_DENY4);
	deny_remove(deny, &v4);
	deny_settle(deny);
	assert_int_equal(deny_features(deny), 0);
	deny_free(deny);
}

/* Maps of a former run: what is right stays, what is not on the list goes, what is missing comes. */

static int map_new(__u32 key_size)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);

	return bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "deny", key_size, sizeof(__u32), SLUICE_MAX_DENIED + 1, &options);
}

static void check_map(int fd, size_t wanted)
{
	struct deny_key6 key;
	void *previous = NULL;
	size_t count = 0;

	while (!bpf_map_get_next_key(fd, previous, &key)) {
		previous = &key;
		count++;
	}
	assert_int_equal(count, wanted);
}

static void test_maps_of_another_run(void **state)
{
	struct maps maps = {.fd = {[MAP_denied4] = -1}};
	struct deny *before = deny_new(), *after = deny_new();
	struct prefix all = prefix_of("::/0");

	(void)state;
	if (geteuid() != 0) {
		fprintf(stderr, "skipped: only root may make BPF maps\n");
		skip();
	}
	maps.fd[MAP_denied4] = map_new(sizeof(struct deny_key4));
	maps.fd[MAP_denied6] = map_new(sizeof(struct deny_key6));
	assert_true(maps.fd[MAP_denied4] >= 0 && maps.fd[MAP_denied6] >= 0);
	assert_int_equal(sync_deny_whole(&maps, before), 0);
	for (__u32 i = 0; i < 3000; i++) {
		struct prefix prefix = prefix_number(i);

		deny_add(before, &prefix, DENY_FOREVER);
		prefix = prefix_number(i + 1000);
		deny_add(after, &prefix, DENY_FOREVER);
	}
	deny_add(after, &all, DENY_FOREVER);
	while (sync_deny(&maps, before) > 0)
		;
	check_map(maps.fd[MAP_denied4], 1500);
	check_map(maps.fd[MAP_denied6], 1500);

	assert_int_equal(sync_deny_whole(&maps, after), 0);
	check_map(maps.fd[MAP_denied4], 1500);
	check_map(maps.fd[MAP_denied6], 1501);
	/* those very ones are there: a look-up would find a shorter prefix, too */
	for (__u32 i = 1000; i < 4000; i++) {
		struct prefix prefix = prefix_number(i);
		struct deny_key4 key4 = {.prefixlen = prefix.length, .address = prefix.address.word[0]};
		struct deny_key6 key6 = {.prefixlen = prefix.length};

		memcpy(key6.address, prefix.address.word, sizeof(key6.address));
		assert_int_equal(i & 1 ? bpf_map_delete_elem(maps.fd[MAP_denied6], &key6)
				       : bpf_map_delete_elem(maps.fd[MAP_denied4], &key4),
				 0);
	}
	check_map(maps.fd[MAP_denied4], 0);
	check_map(maps.fd[MAP_denied6], 1);

	/* somebody has removed what is to be removed */
	for (__u32 i = 1000; i < 4000; i++) {
		struct prefix prefix = prefix_number(i);

		assert_true(deny_remove(after, &prefix));
	}
	deny_remove(after, &all);
	while (sync_deny(&maps, after) > 0)
		;
	check_map(maps.fd[MAP_denied6], 0);
	assert_int_equal(sync_deny(&maps, after), 0);
	close(maps.fd[MAP_denied4]);
	close(maps.fd[MAP_denied6]);
	deny_free(before);
	deny_free(after);
}

/* Lists as they come. */

static struct prefix_list read_list(const char *text, size_t piece, size_t most)
{
	struct prefix_list list = {.text = text, .length = strlen(text), .most = most};

	while (prefix_list_read(&list, piece))
		;
	return list;
}

static void test_lists(void **state)
{
	static const struct {
		const char *text;
		size_t count;
		const char *error; /* NULL: none */
	} lists[] = {
		{"[]", 0, NULL},
		{" [ ] \n", 0, NULL},
		{"[\"192.0.2.1\"]", 1, NULL},
		{"[\"192.0.2.0\\/24\",\t\"2001:db8::/32\" ,\"::\"]\r\n", 3, NULL},
		{"", 0, "expected a list"},
		{"{}", 0, "expected a list"},
		{"[", 0, "entry 1: expected a prefix as a text"},
		{"[\"", 0, "entry 1: expected a prefix as a text"},
		{"[\"192.0.2.1\\", 0, "entry 1: expected a prefix as a text"},
		{"[\"192.0.2.1\",]", 1, "entry 2: expected a prefix as a text"},
		{"[\"192.0.2.1\" \"192.0.2.2\"]", 1, "after entry 1: expected ',' or ']'"},
		{"[\"192.0.2.1\"", 1, "after entry 1: expected ',' or ']'"},
		{"[\"192.0.2.1\"] x", 1, "something follows the list"},
		{"[\"192.0.2.1\", \"192.0.2.1/24\"]", 1, "entry 2: '192.0.2.1/24' has bits set beyond its length"},
		{"[\"\"]", 0, "entry 1: '' is neither an address nor a prefix"},
		{"[\"192.0.2.1\\n\"]", 0, "entry 1: '192.0.2.1\\n' is neither"},
		{"[\"1\",\"2\",\"3\"]", 0, "entry 1: '1' is neither"},
		{"[\"::1\",\"::2\",\"::3\",\"::4\"]", 3, "more than 3 prefixes"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (size_t piece = 1; piece < 4; piece++) {
			struct prefix_list list = read_list(lists[i].text, piece, 3);

			assert_int_equal(list.count, lists[i].count);
			assert_int_equal(list.error != NULL, lists[i].error != NULL);
			if (list.error && strncmp(list.error, lists[i].error, strlen(lists[i].error)) != 0)
				fail_msg("%s: %s", lists[i].text, list.error);
			prefix_list_free(&list);
		}
	}
}

/* Else what follows it in the text would be taken without a look. */
static void test_a_nul_is_no_end_of_a_prefix(void **state)
{
	static const char text[] = "[\"192.0.2.1\0/8 and more\"]";
	struct prefix_list list = {.text = text, .length = sizeof(text) - 1, .most = 3};

	(void)state;
	assert_false(prefix_list_read(&list, 2));
	assert_string_equal(list.error, "entry 1: expected a prefix as a text");
	prefix_list_free(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_changes),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_one_full_list_after_the_other),
		cmocka_unit_test(test_what_comes_back_is_not_written_again),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_maps_of_another_run),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_a_nul_is_no_end_of_a_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
