/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "packet/fixture_reset.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#define KEY_MAX 64

static void clear_keys(const struct bpf_map *map)
{
	__u8 key[KEY_MAX];

	assert_in_range(bpf_map__key_size(map), 1, sizeof(key));
	while (!bpf_map_get_next_key(bpf_map__fd(map), NULL, key))
		if (bpf_map_delete_elem(bpf_map__fd(map), key))
			fail_msg("%s: %s", bpf_map__name(map), strerror(errno));
}

static void clear_mapped(const struct bpf_map *map)
{
	/* as the kernel lays an array out: values begin at multiples of 8 */
	size_t size = (bpf_map__value_size(map) + 7UL) / 8 * 8 * bpf_map__max_entries(map);
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	memset(memory, 0, size);
	munmap(memory, size);
}

/* All values in one system call. */
static void clear_array(const struct bpf_map *map)
{
	__u32 count = bpf_map__max_entries(map), *keys = test_malloc(count * sizeof(*keys));
	void *values = test_calloc(count, bpf_map__value_size(map));

	for (__u32 i = 0; i < count; i++)
		keys[i] = i;
	if (bpf_map_update_batch(bpf_map__fd(map), keys, values, &count, NULL))
		fail_msg("%s: %s", bpf_map__name(map), strerror(errno));
	test_free(keys);
	test_free(values);
}

static void clear(const struct bpf_map *map)
{
	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
	case BPF_MAP_TYPE_LPM_TRIE:
		clear_keys(map);
		break;
	case BPF_MAP_TYPE_ARRAY:
		if (bpf_map__map_flags(map) & BPF_F_MMAPABLE)
			clear_mapped(map);
		else
			clear_array(map);
		break;
	default:
		break;
	}
}

void fixture_reset(struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object) if (!bpf_map__is_internal(map) && strcmp(bpf_map__name(map), "vips"))
		clear(map);
}
