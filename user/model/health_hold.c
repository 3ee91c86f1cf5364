/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/health_inner.h"

/* How long the backend stays out with its k-th remembered fall. */
static __u64 hold_ms(const struct config_judgement *judgement, __u32 k)
{
	__u64 hold = judgement->hold_first_ms;

	if (k < 2)
		return 0;
	hold <<= k < HEALTH_FALLS_MAX ? k - 2 : HEALTH_FALLS_MAX - 2;
	return hold < judgement->hold_max_ms ? hold : judgement->hold_max_ms;
}

void health_hold_forgive(struct health_backend *backend, __u64 now)
{
	__u64 decay = backend->pool->judgement.hold_decay_ms, times;

	if (!backend->alive || !backend->falls || now < backend->forgiven)
		return;
	times = decay ? (now - backend->forgiven) / decay : backend->falls;
	if (times > backend->falls)
		times = backend->falls;
	backend->falls -= (__u32)times;
	backend->forgiven += times * decay;
}

__u64 health_hold_forgives(const struct health_backend *backend)
{
	return backend->alive && backend->falls ? backend->forgiven + backend->pool->judgement.hold_decay_ms : 0;
}

void health_hold_fall(struct health_backend *backend, __u64 now)
{
	const struct config_judgement *judgement = &backend->pool->judgement;
	__u64 hold;

	health_hold_forgive(backend, now);
	if (backend->falls < 2 ||
	    (backend->falls < HEALTH_FALLS_MAX && hold_ms(judgement, backend->falls) < judgement->hold_max_ms))
		backend->falls++;
	hold = judgement->hold_first_ms ? hold_ms(judgement, backend->falls) : 0;
	backend->held_until = hold ? now + hold : 0;
}
