/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Fragments of a service's datagrams: only the first one has ports, and it is written down where it went; the others
 * follow it for FRAGMENT_LIFE seconds. Those of addresses that are no VIP's are never looked at.
 */
#ifndef SLUICE_FRAGMENT_H
#define SLUICE_FRAGMENT_H

#include "maps.h"
#include "slow_read.h"

static __always_inline void fragment_key(struct fragment_key *key, const struct slow *s)
{
	const struct flow_tuple *tuple = &s->ask.tuple;

	__builtin_memcpy(key->source, tuple->source, sizeof(key->source));
	__builtin_memcpy(key->destination, tuple->destination, sizeof(key->destination));
	key->id = s->id;
	key->protocol = s->v6 ? 0 : tuple->protocol;
	key->version = tuple->version;
	key->vlan = s->vlan;
}

/* Of the first fragment: where it went. */
__noinline int fragment_put(const struct slow *s, const struct fragment *where)
{
	struct fragment_key key;
	struct fragment value;

	if (!s || !where)
		return 0;
	fragment_key(&key, s);
	value = *where; /* Linux 6.1 takes no caller's memory here */
	return (int)bpf_map_update_elem(&fragments, &key, &value, BPF_ANY);
}

/* Of a further one: where the first went, NULL if that is not known or long ago. */
static __noinline const struct fragment *fragment_find(const struct slow *s)
{
	const struct fragment *found;
	struct fragment_key key;

	fragment_key(&key, s);
	found = bpf_map_lookup_elem(&fragments, &key);
	return found && second_now() - found->seen <= FRAGMENT_LIFE ? found : NULL;
}

#endif
