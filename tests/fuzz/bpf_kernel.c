/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Maps and helpers. The kernel's own limits (net/core/filter.c, net/core/xdp.c) are named where they are kept. */
#include "fuzz/bpf_kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sanitizer/asan_interface.h>

#define XDP_FRAME_SIZE 40 /* struct xdp_frame, which the kernel puts at the start of the headroom */
#define ETHERNET       14
#define AREA	       (KERNEL_HEADROOM + 2 * KERNEL_FRAME_MAX)
#define TAILROOM       256 /* behind the first buffer, that a frame may grow by */
#define GUARD	       4096

static __u64 clock_ns;
static __u32 redirected;

/* The frame: in front what the program may read, in `rest` what lies in other buffers. */
static struct {
	struct xdp_md ctx;
	__u8 *area; /* below 4 GB, as struct xdp_md has 32 bits for its pointers; poisoned but for the frame */
	__u32 rest_length;
	__u8 rest[KERNEL_FRAME_MAX];
} frame;

void kernel_map_init(struct kernel_map *map, __u32 type, __u32 key_size, __u32 value_size, __u32 capacity)
{
	*map = (struct kernel_map){
		.type = type,
		.key_size = key_size,
		.value_size = value_size,
		.stride = (value_size + 7) / 8 * 8,
		.capacity = capacity,
	};
	map->keys = type == BPF_MAP_TYPE_ARRAY ? NULL : calloc(capacity, key_size);
	map->used = calloc(capacity, sizeof(*map->used));
	/* not by calloc(): most of an array is never touched, and a sanitizer would touch it */
	map->values = mmap(NULL, (size_t)capacity * map->stride, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (type == BPF_MAP_TYPE_PROG_ARRAY)
		map->programs = calloc(capacity, sizeof(*map->programs));
	if (map->values == MAP_FAILED || !map->used) {
		perror("map");
		abort();
	}
}

void kernel_reset(struct kernel_map *map)
{
	if (!map->forgets)
		return;
	if (map->type == BPF_MAP_TYPE_ARRAY)
		for (__u32 i = 0; i < map->count; i++)
			memset(map->values + (size_t)map->used[i] * map->stride, 0, map->stride);
	map->count = 0;
}

static __u8 *value_at(const struct kernel_map *map, __u32 entry)
{
	return map->values + (size_t)entry * map->stride;
}

static void *lookup_array(struct kernel_map *map, __u32 index)
{
	if (index >= map->capacity)
		return NULL;
	if (map->forgets) {
		__u32 i = 0;

		while (i < map->count && map->used[i] != index)
			i++;
		if (i == map->count)
			map->used[map->count++] = index;
	}
	return value_at(map, index);
}

static long find_hash(const struct kernel_map *map, const void *key)
{
	for (__u32 i = 0; i < map->count; i++)
		if (!memcmp(map->keys + (size_t)i * map->key_size, key, map->key_size))
			return i;
	return -ENOENT;
}

static bool has_prefix(const __u8 *prefix, const __u8 *key, __u32 bits)
{
	if (memcmp(prefix, key, bits / 8))
		return false;
	return bits % 8 == 0 || !((prefix[bits / 8] ^ key[bits / 8]) >> (8 - bits % 8));
}

/* The longest prefix that has the key, but none that is longer than the key's own. */
static long find_prefix(const struct kernel_map *map, const void *key)
{
	__u32 limit, length, best = 0;
	long found = -ENOENT;

	memcpy(&limit, key, sizeof(limit));
	for (__u32 i = 0; i < map->count; i++) {
		const __u8 *entry = map->keys + (size_t)i * map->key_size;

		memcpy(&length, entry, sizeof(length));
		if (length > limit || (found >= 0 && length < best) ||
		    !has_prefix(entry + sizeof(length), (const __u8 *)key + sizeof(length), length))
			continue;
		best = length;
		found = i;
	}
	return found;
}

static bool is_lru(const struct kernel_map *map)
{
	return map->type == BPF_MAP_TYPE_LRU_HASH;
}

static __u32 tick(void)
{
	static __u32 ticks;

	return ++ticks;
}

void *kernel_lookup(struct kernel_map *map, const void *key)
{
	long entry;
	__u32 index;

	switch (map->type) {
	case BPF_MAP_TYPE_ARRAY:
		memcpy(&index, key, sizeof(index));
		return lookup_array(map, index);
	case BPF_MAP_TYPE_LPM_TRIE:
		entry = find_prefix(map, key);
		break;
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
		entry = find_hash(map, key);
		break;
	default:
		abort();
	}
	if (entry < 0)
		return NULL;
	if (is_lru(map))
		map->used[entry] = tick();
	return value_at(map, entry);
}

/* A place for one more entry. */
static long grow(struct kernel_map *map)
{
	__u32 oldest = 0;

	if (map->count < map->capacity)
		return map->count++;
	if (!is_lru(map))
		return -E2BIG;
	for (__u32 i = 1; i < map->count; i++)
		if (map->used[i] < map->used[oldest])
			oldest = i;
	return oldest;
}

long kernel_update(struct kernel_map *map, const void *key, const void *value, __u64 flags)
{
	long entry;

	if (map->type == BPF_MAP_TYPE_ARRAY) {
		void *at = kernel_lookup(map, key);

		if (!at || flags == BPF_NOEXIST)
			return at ? -EEXIST : -E2BIG;
		memcpy(at, value, map->value_size);
		return 0;
	}
	entry = find_hash(map, key);
	if (entry >= 0 ? flags == BPF_NOEXIST : flags == BPF_EXIST)
		return entry >= 0 ? -EEXIST : -ENOENT;
	if (entry < 0)
		entry = grow(map);
	if (entry < 0)
		return entry;
	memcpy(map->keys + (size_t)entry * map->key_size, key, map->key_size);
	memcpy(value_at(map, entry), value, map->value_size);
	map->used[entry] = tick();
	return 0;
}

kernel_program *kernel_called(struct kernel_map *map, __u32 index)
{
	return index < map->capacity ? map->programs[index] : NULL;
}

static __u8 *memory(__u32 address)
{
	return (__u8 *)(unsigned long)address;
}

static void make_area(void)
{
	__u8 *area =
		mmap(NULL, AREA + 2 * GUARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (area == MAP_FAILED || (unsigned long)area >> 31) {
		perror("memory below 2 GB");
		abort();
	}
	ASAN_POISON_MEMORY_REGION(area, AREA + 2 * GUARD);
	frame.area = area + GUARD;
}

/* From now on the program may read from `data` to `data_end`. */
static void set_bounds(__u32 data, __u32 data_end)
{
	ASAN_POISON_MEMORY_REGION(memory(frame.ctx.data), frame.ctx.data_end - frame.ctx.data);
	ASAN_UNPOISON_MEMORY_REGION(memory(data), data_end - data);
	frame.ctx.data = frame.ctx.data_meta = data;
	frame.ctx.data_end = data_end;
}

static void put_frame(const struct kernel_frame *in)
{
	__u32 linear = in->linear && in->linear < in->length ? in->linear : in->length;
	__u8 *start;

	if (!frame.area) {
		make_area();
		frame.ctx.data = frame.ctx.data_end = (__u32)(unsigned long)frame.area;
	}
	start = frame.area + in->headroom;
	set_bounds((__u32)(unsigned long)start, (__u32)(unsigned long)start + linear);
	memcpy(start, in->data, linear);
	frame.rest_length = in->length - linear;
	memcpy(frame.rest, in->data + linear, frame.rest_length);
	frame.ctx.ingress_ifindex = in->ifindex;
}

int kernel_run(kernel_program *program, const struct kernel_frame *in, __u8 *out, __u32 *out_length)
{
	int verdict;
	__u32 linear;

	put_frame(in);
	redirected = 0;
	verdict = program(&frame.ctx);
	linear = frame.ctx.data_end - frame.ctx.data;
	memcpy(out, memory(frame.ctx.data), linear);
	memcpy(out + linear, frame.rest, frame.rest_length);
	*out_length = linear + frame.rest_length;
	return verdict;
}

__u32 kernel_redirected(void)
{
	return redirected;
}

void kernel_set_clock(__u64 now)
{
	clock_ns = now;
}

/* bpf_xdp_adjust_head() */
long kernel_adjust_head(struct xdp_md *ctx, int delta)
{
	__u32 lowest = (__u32)(unsigned long)frame.area + XDP_FRAME_SIZE;
	__s64 data = (__s64)ctx->data + delta;

	if (data < lowest || data > (__s64)ctx->data_end - ETHERNET)
		return -EINVAL;
	set_bounds(data, ctx->data_end);
	return 0;
}

/* bpf_xdp_adjust_tail(): in other buffers it is bytes of the last one that come or go. */
long kernel_adjust_tail(struct xdp_md *ctx, int delta)
{
	__u32 before = ctx->data_end;
	__s64 end;

	if (frame.rest_length && delta >= 0)
		return -EINVAL; /* buffers are full */
	if (frame.rest_length && (__u32)-delta <= frame.rest_length) {
		frame.rest_length += delta;
		return 0;
	}
	end = (__s64)before + frame.rest_length + delta;
	if (end < (__s64)ctx->data + ETHERNET || delta > TAILROOM)
		return -EINVAL;
	frame.rest_length = 0;
	set_bounds(ctx->data, end);
	if (end > before)
		memset(memory(before), 0, end - before);
	return 0;
}

__u64 kernel_length(struct xdp_md *ctx)
{
	return ctx->data_end - ctx->data + frame.rest_length;
}

long kernel_redirect(__u32 ifindex, __u64 flags)
{
	redirected = ifindex;
	return flags ? XDP_ABORTED : XDP_REDIRECT;
}

__u64 kernel_now(void)
{
	return clock_ns;
}

/* From the frame and the clock, so that an input does the same each time. */
__u32 kernel_random(void)
{
	return (__u32)clock_ns * 2654435761U ^ (frame.ctx.data_end - frame.ctx.data);
}
