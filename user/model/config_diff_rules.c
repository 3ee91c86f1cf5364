/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Source rules of a service before and after. Their order in the file need not be compared: of two prefixes that have
 * addresses in common, the longer one decides (include/service_options.h).
 */
#include "model/config_diff_part.h"

#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

#define VERDICT_TEXT (CONFIG_NAME_MAX + sizeof("pool "))

/* A prefix that one of the two has, and the rules that it is of; NULL: none. */
struct turn {
	struct prefix prefix;
	const struct config_rule *old, *new;
};

/* All of them, in order. */
struct turns {
	struct turn *turn;
	size_t count;
};

static size_t count_prefixes(const struct config_service *service)
{
	size_t count = 0;

	for (size_t i = 0; service && i < service->rule_count; i++)
		count += service->rules[i].from_count;
	return count;
}

static void add_rules(struct turns *turns, const struct config_service *service, bool new)
{
	for (size_t i = 0; service && i < service->rule_count; i++) {
		const struct config_rule *rule = &service->rules[i];

		for (size_t j = 0; j < rule->from_count; j++)
			turns->turn[turns->count++] =
				(struct turn){rule->from[j], new ? NULL : rule, new ? rule : NULL};
	}
}

static int compare_turn(const void *a, const void *b)
{
	return prefix_compare(&((const struct turn *)a)->prefix, &((const struct turn *)b)->prefix);
}

/* Of two services, one of which may be NULL. The turns are to be freed. */
static struct turns list_turns(const struct config_service *old, const struct config_service *new)
{
	struct turns turns = {.turn = memory_new(count_prefixes(old) + count_prefixes(new), sizeof(*turns.turn))};
	size_t count = 0;

	add_rules(&turns, old, false);
	add_rules(&turns, new, true);
	qsort(turns.turn, turns.count, sizeof(*turns.turn), compare_turn);
	for (size_t i = 0; i < turns.count; i++) {
		const struct turn *turn = &turns.turn[i];

		if (!count || compare_turn(&turns.turn[count - 1], turn) != 0) {
			turns.turn[count++] = *turn;
			continue;
		}
		if (turn->old)
			turns.turn[count - 1].old = turn->old;
		else
			turns.turn[count - 1].new = turn->new;
	}
	turns.count = count;
	return turns;
}

static const char *verdict_format(const struct config *config, const struct config_rule *rule,
				  char text[static VERDICT_TEXT])
{
	if (!rule)
		return "none";
	if (rule->action != RULE_POOL)
		return rule_action_names[rule->action];
	snprintf(text, VERDICT_TEXT, "pool %s", config->pools[rule->pool].name);
	return text;
}

void diff_rules(struct detail *detail, const struct diff *diff, const struct config_service *old,
		const struct config_service *new)
{
	struct turns turns = list_turns(old, new);
	char prefix[ADDRESS_TEXT], before_text[VERDICT_TEXT], after_text[VERDICT_TEXT];
	size_t listed = 0;

	for (size_t i = 0; i < turns.count; i++) {
		const struct turn *turn = &turns.turn[i];
		const char *before = verdict_format(diff->from, turn->old, before_text);
		const char *after = verdict_format(diff->to, turn->new, after_text);

		if (strcmp(before, after) == 0 || listed++ >= DIFF_LISTED)
			continue;
		prefix_format(&turn->prefix, prefix);
		if (old && new)
			detail_add(detail, "source %s %s -> %s", prefix, before, after);
		else
			detail_add(detail, "source %s %s", prefix, new ? after : before);
	}
	if (listed > DIFF_LISTED)
		detail_add(detail, "and %zu more sources", listed - DIFF_LISTED);
	free(turns.turn);
}

/* What a source gets: the pool that a rule names, or that of the service; NULL: it is denied. */
static const struct config_pool *pool_of(const struct config *config, const struct config_service *service,
					 const struct config_rule *rule)
{
	if (rule && rule->action == RULE_DENY)
		return NULL;
	return &config->pools[rule && rule->action == RULE_POOL ? rule->pool : service->pool];
}

static bool is_own(const struct config_rule *rule)
{
	return !rule || rule->action == RULE_ALLOW;
}

/* Where both are the service's own table, it goes over with a transition. Who is denied is meant to be cut. */
static bool is_broken(const struct diff *diff, const struct config_service *old, const struct config_rule *old_rule,
		      const struct config_service *new, const struct config_rule *new_rule)
{
	const struct config_pool *before = pool_of(diff->from, old, old_rule),
				 *after = pool_of(diff->to, new, new_rule);

	if (!before || !after || (is_own(old_rule) && is_own(new_rule)))
		return false;
	return !diff_is_same_table(before, old->hash, after, new->hash) && diff_has_in_use(diff, before);
}

bool diff_rules_move(const struct diff *diff, const struct config_service *old, const struct config_service *new)
{
	struct turn around[129]; /* the prefixes that the current one lies in, with the rules that it has from them */
	struct turns turns = list_turns(old, new);
	bool moved = false;
	size_t depth = 0;

	for (size_t i = 0; i < turns.count && !moved; i++) {
		struct turn turn = turns.turn[i];

		while (depth && !prefix_contains(&around[depth - 1].prefix, &turn.prefix.address))
			depth--;
		if (depth && !turn.old)
			turn.old = around[depth - 1].old;
		if (depth && !turn.new)
			turn.new = around[depth - 1].new;
		moved = is_broken(diff, old, turn.old, new, turn.new);
		around[depth++] = turn;
	}
	free(turns.turn);
	return moved;
}
