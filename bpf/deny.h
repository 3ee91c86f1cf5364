/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Stage deny: is the source on the deny list? Callers ask for packets of services alone, never for the host's own.
 */
#ifndef SLUICE_DENY_H
#define SLUICE_DENY_H

#include "maps.h"
#include "packet.h"

static __always_inline bool is_denying(bool v6)
{
	return v6 ? feature(FEATURE_DENY6) : feature(FEATURE_DENY4);
}

/* `source`: one word, or four for IPv6; in the packet itself or a copy. */
static __always_inline bool is_denied(const __be32 *source, bool v6)
{
	if (!is_denying(v6))
		return false;
	if (v6) {
		struct deny_key6 key = {.prefixlen = 128};

		__builtin_memcpy(key.address, source, sizeof(key.address));
		return bpf_map_lookup_elem(&denied6, &key);
	}
	struct deny_key4 key = {.prefixlen = 32, .address = *source};

	return bpf_map_lookup_elem(&denied4, &key);
}

#endif
