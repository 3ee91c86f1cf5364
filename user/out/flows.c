/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/flows.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/memory.h"

/*
 * The kernel hands over whole hash buckets, and stops before the one that does not fit any more. Of 1,024 places a
 * bucket fills a few; should one really hold more than all of them (-ENOSPC), its position is stepped over, for
 * the next walk may find it smaller.
 */
int flows_next(int fd, struct flows_walk *walk)
{
	__u32 next = walk->position;
	int err;

	walk->count = FLOWS_BATCH;
	err = bpf_map_lookup_batch(fd, walk->begun ? &walk->position : NULL, &next, walk->tuple, walk->record,
				   &walk->count, NULL);
	if (err == -ENOSPC) {
		walk->count = 0;
		next++;
		err = 0;
	}
	if (err && err != -ENOENT) {
		walk->count = 0;
		walk->ended = true;
		return err;
	}
	walk->ended = err == -ENOENT;
	walk->begun = true;
	walk->position = next;
	return 0;
}

bool flows_remove(int fd, const struct flow_tuple *tuple, const struct flow_record *record)
{
	struct flow_record present;

	return !bpf_map_lookup_elem(fd, tuple, &present) && !memcmp(&present, record, sizeof(present)) &&
	       !bpf_map_delete_elem(fd, tuple);
}

void flows_forget(int fd, const bool *backends)
{
	struct flows_walk *walk = memory_new(1, sizeof(*walk));

	while (fd >= 0 && !walk->ended && !flows_next(fd, walk))
		for (__u32 i = 0; i < walk->count; i++)
			if (backends[walk->record[i].backend])
				bpf_map_delete_elem(fd, &walk->tuple[i]);
	free(walk);
}

void flows_remove_all(int fd, struct flow_tuple *tuples, __u32 count)
{
	while (count) {
		__u32 done = count;

		bpf_map_delete_batch(fd, tuples, &done, NULL);
		if (done < count)
			done++; /* ended before one that the kernel had dropped already */
		tuples += done;
		count -= done;
	}
}

static bool is_since(const struct flow_record *record, __u32 second)
{
	return record->born >= second || (record->flags && record->seen >= second);
}

__u32 flows_carry_over(int from, int to, __u32 since, bool shared)
{
	const __u64 flags = shared ? BPF_NOEXIST : BPF_ANY;
	__u32 begun = (__u32)(clock_ms() / 1000) - 1; /* the dataplane's clock is coarse, and may be a little behind */
	struct flows_walk *walk = memory_new(1, sizeof(*walk));

	while (from >= 0 && to >= 0 && !walk->ended && !flows_next(from, walk))
		for (__u32 i = 0; i < walk->count; i++)
			if (is_since(&walk->record[i], since))
				bpf_map_update_elem(to, &walk->tuple[i], &walk->record[i], flags);
	free(walk);
	return begun;
}
