/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Stage rules: what the service's source rules say of a client. The longest prefix has the verdict of the first
 * rule that takes it in (service_options.h), so one look-up answers what an ordered list would. A source of no rule
 * is allowed.
 */
#ifndef SLUICE_RULES_H
#define SLUICE_RULES_H

#include "maps.h"
#include "packet.h"

static __always_inline const struct rule *rule_find(const __be32 *source, __u16 service, bool v6)
{
	if (v6) {
		struct rule_key6 key = {.prefixlen = RULE_KEY_FIXED_BITS + 128, .service = service};

		__builtin_memcpy(key.address, source, sizeof(key.address));
		return bpf_map_lookup_elem(&rules6, &key);
	}
	struct rule_key4 key = {.prefixlen = RULE_KEY_FIXED_BITS + 32, .service = service, .address = *source};

	return bpf_map_lookup_elem(&rules4, &key);
}

/*
 * For services with OPTION_RULES. `service` is the caller's copy: a rule that names a pool gives it that pool's
 * table. A move is one of the service's own table, so then there is none to look at.
 */
static __always_inline enum reason rules_apply(const struct flow_tuple *tuple, struct service *service, bool v6)
{
	const struct rule *rule = rule_find(tuple->source, service->index, v6);

	if (!rule)
		return REASON_go_on;
	if (rule->action == RULE_DENY)
		return REASON_denied_by_rule;
	if (rule->action == RULE_POOL) {
		service->slot_first = rule->table.slot_first;
		service->slot_count = rule->table.slot_count;
		service->flags &= ~SERVICE_MOVING;
	}
	return REASON_go_on;
}

#endif
