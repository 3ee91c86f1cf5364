/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What pools and defaults say of the judgement: config_judgement, user/model/health.h. */
#include <string.h>

#include "abi.h"
#include "in/config_read.h"

#define DEFAULT_FIRST 10000
#define DEFAULT_MAX   300000
#define DEFAULT_DECAY 600000

static const struct value_key hold_keys[HOLD_KEYS] = {
	[HOLD_FIRST] = {.name = "first"},
	[HOLD_MAX] = {.name = "max"},
	[HOLD_DECAY] = {.name = "decay"},
};

static bool read_min_healthy(struct source *source, const struct node *node, struct config_judgement *out)
{
	size_t length = node->kind == NODE_SCALAR ? strlen(node->text) : 0;
	bool percent = length && node->text[length - 1] == '%';
	__u32 number;

	if (!length ||
	    !value_parse_number(node->text, length - percent, percent ? 100 : SLUICE_MAX_BACKENDS, &number)) {
		value_unexpected(source, node, "a number of backends such as 2, or a share of them from 0% to 100%");
		return false;
	}
	out->min_healthy = number;
	out->min_healthy_percent = percent && number;
	return true;
}

static void read_hold_map(struct reading *reading, const struct node *node, struct judgement_layers *layers)
{
	struct config_judgement *value = &layers->value;
	__u32 *const out[HOLD_KEYS] = {&value->hold_first_ms, &value->hold_max_ms, &value->hold_decay_ms};
	const struct node *found[HOLD_KEYS], *span;
	char first[CONFIG_DURATION_TEXT], max[CONFIG_DURATION_TEXT];

	if (!value_keys(reading->source, node, node->offset, "hold_down", hold_keys, HOLD_KEYS, found))
		return;
	for (enum hold_key key = 0; key < HOLD_KEYS; key++) {
		if (!found[key])
			continue;
		layers->hold_given[key] = true;
		layers->bad |= !value_duration(reading->source, found[key]->value, out[key]);
	}
	span = found[HOLD_MAX] ? found[HOLD_MAX] : found[HOLD_FIRST];
	if (span && !layers->bad && layers->hold_given[HOLD_FIRST] && layers->hold_given[HOLD_MAX] &&
	    value->hold_max_ms < value->hold_first_ms)
		source_error(reading->source, span->value->offset,
			     "the hold-down's max of %s is shorter than its first of %s",
			     config_duration_format(value->hold_max_ms, max),
			     config_duration_format(value->hold_first_ms, first));
}

static void read_hold_down(struct reading *reading, const struct node *node, struct judgement_layers *layers)
{
	layers->hold_off = node->kind == NODE_SCALAR && strcmp(node->text, "off") == 0;
	if (layers->hold_off)
		return;
	if (node->kind == NODE_MAP || value_is_nothing(node))
		read_hold_map(reading, node, layers);
	else
		value_unexpected(reading->source, node, "off, or a map such as {first: 10s, max: 5m, decay: 10m}");
}

static void read_layer(struct reading *reading, const struct node *const key[static JUDGEMENT_KEYS],
		       struct judgement_layers *layers)
{
	struct source *source = reading->source;
	struct config_judgement *value = &layers->value;
	int start;

	if (key[JUDGEMENT_ANY])
		value_bool(source, key[JUDGEMENT_ANY]->value, &value->any);
	if (key[JUDGEMENT_START] && value_choice(source, key[JUDGEMENT_START]->value, start_names, 3, &start))
		value->start = (enum health_start)start;
	if (key[JUDGEMENT_MIN_HEALTHY])
		read_min_healthy(source, key[JUDGEMENT_MIN_HEALTHY]->value, value);
	if (key[JUDGEMENT_RAMP])
		value_duration_or_none(source, key[JUDGEMENT_RAMP]->value, &value->ramp_ms);
	if (key[JUDGEMENT_HOLD_DOWN])
		read_hold_down(reading, key[JUDGEMENT_HOLD_DOWN]->value, layers);
}

void judgement_read_defaults(struct reading *reading, const struct node *const key[static JUDGEMENT_KEYS])
{
	read_layer(reading, key, &reading->default_judgement);
}

/* One bound that is given moves the other's default along. */
static void fill_in_hold(struct judgement_layers *layers)
{
	struct config_judgement *value = &layers->value;
	const bool *given = layers->hold_given;

	if (layers->hold_off) {
		value->hold_first_ms = value->hold_max_ms = value->hold_decay_ms = 0;
		return;
	}
	if (!given[HOLD_DECAY])
		value->hold_decay_ms = DEFAULT_DECAY;
	if (!given[HOLD_FIRST])
		value->hold_first_ms =
			given[HOLD_MAX] && value->hold_max_ms < DEFAULT_FIRST ? value->hold_max_ms : DEFAULT_FIRST;
	if (!given[HOLD_MAX])
		value->hold_max_ms = value->hold_first_ms > DEFAULT_MAX ? value->hold_first_ms : DEFAULT_MAX;
}

void judgement_read(struct reading *reading, const struct node *const key[static JUDGEMENT_KEYS],
		    struct config_pool *pool)
{
	struct judgement_layers layers = reading->default_judgement;
	const struct node *own = key[JUDGEMENT_MIN_HEALTHY];

	if (own)
		layers.value.min_healthy = 0;
	read_layer(reading, key, &layers);
	fill_in_hold(&layers);
	pool->judgement = layers.value;
	/* a pool that gets its backends later may already say how many it wants */
	if (own && !layers.value.min_healthy_percent && pool->backend_count &&
	    layers.value.min_healthy > pool->backend_count)
		source_error(reading->source, own->value->offset,
			     "min_healthy %u is more than the pool's %zu backend%s: none could ever be removed",
			     layers.value.min_healthy, pool->backend_count, pool->backend_count == 1 ? "" : "s");
}
