/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The parts of reading a configuration, of which user/in/config_file.c is the whole. */
#ifndef SLUICE_CONFIG_READ_H
#define SLUICE_CONFIG_READ_H

#include "in/config_tree.h"
#include "in/config_value.h"
#include "model/config.h"

enum probe_key {
	PROBE_KEY_TYPE,
	PROBE_KEY_INTERVAL,
	PROBE_KEY_TIMEOUT,
	PROBE_KEY_RISE,
	PROBE_KEY_FALL,
	PROBE_KEY_PORT,
	PROBE_KEY_PATH,
	PROBE_KEY_EXPECT,
	PROBE_KEYS
};

/* A probe while it is read: the defaults first, then the pool's own keys over them. */
struct probe_layers {
	struct config_probe probe;
	bool given[PROBE_KEYS]; /* by either layer; a bad value counts */
	bool bad;		/* some value was bad: do not compare values */
};

/* One configuration while it is read. */
struct reading {
	struct source *source;
	struct config *config; /* what is to live on goes to its arena */
	struct probe_layers default_probe;
	size_t backends; /* in all pools so far */
	__u64 slots;
	bool pools_known; /* the pools could be read: a name that is not among them is an error */
};

/* Reads `defaults: probe:`. */
void probe_read_defaults(struct reading *reading, const struct node *node);

/* Reads a pool's `probe:`, `key` being its key node or NULL if it has none, over the defaults. */
void probe_read(struct reading *reading, const struct node *key, struct config_probe *out);

/* Reads `pools:` and sorts them. */
void pools_read(struct reading *reading, const struct node *node);

/* Reads `services:`, after the pools, and sorts them. */
void services_read(struct reading *reading, const struct node *node);

/* An address that can be a VIP's or backend's, not a multicast one, say; else the error is noted. */
bool address_usable(struct reading *reading, const struct node *node, const struct prefix *prefix);

#endif
