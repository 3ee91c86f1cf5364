/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <string.h>

#include "in/config_read.h"

#define DEFAULT_INTERVAL    2000
#define DEFAULT_TIMEOUT	    1000
#define DEFAULT_RISE	    2
#define DEFAULT_FALL	    3
#define DEFAULT_EXPECT_LOW  200
#define DEFAULT_EXPECT_HIGH 299
#define MAX_ROUNDS	    100 /* of rise and fall */
#define MAX_PATH	    1023

static const struct value_key probe_keys[PROBE_KEYS] = {
	[PROBE_KEY_TYPE] = {"type", NULL},	 [PROBE_KEY_INTERVAL] = {"interval", NULL},
	[PROBE_KEY_TIMEOUT] = {"timeout", NULL}, [PROBE_KEY_RISE] = {"rise", NULL},
	[PROBE_KEY_FALL] = {"fall", NULL},	 [PROBE_KEY_PORT] = {"port", NULL},
	[PROBE_KEY_PATH] = {"path", NULL},	 [PROBE_KEY_EXPECT] = {"expect", NULL},
};

static bool read_path(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	const char *path;

	if (!value_text(reading->source, node, "a path such as /healthz", &path))
		return false;
	if (path[0] != '/') {
		source_error(reading->source, node->offset, "the path '%.64s' does not start with '/'", path);
		return false;
	}
	for (const char *c = path; *c; c++) {
		if (*c <= ' ' || *c > '~') {
			source_error(reading->source, node->offset,
				     "the path '%.64s' has a character that needs %%-encoding", path);
			return false;
		}
	}
	if (strlen(path) > MAX_PATH) {
		source_error(reading->source, node->offset, "a path of %zu characters: at most %d are allowed",
			     strlen(path), MAX_PATH);
		return false;
	}
	probe->path = arena_strdup(reading->config->arena, path);
	return true;
}

static bool read_expect(struct reading *reading, const struct node *node, struct config_probe *probe)
{
	static const char expected[] = "an HTTP status from 100 to 599 or a range of them, such as 200-299";
	const char *text, *dash;
	__u32 low, high;

	if (!value_text(reading->source, node, expected, &text))
		return false;
	dash = strchr(text, '-');
	if (!value_parse_number(text, dash ? (size_t)(dash - text) : strlen(text), 599, &low) || low < 100 ||
	    !value_parse_number(dash ? dash + 1 : text, strlen(dash ? dash + 1 : text), 599, &high) || high < 100) {
		value_unexpected(reading->source, node, expected);
		return false;
	}
	if (high < low) {
		source_error(reading->source, node->offset, "the range '%s' is backwards: write %u-%u", text, high,
			     low);
		return false;
	}
	probe->expect_low = (__u16)low;
	probe->expect_high = (__u16)high;
	return true;
}

static bool read_value(struct reading *reading, enum probe_key key, const struct node *node, struct config_probe *probe)
{
	int type;
	__u32 port;

	switch (key) {
	case PROBE_KEY_TYPE:
		if (!value_choice(reading->source, node, probe_type_names, 2, &type))
			return false;
		probe->type = (enum probe_type)type;
		return true;
	case PROBE_KEY_INTERVAL:
		return value_duration(reading->source, node, &probe->interval_ms);
	case PROBE_KEY_TIMEOUT:
		return value_duration(reading->source, node, &probe->timeout_ms);
	case PROBE_KEY_RISE:
		return value_number(reading->source, node, 1, MAX_ROUNDS, &probe->rise);
	case PROBE_KEY_FALL:
		return value_number(reading->source, node, 1, MAX_ROUNDS, &probe->fall);
	case PROBE_KEY_PORT:
		if (!value_number(reading->source, node, 1, 65535, &port))
			return false;
		probe->port = (__u16)port;
		return true;
	case PROBE_KEY_PATH:
		return read_path(reading, node, probe);
	case PROBE_KEY_EXPECT:
		return read_expect(reading, node, probe);
	case PROBE_KEYS:
		break;
	}
	return false;
}

/* What has to fit together, once both layers are known; told where this layer gave it. */
static void check_layer(struct reading *reading, const struct probe_layers *layers, const struct node *const *found)
{
	const struct node *span = found[PROBE_KEY_TIMEOUT] ? found[PROBE_KEY_TIMEOUT] : found[PROBE_KEY_INTERVAL];
	const struct config_probe *probe = &layers->probe;
	char timeout[DURATION_TEXT], interval[DURATION_TEXT];

	if (layers->bad)
		return;
	if (span && layers->given[PROBE_KEY_TIMEOUT] && layers->given[PROBE_KEY_INTERVAL] &&
	    probe->timeout_ms > probe->interval_ms)
		source_error(reading->source, span->value->offset,
			     "the timeout of %s is longer than the interval of %s",
			     value_duration_format(probe->timeout_ms, timeout),
			     value_duration_format(probe->interval_ms, interval));
	if (!layers->given[PROBE_KEY_TYPE] || probe->type == PROBE_HTTP)
		return;
	for (enum probe_key key = PROBE_KEY_PATH; key <= PROBE_KEY_EXPECT; key++)
		if (found[key])
			source_error(reading->source, found[key]->offset,
				     "'%s' is for probes of type http, and this one is of type %s",
				     probe_keys[key].name, probe_type_names[probe->type]);
}

static void read_layer(struct reading *reading, const struct node *node, struct probe_layers *layers)
{
	const struct node *found[PROBE_KEYS];

	if (!value_keys(reading->source, node, node->offset, "a probe", probe_keys, PROBE_KEYS, found)) {
		layers->bad = layers->given[PROBE_KEY_TYPE] = true;
		return;
	}
	for (enum probe_key key = 0; key < PROBE_KEYS; key++) {
		if (!found[key])
			continue;
		layers->given[key] = true;
		if (!read_value(reading, key, found[key]->value, &layers->probe))
			layers->bad = true;
	}
	check_layer(reading, layers, found);
}

void probe_read_defaults(struct reading *reading, const struct node *node)
{
	read_layer(reading, node, &reading->default_probe);
}

static void fill_in(struct probe_layers *layers)
{
	struct config_probe *probe = &layers->probe;
	const bool *given = layers->given;

	if (!given[PROBE_KEY_INTERVAL])
		probe->interval_ms = DEFAULT_INTERVAL;
	if (!given[PROBE_KEY_TIMEOUT])
		probe->timeout_ms = probe->interval_ms < DEFAULT_TIMEOUT ? probe->interval_ms : DEFAULT_TIMEOUT;
	if (!given[PROBE_KEY_INTERVAL] && probe->interval_ms < probe->timeout_ms)
		probe->interval_ms = probe->timeout_ms;
	if (!given[PROBE_KEY_RISE])
		probe->rise = DEFAULT_RISE;
	if (!given[PROBE_KEY_FALL])
		probe->fall = DEFAULT_FALL;
	if (probe->type != PROBE_HTTP) {
		/* http keys of the defaults */
		probe->path = NULL;
		probe->expect_low = probe->expect_high = 0;
		return;
	}
	if (!given[PROBE_KEY_PATH])
		probe->path = "/";
	if (!given[PROBE_KEY_EXPECT]) {
		probe->expect_low = DEFAULT_EXPECT_LOW;
		probe->expect_high = DEFAULT_EXPECT_HIGH;
	}
}

void probe_read(struct reading *reading, const struct node *key, struct config_probe *out)
{
	struct probe_layers layers = reading->default_probe;

	if (key)
		read_layer(reading, key->value, &layers);
	if (!layers.given[PROBE_KEY_TYPE]) {
		if (key)
			source_error(
				reading->source, key->offset,
				"the probe has no type: write 'type: tcp' or 'type: http' here or in the defaults");
		return;
	}
	fill_in(&layers);
	layers.probe.set = true;
	*out = layers.probe;
}
