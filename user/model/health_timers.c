/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "lib/memory.h"
#include "model/health_inner.h"

static void put(struct health_timers *timers, size_t slot, struct health_backend *backend)
{
	timers->heap[slot] = backend;
	backend->timer_slot = slot;
}

/* From `slot`, which is free, upwards to where the backend belongs. */
static void rise(struct health_timers *timers, size_t slot, struct health_backend *backend)
{
	for (; slot > 1 && timers->heap[slot / 2]->timer > backend->timer; slot /= 2)
		put(timers, slot, timers->heap[slot / 2]);
	put(timers, slot, backend);
}

/* The same downwards. */
static void sink(struct health_timers *timers, size_t slot, struct health_backend *backend)
{
	for (size_t child; (child = 2 * slot) <= timers->count; slot = child) {
		if (child < timers->count && timers->heap[child + 1]->timer < timers->heap[child]->timer)
			child++;
		if (timers->heap[child]->timer >= backend->timer)
			break;
		put(timers, slot, timers->heap[child]);
	}
	put(timers, slot, backend);
}

static void place(struct health_timers *timers, size_t slot, struct health_backend *backend)
{
	if (slot > 1 && timers->heap[slot / 2]->timer > backend->timer)
		rise(timers, slot, backend);
	else
		sink(timers, slot, backend);
}

static void take_out(struct health_timers *timers, struct health_backend *backend)
{
	struct health_backend *last = timers->heap[timers->count--];

	if (last != backend)
		place(timers, backend->timer_slot, last);
	backend->timer_slot = 0;
}

void health_timers_set(struct health_timers *timers, struct health_backend *backend, __u64 at)
{
	if (backend->timer_slot && backend->timer == at)
		return;
	backend->timer = at;
	if (!at) {
		if (backend->timer_slot)
			take_out(timers, backend);
	} else if (backend->timer_slot) {
		place(timers, backend->timer_slot, backend);
	} else {
		if (timers->count + 1 >= timers->room) {
			timers->room = timers->room ? 2 * timers->room : 64;
			timers->heap = memory_resize(timers->heap, timers->room, sizeof(*timers->heap));
		}
		rise(timers, ++timers->count, backend);
	}
}

struct health_backend *health_timers_first(const struct health_timers *timers)
{
	return timers->count ? timers->heap[1] : NULL;
}
