/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What pools say of outer headers: config_outer. */
#include "in/config_read.h"

enum { KEY_DF, KEY_TTL, KEY_SOURCE, OUTER_KEYS };

static const struct value_key outer_keys[OUTER_KEYS] = {
	[KEY_DF] = {.name = "df"},
	[KEY_TTL] = {.name = "ttl"},
	[KEY_SOURCE] = {.name = "source"},
};

static const char source_expected[] = "an IPv4 or IPv6 prefix";

/* The flow's part of an address is at most its last word, and one bit is the least that spreads anything. */
static const struct {
	const char *family;
	__u32 low, high;
} lengths[FAMILIES] = {[IPV4] = {"IPv4", 8, 31}, [IPV6] = {"IPv6", 64, 127}};

static void read_source_prefix(struct reading *reading, const struct node *node, struct config_outer *outer,
			       const struct node **first)
{
	struct source *source = reading->source;
	struct prefix prefix;

	if (!prefix_read(reading, node, source_expected, &prefix) || !address_usable(reading, node, &prefix))
		return;

	int family = prefix.address.family == AF_INET6 ? IPV6 : IPV4;

	if (prefix.length < lengths[family].low || prefix.length > lengths[family].high)
		source_error(source, node->offset,
			     "%s: an %s prefix of outer sources is /%u to /%u, for the flow to fill the rest",
			     node->text, lengths[family].family, lengths[family].low, lengths[family].high);
	else if (first[family])
		source_error(source, node->offset, "a second %s prefix: %s is already on line %zu",
			     lengths[family].family, first[family]->text, source_line(source, first[family]->offset));
	else
		*(family == IPV6 ? &outer->source6 : &outer->source4) = prefix;
	if (!first[family])
		first[family] = node;
}

static void read_source(struct reading *reading, const struct node *node, struct config_outer *outer)
{
	const struct node *first[FAMILIES] = {0};
	size_t count;
	const struct node *child = value_items(reading->source, node, source_expected, &count);

	for (; child; child = node->kind == NODE_LIST ? child->next : NULL)
		read_source_prefix(reading, child, outer, first);
}

void outer_read(struct reading *reading, const struct node *key, bool known, struct config_pool *pool)
{
	struct source *source = reading->source;
	const struct node *found[OUTER_KEYS];
	__u32 ttl = CONFIG_DEFAULT_TTL;

	pool->outer = (struct config_outer){.df = true, .ttl = CONFIG_DEFAULT_TTL};
	if (!key || !value_keys(source, key->value, key->offset, "outer", outer_keys, OUTER_KEYS, found))
		return;
	if (known && pool->forward == FORWARD_L2)
		source_error(source, key->offset,
			     "'outer' is for 'forward: ipip' and 'gue', and this pool has "
			     "'forward: l2': its packets get no outer header");
	else if (known && found[KEY_SOURCE] && pool->forward != FORWARD_IPIP)
		source_error(
			source, found[KEY_SOURCE]->offset,
			"'source' is for 'forward: ipip', and this pool has 'forward: %s': its source port spreads "
			"the flows",
			forward_names[pool->forward]);
	if (found[KEY_DF])
		value_bool(source, found[KEY_DF]->value, &pool->outer.df);
	if (found[KEY_TTL] && value_number(source, found[KEY_TTL]->value, 1, 255, &ttl))
		pool->outer.ttl = (__u8)ttl;
	if (found[KEY_SOURCE])
		read_source(reading, found[KEY_SOURCE]->value, &pool->outer);
}
