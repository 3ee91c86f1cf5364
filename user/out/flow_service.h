/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Which service has a flow: what bpf/service.h and bpf/rules.h find, found by user space in the same maps. */
#ifndef SLUICE_FLOW_SERVICE_H
#define SLUICE_FLOW_SERVICE_H

#include <stdbool.h>

#include "abi.h"
#include "out/maps.h"

#define FLOW_SERVICE_CACHE 1024

/*
 * Prefixes take system calls, so what they gave is kept; for as long as nobody can have changed the maps. Zeroed:
 * nothing is kept yet.
 */
struct flow_service_cache {
	struct flow_service_kept {
		__be32 address[4];
		__u32 tail; /* vip_tail(); 0: empty */
		bool found;
		struct service service;
	} kept[FLOW_SERVICE_CACHE];
	struct service ruled; /* what was found last, with the table of a source rule's pool */
};

/* `features` of the program: whether prefixes are looked at. NULL: no service; else valid until the next call. */
const struct service *flow_service(const struct maps *maps, __u32 features, struct flow_service_cache *cache,
				   const struct flow_tuple *tuple);

#endif
