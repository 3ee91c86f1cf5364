/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Which sources a service takes, and which of them go to a pool of their own: config_rule. */
#include <stdlib.h>
#include <string.h>

#include "abi.h"
#include "in/config_read.h"

enum { KEY_FROM, KEY_ACTION, KEY_POOL, RULE_KEYS };

static const struct value_key rule_keys[RULE_KEYS] = {
	[KEY_FROM] = {.name = "from", .needed = "a prefix, a list of them, or any"},
	[KEY_ACTION] = {.name = "action"},
	[KEY_POOL] = {.name = "pool"},
};

static const char prefix_expected[] = "an IPv4 or IPv6 address or prefix";

/* A prefix of a rule with the place where it stands. */
struct item {
	struct prefix prefix;
	size_t rule;
	const struct node *node;
};

/* The rules of one service while they are read. */
struct rules {
	struct reading *reading;
	struct item *items;
	size_t count, room;
};

static void add_item(struct rules *rules, const struct prefix *prefix, size_t rule, const struct node *node)
{
	struct reading *reading = rules->reading;
	int family = prefix->address.family == AF_INET6 ? IPV6 : IPV4;

	if (reading->rule_prefixes[family]++ == SLUICE_MAX_RULES)
		source_error(reading->source, node->offset, "more than %d %s prefixes in the sources of all services",
			     SLUICE_MAX_RULES, family == IPV6 ? "IPv6" : "IPv4");
	if (rules->count == rules->room) {
		struct item *items;

		rules->room = rules->room ? 2 * rules->room : 16;
		items = arena_array(reading->source->arena, rules->room, sizeof(*items));
		if (rules->count)
			memcpy(items, rules->items, rules->count * sizeof(*items));
		rules->items = items;
	}
	rules->items[rules->count++] = (struct item){*prefix, rule, node};
}

/* No packet has such a source: the IPv4 address in it is what it comes from. */
static bool is_mapped(const struct prefix *prefix)
{
	struct prefix mapped;

	prefix_parse("::ffff:0:0/96", &mapped);
	return prefix->length >= mapped.length && prefix_contains(&mapped, &prefix->address);
}

static void read_prefix(struct rules *rules, const struct node *node, size_t rule)
{
	const struct prefix any4 = {.address.family = AF_INET}, any6 = {.address.family = AF_INET6};
	struct prefix prefix;

	if (node->kind == NODE_SCALAR && strcmp(node->text, "any") == 0) {
		add_item(rules, &any4, rule, node);
		add_item(rules, &any6, rule, node);
	} else if (prefix_read(rules->reading, node, prefix_expected, &prefix)) {
		if (is_mapped(&prefix))
			source_error(rules->reading->source, node->offset,
				     "%s is IPv4-mapped, which no packet comes from: write it as IPv4", node->text);
		else
			add_item(rules, &prefix, rule, node);
	}
}

/* What is done with the sources; `node` is the rule's. */
static void read_verdict(struct reading *reading, const struct node *node, const struct node *const *found,
			 struct config_rule *rule)
{
	struct source *source = reading->source;
	const struct config_pool *pool;
	const char *name;
	int action;

	if (found[KEY_ACTION] && found[KEY_POOL])
		source_error(source, found[KEY_POOL]->offset,
			     "a rule has either 'action' or 'pool': sources that go to a pool are allowed");
	/* what else is in the map was told of, and may be meant to be one of the two */
	if (!found[KEY_ACTION] && !found[KEY_POOL] && node->count == (found[KEY_FROM] != NULL))
		source_error(source, node->offset, "a rule needs 'action', which is allow or deny, or a 'pool'");
	if (found[KEY_ACTION] && value_choice(source, found[KEY_ACTION]->value, rule_action_names, 2, &action))
		rule->action = (enum rule_action)action;
	if (!found[KEY_POOL] || !value_text(source, found[KEY_POOL]->value, "the name of a pool", &name) ||
	    !reading->pools_known)
		return;
	rule->action = RULE_POOL;
	pool = pool_named(reading, found[KEY_POOL]->value, name);
	if (pool)
		rule->pool = (size_t)(pool - reading->config->pools);
}

static void read_rule(struct rules *rules, const struct node *node, struct config_rule *rule, size_t number)
{
	struct source *source = rules->reading->source;
	const struct node *found[RULE_KEYS], *from, *child;
	size_t count;

	if (node->kind != NODE_MAP) {
		value_unexpected(source, node, "a rule such as {from: 10.0.0.0/8, action: deny}");
		return;
	}
	value_keys(source, node, node->offset, "a rule", rule_keys, RULE_KEYS, found);
	read_verdict(rules->reading, node, found, rule);
	if (!found[KEY_FROM])
		return;
	from = found[KEY_FROM]->value;
	child = value_items(source, from, prefix_expected, &count);
	for (; child; child = from->kind == NODE_LIST ? child->next : NULL)
		read_prefix(rules, child, number);
}

static int compare_item(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int order = prefix_compare(&x->prefix, &y->prefix);

	if (order)
		return order;
	return x->node->offset < y->node->offset ? -1 : x->node->offset > y->node->offset;
}

/* The one of those around it that is the first in the file's order of rules, or NULL. */
static const struct item *first_rule(const struct item *const *around, size_t depth)
{
	const struct item *first = NULL;

	for (size_t i = 0; i < depth; i++)
		if (!first || around[i]->rule < first->rule)
			first = around[i];
	return first;
}

/*
 * What an earlier rule has all of can never match. So of two prefixes that have addresses in common and differ in what
 * they lead to, the longer one always stands first: the order of the file and the longest match say the same.
 */
static void check_items(struct rules *rules)
{
	const struct item *around[129]; /* the prefixes that the current one lies in, each in the one before */
	struct source *source = rules->reading->source;
	char text[ADDRESS_TEXT], wider[ADDRESS_TEXT];
	size_t depth = 0;

	if (rules->count) /* else there is no array, which qsort() may not be given */
		qsort(rules->items, rules->count, sizeof(*rules->items), compare_item);
	for (size_t i = 0; i < rules->count; i++) {
		const struct item *item = &rules->items[i], *first;

		while (depth && !prefix_contains(&around[depth - 1]->prefix, &item->prefix.address))
			depth--;
		if (depth && around[depth - 1]->prefix.length == item->prefix.length) {
			source_error(source, item->node->offset, "duplicate source %s: it is already on line %zu",
				     prefix_format(&item->prefix, text),
				     source_line(source, around[depth - 1]->node->offset));
			continue;
		}
		first = first_rule(around, depth);
		if (first && first->rule < item->rule)
			source_error(source, item->node->offset,
				     "%s can never match: the rule with %s on line %zu has all of it and comes first",
				     prefix_format(&item->prefix, text), prefix_format(&first->prefix, wider),
				     source_line(source, first->node->offset));
		around[depth++] = item;
	}
}

void sources_read(struct reading *reading, const struct node *node, struct config_service *service)
{
	struct rules rules = {.reading = reading};
	struct arena *arena = reading->config->arena;
	struct prefix *from;

	if (!value_is_list(reading->source, node, "a list of rules such as [{from: 10.0.0.0/8, action: deny}]"))
		return;
	service->rules = arena_array(arena, node->count, sizeof(*service->rules));
	for (const struct node *child = node->first; child; child = child->next) {
		read_rule(&rules, child, &service->rules[service->rule_count], service->rule_count);
		service->rule_count++;
	}
	from = arena_array(arena, rules.count, sizeof(*from));
	for (size_t i = 0; i < rules.count; i++) {
		struct config_rule *rule = &service->rules[rules.items[i].rule];

		from[i] = rules.items[i].prefix;
		if (!rule->from_count++)
			rule->from = &from[i];
	}
	if (rules.count)
		check_items(&rules);
}
