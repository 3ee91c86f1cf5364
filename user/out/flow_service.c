/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "out/flow_service.h"

#include <bpf/bpf.h>
#include <string.h>

#include "model/vip_table.h"

static const struct service *find_exact(const struct maps *maps, const struct flow_tuple *tuple, __be16 port)
{
	struct vip_entry key = {.tail = vip_tail(port, tuple->protocol, tuple->version == 6)}, *found;

	memcpy(key.address, tuple->destination, sizeof(key.address));
	found = vip_table_find(maps->vips, &key);
	return found ? &found->service : NULL;
}

static bool find_prefix(const struct maps *maps, const struct flow_tuple *tuple, __be16 port, struct service *service)
{
	struct prefix_key4 key4 = {.prefixlen = PREFIX_KEY_FIXED_BITS + 32,
				   .protocol = tuple->protocol,
				   .port = port,
				   .address = tuple->destination[0]};
	struct prefix_key6 key6 = {.prefixlen = PREFIX_KEY_FIXED_BITS + 128, .protocol = tuple->protocol, .port = port};

	if (tuple->version == 4)
		return !bpf_map_lookup_elem(maps->fd[MAP_prefixes4], &key4, service);
	memcpy(key6.address, tuple->destination, sizeof(key6.address));
	return !bpf_map_lookup_elem(maps->fd[MAP_prefixes6], &key6, service);
}

/* The port or, else, any port, in the prefixes. */
static const struct service *find_kept(const struct maps *maps, struct flow_service_cache *cache,
				       const struct flow_tuple *tuple)
{
	__u32 tail = vip_tail(tuple->destination_port, tuple->protocol, tuple->version == 6), at = tail;
	struct flow_service_kept *kept;

	for (int i = 0; i < 4; i++)
		at = (at ^ tuple->destination[i]) * 0x9e3779b1U;
	kept = &cache->kept[at >> 22];
	_Static_assert(FLOW_SERVICE_CACHE == 1 << (32 - 22), "the index's bits");
	if (kept->tail != tail || memcmp(kept->address, tuple->destination, sizeof(kept->address)) != 0) {
		kept->tail = tail;
		memcpy(kept->address, tuple->destination, sizeof(kept->address));
		kept->found = find_prefix(maps, tuple, tuple->destination_port, &kept->service) ||
			      find_prefix(maps, tuple, 0, &kept->service);
	}
	return kept->found ? &kept->service : NULL;
}

static bool find_rule(const struct maps *maps, const struct flow_tuple *tuple, __u16 service, struct rule *rule)
{
	struct rule_key4 key4 = {
		.prefixlen = RULE_KEY_FIXED_BITS + 32, .service = service, .address = tuple->source[0]};
	struct rule_key6 key6 = {.prefixlen = RULE_KEY_FIXED_BITS + 128, .service = service};

	if (tuple->version == 4)
		return !bpf_map_lookup_elem(maps->fd[MAP_rules4], &key4, rule);
	memcpy(key6.address, tuple->source, sizeof(key6.address));
	return !bpf_map_lookup_elem(maps->fd[MAP_rules6], &key6, rule);
}

/* A source rule may lead the flow to another table than its service has. */
static const struct service *follow_rule(const struct maps *maps, struct flow_service_cache *cache,
					 const struct flow_tuple *tuple, const struct service *service)
{
	struct rule rule;

	if (!(maps->options[service->index].flags & OPTION_RULES) || !find_rule(maps, tuple, service->index, &rule) ||
	    rule.action != RULE_POOL)
		return service;
	cache->ruled = *service;
	cache->ruled.slot_first = rule.table.slot_first;
	cache->ruled.slot_count = rule.table.slot_count;
	cache->ruled.flags &= ~SERVICE_MOVING;
	return &cache->ruled;
}

const struct service *flow_service(const struct maps *maps, __u32 features, struct flow_service_cache *cache,
				   const struct flow_tuple *tuple)
{
	const struct service *found = find_exact(maps, tuple, tuple->destination_port) ?: find_exact(maps, tuple, 0);

	if (!found && features & (tuple->version == 4 ? FEATURE_PREFIX4 : FEATURE_PREFIX6))
		found = find_kept(maps, cache, tuple);
	return found && features & FEATURE_RULES ? follow_rule(maps, cache, tuple, found) : found;
}
