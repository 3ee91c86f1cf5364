/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What pools and defaults say of transitions: config_transition, user/model/transition.h. */
#include "in/config_read.h"

#define MAX_IDLE_MS (7 * 24 * 3600 * 1000U)

static const struct value_key keys[TRANSITION_KEYS] = {
	[TRANSITION_WINDOW] = {.name = "window"},
	[TRANSITION_UDP_WINDOW] = {.name = "udp_window"},
	[TRANSITION_IDLE] = {.name = "idle"},
};

static const struct {
	__u32 low, high;
	const char *expected;
} limits[TRANSITION_KEYS] = {
	[TRANSITION_WINDOW] = {0, CONFIG_MAX_WINDOW_MS, "a time from 0s (no transitions) to 24h, such as 90s or 15m"},
	[TRANSITION_UDP_WINDOW] = {0, CONFIG_MAX_WINDOW_MS, "a time from 0s to the window's, such as 30s or 1m"},
	[TRANSITION_IDLE] = {1000, MAX_IDLE_MS, "a time from 1s to 168h (7 days), such as 30m or 2h"},
};

/* The one that is not given goes along with the window. */
static void fill_in(struct transition_layers *layers)
{
	struct config_transition *value = &layers->value;
	const bool *given = layers->given;

	if (!given[TRANSITION_WINDOW])
		value->window_ms = CONFIG_DEFAULT_WINDOW_MS;
	if (!given[TRANSITION_UDP_WINDOW])
		value->udp_window_ms = value->window_ms < CONFIG_DEFAULT_UDP_WINDOW_MS ? value->window_ms
										       : CONFIG_DEFAULT_UDP_WINDOW_MS;
	if (!given[TRANSITION_IDLE])
		value->idle_ms = value->window_ms > CONFIG_DEFAULT_IDLE_MS ? value->window_ms : CONFIG_DEFAULT_IDLE_MS;
}

/* Notes it where this layer gave one of the two; what it has from the layer below was judged there. */
static void note_clash(struct reading *reading, const struct transition_layers *layers,
		       const struct node *const found[static TRANSITION_KEYS], enum transition_key key, __u32 value_ms,
		       const char *relation)
{
	const struct node *at = found[key] ? found[key] : found[TRANSITION_WINDOW];
	char value[CONFIG_DURATION_TEXT], window[CONFIG_DURATION_TEXT];

	if (!at)
		return;
	source_error(reading->source, at->value->offset, "the %s of %s is %s than the window of %s%s", keys[key].name,
		     config_duration_format(value_ms, value), relation,
		     config_duration_format(layers->value.window_ms, window),
		     layers->given[TRANSITION_WINDOW] ? "" : ", its default");
}

static bool read_time(struct source *source, const struct node *node, enum transition_key key, __u32 *out)
{
	__u32 time;

	if (!value_duration_within(source, node, limits[key].low, limits[key].high, limits[key].expected, &time))
		return false;
	if (time % 1000) {
		source_error(source, node->offset, "transition times are whole seconds, found '%.64s'", node->text);
		return false;
	}
	*out = time;
	return true;
}

/* Reads a map over what the layers have, and fills in what neither gives. */
static void read_layer(struct reading *reading, const struct node *node, struct transition_layers *layers)
{
	struct config_transition *value = &layers->value;
	__u32 *const out[TRANSITION_KEYS] = {&value->window_ms, &value->udp_window_ms, &value->idle_ms};
	const struct node *found[TRANSITION_KEYS];

	if (!value_keys(reading->source, node, node->offset, "transition", keys, TRANSITION_KEYS, found)) {
		layers->bad = true;
		return;
	}
	for (enum transition_key key = 0; key < TRANSITION_KEYS; key++) {
		if (!found[key])
			continue;
		layers->given[key] = true;
		layers->bad |= !read_time(reading->source, found[key]->value, key, out[key]);
	}
	fill_in(layers);
	/* without transitions, what the layer below says of UDP is of no use, nor in the way */
	if (!value->window_ms && !found[TRANSITION_UDP_WINDOW])
		value->udp_window_ms = 0;
	if (layers->bad)
		return;
	if (value->udp_window_ms > value->window_ms)
		note_clash(reading, layers, found, TRANSITION_UDP_WINDOW, value->udp_window_ms, "longer");
	if (value->idle_ms < value->window_ms)
		note_clash(reading, layers, found, TRANSITION_IDLE, value->idle_ms, "shorter");
}

void transition_read_defaults(struct reading *reading, const struct node *node)
{
	read_layer(reading, node, &reading->default_transition);
}

void transition_read(struct reading *reading, const struct node *node, struct config_pool *pool)
{
	struct transition_layers layers = reading->default_transition;

	if (node)
		read_layer(reading, node, &layers);
	else
		fill_in(&layers);
	pool->transition = layers.value;
}
