/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A pool's probes: which keys each type has, how the defaults and the pool's own
 * keys go together, and what has to fit together then.
 */
#include "in/config_probe.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "in/config_read.h"
#include "lib/memory.h"

#define DEFAULT_INTERVAL 2000
#define DEFAULT_TIMEOUT	 1000
#define LEAST_FAST	 500 /* of the default of fast_interval */
#define DEFAULT_RISE	 2
#define DEFAULT_FALL	 3
#define DEFAULT_RECORD	 1 /* A */
#define TYPES_TEXT	 64

#define TYPE(type) (1U << PROBE_##type)
#define ALL	   ((1U << PROBE_TYPES) - 1)
#define HTTP	   (TYPE(HTTP) | TYPE(HTTPS))
#define PAYLOAD	   (TYPE(TCP) | TYPE(UDP))

static const struct {
	const char *name;
	unsigned int types; /* that have it: bit i is enum probe_type i */
	probe_value_fn read;
} keys[PROBE_KEYS] = {
	[PROBE_KEY_TYPE] = {"type", ALL, probe_read_type},
	[PROBE_KEY_INTERVAL] = {"interval", ALL, probe_read_interval},
	[PROBE_KEY_TIMEOUT] = {"timeout", ALL, probe_read_timeout},
	[PROBE_KEY_FAST_INTERVAL] = {"fast_interval", ALL, probe_read_fast_interval},
	[PROBE_KEY_RISE] = {"rise", ALL, probe_read_rise},
	[PROBE_KEY_FALL] = {"fall", ALL, probe_read_fall},
	[PROBE_KEY_VIA] = {"via", ALL & ~(TYPE(NONE) | TYPE(EXEC)), probe_read_via},
	[PROBE_KEY_PORT] = {"port", HTTP | PAYLOAD | TYPE(DNS), probe_read_port},
	[PROBE_KEY_SEND] = {"send", PAYLOAD, probe_read_send},
	[PROBE_KEY_SEND_HEX] = {"send_hex", PAYLOAD, probe_read_send_hex},
	[PROBE_KEY_EXPECT] = {"expect", PAYLOAD, probe_read_expect},
	[PROBE_KEY_EXPECT_HEX] = {"expect_hex", PAYLOAD, probe_read_expect_hex},
	[PROBE_KEY_METHOD] = {"method", HTTP, probe_read_method},
	[PROBE_KEY_PATH] = {"path", HTTP, probe_read_path},
	[PROBE_KEY_HOST] = {"host", HTTP, probe_read_host},
	[PROBE_KEY_HEADERS] = {"headers", HTTP, probe_read_headers},
	[PROBE_KEY_BODY] = {"body", HTTP, probe_read_body},
	[PROBE_KEY_BODY_REGEX] = {"body_regex", HTTP, probe_read_body_regex},
	[PROBE_KEY_VERSION] = {"version", HTTP, probe_read_version},
	[PROBE_KEY_SNI] = {"sni", TYPE(HTTPS), probe_read_sni},
	[PROBE_KEY_CA] = {"ca", TYPE(HTTPS), probe_read_ca},
	[PROBE_KEY_VERIFY] = {"verify", TYPE(HTTPS), probe_read_verify},
	[PROBE_KEY_NAME] = {"name", TYPE(DNS), probe_read_name},
	[PROBE_KEY_RECORD] = {"record", TYPE(DNS), probe_read_record},
	[PROBE_KEY_RCODE] = {"rcode", TYPE(DNS), probe_read_rcode},
	[PROBE_KEY_ADDRESS] = {"address", TYPE(DNS), probe_read_address},
	[PROBE_KEY_TRANSPORT] = {"transport", TYPE(DNS), probe_read_transport},
	[PROBE_KEY_COMMAND] = {"command", TYPE(EXEC), probe_read_command},
	[PROBE_KEY_USER] = {"user", TYPE(EXEC), probe_read_user},
	[PROBE_KEY_STATUS] = {"expect", HTTP, probe_read_status},
};

/* The keys that a file can have: without the second 'expect'. */
#define FILE_KEYS PROBE_KEY_STATUS

_Static_assert(FILE_KEYS <= 32, "value_keys() has a bit for each");

/* Two ways to say one thing. */
static const struct {
	enum probe_key a, b;
} pairs[] = {
	{PROBE_KEY_SEND, PROBE_KEY_SEND_HEX},
	{PROBE_KEY_EXPECT, PROBE_KEY_EXPECT_HEX},
	{PROBE_KEY_BODY, PROBE_KEY_BODY_REGEX},
};

#define PAIRS (sizeof(pairs) / sizeof(*pairs))

/* One probe, or the defaults', while it is read. */
struct draft {
	struct reading *reading;
	struct probe_layers layers;
	struct config_probe probe;
	unsigned int types; /* that it can be: one bit, or ALL while the type is not known */
	bool defaults;
	size_t at; /* where to say what is missing */
};

static enum probe_type type_of(unsigned int types)
{
	return (enum probe_type)__builtin_ctz(types);
}

/* The types that the key is of use to, under whatever meaning. */
static unsigned int types_with(enum probe_key key)
{
	return key == PROBE_KEY_EXPECT ? PAYLOAD | HTTP : keys[key].types;
}

/* What a layer makes of the type: unknown where it is misspelt. */
static unsigned int peek_types(const struct node *map, unsigned int before)
{
	for (const struct node *key = map->kind == NODE_MAP ? map->first : NULL; key; key = key->next) {
		if (strcmp(key->text, "type") != 0)
			continue;
		for (unsigned int type = 0; key->value->kind == NODE_SCALAR && type < PROBE_TYPES; type++)
			if (strcmp(key->value->text, probe_type_names[type]) == 0)
				return 1U << type;
		return ALL;
	}
	return before;
}

/* The layer's key nodes by enum probe_key. */
static void find_keys(struct draft *draft, const struct node *map, const struct node *found[static PROBE_KEYS])
{
	struct value_key known[FILE_KEYS];
	bool whole = draft->types != ALL && !draft->defaults; /* what is missing is missing for good */
	char what[40] = "a probe";

	if (draft->types != ALL)
		snprintf(what, sizeof(what), "a probe of type %s", probe_type_names[type_of(draft->types)]);
	for (enum probe_key key = 0; key < FILE_KEYS; key++)
		known[key] = (struct value_key){.name = keys[key].name, .unlisted = !(types_with(key) & draft->types)};
	if (whole && draft->types == TYPE(DNS) && !draft->layers.key[PROBE_KEY_NAME])
		known[PROBE_KEY_NAME].needed = "the name to ask for";
	if (whole && draft->types == TYPE(EXEC) && !draft->layers.key[PROBE_KEY_COMMAND])
		known[PROBE_KEY_COMMAND].needed = "the program to run and its arguments, as a list";
	found[PROBE_KEY_STATUS] = NULL;
	value_keys(draft->reading->source, map, draft->at, what, known, FILE_KEYS, found);
}

static void refuse_key(struct draft *draft, enum probe_key key, const struct node *node)
{
	unsigned int types = types_with(key), count = (unsigned int)__builtin_popcount(types), i = 0;
	char text[TYPES_TEXT] = "";

	for (unsigned int type = 0; type < PROBE_TYPES; type++)
		if (types >> type & 1)
			value_append_word(text, sizeof(text), i++, count, " and ", probe_type_names[type]);
	source_error(draft->reading->source, node->offset, "'%s' is for probes of type %s, and this one is of type %s",
		     keys[key].name, text, probe_type_names[type_of(draft->types)]);
}

/* 'expect' is of two kinds. Without a type it is http's, whose values are their own witness. */
static void sort_expect(struct draft *draft, const struct node *found[static PROBE_KEYS])
{
	if (draft->types == ALL && (!draft->defaults || found[PROBE_KEY_TYPE]))
		found[PROBE_KEY_EXPECT] = NULL; /* it cannot be known what is meant */
	if (draft->types & HTTP) {
		found[PROBE_KEY_STATUS] = found[PROBE_KEY_EXPECT];
		found[PROBE_KEY_EXPECT] = NULL;
	}
}

/* A layer's own spelling goes before the other one of the layer below; it cannot have both itself. */
static void sort_pairs(struct draft *draft, const struct node *const found[static PROBE_KEYS])
{
	for (size_t i = 0; i < PAIRS; i++) {
		const struct node *a = found[pairs[i].a], *b = found[pairs[i].b];

		if (a && b && keys[pairs[i].a].types & draft->types)
			source_error(draft->reading->source, (a->offset > b->offset ? a : b)->offset,
				     "'%s' and '%s' cannot both be given", a->text, b->text);
		if (a || b)
			draft->layers.key[pairs[i].a] = draft->layers.key[pairs[i].b] = NULL;
	}
}

/* Reads the values that the type has. A bad one of the defaults is forgotten, so that it is told once. */
static void read_values(struct draft *draft)
{
	struct probe_layers *layers = &draft->layers;

	for (enum probe_key key = 0; key < PROBE_KEYS; key++) {
		/* without a type nothing will come of it: only what is new is worth checking */
		if (!layers->key[key] || !(keys[key].types & draft->types) ||
		    (draft->types == ALL && !layers->own[key]))
			continue;
		if (keys[key].read(draft->reading, layers->key[key]->value, &draft->probe))
			continue;
		layers->bad = true;
		if (draft->defaults)
			layers->key[key] = NULL;
	}
}

static void read_layer(struct draft *draft, const struct node *map)
{
	struct probe_layers *layers = &draft->layers;
	const struct node *found[PROBE_KEYS];

	if (map->kind != NODE_MAP && !value_is_nothing(map)) {
		value_unexpected(draft->reading->source, map, "a probe such as {type: tcp, port: 80}");
		layers->bad = layers->typed = true;
		return;
	}
	draft->types = peek_types(map, draft->types);
	find_keys(draft, map, found);
	layers->typed |= found[PROBE_KEY_TYPE] != NULL;
	sort_expect(draft, found);
	sort_pairs(draft, found);
	for (enum probe_key key = 0; key < PROBE_KEYS; key++) {
		if (!found[key])
			continue;
		if (!(keys[key].types & draft->types)) {
			refuse_key(draft, key, found[key]);
			continue;
		}
		layers->key[key] = found[key];
		layers->own[key] = true;
	}
	read_values(draft);
}

/*
 * Notes that two keys' values do not fit together, where this layer gave one of them. Values of the defaults
 * alone were judged there, and there one of them without the other is fine.
 */
__attribute__((format(printf, 4, 5))) static void note_clash(struct draft *draft, enum probe_key a, enum probe_key b,
							     const char *format, ...)
{
	const struct probe_layers *layers = &draft->layers;
	bool both = layers->key[a] && layers->key[b];
	size_t at = layers->own[a]   ? layers->key[a]->value->offset
		    : layers->own[b] ? layers->key[b]->value->offset
				     : draft->at;
	va_list arguments;
	char *message;

	if (both ? !layers->own[a] && !layers->own[b] : draft->defaults)
		return;
	va_start(arguments, format);
	if (vasprintf(&message, format, arguments) < 0)
		memory_exhausted();
	va_end(arguments);
	source_error(draft->reading->source, at, "%s", message);
	free(message);
}

static void check_times(struct draft *draft)
{
	const struct node *const *key = draft->layers.key;
	const struct config_probe *probe = &draft->probe;
	char first[CONFIG_DURATION_TEXT], second[CONFIG_DURATION_TEXT];

	if (!key[PROBE_KEY_INTERVAL])
		return;
	config_duration_format(probe->interval_ms, second);
	if (key[PROBE_KEY_TIMEOUT] && probe->timeout_ms > probe->interval_ms)
		note_clash(draft, PROBE_KEY_TIMEOUT, PROBE_KEY_INTERVAL,
			   "the timeout of %s is longer than the interval of %s",
			   config_duration_format(probe->timeout_ms, first), second);
	if (key[PROBE_KEY_FAST_INTERVAL] && probe->fast_interval_ms > probe->interval_ms)
		note_clash(draft, PROBE_KEY_FAST_INTERVAL, PROBE_KEY_INTERVAL,
			   "the fast_interval of %s is longer than the interval of %s",
			   config_duration_format(probe->fast_interval_ms, first), second);
}

static void check_answer(struct draft *draft)
{
	const struct node *const *key = draft->layers.key;
	const struct config_probe *probe = &draft->probe;
	unsigned int family = probe->expect_address.family;
	__u16 record = key[PROBE_KEY_RECORD] ? probe->record : DEFAULT_RECORD;
	const char *fit = family == AF_INET6 ? "AAAA" : "A";

	if (!(draft->types & TYPE(DNS)) || !key[PROBE_KEY_ADDRESS])
		return;
	if (strcmp(config_word_name(config_records, CONFIG_RECORDS, record), fit) != 0)
		note_clash(draft, PROBE_KEY_ADDRESS, PROBE_KEY_RECORD,
			   "%s records hold no IPv%c address: write 'record: %s'",
			   config_word_name(config_records, CONFIG_RECORDS, record), family == AF_INET6 ? '6' : '4',
			   fit);
	if (probe->rcode)
		note_clash(draft, PROBE_KEY_ADDRESS, PROBE_KEY_RCODE, "an answer with rcode %s holds no address",
			   config_word_name(config_rcodes, CONFIG_RCODES, probe->rcode));
}

static void check_body(struct draft *draft)
{
	const struct node *const *key = draft->layers.key;
	enum probe_key body = key[PROBE_KEY_BODY] ? PROBE_KEY_BODY : PROBE_KEY_BODY_REGEX;

	if (draft->types & HTTP && key[body] && key[PROBE_KEY_METHOD] && strcmp(draft->probe.method, "HEAD") == 0)
		note_clash(draft, body, PROBE_KEY_METHOD, "the reply to a HEAD has no body");
}

static void check(struct draft *draft)
{
	if (draft->layers.bad)
		return;
	check_times(draft);
	check_answer(draft);
	check_body(draft);
}

void probe_read_defaults(struct reading *reading, const struct node *node)
{
	struct draft draft = {.reading = reading, .types = ALL, .defaults = true, .at = node->offset};

	read_layer(&draft, node);
	check(&draft);
	memset(draft.layers.own, 0, sizeof(draft.layers.own));
	reading->default_probe = draft.layers;
	reading->default_types = draft.types;
}

static __u32 least(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

static __u32 most(__u32 a, __u32 b)
{
	return a > b ? a : b;
}

/* One time that is given moves the others' defaults along. */
static void fill_in_times(struct config_probe *probe, const struct node *const key[static PROBE_KEYS])
{
	if (!key[PROBE_KEY_INTERVAL])
		probe->interval_ms = most(DEFAULT_INTERVAL, most(probe->timeout_ms, probe->fast_interval_ms));
	if (!key[PROBE_KEY_TIMEOUT])
		probe->timeout_ms = least(DEFAULT_TIMEOUT, probe->interval_ms);
	if (!key[PROBE_KEY_FAST_INTERVAL])
		probe->fast_interval_ms = least(probe->interval_ms, most(probe->timeout_ms, LEAST_FAST));
}

static void fill_in(struct draft *draft)
{
	struct config_probe *probe = &draft->probe;
	const struct node *const *key = draft->layers.key;

	fill_in_times(probe, key);
	if (!key[PROBE_KEY_RISE])
		probe->rise = DEFAULT_RISE;
	if (!key[PROBE_KEY_FALL])
		probe->fall = DEFAULT_FALL;
	if (draft->types & HTTP) {
		probe->method = probe->method ? probe->method : "GET";
		probe->path = probe->path ? probe->path : "/";
		probe->http_version = probe->http_version ? probe->http_version : 1;
	}
	if (draft->types & HTTP && !probe->status_count) {
		probe->status = arena_alloc(draft->reading->config->arena, sizeof(*probe->status));
		probe->status[0] = (struct config_range){200, 299};
		probe->status_count = 1;
	}
	if (draft->types == TYPE(DNS) && !key[PROBE_KEY_RECORD])
		probe->record = DEFAULT_RECORD;
	if (draft->types == TYPE(EXEC) && !key[PROBE_KEY_USER])
		probe->user = "nobody";
}

/* Reads one probe over the defaults. `alone`: it is the pool's only one, and may be none. */
static void read_probe(struct reading *reading, const struct node *map, size_t at, bool alone, struct config_pool *pool)
{
	struct draft draft = {.reading = reading,
			      .layers = reading->default_probe,
			      .types = reading->default_types ? reading->default_types : ALL,
			      .at = at};

	read_layer(&draft, map);
	if (!draft.layers.typed) {
		source_error(reading->source, at,
			     "the probe has no type: write 'type: tcp' or 'type: http' here or in the defaults");
		return;
	}
	if (draft.types == ALL)
		return;
	check(&draft);
	if (draft.types != TYPE(NONE)) {
		fill_in(&draft);
		pool->probes[pool->probe_count++] = draft.probe;
	} else if (!alone) {
		source_error(reading->source, at, "a probe of type none stands among others: leave it out");
	}
}

static void read_list(struct reading *reading, const struct node *list, struct config_pool *pool)
{
	size_t count = 0;

	if (!list->first)
		source_error(reading->source, list->offset,
			     "the list is empty: 'probe: {type: none}' makes a pool that is not probed");
	for (const struct node *child = list->first; child; child = child->next) {
		if (count++ == CONFIG_MAX_PROBES) {
			source_error(reading->source, child->offset, "more than %d probes of a pool",
				     CONFIG_MAX_PROBES);
			return;
		}
		read_probe(reading, child, child->offset, list->count == 1, pool);
	}
}

void probes_read(struct reading *reading, const struct node *pool_key, const struct node *key, struct config_pool *pool)
{
	static const struct node nothing = {.kind = NODE_MAP, .text = ""};

	if (!key && !reading->default_probe.typed)
		return;
	bool list = key && key->value->kind == NODE_LIST;

	pool->probes = arena_array(reading->config->arena, list ? CONFIG_MAX_PROBES : 1, sizeof(*pool->probes));
	if (!key)
		read_probe(reading, &nothing, pool_key->offset, true, pool);
	else if (list)
		read_list(reading, key->value, pool);
	else
		read_probe(reading, key->value, key->offset, true, pool);
}
