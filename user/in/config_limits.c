/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What services say of limits: config_limits, include/limit.h. */
#include "in/config_read.h"

#define BURST_SHARE 10 /* of a second's rate, where no burst is said */

enum { KEY_SOURCE, KEY_SERVICE, KEY_EXCESS, LIMITS_KEYS };

static const struct value_key limits_keys[LIMITS_KEYS] = {
	[KEY_SOURCE] = {.name = "source"},
	[KEY_SERVICE] = {.name = "service"},
	[KEY_EXCESS] = {.name = "excess"},
};

enum { KEY_PACKETS, KEY_PACKETS_BURST, KEY_CONNECTIONS, KEY_CONNECTIONS_BURST, RATE_KEYS };
enum { KEY_PREFIX4 = RATE_KEYS, KEY_PREFIX6, SOURCE_KEYS };

/* The service's are the first of them. */
static const struct value_key keys[SOURCE_KEYS] = {
	[KEY_PACKETS] = {.name = "packets"},	     [KEY_PACKETS_BURST] = {.name = "packets_burst"},
	[KEY_CONNECTIONS] = {.name = "connections"}, [KEY_CONNECTIONS_BURST] = {.name = "connections_burst"},
	[KEY_PREFIX4] = {.name = "prefix4"},	     [KEY_PREFIX6] = {.name = "prefix6"},
};

/* `rate` and `burst` are key nodes or NULL; `needed` is the rate's name. */
static void read_limit(struct source *source, const struct node *rate, const struct node *burst, const char *needed,
		       struct config_limit *out)
{
	if (burst && !rate)
		source_error(source, burst->offset, "'%s' needs '%s': how many a second", burst->text, needed);
	if (rate && value_number(source, rate->value, 1, CONFIG_MAX_RATE, &out->rate))
		out->burst = out->rate < BURST_SHARE ? 1 : out->rate / BURST_SHARE;
	if (burst)
		value_number(source, burst->value, 1, CONFIG_MAX_RATE, &out->burst);
}

/* Both limits of one kind. False if neither is set, not even wrongly. */
static bool read_rates(struct source *source, const struct node *const found[static RATE_KEYS],
		       struct config_limit *packets, struct config_limit *connections)
{
	read_limit(source, found[KEY_PACKETS], found[KEY_PACKETS_BURST], keys[KEY_PACKETS].name, packets);
	read_limit(source, found[KEY_CONNECTIONS], found[KEY_CONNECTIONS_BURST], keys[KEY_CONNECTIONS].name,
		   connections);
	return found[KEY_PACKETS] || found[KEY_CONNECTIONS];
}

static void read_bits(struct source *source, const struct node *key, bool limited, __u32 low, __u32 high, __u8 *out)
{
	__u32 bits;

	if (!key)
		return;
	if (!limited)
		source_error(source, key->offset, "'%s' needs a limit: 'packets' or 'connections'", key->text);
	if (value_number(source, key->value, low, high, &bits))
		*out = (__u8)bits;
}

static bool read_source(struct source *source, const struct node *key, struct config_limits *limits)
{
	const struct node *found[SOURCE_KEYS];
	bool limited;

	if (!value_keys(source, key->value, key->offset, "a limit of sources", keys, SOURCE_KEYS, found))
		return true;
	limited = read_rates(source, found, &limits->source_packets, &limits->source_connections);
	read_bits(source, found[KEY_PREFIX4], limited, 8, 32, &limits->source_bits4);
	read_bits(source, found[KEY_PREFIX6], limited, 16, 128, &limits->source_bits6);
	return limited;
}

static bool read_service(struct source *source, const struct node *key, struct config_limits *limits)
{
	const struct node *found[RATE_KEYS];

	return !value_keys(source, key->value, key->offset, "a limit of the service", keys, RATE_KEYS, found) ||
	       read_rates(source, found, &limits->service_packets, &limits->service_connections);
}

void limits_read(struct reading *reading, const struct node *node, struct config_service *service)
{
	struct config_limits *limits = &service->limits;
	struct source *source = reading->source;
	const struct node *found[LIMITS_KEYS];
	bool limited = false;
	int excess;

	limits->source_bits4 = CONFIG_DEFAULT_SOURCE_BITS4;
	limits->source_bits6 = CONFIG_DEFAULT_SOURCE_BITS6;
	if (!node || !value_keys(source, node, node->offset, "limits", limits_keys, LIMITS_KEYS, found))
		return;
	if (found[KEY_SOURCE])
		limited |= read_source(source, found[KEY_SOURCE], limits);
	if (found[KEY_SERVICE])
		limited |= read_service(source, found[KEY_SERVICE], limits);
	if (!found[KEY_EXCESS])
		return;
	if (!limited)
		source_error(source, found[KEY_EXCESS]->offset, "'excess' needs a limit: of 'source' or 'service'");
	if (value_choice(source, found[KEY_EXCESS]->value, excess_names, 2, &excess))
		limits->excess = (enum excess)excess;
}
