/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/array.h"

#include <bpf/bpf.h>
#include <errno.h>

int array_create(const char *name, __u32 element_size, __u32 count)
{
	const __u64 size = (__u64)element_size * count;
	int fd;
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);

	if (!count || size > INT32_MAX)
		return -EINVAL;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(__u32), (__u32)size, 1, &options);
	return fd < 0 ? -errno : fd;
}

__u32 array_count(__u32 map_value_size, __u32 element_size)
{
	return map_value_size % element_size ? 0 : map_value_size / element_size;
}
