/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The parts of reading a configuration, of which user/in/config_file.c is the whole. */
#ifndef SLUICE_CONFIG_READ_H
#define SLUICE_CONFIG_READ_H

#include "in/config_probe.h"
#include "in/config_tree.h"
#include "in/config_value.h"
#include "model/config.h"

enum judgement_key {
	JUDGEMENT_ANY,
	JUDGEMENT_START,
	JUDGEMENT_MIN_HEALTHY,
	JUDGEMENT_RAMP,
	JUDGEMENT_HOLD_DOWN,
	JUDGEMENT_KEYS
};

/* For the tables of keys that have them among others. */
#define JUDGEMENT_KEY_LIST                                                                                             \
	{.name = "any"}, {.name = "start"}, {.name = "min_healthy"}, {.name = "ramp"},                                 \
	{                                                                                                              \
		.name = "hold_down"                                                                                    \
	}

enum hold_key { HOLD_FIRST, HOLD_MAX, HOLD_DECAY, HOLD_KEYS };

/* The same for the judgement: the defaults' values, then the pool's over them. */
struct judgement_layers {
	struct config_judgement value;
	bool hold_given[HOLD_KEYS];
	bool hold_off;
	bool bad; /* some value of the hold-down was bad */
};

enum transition_key { TRANSITION_WINDOW, TRANSITION_UDP_WINDOW, TRANSITION_IDLE, TRANSITION_KEYS };

/* The same for transitions. */
struct transition_layers {
	struct config_transition value;
	bool given[TRANSITION_KEYS];
	bool bad;
};

/* One configuration while it is read. */
struct reading {
	struct source *source;
	struct config *config; /* what is to live on goes to its arena */
	struct probe_layers default_probe;
	unsigned int default_types; /* that its type can be: config_probe.c */
	struct judgement_layers default_judgement;
	struct transition_layers default_transition;
	size_t backends; /* in all pools so far */
	__u64 slots;
	unsigned int missing_pools; /* names of pools that there are none of */
	bool pools_known;	    /* the pools could be read: a name that is not among them is an error */
};

/* Reads what `defaults:` says of the judgement: its keys' nodes, or NULL. */
void judgement_read_defaults(struct reading *reading, const struct node *const key[static JUDGEMENT_KEYS]);

/* Reads a pool's own over that, after its backends. */
void judgement_read(struct reading *reading, const struct node *const key[static JUDGEMENT_KEYS],
		    struct config_pool *pool);

/* Reads what `defaults:` says of transitions. */
void transition_read_defaults(struct reading *reading, const struct node *node);

/* Reads a pool's own over that; `node` is NULL if it has none. */
void transition_read(struct reading *reading, const struct node *node, struct config_pool *pool);

/* A program and its arguments, into memory of the configuration: argv, then NULL. */
bool command_read(struct reading *reading, const struct node *node, const char ***out);

/* The name of the user that it runs as. */
bool command_read_user(struct reading *reading, const struct node *node, const char **out);

/* Reads `notify:`, `key` being its key node. */
void notify_read(struct reading *reading, const struct node *key);

/* The pool of that name; or NULL and the error is noted, with a near name if there is one. */
const struct config_pool *pool_named(struct reading *reading, const struct node *node, const char *name);

/* What a pool has as its `fallback:`. */
struct fallback_wish {
	const char *pool;
	const struct node *node;
};

/* Fills in the pools' fallbacks, once all of them are sorted. The wishes are in the file's order. */
void fallbacks_read(struct reading *reading, const struct fallback_wish *wishes, size_t count);

/* Reads `pools:` and sorts them. */
void pools_read(struct reading *reading, const struct node *node);

/* Reads `services:`, after the pools, and sorts them. */
void services_read(struct reading *reading, const struct node *node);

/* An address that can be a VIP's or backend's, not a multicast one, say; else the error is noted. */
bool address_usable(struct reading *reading, const struct node *node, const struct prefix *prefix);

#endif
