/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "in/config_read.h"

/* What can be neither a VIP nor a backend, because no router forwards it or it means something else. */
static const struct {
	const char *prefix, *what, *advice;
} unusable[] = {
	{"0.0.0.0/8", "an unspecified address", ""},
	{"127.0.0.0/8", "a loopback address", ""},
	{"224.0.0.0/4", "a multicast address", ""},
	{"255.255.255.255", "the broadcast address", ""},
	{"::", "the unspecified address", ""},
	{"::1", "the loopback address", ""},
	{"::ffff:0:0/96", "an IPv4-mapped address", ": write it as IPv4"},
	{"fe80::/10", "a link-local address", ""},
	{"ff00::/8", "a multicast address", ""},
};

bool address_usable(struct reading *reading, const struct node *node, const struct prefix *prefix)
{
	bool single = prefix->length == address_bits(&prefix->address);

	for (size_t i = 0; i < sizeof(unusable) / sizeof(*unusable); i++) {
		struct prefix bad;

		prefix_parse(unusable[i].prefix, &bad);
		if (prefix_contains(&bad, &prefix->address) || prefix_contains(prefix, &bad.address)) {
			source_error(reading->source, node->offset, "%s cannot be used: it %s %s%s", node->text,
				     single ? "is" : "contains", unusable[i].what, unusable[i].advice);
			return false;
		}
	}
	return true;
}
