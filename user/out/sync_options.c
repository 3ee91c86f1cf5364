/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What services ask for beyond their pool: options, source rules, QUIC servers. The order keeps each packet's answer
 * one that was or will be right: what is asked for is there before the options say so, these before a VIP sends its
 * packets to look at them; and all goes the other way round.
 *
 * Options are eleven words that packets read meanwhile. The one with the flags is written last where it gets some, and
 * first where it only loses some: what a flag stands for is whole then, or zero, which asks for nothing. Values that
 * change may be read half, and do no harm: a limit's new interval with its former tolerance judges one packet by a rate
 * or burst that was not configured, and leaves a state that either limit may leave. Half of a change of QUIC's finds no
 * server, so that the packet goes by its hash, as whatever is not routable.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "out/sync_entries.h"

#define OPTION_WORDS (sizeof(struct service_options) / sizeof(__u64))
#define FLAGS_WORD   (offsetof(struct service_options, flags) / sizeof(__u64))

_Static_assert(sizeof(struct service_options) % sizeof(__u64) == 0, "service_options are whole words");
_Static_assert(offsetof(struct service_options, vlan) / sizeof(__u64) == FLAGS_WORD,
	       "flags, MSS and VLAN are one word");
_Static_assert(sizeof(struct rule_key6) <= ENTRY_KEY && sizeof(struct rule) == ENTRY_VALUE, "an entry has room");
_Static_assert(sizeof(struct quic_key) <= ENTRY_KEY, "an entry has room");

static void option_store(__u64 *to, const __u64 *from, size_t word)
{
	if (to[word] != from[word])
		__atomic_store_n(&to[word], from[word], __ATOMIC_RELEASE);
}

static void options_store(struct service_options *to, const struct service_options *value)
{
	const bool gains = value->flags & ~to->flags;
	const __u64 *from = (const __u64 *)value;
	__u64 *words = (__u64 *)to;

	if (!gains)
		option_store(words, from, FLAGS_WORD);
	for (size_t i = 0; i < OPTION_WORDS; i++)
		if (i != FLAGS_WORD)
			option_store(words, from, i);
	option_store(words, from, FLAGS_WORD);
}

static bool is_asked(const struct service_options *options)
{
	static const struct service_options none;

	return memcmp(options, &none, sizeof(none)) != 0;
}

/* Those of services that have some, or of those that have none. */
static void sync_options(const struct maps *maps, const struct plan *plan, bool asked)
{
	for (__u32 i = 0; i < SLUICE_MAX_SERVICES; i++)
		if (is_asked(&plan->options[i]) == asked)
			options_store(&maps->options[i], &plan->options[i]);
}

static void rule_entry(const struct plan_rule *rule, struct entry *entry)
{
	const __u32 bits = RULE_KEY_FIXED_BITS + rule->from.length;

	memcpy(entry->value, &rule->rule, sizeof(rule->rule));
	if (rule->from.address.family == AF_INET) {
		struct rule_key4 key = {
			.prefixlen = bits, .service = (__u16)rule->service, .address = rule->from.address.word[0]};

		memcpy(entry->key, &key, sizeof(key));
	} else {
		struct rule_key6 key = {.prefixlen = bits, .service = (__u16)rule->service};

		memcpy(key.address, rule->from.address.word, sizeof(key.address));
		memcpy(entry->key, &key, sizeof(key));
	}
}

static int sync_rules(const struct maps *maps, const struct plan *plan, enum map map, __u32 family, enum vips what)
{
	struct entry *entries = memory_new(plan->rule_count, sizeof(*entries));
	size_t count = 0;
	int err;

	for (size_t i = 0; i < plan->rule_count; i++)
		if (plan->rules[i].from.address.family == family)
			rule_entry(&plan->rules[i], &entries[count++]);
	err = sync_entries(maps, map, entries, count, what);
	free(entries);
	return err;
}

static int sync_quic(const struct maps *maps, const struct plan *plan, enum vips what)
{
	struct entry *entries = memory_new(plan->quic_count, sizeof(*entries));
	int err;

	for (size_t i = 0; i < plan->quic_count; i++) {
		memcpy(entries[i].key, &plan->quic[i].key, sizeof(plan->quic[i].key));
		memcpy(entries[i].value, &plan->quic[i].backend, sizeof(plan->quic[i].backend));
	}
	err = sync_entries(maps, MAP_quic_servers, entries, plan->quic_count, what);
	free(entries);
	return err;
}

/* All maps are tried. */
static int sync_asked(const struct maps *maps, const struct plan *plan, enum vips what)
{
	int err4 = sync_rules(maps, plan, MAP_rules4, AF_INET, what);
	int err6 = sync_rules(maps, plan, MAP_rules6, AF_INET6, what);
	int quic = sync_quic(maps, plan, what);

	return err4 ?: err6 ?: quic;
}

int sync_options_begin(const struct maps *maps, const struct plan *plan)
{
	int err = sync_asked(maps, plan, VIPS_ADD);

	if (!err)
		sync_options(maps, plan, true);
	return err;
}

int sync_options_end(const struct maps *maps, const struct plan *plan)
{
	sync_options(maps, plan, false);
	return sync_asked(maps, plan, VIPS_ALL);
}
