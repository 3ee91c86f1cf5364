/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/config_diff.h"

#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "model/config_diff_part.h"

static void diff_hash_key(const struct diff *diff)
{
	struct detail detail;

	if (memcmp(diff->from->hash_key, diff->to->hash_key, sizeof(diff->to->hash_key)) == 0)
		return;
	detail_open(&detail);
	detail_add(&detail, "another one"); /* the key itself is a secret */
	detail_report(&detail, diff, "change", "hash_key", "",
		      "every flow is hashed anew, established connections break; see sluice.yaml(5)");
}

static void diff_number(const struct diff *diff, const char *key, __u32 old, __u32 new)
{
	struct detail detail;

	detail_open(&detail);
	if (old != new)
		detail_add(&detail, "%u -> %u", old, new);
	detail_report(&detail, diff, "change", key, "", NULL);
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
	detail_report(&detail, diff, old ? new ? "change" : "remove" : "add", "interface", one->name, NULL);
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

	detail_change_text(detail, "command", command, new_command);
	detail_change_text(detail, "user", old->user, new->user);
	detail_change_duration(detail, "timeout", old->timeout_ms, new->timeout_ms);
	detail_change_number(detail, "rate", old->rate, new->rate);
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
	detail_report(&detail, diff, old ? new ? "change" : "remove" : "add", "notify", "", NULL);
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
		diff_number(&diff, "flow_records", from->flow_records, to->flow_records);
		diff_number(&diff, "fragment_records", from->fragment_records, to->fragment_records);
		diff_number(&diff, "source_records", from->source_records, to->source_records);
		diff_number(&diff, "reply_rate", from->reply_rate, to->reply_rate);
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
