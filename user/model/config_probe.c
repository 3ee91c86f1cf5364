/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What can be done with a configured probe as a whole: comparing and copying. All of it
 * goes by one table of the struct's fields, so that none can be forgotten in one place.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/memory.h"
#include "model/config.h"

const struct config_word config_records[CONFIG_RECORDS] = {
	{"A", 1}, {"AAAA", 28}, {"NS", 2}, {"SOA", 6}, {"TXT", 16}, {"MX", 15}, {"SRV", 33}, {"CNAME", 5}, {"PTR", 12},
};

const struct config_word config_rcodes[CONFIG_RCODES] = {
	{"NOERROR", 0}, {"FORMERR", 1}, {"SERVFAIL", 2}, {"NXDOMAIN", 3}, {"NOTIMP", 4}, {"REFUSED", 5},
};

const char *config_word_name(const struct config_word *words, size_t count, __u16 value)
{
	for (size_t i = 0; i < count; i++)
		if (words[i].value == value)
			return words[i].name;
	return "?";
}

enum field_kind {
	FIELD_TYPE,
	FIELD_VIA,
	FIELD_DURATION,
	FIELD_COUNT,
	FIELD_PORT,
	FIELD_VERSION,
	FIELD_VERIFY,
	FIELD_RECORD,
	FIELD_RCODE,
	FIELD_TRANSPORT,
	FIELD_ADDRESS,
	/* those that point to something */
	FIELD_TEXT,
	FIELD_BYTES,
	FIELD_ARGV,
	FIELD_HEADERS,
	FIELD_RANGES,
};

struct field {
	const char *key; /* that the config has for it */
	enum field_kind kind;
	size_t offset, size;
};

#define FIELD(key, kind, member)                                                                                       \
	{                                                                                                              \
		key, kind, offsetof(struct config_probe, member), sizeof(((struct config_probe *)0)->member)           \
	}

/* Lists are of the field that points to them; the count belongs to it. */
static const struct field fields[] = {
	FIELD("type", FIELD_TYPE, type),
	FIELD("via", FIELD_VIA, via),
	FIELD("interval", FIELD_DURATION, interval_ms),
	FIELD("fast_interval", FIELD_DURATION, fast_interval_ms),
	FIELD("timeout", FIELD_DURATION, timeout_ms),
	FIELD("rise", FIELD_COUNT, rise),
	FIELD("fall", FIELD_COUNT, fall),
	FIELD("port", FIELD_PORT, port),
	FIELD("send", FIELD_BYTES, send),
	FIELD("expect", FIELD_BYTES, expect),
	FIELD("body_regex", FIELD_TEXT, expect_regex),
	FIELD("method", FIELD_TEXT, method),
	FIELD("path", FIELD_TEXT, path),
	FIELD("host", FIELD_TEXT, host),
	FIELD("headers", FIELD_HEADERS, headers),
	FIELD("expect", FIELD_RANGES, status),
	FIELD("version", FIELD_VERSION, http_version),
	FIELD("sni", FIELD_TEXT, sni),
	FIELD("ca", FIELD_TEXT, ca),
	FIELD("verify", FIELD_VERIFY, insecure),
	FIELD("name", FIELD_TEXT, name),
	FIELD("record", FIELD_RECORD, record),
	FIELD("rcode", FIELD_RCODE, rcode),
	FIELD("transport", FIELD_TRANSPORT, tcp),
	FIELD("address", FIELD_ADDRESS, expect_address),
	FIELD("command", FIELD_ARGV, command),
	FIELD("user", FIELD_TEXT, user),
};

#define FIELDS (sizeof(fields) / sizeof(*fields))

/* A new member changes the size, if it does not fit into padding. */
_Static_assert(sizeof(void *) != 8 || (sizeof(struct config_probe) == 208 && FIELDS == 27),
	       "config_probe has changed: bring fields[] into line with it");

static const void *value_of(const struct config_probe *probe, const struct field *field)
{
	return (const char *)probe + field->offset;
}

static bool texts_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static size_t argv_length(const char *const *argv)
{
	size_t length = 0;

	while (argv && argv[length])
		length++;
	return length;
}

static bool lists_equal(const char *const *a, size_t count_a, const char *const *b, size_t count_b)
{
	if (count_a != count_b)
		return false;
	for (size_t i = 0; i < count_a; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

static bool field_equal(const struct field *field, const struct config_probe *a, const struct config_probe *b)
{
	const void *x = value_of(a, field), *y = value_of(b, field);

	switch (field->kind) {
	case FIELD_TEXT:
		return texts_equal(*(const char *const *)x, *(const char *const *)y);
	case FIELD_BYTES: {
		const struct config_bytes *p = x, *q = y;

		return p->length == q->length && (!p->length || memcmp(p->data, q->data, p->length) == 0);
	}
	case FIELD_ARGV:
		return lists_equal(a->command, argv_length(a->command), b->command, argv_length(b->command));
	case FIELD_HEADERS:
		return lists_equal(a->headers, a->header_count, b->headers, b->header_count);
	case FIELD_RANGES:
		return a->status_count == b->status_count &&
		       (!a->status_count || memcmp(a->status, b->status, a->status_count * sizeof(*a->status)) == 0);
	default:
		return memcmp(x, y, field->size) == 0;
	}
}

bool config_probe_equal(const struct config_probe *a, const struct config_probe *b)
{
	for (size_t i = 0; i < FIELDS; i++)
		if (!field_equal(&fields[i], a, b))
			return false;
	return true;
}

/* One element more than `count`, which stays NULL. */
static const char **copy_list(const char *const *list, size_t count, struct arena *arena)
{
	const char **copy = arena_array(arena, count + 1, sizeof(*copy));

	for (size_t i = 0; i < count; i++)
		copy[i] = arena_strdup(arena, list[i]);
	return copy;
}

static void field_copy(const struct field *field, struct config_probe *probe, struct arena *arena)
{
	void *value = (char *)probe + field->offset;

	if (field->kind == FIELD_TEXT) {
		const char **text = value;

		*text = *text ? arena_strdup(arena, *text) : NULL;
	} else if (field->kind == FIELD_BYTES) {
		struct config_bytes *bytes = value;

		bytes->data = bytes->data ? arena_strndup(arena, bytes->data, bytes->length) : NULL;
	} else if (field->kind == FIELD_ARGV && probe->command) {
		probe->command = copy_list(probe->command, argv_length(probe->command), arena);
	} else if (field->kind == FIELD_HEADERS && probe->headers) {
		probe->headers = copy_list(probe->headers, probe->header_count, arena);
	} else if (field->kind == FIELD_RANGES && probe->status_count) {
		struct config_range *status = arena_array(arena, probe->status_count, sizeof(*status));

		memcpy(status, probe->status, probe->status_count * sizeof(*status));
		probe->status = status;
	}
}

void config_probe_copy(struct config_probe *to, const struct config_probe *from, struct arena *arena)
{
	*to = *from;
	for (size_t i = 0; i < FIELDS; i++)
		field_copy(&fields[i], to, arena);
}

#define BYTES_SHOWN 40

/* In quotes, as YAML would have it. */
static void put_bytes(FILE *out, const struct config_bytes *bytes)
{
	fputc('"', out);
	for (size_t i = 0; i < bytes->length && i < BYTES_SHOWN; i++) {
		unsigned char byte = (unsigned char)bytes->data[i];

		if (byte == '\r' || byte == '\n')
			fputs(byte == '\r' ? "\\r" : "\\n", out);
		else if (byte == '"' || byte == '\\')
			fprintf(out, "\\%c", byte);
		else if (byte < ' ' || byte > '~')
			fprintf(out, "\\x%02x", byte);
		else
			fputc(byte, out);
	}
	fputs(bytes->length > BYTES_SHOWN ? "...\"" : "\"", out);
}

static void put_ranges(FILE *out, const struct config_range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "%s%u", i ? " " : "", ranges[i].low);
		if (ranges[i].high != ranges[i].low)
			fprintf(out, "-%u", ranges[i].high);
	}
}

static void put_argv(FILE *out, const char *const *argv)
{
	for (size_t i = 0; argv[i]; i++)
		fprintf(out, "%s%s", i ? " " : "", argv[i]);
}

static void put_number(FILE *out, const struct field *field, const void *value)
{
	char duration[CONFIG_DURATION_TEXT];

	switch (field->kind) {
	case FIELD_TYPE:
		fputs(probe_type_names[*(const enum probe_type *)value], out);
		break;
	case FIELD_VIA:
		fputs(via_names[*(const enum probe_via *)value], out);
		break;
	case FIELD_DURATION:
		fputs(config_duration_format(*(const __u32 *)value, duration), out);
		break;
	case FIELD_PORT:
		if (*(const __u16 *)value)
			fprintf(out, "%u", *(const __u16 *)value);
		else
			fputs("the service's", out);
		break;
	case FIELD_VERSION:
		fputs(*(const __u8 *)value == 2 ? "2" : "1.1", out);
		break;
	case FIELD_VERIFY:
		fputs(*(const bool *)value ? "false" : "true", out);
		break;
	case FIELD_RECORD:
		fputs(config_word_name(config_records, CONFIG_RECORDS, *(const __u16 *)value), out);
		break;
	case FIELD_RCODE:
		fputs(config_word_name(config_rcodes, CONFIG_RCODES, *(const __u8 *)value), out);
		break;
	case FIELD_TRANSPORT:
		fputs(*(const bool *)value ? "tcp" : "udp", out);
		break;
	default:
		fprintf(out, "%u", *(const __u32 *)value);
	}
}

/* To be freed. */
static char *field_format(const struct field *field, const struct config_probe *probe)
{
	const void *value = value_of(probe, field);
	char *text = NULL, address[ADDRESS_TEXT];
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		memory_exhausted();
	if (field->kind == FIELD_ADDRESS)
		fputs(address_format(value, address), out);
	else if (field->kind == FIELD_TEXT && *(const char *const *)value)
		fputs(*(const char *const *)value, out);
	else if (field->kind == FIELD_BYTES && ((const struct config_bytes *)value)->data)
		put_bytes(out, value);
	else if (field->kind == FIELD_ARGV && probe->command)
		put_argv(out, probe->command);
	else if (field->kind == FIELD_HEADERS && probe->header_count)
		fprintf(out, "%zu", probe->header_count);
	else if (field->kind == FIELD_RANGES && probe->status_count)
		put_ranges(out, probe->status, probe->status_count);
	else if (field->kind >= FIELD_TEXT)
		fputs("none", out);
	else
		put_number(out, field, value);
	fclose(out);
	return text;
}

/* http's body is matched like others' replies, but has another key. */
static const char *key_of(const struct field *field, const struct config_probe *probe)
{
	bool http = probe->type == PROBE_HTTP || probe->type == PROBE_HTTPS;

	return field->kind == FIELD_BYTES && http ? "body" : field->key;
}

void config_probe_compare(const struct config_probe *a, const struct config_probe *b, config_change_fn tell,
			  void *argument)
{
	for (size_t i = 0; i < FIELDS; i++) {
		if (field_equal(&fields[i], a, b))
			continue;

		char *before = field_format(&fields[i], a), *after = field_format(&fields[i], b);

		tell(argument, key_of(&fields[i], b), before, after);
		free(before);
		free(after);
	}
}

__u16 config_probe_usual_port(enum probe_type type)
{
	switch (type) {
	case PROBE_HTTP:
		return 80;
	case PROBE_HTTPS:
		return 443;
	case PROBE_DNS:
		return 53;
	default:
		return 0;
	}
}
