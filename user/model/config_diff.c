/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/config_diff.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "model/config_places.h"
#include "model/health.h"

#define LISTED 8 /* addresses or ports spelt out in one detail; the rest is counted */

/* Two configurations that are being compared. */
struct diff {
	const struct config *from, *to; /* from: may be NULL */
	const struct health *health;	/* of the backends of `from`, or NULL */
	struct config_places places;	/* of `from` */
	json_t *changes;
};

/* The detail of one change: its parts, joined with ", ". */
struct detail {
	FILE *stream;
	char *text;
	size_t length;
};

static void detail_open(struct detail *detail)
{
	*detail = (struct detail){0};
	detail->stream = open_memstream(&detail->text, &detail->length);
	if (!detail->stream)
		abort();
}

__attribute__((format(printf, 2, 3))) static void detail_add(struct detail *detail, const char *format, ...)
{
	va_list arguments;

	if (ftell(detail->stream) > 0)
		fputs(", ", detail->stream);
	va_start(arguments, format);
	vfprintf(detail->stream, format, arguments);
	va_end(arguments);
}

/*
 * Reports the change and frees the detail. A "change" without any detail is none. `warning` may be NULL: with it comes
 * what it does to established connections.
 */
static void detail_report_with(struct detail *detail, const struct diff *diff, const char *change, const char *kind,
			       const char *name, const char *warning)
{
	fclose(detail->stream);
	if (detail->length || strcmp(change, "change") != 0) {
		char *what = memory_format("%s%s%s", kind, *name ? " " : "", name);

		json_array_append_new(diff->changes, json_pack("{s:s, s:s, s:s, s:s*}", "change", change, "what", what,
							       "detail", detail->text, "warning", warning));
		free(what);
	}
	free(detail->text);
}

static void detail_report(struct detail *detail, const struct diff *diff, const char *change, const char *kind,
			  const char *name)
{
	detail_report_with(detail, diff, change, kind, name, NULL);
}

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
		if (listed++ < LISTED)
			fprintf(stream, " %s%s", sign, these->word[i]);
	}
	if (listed > LISTED)
		fprintf(stream, " and %zu more", listed - LISTED);
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

static void diff_hash_key(const struct diff *diff)
{
	struct detail detail;

	if (memcmp(diff->from->hash_key, diff->to->hash_key, sizeof(diff->to->hash_key)) == 0)
		return;
	detail_open(&detail);
	detail_add(&detail, "another one"); /* the key itself is a secret */
	detail_report_with(&detail, diff, "change", "hash_key", "",
			   "every flow is hashed anew, established connections break; see sluice.yaml(5)");
}

static void diff_flow_records(const struct diff *diff)
{
	struct detail detail;

	detail_open(&detail);
	if (diff->from->flow_records != diff->to->flow_records)
		detail_add(&detail, "%u -> %u", diff->from->flow_records, diff->to->flow_records);
	detail_report(&detail, diff, "change", "flow_records", "");
}

static const struct config_interface *interface_find(const struct config *config, const char *name)
{
	for (size_t i = 0; config && i < config->interface_count; i++)
		if (strcmp(config->interfaces[i].name, name) == 0)
			return &config->interfaces[i];
	return NULL;
}

static void diff_interface(const struct diff *diff, const struct config_interface *old,
			   const struct config_interface *new)
{
	const struct config_interface *one = new ? new : old;
	struct detail detail;

	detail_open(&detail);
	if (!old || !new) {
		detail_add(&detail, "mode %s", mode_names[one->mode]);
		detail_add(&detail, "attach %s", attach_names[one->attach]);
	} else {
		if (old->mode != new->mode)
			detail_add(&detail, "mode %s -> %s", mode_names[old->mode], mode_names[new->mode]);
		if (old->attach != new->attach)
			detail_add(&detail, "attach %s -> %s", attach_names[old->attach], attach_names[new->attach]);
	}
	detail_report(&detail, diff, old ? new ? "change" : "remove" : "add", "interface", one->name);
}

/* Whether it may have connections that go on. */
static bool is_in_use(const struct diff *diff, const char *pool, const struct config_backend *backend)
{
	const struct health_backend *found = diff->health ? health_find(diff->health, pool, backend->name) : NULL;

	return !found || (health_serves(found) && !found->override.drained);
}

static bool has_backend_in_use(const struct diff *diff, const struct config_pool *pool)
{
	for (size_t i = 0; i < pool->backend_count; i++)
		if (is_in_use(diff, pool->name, &pool->backends[i]))
			return true;
	return false;
}

static bool has_address(const struct config_pool *pool, const struct address *address)
{
	for (size_t i = 0; i < pool->backend_count; i++)
		if (address_equal(&pool->backends[i].address, address))
			return true;
	return false;
}

/*
 * What it does to the connections of a backend that was there, NULL: nothing. Its address is who it is: under another
 * name it keeps them. `pool` is the new one, NULL: it goes whole, and has the warning.
 */
static const char *warn_of_backend(const struct diff *diff, const struct config_pool *pool,
				   const struct config_backend *old, const struct config_backend *new)
{
	if (!old || !pool || !is_in_use(diff, pool->name, old) || has_address(pool, &old->address))
		return NULL;
	return new ? "another address is another server: connections to the former one are cut; drain it first"
		   : "removed: its connections are cut; drain it first";
}

/* A backend of the pool of that name, which is to become `to`, or NULL. */
static void diff_backend(const struct diff *diff, const char *pool, const struct config_pool *to,
			 const struct config_backend *old, const struct config_backend *new)
{
	const struct config_backend *one = new ? new : old;
	char before[ADDRESS_TEXT], after[ADDRESS_TEXT], *name;
	struct detail detail;

	detail_open(&detail);
	if (!old || !new) {
		detail_add(&detail, "address %s", address_format(&one->address, after));
		detail_add(&detail, "weight %u", one->weight);
	} else {
		if (!address_equal(&old->address, &new->address))
			detail_add(&detail, "address %s -> %s", address_format(&old->address, before),
				   address_format(&new->address, after));
		if (old->weight != new->weight)
			detail_add(&detail, "weight %u -> %u", old->weight, new->weight);
	}
	name = memory_format("%s/%s", pool, one->name);
	detail_report_with(&detail, diff, old ? new ? "change" : "remove" : "add", "backend", name,
			   warn_of_backend(diff, to, old, new));
	free(name);
}

/* Which probe of a pool a change is of: "probe", or where there are several "probe 2". */
struct probe_change {
	struct detail *detail;
	char label[32];
};

static void add_probe_change(void *argument, const char *key, const char *before, const char *after)
{
	const struct probe_change *change = argument;

	if (strcmp(before, after) != 0)
		detail_add(change->detail, "%s %s %s -> %s", change->label, key, before, after);
	else
		detail_add(change->detail, "%s %s changed", change->label, key); /* in what is not shown */
}

/* "http every 2s", or "none"; to be freed. */
static char *probe_summary(const struct config_pool *pool, size_t i)
{
	char interval[CONFIG_DURATION_TEXT];

	if (i >= pool->probe_count)
		return memory_format("none");
	return memory_format("%s every %s", probe_type_names[pool->probes[i].type],
			     config_duration_format(pool->probes[i].interval_ms, interval));
}

static void change_probes(struct detail *detail, const struct config_pool *old, const struct config_pool *new)
{
	size_t count = old->probe_count > new->probe_count ? old->probe_count : new->probe_count;

	for (size_t i = 0; i < count; i++) {
		struct probe_change change = {.detail = detail, .label = "probe"};

		if (count > 1)
			snprintf(change.label, sizeof(change.label), "probe %zu", i + 1);
		if (i < old->probe_count && i < new->probe_count && old->probes[i].type == new->probes[i].type) {
			config_probe_compare(&old->probes[i], &new->probes[i], add_probe_change, &change);
			continue;
		}

		char *before = probe_summary(old, i), *after = probe_summary(new, i);

		detail_add(detail, "%s %s -> %s", change.label, before, after);
		free(before);
		free(after);
	}
}

#define JUDGEMENT_TEXT 80

static char *min_healthy_format(const struct config_judgement *judgement, char text[static JUDGEMENT_TEXT])
{
	snprintf(text, JUDGEMENT_TEXT, "%u%s", judgement->min_healthy, judgement->min_healthy_percent ? "%" : "");
	return text;
}

/* "off", or "10s to 5m with decay 10m". */
static char *hold_down_format(const struct config_judgement *judgement, char text[static JUDGEMENT_TEXT])
{
	char first[CONFIG_DURATION_TEXT], max[CONFIG_DURATION_TEXT], decay[CONFIG_DURATION_TEXT];

	if (judgement->hold_first_ms)
		snprintf(text, JUDGEMENT_TEXT, "%s to %s with decay %s",
			 config_duration_format(judgement->hold_first_ms, first),
			 config_duration_format(judgement->hold_max_ms, max),
			 config_duration_format(judgement->hold_decay_ms, decay));
	else
		snprintf(text, JUDGEMENT_TEXT, "off");
	return text;
}

static void change_text(struct detail *detail, const char *key, const char *before, const char *after)
{
	if (strcmp(before, after) != 0)
		detail_add(detail, "%s %s -> %s", key, before, after);
}

static void change_duration(struct detail *detail, const char *key, __u32 old, __u32 new)
{
	char before[CONFIG_DURATION_TEXT], after[CONFIG_DURATION_TEXT];

	change_text(detail, key, config_duration_format(old, before), config_duration_format(new, after));
}

static void change_judgement(struct detail *detail, const struct config_judgement *old,
			     const struct config_judgement *new)
{
	char before[JUDGEMENT_TEXT], after[JUDGEMENT_TEXT];

	change_text(detail, "any", old->any ? "true" : "false", new->any ? "true" : "false");
	change_text(detail, "start", start_names[old->start], start_names[new->start]);
	change_text(detail, "min_healthy", min_healthy_format(old, before), min_healthy_format(new, after));
	change_duration(detail, "ramp", old->ramp_ms, new->ramp_ms);
	change_text(detail, "hold_down", hold_down_format(old, before), hold_down_format(new, after));
}

static void change_transition(struct detail *detail, const struct config_transition *old,
			      const struct config_transition *new)
{
	change_duration(detail, "transition window", old->window_ms, new->window_ms);
	change_duration(detail, "transition udp_window", old->udp_window_ms, new->udp_window_ms);
	change_duration(detail, "transition idle", old->idle_ms, new->idle_ms);
}

/* A pool with its configuration, which has its fallback's name. */
static const char *fallback_name(const struct config *config, const struct config_pool *pool)
{
	return pool->fallback < config->pool_count ? config->pools[pool->fallback].name : "none";
}

static const char *second_hop_word(const struct config_pool *pool)
{
	return pool->forward == FORWARD_GUE && pool->second_hop ? "true" : "false";
}

static void change_pool(struct detail *detail, const struct config *from, const struct config_pool *old,
			const struct config *to, const struct config_pool *new)
{
	if (old->forward != new->forward)
		detail_add(detail, "forward %s -> %s", forward_names[old->forward], forward_names[new->forward]);
	/* other modes have neither, whatever the fields hold */
	if (old->forward == FORWARD_GUE && new->forward == FORWARD_GUE && old->gue_port != new->gue_port)
		detail_add(detail, "gue_port %u -> %u", old->gue_port, new->gue_port);
	change_text(detail, "second_hop", second_hop_word(old), second_hop_word(new));
	if (old->table_size != new->table_size)
		detail_add(detail, "table_size %u -> %u", old->table_size, new->table_size);
	change_transition(detail, &old->transition, &new->transition);
	change_probes(detail, old, new);
	change_judgement(detail, &old->judgement, &new->judgement);
	change_text(detail, "fallback", fallback_name(from, old), fallback_name(to, new));
}

static void list_pool(struct detail *detail, const struct config *config, const struct config_pool *pool)
{
	detail_add(detail, "forward %s", forward_names[pool->forward]);
	if (pool->forward == FORWARD_GUE)
		detail_add(detail, "gue_port %u", pool->gue_port);
	if (pool->second_hop)
		detail_add(detail, "second_hop true");
	detail_add(detail, "table_size %u", pool->table_size);
	for (size_t i = 0; i < pool->probe_count; i++) {
		char *summary = probe_summary(pool, i);

		detail_add(detail, "probe %s", summary);
		free(summary);
	}
	if (pool->fallback < config->pool_count)
		detail_add(detail, "fallback %s", fallback_name(config, pool));
}

static void diff_pool(const struct diff *diff, const struct config_pool *old, const struct config_pool *new)
{
	const struct config_pool *one = new ? new : old;
	const char *warning = NULL;
	struct detail detail;

	detail_open(&detail);
	if (!old || !new)
		list_pool(&detail, new ? diff->to : diff->from, one);
	else
		change_pool(&detail, diff->from, old, diff->to, new);
	if (one == old && has_backend_in_use(diff, old))
		warning = "removed: its backends' connections are cut; drain them first";
	else if (old && new && !new->transition.window_ms &&
		 (old->transition.window_ms || old->table_size != new->table_size))
		warning = "without a window connections break where slots change, and where they have just changed";
	detail_report_with(&detail, diff, old ? new ? "change" : "remove" : "add", "pool", one->name, warning);

	for (size_t i = 0; old && i < old->backend_count; i++)
		if (!new || !config_backend_find(new, old->backends[i].name))
			diff_backend(diff, old->name, new, &old->backends[i], NULL);
	for (size_t i = 0; new &&i < new->backend_count; i++)
		diff_backend(diff, new->name, new, old ? config_backend_find(old, new->backends[i].name) : NULL,
			     &new->backends[i]);
}

static bool is_same_table(const struct diff *diff, const struct config_service *old, const struct config_service *new)
{
	const struct config_pool *from = &diff->from->pools[old->pool], *to = &diff->to->pools[new->pool];

	return strcmp(from->name, to->name) == 0 && from->table_size == to->table_size && old->hash == new->hash;
}

/* A service goes over to another table with all its connections, but these do not go over to another service. */
static const char *warn_of_service(const struct diff *diff, const struct config_service *old,
				   const struct config_service *new)
{
	const struct config_service *renamed;

	if (!diff->from)
		return NULL;
	if (old && new && !is_same_table(diff, old, new) && !diff->to->pools[new->pool].transition.window_ms &&
	    has_backend_in_use(diff, &diff->from->pools[old->pool]))
		return "its pool has no window: its connections break";
	renamed = new ? config_places_former(&diff->places, diff->from, diff->to, new) : NULL;
	for (size_t i = 0; new &&i < new->address_count; i++) {
		for (size_t j = 0; j < new->port_count; j++) {
			const struct config_service *former =
				config_places_find(&diff->places, &new->addresses[i], &new->ports[j]);

			if (former && former != renamed && strcmp(former->name, new->name) != 0 &&
			    !is_same_table(diff, former, new) &&
			    has_backend_in_use(diff, &diff->from->pools[former->pool]))
				return "takes VIPs of a service of another name and table over: their connections "
				       "break; give that service the other pool instead";
		}
	}
	return NULL;
}

static void diff_service(const struct diff *diff, const struct config_service *old, const struct config_service *new)
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
	} else {
		change_words(&detail, "address", address_words(old), address_words(new));
		change_words(&detail, "ports", port_words(old), port_words(new));
		if (strcmp(old_pool, new_pool) != 0)
			detail_add(&detail, "pool %s -> %s", old_pool, new_pool);
		if (old->hash != new->hash)
			detail_add(&detail, "hash %s -> %s", hash_names[old->hash], hash_names[new->hash]);
	}
	detail_report_with(&detail, diff, old ? new ? "change" : "remove" : "add", "service", one->name,
			   warn_of_service(diff, old, new));
}

/* Words of the command, joined by spaces; to be freed. */
static char *command_format(const struct config_notify *notify)
{
	char *text = memory_format("%s", notify->command[0]);

	for (size_t i = 1; notify->command[i]; i++) {
		char *longer = memory_format("%s %s", text, notify->command[i]);

		free(text);
		text = longer;
	}
	return text;
}

static void change_notify(struct detail *detail, const struct config_notify *old, const struct config_notify *new)
{
	char *command = command_format(old), *new_command = command_format(new);

	change_text(detail, "command", command, new_command);
	change_text(detail, "user", old->user, new->user);
	change_duration(detail, "timeout", old->timeout_ms, new->timeout_ms);
	if (old->rate != new->rate)
		detail_add(detail, "rate %u -> %u", old->rate, new->rate);
	free(command);
	free(new_command);
}

static void diff_notify(const struct diff *diff, const struct config_notify *old, const struct config_notify *new)
{
	char timeout[CONFIG_DURATION_TEXT];
	struct detail detail;

	if (!old && !new)
		return;
	detail_open(&detail);
	if (!old || !new) {
		const struct config_notify *one = new ? new : old;
		char *command = command_format(one);

		detail_add(&detail, "command %s, user %s, timeout %s, rate %u", command, one->user,
			   config_duration_format(one->timeout_ms, timeout), one->rate);
		free(command);
	} else {
		change_notify(&detail, old, new);
	}
	detail_report(&detail, diff, old ? new ? "change" : "remove" : "add", "notify", "");
}

static const struct config_notify *notify_of(const struct config *config)
{
	return config && config->notify.command ? &config->notify : NULL;
}

json_t *config_diff(const struct config *from, const struct config *to, const struct health *health)
{
	struct diff diff = {.from = from, .to = to, .health = health, .changes = json_array()};

	config_places_open(&diff.places, from);
	if (from) {
		diff_hash_key(&diff);
		diff_flow_records(&diff);
	}
	for (size_t i = 0; from && i < from->interface_count; i++)
		if (!interface_find(to, from->interfaces[i].name))
			diff_interface(&diff, &from->interfaces[i], NULL);
	for (size_t i = 0; i < to->interface_count; i++)
		diff_interface(&diff, interface_find(from, to->interfaces[i].name), &to->interfaces[i]);

	for (size_t i = 0; from && i < from->pool_count; i++)
		if (!config_pool_find(to, from->pools[i].name))
			diff_pool(&diff, &from->pools[i], NULL);
	for (size_t i = 0; i < to->pool_count; i++)
		diff_pool(&diff, from ? config_pool_find(from, to->pools[i].name) : NULL, &to->pools[i]);

	for (size_t i = 0; from && i < from->service_count; i++)
		if (!config_service_find(to, from->services[i].name))
			diff_service(&diff, &from->services[i], NULL);
	for (size_t i = 0; i < to->service_count; i++)
		diff_service(&diff, from ? config_service_find(from, to->services[i].name) : NULL, &to->services[i]);
	diff_notify(&diff, notify_of(from), notify_of(to));
	config_places_close(&diff.places);
	return diff.changes;
}
