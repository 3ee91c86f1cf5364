/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the kernel is to the XDP program, for the fuzzer: maps, helpers, a clock, and the memory of one frame. Whatever
 * the verifier would forbid to read is poisoned for AddressSanitizer.
 */
#ifndef SLUICE_FUZZ_BPF_KERNEL_H
#define SLUICE_FUZZ_BPF_KERNEL_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define KERNEL_FRAME_MAX 8192 /* bytes of a frame, of all of its buffers together */
#define KERNEL_HEADROOM	 256

typedef int kernel_program(struct xdp_md *ctx);

/* Of any kind. Hashes and tries are searched from end to end: worlds are small. */
struct kernel_map {
	__u32 type, key_size, value_size, stride, capacity;
	__u32 count;  /* entries of a hash or trie */
	__u32 *used;  /* of an LRU hash: when the entry was last used; of an array that is reset: the entries seen */
	__u8 *keys;   /* entry by entry */
	__u8 *values; /* likewise, `stride` bytes each */
	bool forgets; /* kernel_reset() empties it */
	kernel_program **programs; /* of a program array */
};

/* Makes an empty map. It is never freed. */
void kernel_map_init(struct kernel_map *map, __u32 type, __u32 key_size, __u32 value_size, __u32 capacity);

/* What the programs did to the map is undone, if it forgets: its values are zero, or it is empty. */
void kernel_reset(struct kernel_map *map);

/* Entry or NULL; 0 or a negative errno. */
void *kernel_lookup(struct kernel_map *map, const void *key);
long kernel_update(struct kernel_map *map, const void *key, const void *value, __u64 flags);
kernel_program *kernel_called(struct kernel_map *map, __u32 index);

/* A frame's arrival; bytes. */
struct kernel_frame {
	const __u8 *data;
	__u32 length;
	__u32 linear;	/* in the first buffer; 0: all */
	__u32 headroom; /* at most KERNEL_HEADROOM */
	__u32 ifindex;
};

/* Runs a program. `out` has room for whatever it makes of the frame, whose length is *out_length then. */
int kernel_run(kernel_program *program, const struct kernel_frame *frame, __u8 *out, __u32 *out_length);

/* The interface that the last frame was redirected to, 0: none. */
__u32 kernel_redirected(void);

/* Nanoseconds; it stands still until it is set. */
void kernel_set_clock(__u64 now);

long kernel_adjust_head(struct xdp_md *ctx, int delta);
long kernel_adjust_tail(struct xdp_md *ctx, int delta);
__u64 kernel_length(struct xdp_md *ctx);
long kernel_redirect(__u32 ifindex, __u64 flags);
__u64 kernel_now(void);
__u32 kernel_random(void);

#endif
