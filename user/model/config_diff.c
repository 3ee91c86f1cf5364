/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/config_diff.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"

#define LISTED 8 /* addresses or ports spelt out in one detail; the rest is counted */

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

/* Reports the change and frees the detail. A "change" without any detail is none. */
static void detail_report(struct detail *detail, json_t *changes, const char *change, const char *kind,
			  const char *name)
{
	fclose(detail->stream);
	if (detail->length || strcmp(change, "change") != 0) {
		char *what = memory_format("%s%s%s", kind, *name ? " " : "", name);

		json_array_append_new(
			changes, json_pack("{s:s, s:s, s:s}", "change", change, "what", what, "detail", detail->text));
		free(what);
	}
	free(detail->text);
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

static char *probe_format(const struct config_probe *probe)
{
	char *head, *text;

	if (!probe->set)
		return memory_format("none");
	head = memory_format("%s every %g s, timeout %g s, rise %u, fall %u", probe_type_names[probe->type],
			     probe->interval_ms / 1000.0, probe->timeout_ms / 1000.0, probe->rise, probe->fall);
	text = probe->port ? memory_format("%s, port %u", head, probe->port) : memory_format("%s", head);
	free(head);
	if (probe->type != PROBE_HTTP)
		return text;
	head = text;
	text = memory_format("%s, %s expects %u-%u", head, probe->path ? probe->path : "/", probe->expect_low,
			     probe->expect_high);
	free(head);
	return text;
}

static void diff_hash_key(json_t *changes, const struct config *from, const struct config *to)
{
	struct detail detail;

	if (!from || memcmp(from->hash_key, to->hash_key, sizeof(to->hash_key)) == 0)
		return;
	detail_open(&detail);
	/* the key itself is a secret */
	detail_add(&detail, "every pool's table and every flow's slot change: open connections break");
	detail_report(&detail, changes, "change", "hash_key", "");
}

static const struct config_interface *interface_find(const struct config *config, const char *name)
{
	for (size_t i = 0; config && i < config->interface_count; i++)
		if (strcmp(config->interfaces[i].name, name) == 0)
			return &config->interfaces[i];
	return NULL;
}

static void diff_interface(json_t *changes, const struct config_interface *old, const struct config_interface *new)
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
	detail_report(&detail, changes, old ? new ? "change" : "remove" : "add", "interface", one->name);
}

static void diff_backend(json_t *changes, const char *pool, const struct config_backend *old,
			 const struct config_backend *new)
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
	detail_report(&detail, changes, old ? new ? "change" : "remove" : "add", "backend", name);
	free(name);
}

static void change_pool(struct detail *detail, const struct config_pool *old, const struct config_pool *new)
{
	char *before = probe_format(&old->probe), *after = probe_format(&new->probe);

	if (old->forward != new->forward)
		detail_add(detail, "forward %s -> %s", forward_names[old->forward], forward_names[new->forward]);
	/* other modes have no such port, whatever the field holds */
	if (old->forward == FORWARD_GUE && new->forward == FORWARD_GUE && old->gue_port != new->gue_port)
		detail_add(detail, "gue_port %u -> %u", old->gue_port, new->gue_port);
	if (old->table_size != new->table_size)
		detail_add(detail, "table_size %u -> %u", old->table_size, new->table_size);
	if (strcmp(before, after) != 0)
		detail_add(detail, "probe %s -> %s", before, after);
	free(before);
	free(after);
}

static void diff_pool(json_t *changes, const struct config_pool *old, const struct config_pool *new)
{
	const struct config_pool *one = new ? new : old;
	struct detail detail;

	detail_open(&detail);
	if (!old || !new) {
		detail_add(&detail, "forward %s", forward_names[one->forward]);
		if (one->forward == FORWARD_GUE)
			detail_add(&detail, "gue_port %u", one->gue_port);
		detail_add(&detail, "table_size %u", one->table_size);
	} else {
		change_pool(&detail, old, new);
	}
	detail_report(&detail, changes, old ? new ? "change" : "remove" : "add", "pool", one->name);

	for (size_t i = 0; old && i < old->backend_count; i++)
		if (!new || !config_backend_find(new, old->backends[i].name))
			diff_backend(changes, old->name, &old->backends[i], NULL);
	for (size_t i = 0; new &&i < new->backend_count; i++)
		diff_backend(changes, new->name, old ? config_backend_find(old, new->backends[i].name) : NULL,
			     &new->backends[i]);
}

/* Each service comes with its configuration, which has its pool's name. */
static void diff_service(json_t *changes, const struct config *from, const struct config_service *old,
			 const struct config *to, const struct config_service *new)
{
	const struct config_service *one = new ? new : old;
	const char *old_pool = old ? from->pools[old->pool].name : NULL;
	const char *new_pool = new ? to->pools[new->pool].name : NULL;
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
	detail_report(&detail, changes, old ? new ? "change" : "remove" : "add", "service", one->name);
}

json_t *config_diff(const struct config *from, const struct config *to)
{
	json_t *changes = json_array();

	diff_hash_key(changes, from, to);
	for (size_t i = 0; from && i < from->interface_count; i++)
		if (!interface_find(to, from->interfaces[i].name))
			diff_interface(changes, &from->interfaces[i], NULL);
	for (size_t i = 0; i < to->interface_count; i++)
		diff_interface(changes, interface_find(from, to->interfaces[i].name), &to->interfaces[i]);

	for (size_t i = 0; from && i < from->pool_count; i++)
		if (!config_pool_find(to, from->pools[i].name))
			diff_pool(changes, &from->pools[i], NULL);
	for (size_t i = 0; i < to->pool_count; i++)
		diff_pool(changes, from ? config_pool_find(from, to->pools[i].name) : NULL, &to->pools[i]);

	for (size_t i = 0; from && i < from->service_count; i++)
		if (!config_service_find(to, from->services[i].name))
			diff_service(changes, from, &from->services[i], to, NULL);
	for (size_t i = 0; i < to->service_count; i++)
		diff_service(changes, from, from ? config_service_find(from, to->services[i].name) : NULL, to,
			     &to->services[i]);
	return changes;
}
