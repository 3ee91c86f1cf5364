/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The exit: every packet is counted here, once, and gets its reason's XDP action. */
#ifndef SLUICE_COUNT_H
#define SLUICE_COUNT_H

#include "maps.h"
#include "packet.h"

static __always_inline void count_one(struct counters *counters, __u32 length)
{
	counters->packets++;
	counters->bytes += length;
}

static __always_inline void count_all(const struct packet *p, enum reason reason)
{
	struct count_page *page = count_page();

	if (!page)
		return;
	count_one(&page->reason[reason & (COUNT_REASONS - 1)], p->length);
	if (p->service)
		count_one(&page->service[p->service->index & (SLUICE_MAX_SERVICES - 1)], p->length);
	if (reason == REASON_forwarded || reason == REASON_redirected)
		count_one(&page->backend[p->backend & SLUICE_MAX_BACKENDS], p->length);
}

static __always_inline int count(const struct packet *p, enum reason reason)
{
	count_all(p, reason);
	switch (reason) {
#define REASON_CASE(name, action, help)                                                                                \
	case REASON_##name:                                                                                            \
		return action;
		REASONS(REASON_CASE)
#undef REASON_CASE
	case REASON_COUNT:
		break;
	}
	return XDP_ABORTED;
}

#endif
