/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/config_diff_part.h"

#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

bool diff_is_in_use(const struct diff *diff, const char *pool, const struct config_backend *backend)
{
	const struct health_backend *found = diff->health ? health_find(diff->health, pool, backend->name) : NULL;

	return !found || (health_serves(found) && !found->override.drained);
}

bool diff_has_in_use(const struct diff *diff, const struct config_pool *pool)
{
	for (size_t i = 0; i < pool->backend_count; i++)
		if (diff_is_in_use(diff, pool->name, &pool->backends[i]))
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

#define SERVER_ID_TEXT (2 * QUIC_SERVER_ID_MAX + 1)

static const char *server_id_format(const struct config_backend *backend, char text[static SERVER_ID_TEXT])
{
	for (size_t i = 0; i < backend->server_id_length; i++)
		snprintf(text + 2 * i, 3, "%02x", backend->server_id[i]);
	return backend->server_id_length ? text : "none";
}

static bool has_same_server_id(const struct config_backend *a, const struct config_backend *b)
{
	return a->server_id_length == b->server_id_length &&
	       memcmp(a->server_id, b->server_id, a->server_id_length) == 0;
}

/*
 * What it does to the connections of a backend that was there, NULL: nothing. Its address is who it is: under another
 * name it keeps them. `pool` is the new one, NULL: it goes whole, and has the warning.
 */
static const char *warn_of_backend(const struct diff *diff, const struct config_pool *pool,
				   const struct config_backend *old, const struct config_backend *new)
{
	if (!old || !pool || !diff_is_in_use(diff, pool->name, old))
		return NULL;
	if (new && old->server_id_length && !has_same_server_id(old, new) &&
	    address_equal(&old->address, &new->address))
		return "another server_id: QUIC connections with the former one may break";
	if (has_address(pool, &old->address))
		return NULL;
	return new ? "another address is another server: connections to the former one are cut; drain it first"
		   : "removed: its connections are cut; drain it first";
}

/* A backend of the pool of that name, which is to become `to`, or NULL. */
static void diff_backend(const struct diff *diff, const char *pool, const struct config_pool *to,
			 const struct config_backend *old, const struct config_backend *new)
{
	const struct config_backend *one = new ? new : old;
	char before[ADDRESS_TEXT], after[ADDRESS_TEXT], old_id[SERVER_ID_TEXT], new_id[SERVER_ID_TEXT], *name;
	struct detail detail;

	detail_open(&detail);
	if (!old || !new) {
		detail_add(&detail, "address %s", address_format(&one->address, after));
		detail_add(&detail, "weight %u", one->weight);
		if (one->server_id_length)
			detail_add(&detail, "server_id %s", server_id_format(one, new_id));
		if (one->local)
			detail_add(&detail, "local true");
	} else {
		if (!address_equal(&old->address, &new->address))
			detail_add(&detail, "address %s -> %s", address_format(&old->address, before),
				   address_format(&new->address, after));
		detail_change_number(&detail, "weight", old->weight, new->weight);
		detail_change_text(&detail, "server_id", server_id_format(old, old_id), server_id_format(new, new_id));
		detail_change_text(&detail, "local", old->local ? "true" : "false", new->local ? "true" : "false");
	}
	name = memory_format("%s/%s", pool, one->name);
	detail_report(&detail, diff, old ? new ? "change" : "remove" : "add", "backend", name,
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
#define QUIC_TEXT      40

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

static void change_judgement(struct detail *detail, const struct config_judgement *old,
			     const struct config_judgement *new)
{
	char before[JUDGEMENT_TEXT], after[JUDGEMENT_TEXT];

	detail_change_text(detail, "any", old->any ? "true" : "false", new->any ? "true" : "false");
	detail_change_text(detail, "start", start_names[old->start], start_names[new->start]);
	detail_change_text(detail, "min_healthy", min_healthy_format(old, before), min_healthy_format(new, after));
	detail_change_duration(detail, "ramp", old->ramp_ms, new->ramp_ms);
	detail_change_text(detail, "hold_down", hold_down_format(old, before), hold_down_format(new, after));
}

static void change_transition(struct detail *detail, const struct config_transition *old,
			      const struct config_transition *new)
{
	detail_change_duration(detail, "transition window", old->window_ms, new->window_ms);
	detail_change_duration(detail, "transition udp_window", old->udp_window_ms, new->udp_window_ms);
	detail_change_duration(detail, "transition idle", old->idle_ms, new->idle_ms);
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

/* Packets of l2 have no outer header, and only ipip has sources to choose. Room for two prefixes. */
static char *outer_source_format(const struct config_pool *pool, char text[static 2 * ADDRESS_TEXT])
{
	const struct prefix *sources[] = {&pool->outer.source4, &pool->outer.source6};
	char one[ADDRESS_TEXT];
	size_t used = 0;

	snprintf(text, 2 * ADDRESS_TEXT, "none");
	for (size_t i = 0; pool->forward == FORWARD_IPIP && i < 2; i++)
		if (sources[i]->length)
			used += (size_t)snprintf(text + used, 2 * ADDRESS_TEXT - used, "%s%s", used ? " " : "",
						 prefix_format(sources[i], one));
	return text;
}

static void change_outer(struct detail *detail, const struct config_pool *old, const struct config_pool *new)
{
	char before[2 * ADDRESS_TEXT], after[2 * ADDRESS_TEXT];

	if (old->forward != FORWARD_L2 && new->forward != FORWARD_L2) {
		detail_change_text(detail, "outer df", old->outer.df ? "true" : "false",
				   new->outer.df ? "true" : "false");
		detail_change_number(detail, "outer ttl", old->outer.ttl, new->outer.ttl);
	}
	detail_change_text(detail, "outer source", outer_source_format(old, before), outer_source_format(new, after));
}

static void list_outer(struct detail *detail, const struct config_pool *pool)
{
	char source[2 * ADDRESS_TEXT];

	if (pool->forward == FORWARD_L2)
		return;
	if (!pool->outer.df)
		detail_add(detail, "outer df false");
	if (pool->outer.ttl != CONFIG_DEFAULT_TTL)
		detail_add(detail, "outer ttl %u", pool->outer.ttl);
	if (strcmp(outer_source_format(pool, source), "none") != 0)
		detail_add(detail, "outer source %s", source);
}

static const char *quic_format(const struct config_pool *pool, size_t id, char text[static QUIC_TEXT])
{
	if (!pool->quic_server_id_length[id])
		return "none";
	snprintf(text, QUIC_TEXT, "%u bytes", pool->quic_server_id_length[id]);
	return text;
}

static void change_quic(struct detail *detail, const struct config_pool *old, const struct config_pool *new)
{
	char key[QUIC_TEXT], before[QUIC_TEXT], after[QUIC_TEXT];

	for (size_t i = 0; i < QUIC_CONFIGS; i++) {
		snprintf(key, sizeof(key), "quic config %zu", i);
		detail_change_text(detail, key, quic_format(old, i, before), quic_format(new, i, after));
	}
}

static void list_quic(struct detail *detail, const struct config_pool *pool)
{
	char length[QUIC_TEXT];

	for (size_t i = 0; i < QUIC_CONFIGS; i++)
		if (pool->quic_server_id_length[i])
			detail_add(detail, "quic config %zu %s", i, quic_format(pool, i, length));
}

/* Whether a config goes or gets another length, so that the IDs which connections have of it mean nothing any more. */
static bool quic_ends(const struct config_pool *old, const struct config_pool *new)
{
	for (size_t i = 0; i < QUIC_CONFIGS; i++)
		if (old->quic_server_id_length[i] && old->quic_server_id_length[i] != new->quic_server_id_length[i])
			return true;
	return false;
}

static void change_pool(struct detail *detail, const struct config *from, const struct config_pool *old,
			const struct config *to, const struct config_pool *new)
{
	if (old->forward != new->forward)
		detail_add(detail, "forward %s -> %s", forward_names[old->forward], forward_names[new->forward]);
	/* other modes have neither, whatever the fields hold */
	if (old->forward == FORWARD_GUE && new->forward == FORWARD_GUE && old->gue_port != new->gue_port)
		detail_add(detail, "gue_port %u -> %u", old->gue_port, new->gue_port);
	detail_change_text(detail, "second_hop", second_hop_word(old), second_hop_word(new));
	detail_change_number(detail, "table_size", old->table_size, new->table_size);
	change_outer(detail, old, new);
	change_quic(detail, old, new);
	change_transition(detail, &old->transition, &new->transition);
	change_probes(detail, old, new);
	change_judgement(detail, &old->judgement, &new->judgement);
	detail_change_text(detail, "fallback", fallback_name(from, old), fallback_name(to, new));
}

static void list_pool(struct detail *detail, const struct config *config, const struct config_pool *pool)
{
	detail_add(detail, "forward %s", forward_names[pool->forward]);
	if (pool->forward == FORWARD_GUE)
		detail_add(detail, "gue_port %u", pool->gue_port);
	if (pool->second_hop)
		detail_add(detail, "second_hop true");
	detail_add(detail, "table_size %u", pool->table_size);
	list_outer(detail, pool);
	list_quic(detail, pool);
	for (size_t i = 0; i < pool->probe_count; i++) {
		char *summary = probe_summary(pool, i);

		detail_add(detail, "probe %s", summary);
		free(summary);
	}
	if (pool->fallback < config->pool_count)
		detail_add(detail, "fallback %s", fallback_name(config, pool));
}

void diff_pool(const struct diff *diff, const struct config_pool *old, const struct config_pool *new)
{
	const struct config_pool *one = new ? new : old;
	const char *warning = NULL;
	struct detail detail;

	detail_open(&detail);
	if (!old || !new)
		list_pool(&detail, new ? diff->to : diff->from, one);
	else
		change_pool(&detail, diff->from, old, diff->to, new);
	if (one == old && diff_has_in_use(diff, old))
		warning = "removed: its backends' connections are cut; drain them first";
	else if (old && new && !new->transition.window_ms &&
		 (old->transition.window_ms || old->table_size != new->table_size))
		warning = "without a window connections break where slots change, and where they have just changed";
	else if (old && new &&quic_ends(old, new) && diff_has_in_use(diff, old))
		warning = "connections with IDs of a QUIC config that goes are led by their hash: they may break";
	detail_report(&detail, diff, old ? new ? "change" : "remove" : "add", "pool", one->name, warning);

	for (size_t i = 0; old && i < old->backend_count; i++)
		if (!new || !config_backend_find(new, old->backends[i].name))
			diff_backend(diff, old->name, new, &old->backends[i], NULL);
	for (size_t i = 0; new &&i < new->backend_count; i++)
		diff_backend(diff, new->name, new, old ? config_backend_find(old, new->backends[i].name) : NULL,
			     &new->backends[i]);
}
