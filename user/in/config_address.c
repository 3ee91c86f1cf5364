/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <arpa/inet.h>
#include <asm/byteorder.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "in/config_read.h"

/* Says which prefix was meant by one with bits set beyond its length. */
static void note_host_bits(struct source *source, const struct node *node)
{
	char address[ADDRESS_TEXT], right[ADDRESS_TEXT];
	struct prefix prefix = {0};
	const char *slash = strchr(node->text, '/');

	snprintf(address, sizeof(address), "%.*s", (int)(slash - node->text), node->text);
	address_parse(address, &prefix.address);
	prefix.length = (__u32)strtoul(slash + 1, NULL, 10);
	for (__u32 i = 0, bits = prefix.length; i < 4; i++, bits -= bits < 32 ? bits : 32)
		prefix.address.word[i] &= bits >= 32 ? -1U : htonl(bits ? -1U << (32 - bits) : 0);
	source_error(source, node->offset, "%s has bits set beyond its length of /%u: write %s", node->text,
		     prefix.length, prefix_format(&prefix, right));
}

bool prefix_read(struct reading *reading, const struct node *node, const char *expected, struct prefix *out)
{
	struct source *source = reading->source;
	const char *text;

	if (node->kind == NODE_MAP) {
		source_error(source, node->offset,
			     "expected %s, found a map: put an address that ends in ':' in quotes", expected);
		return false;
	}
	if (!value_text(source, node, expected, &text))
		return false;
	switch (prefix_parse(text, out)) {
	case 0:
		return true;
	case -ERANGE:
		note_host_bits(source, node);
		return false;
	default:
		source_error(source, node->offset, "'%.64s' is not %s", text, expected);
		return false;
	}
}

/* What can be neither a VIP nor a backend, because no router forwards it or it means something else. */
#define BAD(af, bits, ...)                                                                                             \
	{                                                                                                              \
		{.family = AF_INET##af, .word = {__VA_ARGS__}}, bits                                                   \
	}
#define BE(word) __constant_htonl(word)

static const struct {
	struct prefix prefix;
	const char *what, *advice;
} unusable[] = {
	{BAD(, 8, BE(0x00000000)), "an unspecified address", ""},
	{BAD(, 8, BE(0x7f000000)), "a loopback address", ""},
	{BAD(, 4, BE(0xe0000000)), "a multicast address", ""},
	{BAD(, 32, BE(0xffffffff)), "the broadcast address", ""},
	{BAD(6, 128, 0, 0, 0, 0), "the unspecified address", ""},
	{BAD(6, 128, 0, 0, 0, BE(1)), "the loopback address", ""},
	{BAD(6, 96, 0, 0, BE(0xffff), 0), "an IPv4-mapped address", ": write it as IPv4"},
	{BAD(6, 10, BE(0xfe800000)), "a link-local address", ""},
	{BAD(6, 8, BE(0xff000000)), "a multicast address", ""},
};

#undef BAD
#undef BE

bool address_usable(struct reading *reading, const struct node *node, const struct prefix *prefix)
{
	bool single = prefix->length == address_bits(&prefix->address);

	for (size_t i = 0; i < sizeof(unusable) / sizeof(*unusable); i++) {
		const struct prefix *bad = &unusable[i].prefix;

		if (prefix_contains(bad, &prefix->address) || prefix_contains(prefix, &bad->address)) {
			source_error(reading->source, node->offset, "%s cannot be used: it %s %s%s", node->text,
				     single ? "is" : "contains", unusable[i].what, unusable[i].advice);
			return false;
		}
	}
	return true;
}
