/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/config_diff_part.h"

#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

/* A list of addresses or ports as sorted words, so that two lists compare whatever their order. */
struct words {
	char (*word)[ADDRESS_TEXT];
	size_t count;
};

static int compare_words(const void *a, const void *b)
{
	return strcmp(a, b);
}

static struct words address_words(const struct config_service *service)
{
	struct words words = {memory_new(service->address_count, ADDRESS_TEXT), service->address_count};

	for (size_t i = 0; i < words.count; i++)
		prefix_format(&service->addresses[i], words.word[i]);
	qsort(words.word, words.count, ADDRESS_TEXT, compare_words);
	return words;
}

static struct words port_words(const struct config_service *service)
{
	struct words words = {memory_new(service->port_count, ADDRESS_TEXT), service->port_count};

	for (size_t i = 0; i < words.count; i++)
		config_port_format(&service->ports[i], words.word[i]);
	qsort(words.word, words.count, ADDRESS_TEXT, compare_words);
	return words;
}

/* Adds "LABEL SIGNword SIGNword ..." of the words of `these` that `those` lacks; `those` may be NULL. Frees nothing. */
static void add_words(struct detail *detail, const char *label, const char *sign, const struct words *these,
		      const struct words *those)
{
	char *text = NULL;
	size_t length, listed = 0;
	FILE *stream = open_memstream(&text, &length);

	if (!stream)
		abort();
	for (size_t i = 0; i < these->count; i++) {
		if (those && bsearch(these->word[i], those->word, those->count, ADDRESS_TEXT, compare_words))
			continue;
		if (listed++ < DIFF_LISTED)
			fprintf(stream, " %s%s", sign, these->word[i]);
	}
	if (listed > DIFF_LISTED)
		fprintf(stream, " and %zu more", listed - DIFF_LISTED);
	fclose(stream);
	if (listed)
		detail_add(detail, "%s%s", label, text);
	free(text);
}

static void change_words(struct detail *detail, const char *label, struct words before, struct words after)
{
	add_words(detail, label, "+", &after, &before);
	add_words(detail, label, "-", &before, &after);
	free(before.word);
	free(after.word);
}

static void list_words(struct detail *detail, const char *label, struct words words)
{
	add_words(detail, label, "", &words, NULL);
	free(words.word);
}

#define OPTION_TEXT 48

/* What else a service says, in the order in which it is told. */
enum service_option {
	TOLD_UNKNOWN_PORT,
	TOLD_ECHO,
	TOLD_FRAGMENTS,
	TOLD_VLAN,
	TOLD_MSS,
	TOLD_SOURCE_PACKETS,
	TOLD_SOURCE_CONNECTIONS,
	TOLD_PREFIX4,
	TOLD_PREFIX6,
	TOLD_SERVICE_PACKETS,
	TOLD_SERVICE_CONNECTIONS,
	TOLD_EXCESS,
	TOLD_OPTIONS
};

static const struct {
	const char *key;
	const char *usual; /* not told of a service that comes or goes */
} options[TOLD_OPTIONS] = {
	[TOLD_UNKNOWN_PORT] = {"unknown_port", "pass"},
	[TOLD_ECHO] = {"echo", "answer"},
	[TOLD_FRAGMENTS] = {"fragments", "follow"},
	[TOLD_VLAN] = {"vlan", "none"},
	[TOLD_MSS] = {"mss", "none"},
	[TOLD_SOURCE_PACKETS] = {"limits source packets", "none"},
	[TOLD_SOURCE_CONNECTIONS] = {"limits source connections", "none"},
	[TOLD_PREFIX4] = {"limits source prefix4", "32"},
	[TOLD_PREFIX6] = {"limits source prefix6", "64"},
	[TOLD_SERVICE_PACKETS] = {"limits service packets", "none"},
	[TOLD_SERVICE_CONNECTIONS] = {"limits service connections", "none"},
	[TOLD_EXCESS] = {"limits excess", "drop"},
};

static const char *number_format(__u32 number, char text[static OPTION_TEXT])
{
	snprintf(text, OPTION_TEXT, "%u", number);
	return number ? text : "none";
}

static const char *limit_format(const struct config_limit *limit, char text[static OPTION_TEXT])
{
	snprintf(text, OPTION_TEXT, "%u with burst %u", limit->rate, limit->burst);
	return limit->rate ? text : "none";
}

/* Prefix lengths mean nothing where no source is limited. */
static const char *bits_format(const struct config_limits *limits, enum service_option option,
			       char text[static OPTION_TEXT])
{
	if (!limits->source_packets.rate && !limits->source_connections.rate)
		return options[option].usual;
	return number_format(option == TOLD_PREFIX4 ? limits->source_bits4 : limits->source_bits6, text);
}

static const char *option_format(const struct config_service *service, enum service_option option,
				 char text[static OPTION_TEXT])
{
	const struct config_limits *limits = &service->limits;

	switch (option) {
	case TOLD_UNKNOWN_PORT:
		return port_policy_names[service->unknown_port];
	case TOLD_ECHO:
		return echo_policy_names[service->echo];
	case TOLD_FRAGMENTS:
		return fragment_policy_names[service->fragments];
	case TOLD_VLAN:
		return number_format(service->vlan, text);
	case TOLD_MSS:
		return service->mss_auto ? "auto" : number_format(service->mss, text);
	case TOLD_SOURCE_PACKETS:
		return limit_format(&limits->source_packets, text);
	case TOLD_SOURCE_CONNECTIONS:
		return limit_format(&limits->source_connections, text);
	case TOLD_PREFIX4:
	case TOLD_PREFIX6:
		return bits_format(limits, option, text);
	case TOLD_SERVICE_PACKETS:
		return limit_format(&limits->service_packets, text);
	case TOLD_SERVICE_CONNECTIONS:
		return limit_format(&limits->service_connections, text);
	default:
		return excess_names[limits->excess];
	}
}

static void change_options(struct detail *detail, const struct config_service *old, const struct config_service *new)
{
	char before[OPTION_TEXT], after[OPTION_TEXT];

	for (enum service_option i = 0; i < TOLD_OPTIONS; i++)
		detail_change_text(detail, options[i].key, option_format(old, i, before), option_format(new, i, after));
}

static void list_options(struct detail *detail, const struct config_service *service)
{
	char text[OPTION_TEXT];

	for (enum service_option i = 0; i < TOLD_OPTIONS; i++) {
		const char *value = option_format(service, i, text);

		if (strcmp(value, options[i].usual) != 0)
			detail_add(detail, "%s %s", options[i].key, value);
	}
}

bool diff_is_same_table(const struct config_pool *from, enum hash_by hash_from, const struct config_pool *to,
			enum hash_by hash_to)
{
	return strcmp(from->name, to->name) == 0 && from->table_size == to->table_size && hash_from == hash_to;
}

static bool is_same_table(const struct diff *diff, const struct config_service *old, const struct config_service *new)
{
	return diff_is_same_table(&diff->from->pools[old->pool], old->hash, &diff->to->pools[new->pool], new->hash);
}

/* A service goes over to another table with all its connections, but these do not go over to another service. */
static const char *warn_of_service(const struct diff *diff, const struct config_service *old,
				   const struct config_service *new)
{
	const struct config_service *renamed;

	if (!diff->from)
		return NULL;
	if (old && new && !is_same_table(diff, old, new) && !diff->to->pools[new->pool].transition.window_ms &&
	    diff_has_in_use(diff, &diff->from->pools[old->pool]))
		return "its pool has no window: its connections break";
	renamed = new ? config_places_former(&diff->places, diff->from, diff->to, new) : NULL;
	for (size_t i = 0; new &&i < new->address_count; i++) {
		for (size_t j = 0; j < new->port_count; j++) {
			const struct config_service *former =
				config_places_find(&diff->places, &new->addresses[i], &new->ports[j]);

			if (former && former != renamed && strcmp(former->name, new->name) != 0 &&
			    !is_same_table(diff, former, new) &&
			    diff_has_in_use(diff, &diff->from->pools[former->pool]))
				return "takes VIPs of a service of another name and table over: their connections "
				       "break; give that service the other pool instead";
		}
	}
	if (new && (old || renamed) && diff_rules_move(diff, old ? old : renamed, new))
		return "sources that its rules lead to another table lose their connections: they have no transition";
	return NULL;
}

void diff_service(const struct diff *diff, const struct config_service *old, const struct config_service *new)
{
	const struct config_service *one = new ? new : old;
	const char *old_pool = old ? diff->from->pools[old->pool].name : NULL;
	const char *new_pool = new ? diff->to->pools[new->pool].name : NULL;
	struct detail detail;

	detail_open(&detail);
	if (!old || !new) {
		list_words(&detail, "address", address_words(one));
		list_words(&detail, "ports", port_words(one));
		detail_add(&detail, "pool %s", new ? new_pool : old_pool);
		if (one->hash != HASH_FLOW)
			detail_add(&detail, "hash %s", hash_names[one->hash]);
		list_options(&detail, one);
	} else {
		change_words(&detail, "address", address_words(old), address_words(new));
		change_words(&detail, "ports", port_words(old), port_words(new));
		if (strcmp(old_pool, new_pool) != 0)
			detail_add(&detail, "pool %s -> %s", old_pool, new_pool);
		if (old->hash != new->hash)
			detail_add(&detail, "hash %s -> %s", hash_names[old->hash], hash_names[new->hash]);
		change_options(&detail, old, new);
	}
	diff_rules(&detail, diff, old, new);
	detail_report(&detail, diff, old ? new ? "change" : "remove" : "add", "service", one->name,
		      warn_of_service(diff, old, new));
}
