/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Three steps, each in files of its own: the bytes (config_source.c), the YAML
 * tree (config_tree.c), and the configuration out of it (here and in a file for each
 * of its parts). Text and tree live in a scratch arena that goes away at the end;
 * what stays is copied to the configuration's arena.
 */
#include "in/config_file.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "in/config_read.h"

enum { NUMBER_FLOW_RECORDS, NUMBER_FRAGMENT_RECORDS, NUMBER_SOURCE_RECORDS, NUMBER_REPLY_RATE, NUMBER_KEYS };

static const struct {
	__u32 low, high;
} numbers[NUMBER_KEYS] = {
	[NUMBER_FLOW_RECORDS] = {CONFIG_MIN_FLOW_RECORDS, CONFIG_MAX_FLOW_RECORDS},
	[NUMBER_FRAGMENT_RECORDS] = {CONFIG_MIN_FRAGMENT_RECORDS, CONFIG_MAX_FRAGMENT_RECORDS},
	[NUMBER_SOURCE_RECORDS] = {CONFIG_MIN_SOURCE_RECORDS, CONFIG_MAX_SOURCE_RECORDS},
	[NUMBER_REPLY_RATE] = {0, CONFIG_MAX_RATE},
};

enum {
	KEY_INTERFACES,
	KEY_HASH_KEY,
	KEY_NUMBERS,
	KEY_DEFAULTS = KEY_NUMBERS + NUMBER_KEYS,
	KEY_POOLS,
	KEY_SERVICES,
	KEY_NOTIFY,
	TOP_KEYS
};

static const struct value_key top_keys[TOP_KEYS] = {
	[KEY_INTERFACES] = {.name = "interfaces", .needed = "the interfaces that take packets, such as [{name: eth0}]"},
	[KEY_HASH_KEY] = {.name = "hash_key", .needed = "32 hex digits in quotes, the same on every balancer"},
	[KEY_NUMBERS + NUMBER_FLOW_RECORDS] = {.name = "flow_records"},
	[KEY_NUMBERS + NUMBER_FRAGMENT_RECORDS] = {.name = "fragment_records"},
	[KEY_NUMBERS + NUMBER_SOURCE_RECORDS] = {.name = "source_records"},
	[KEY_NUMBERS + NUMBER_REPLY_RATE] = {.name = "reply_rate"},
	[KEY_DEFAULTS] = {.name = "defaults"},
	[KEY_POOLS] = {.name = "pools"},
	[KEY_SERVICES] = {.name = "services"},
	[KEY_NOTIFY] = {.name = "notify"},
};

enum { KEY_TRANSITION, KEY_PROBE, KEY_JUDGEMENT, DEFAULTS_KEYS = KEY_JUDGEMENT + JUDGEMENT_KEYS };

static const struct value_key defaults_keys[DEFAULTS_KEYS] = {
	[KEY_TRANSITION] = {.name = "transition"},
	[KEY_PROBE] = {.name = "probe"},
	JUDGEMENT_KEY_LIST,
};

enum { KEY_NAME, KEY_MODE, KEY_ATTACH, INTERFACE_KEYS };

static const struct value_key interface_keys[INTERFACE_KEYS] = {
	[KEY_NAME] = {.name = "name", .needed = "such as eth0"},
	[KEY_MODE] = {.name = "mode"},
	[KEY_ATTACH] = {.name = "attach"},
};

static void read_hash_key(struct reading *reading, const struct node *node)
{
	struct source *source = reading->source;
	__u8 *key = reading->config->hash_key;
	size_t length, digits;

	if (node->kind != NODE_SCALAR || value_is_nothing(node)) {
		value_unexpected(source, node, "32 hex digits in quotes");
		return;
	}
	source_hide(source, node->offset);
	length = strlen(node->text);
	digits = strspn(node->text, "0123456789abcdefABCDEF");
	if (digits != length) {
		source_error(source, node->offset, "hash_key must be 32 hex digits, but its character %zu is not one",
			     digits + 1);
	} else if (length != 2 * sizeof(reading->config->hash_key)) {
		source_error(source, node->offset, "hash_key must be 32 hex digits, but it has %zu", length);
	} else {
		for (size_t i = 0; i < sizeof(reading->config->hash_key); i++)
			key[i] = (__u8)(value_hex_digit(node->text[2 * i]) << 4 |
					value_hex_digit(node->text[2 * i + 1]));
	}
}

/* The kernel's own rule (dev_valid_name()). */
static bool is_interface_name(const char *name)
{
	if (!*name || strlen(name) >= IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (; *name; name++)
		if (*name == '/' || *name == ':' || isspace((unsigned char)*name))
			return false;
	return true;
}

static bool read_interface_name(struct reading *reading, const struct node *node, const char **out)
{
	if (!value_text(reading->source, node, "the name of an interface", out))
		return false;
	if (!is_interface_name(*out)) {
		source_error(reading->source, node->offset,
			     "'%.64s' is no interface name: 1 to 15 characters without '/', ':' and spaces", *out);
		return false;
	}
	return true;
}

static void read_interface(struct reading *reading, const struct node *node, struct config_interface *interface,
			   const struct node **name)
{
	struct source *source = reading->source;
	const struct node *found[INTERFACE_KEYS];
	int mode = MODE_AUTO, attach = ATTACH_EXCLUSIVE;
	const char *text;

	*name = NULL;
	interface->name = "";
	if (node->kind != NODE_MAP) {
		value_unexpected(source, node, "an interface such as {name: eth0}");
		return;
	}
	value_keys(source, node, node->offset, "an interface", interface_keys, INTERFACE_KEYS, found);
	if (found[KEY_NAME] && read_interface_name(reading, found[KEY_NAME]->value, &text)) {
		interface->name = arena_strdup(reading->config->arena, text);
		*name = found[KEY_NAME]->value;
	}
	if (found[KEY_MODE])
		value_choice(source, found[KEY_MODE]->value, mode_names, 3, &mode);
	if (found[KEY_ATTACH])
		value_choice(source, found[KEY_ATTACH]->value, attach_names, 2, &attach);
	interface->mode = (enum xdp_mode)mode;
	interface->attach = (enum attach)attach;
}

static void read_interfaces(struct reading *reading, const struct node *node)
{
	struct config *config = reading->config;
	const struct node *names[CONFIG_MAX_INTERFACES];
	size_t count = 0;

	if (!value_is_list(reading->source, node, "a list of interfaces such as [{name: eth0}]"))
		return;
	if (!node->first)
		source_error(reading->source, node->offset, "at least one interface is needed, such as [{name: eth0}]");
	config->interfaces = arena_array(config->arena, CONFIG_MAX_INTERFACES, sizeof(*config->interfaces));
	for (const struct node *child = node->first; child; child = child->next) {
		if (count == CONFIG_MAX_INTERFACES) {
			source_error(reading->source, child->offset, "more than %d interfaces", CONFIG_MAX_INTERFACES);
			break;
		}
		read_interface(reading, child, &config->interfaces[count], &names[count]);
		for (size_t i = 0; i < count && names[count]; i++)
			if (names[i] && strcmp(names[i]->text, names[count]->text) == 0) {
				source_error(reading->source, names[count]->offset,
					     "duplicate interface '%s': it is already on line %zu", names[i]->text,
					     source_line(reading->source, names[i]->offset));
				break;
			}
		count++;
	}
	config->interface_count = count;
}

static void read_defaults(struct reading *reading, const struct node *node)
{
	const struct node *found[DEFAULTS_KEYS];

	if (!value_keys(reading->source, node, node->offset, "defaults", defaults_keys, DEFAULTS_KEYS, found))
		return;
	if (found[KEY_TRANSITION])
		transition_read_defaults(reading, found[KEY_TRANSITION]->value);
	if (found[KEY_PROBE])
		probe_read_defaults(reading, found[KEY_PROBE]->value);
	judgement_read_defaults(reading, &found[KEY_JUDGEMENT]);
}

static void read_numbers(struct reading *reading, const struct node *const key[static NUMBER_KEYS])
{
	struct config *config = reading->config;
	__u32 *const out[NUMBER_KEYS] = {&config->flow_records, &config->fragment_records, &config->source_records,
					 &config->reply_rate};

	for (size_t i = 0; i < NUMBER_KEYS; i++)
		if (key[i])
			value_number(reading->source, key[i]->value, numbers[i].low, numbers[i].high, out[i]);
}

static void read_root(struct reading *reading, const struct node *root)
{
	const struct node *found[TOP_KEYS];

	if (!value_keys(reading->source, root, root->offset, "the configuration", top_keys, TOP_KEYS, found))
		return;
	reading->pools_known = true;
	if (found[KEY_INTERFACES])
		read_interfaces(reading, found[KEY_INTERFACES]->value);
	if (found[KEY_HASH_KEY])
		read_hash_key(reading, found[KEY_HASH_KEY]->value);
	read_numbers(reading, &found[KEY_NUMBERS]);
	/* the defaults before the pools, and those before the services, wherever they stand in the file */
	if (found[KEY_DEFAULTS])
		read_defaults(reading, found[KEY_DEFAULTS]->value);
	if (found[KEY_POOLS])
		pools_read(reading, found[KEY_POOLS]->value);
	if (found[KEY_SERVICES])
		services_read(reading, found[KEY_SERVICES]->value);
	if (found[KEY_NOTIFY])
		notify_read(reading, found[KEY_NOTIFY]);
}

/* Reads what `source` has taken with this result, and frees `scratch`, which holds it. */
static int read_config(struct source *source, struct arena *scratch, int rc, struct config **config, char **errors)
{
	struct arena *arena = arena_new();
	struct config *fresh = arena_alloc(arena, sizeof(*fresh));

	*config = NULL;
	*errors = NULL;
	fresh->arena = arena;
	fresh->file = arena_strdup(arena, source->path);
	fresh->flow_records = CONFIG_DEFAULT_FLOW_RECORDS;
	fresh->fragment_records = CONFIG_DEFAULT_FRAGMENT_RECORDS;
	fresh->source_records = CONFIG_DEFAULT_SOURCE_RECORDS;
	fresh->reply_rate = CONFIG_DEFAULT_REPLY_RATE;
	if (!rc) {
		const struct node *root = tree_read(source);
		struct reading reading = {.source = source, .config = fresh};

		if (root)
			read_root(&reading, root);
		if (source->error_count)
			rc = -EINVAL;
	}
	if (rc) {
		*errors = source_errors_text(source);
		config_free(fresh);
	} else {
		*config = fresh;
	}
	arena_free(scratch);
	return rc;
}

int config_file_read(const char *path, struct config **config, char **errors)
{
	struct arena *scratch = arena_new();
	struct source source;
	int rc = source_read(&source, scratch, path);

	return read_config(&source, scratch, rc, config, errors);
}

int config_text_read(const char *text, size_t length, const char *name, struct config **config, char **errors)
{
	struct arena *scratch = arena_new();
	struct source source;
	int rc = source_take(&source, scratch, name, text, length);

	return read_config(&source, scratch, rc, config, errors);
}
