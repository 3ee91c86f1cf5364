/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/field.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/configured.h"
#include "cli/moment.h"
#include "cli/number.h"
#include "cli/standing.h"
#include "lib/memory.h"

static char *unknown(void)
{
	return memory_format("-");
}

char *field_plain(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_string(value))
		return memory_format("%s", json_string_value(value));
	if (json_is_integer(value))
		return memory_format("%lld", (long long)json_integer_value(value));
	if (json_is_boolean(value))
		return memory_format("%s", json_is_true(value) ? "yes" : "no");
	return unknown();
}

char *field_words(const json_t *object, const char *key)
{
	const json_t *list = json_object_get(object, key), *word;
	char *text = NULL;
	size_t length, i;
	FILE *out;

	if (!json_array_size(list))
		return unknown();
	out = open_memstream(&text, &length);
	if (!out)
		memory_exhausted();
	json_array_foreach(list, i, word)
		fprintf(out, "%s%s", i ? " " : "", json_string_value(word));
	fclose(out);
	return text;
}

char *field_human(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	char text[NUMBER_TEXT];

	return json_is_number(value) ? memory_format("%s", number_human(json_number_value(value), text)) : unknown();
}

char *field_percent(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? memory_format("%.1f%%", 100 * json_number_value(value)) : unknown();
}

char *field_seconds(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	char text[NUMBER_TEXT];

	return json_is_integer(value) ? memory_format("%s", number_age(json_integer_value(value), text)) : unknown();
}

char *field_age(const json_t *object, const char *key)
{
	long long seconds = moment_age(cli_text(object, key));
	char text[NUMBER_TEXT];

	return seconds < 0 ? unknown() : memory_format("%s", number_age(seconds, text));
}

char *field_pool_up(const json_t *object, const char *key)
{
	long long kept = cli_number(object, "kept");

	if (!json_is_integer(json_object_get(object, key)))
		return unknown();
	if (!kept)
		return memory_format("%lld/%lld", cli_number(object, key), cli_number(object, "backends"));
	return memory_format("%lld+%lld/%lld", cli_number(object, key), kept, cli_number(object, "backends"));
}

static bool is_state(const json_t *pool, const char *state)
{
	return strcmp(cli_text(pool, "state"), state) == 0;
}

static long long unreachable_backends(const json_t *pool)
{
	const json_t *resolved = json_object_get(pool, "resolved");

	return json_is_integer(resolved) ? cli_number(pool, "backends") - (long long)json_integer_value(resolved) : 0;
}

char *field_pool_state(const json_t *object, const char *key)
{
	long long unreachable = unreachable_backends(object), troubled = cli_number(object, "troubled");
	bool served = is_state(object, "fallback");
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		memory_exhausted();
	fputs(cli_text(object, key), out);
	if (served)
		fprintf(out, ": %s serves", cli_text(object, "effective"));
	if (unreachable)
		fprintf(out, ", %lld unreachable", unreachable);
	if (troubled)
		fprintf(out, ", %lld not probed", troubled);
	fclose(out);
	return text;
}

const char *field_pool_colour(const json_t *object)
{
	if (is_state(object, "degraded") || is_state(object, "empty") || is_state(object, "fallback"))
		return "red";
	if (!is_state(object, "ok") || unreachable_backends(object) || cli_number(object, "troubled"))
		return "yellow";
	return cli_number(object, "up") < cli_number(object, "backends") ? "yellow" : NULL;
}

char *field_service_configured(const json_t *object, const char *key)
{
	(void)key;
	return configured_service(object);
}

char *field_pool_configured(const json_t *object, const char *key)
{
	(void)key;
	return configured_pool(object);
}

char *field_backend_state(const json_t *object, const char *key)
{
	(void)key;
	return standing_state(object);
}

char *field_backend_weight(const json_t *object, const char *key)
{
	(void)key;
	return standing_weight(object);
}

char *field_backend_probe(const json_t *object, const char *key)
{
	(void)key;
	return standing_probe(object);
}
