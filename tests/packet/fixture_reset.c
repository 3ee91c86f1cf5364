/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "packet/fixture_reset.h"

#include <bpf/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "packet/fixture.h"

#define KEY_MAX 64

static void clear_keys(int map, __u32 key_size)
{
	__u8 key[KEY_MAX];

	assert_in_range(key_size, 1, sizeof(key));
	while (!bpf_map_get_next_key(map, NULL, key))
		assert_int_equal(bpf_map_delete_elem(map, key), 0);
}

/* All values in one system call. */
static void clear_array(int map, const struct bpf_map_info *info)
{
	__u32 count = info->max_entries, *keys = test_malloc(count * sizeof(*keys));
	void *values = test_calloc(count, info->value_size);

	for (__u32 i = 0; i < count; i++)
		keys[i] = i;
	assert_int_equal(bpf_map_update_batch(map, keys, values, &count, NULL), 0);
	test_free(keys);
	test_free(values);
}

static void clear(int map)
{
	struct bpf_map_info info = {0};
	__u32 length = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(map, &info, &length), 0);
	switch (info.type) {
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
	case BPF_MAP_TYPE_LPM_TRIE:
		clear_keys(map, info.key_size);
		break;
	case BPF_MAP_TYPE_ARRAY:
		if (!(info.map_flags & BPF_F_MMAPABLE))
			clear_array(map, &info);
		break;
	default:
		break;
	}
}

void fixture_reset(const struct maps *maps)
{
	for (int i = 0; i < MAP_COUNT; i++)
		clear(maps->fd[i]);
	memset(maps->slots, 0, maps->slot_capacity * sizeof(*maps->slots));
	memset(maps->owners, 0, maps->slot_capacity * sizeof(*maps->owners));
	memset(maps->backends, 0, (FIXTURE_BACKENDS + 1) * sizeof(*maps->backends));
	memset(maps->moves, 0, SLUICE_MAX_SERVICES * sizeof(*maps->moves));
	memset(maps->options, 0, SLUICE_MAX_SERVICES * sizeof(*maps->options));
	memset(maps->counts, 0, maps->cpus * sizeof(*maps->counts));
}
