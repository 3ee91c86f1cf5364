/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/configured.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "lib/buffer.h"
#include "lib/memory.h"
#include "model/config.h"

/* Adds one of the things, behind a comma where it is not the first one. */
__attribute__((format(printf, 2, 3))) static void add(struct buffer *to, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		memory_exhausted();
	va_end(arguments);
	if (to->length)
		buffer_add_text(to, ", ");
	buffer_add_text(to, text);
	free(text);
}

static char *take(struct buffer *to)
{
	if (!to->length)
		buffer_add_text(to, "-");
	return buffer_take(to);
}

/* `whose`: behind the rate. */
static void add_limits(struct buffer *to, const json_t *limits, const char *whose)
{
	if (json_is_integer(json_object_get(limits, "packets")))
		add(to, "%lld packets/s%s", cli_number(limits, "packets"), whose);
	if (json_is_integer(json_object_get(limits, "connections")))
		add(to, "%lld connections/s%s", cli_number(limits, "connections"), whose);
}

/* A word that is not the usual one. */
static void add_word(struct buffer *to, const json_t *object, const char *key, const char *usual, const char *name)
{
	const char *word = cli_text(object, key);

	if (*word && strcmp(word, usual) != 0)
		add(to, "%s: %s", name, word);
}

char *configured_service(const json_t *service)
{
	const json_t *limits = json_object_get(service, "limits"), *mss = json_object_get(service, "mss");
	size_t rules = json_array_size(json_object_get(service, "sources"));
	struct buffer text = {0};

	if (json_is_integer(json_object_get(service, "vlan")))
		add(&text, "VLAN %lld", cli_number(service, "vlan"));
	if (json_is_integer(mss))
		add(&text, "MSS %lld", cli_number(service, "mss"));
	else if (json_is_string(mss))
		add(&text, "MSS %s", json_string_value(mss));
	if (rules)
		add(&text, "%zu source rule%s", rules, rules == 1 ? "" : "s");
	add_limits(&text, json_object_get(limits, "source"), " a source");
	add_limits(&text, json_object_get(limits, "service"), " in all");
	add_word(&text, limits, "excess", excess_names[EXCESS_DROP], "excess");
	add_word(&text, service, "unknown_port", port_policy_names[UNKNOWN_PASS], "unknown ports");
	add_word(&text, service, "echo", echo_policy_names[ECHO_ANSWER], "echo");
	add_word(&text, service, "fragments", fragment_policy_names[FRAGMENTS_FOLLOW], "fragments");
	return take(&text);
}

char *configured_pool(const json_t *pool)
{
	const json_t *outer = json_object_get(pool, "outer"), *ids = json_object_get(pool, "quic"), *one;
	struct buffer text = {0};
	size_t i;

	if (json_is_integer(json_object_get(outer, "ttl")) && cli_number(outer, "ttl") != CONFIG_DEFAULT_TTL)
		add(&text, "outer TTL %lld", cli_number(outer, "ttl"));
	if (json_is_false(json_object_get(outer, "df")))
		add(&text, "no DF");
	json_array_foreach(json_object_get(outer, "source"), i, one)
		add(&text, "outer source %s", json_string_value(one));
	json_array_foreach(ids, i, one) {
		if (!i)
			add(&text, "QUIC");
		buffer_add_format(&text, " %lld:%lld", cli_number(one, "config"), cli_number(one, "server_id_length"));
	}
	return take(&text);
}
