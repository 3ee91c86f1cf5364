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

/* What holds for the whole address, whichever of its services says it. */
enum policy_key { POLICY_UNKNOWN_PORT, POLICY_ECHO, POLICY_FRAGMENTS, POLICY_KEYS };

/* The values' nodes of those that a service says; NULL: it does not, or wrongly. */
struct policy_given {
	const struct node *value[POLICY_KEYS];
};

enum { IPV4, IPV6, FAMILIES };

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
	size_t rule_prefixes[FAMILIES]; /* in the source rules of all services so far */
	size_t quic_servers;		/* server IDs of all pools so far, each for each config of its length */
	unsigned int missing_pools;	/* names of pools that there are none of */
	bool pools_known;		/* the pools could be read: a name that is not among them is an error */
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

/*
 * What a pool says of QUIC, into pool->quic_server_id_length; before its backends. False if something is wrong, so that
 * their server IDs cannot be judged.
 */
bool quic_read(struct reading *reading, const struct node *node, struct config_pool *pool);

/* A backend's QUIC server ID. `judge`: whether its pool has a config of its length, too. */
bool server_id_read(struct reading *reading, const struct node *node, const struct config_pool *pool, bool judge,
		    struct config_backend *backend);

/* What a pool says of outer headers, or the defaults; `key` is its key node or NULL. After `forward`, if `known`. */
void outer_read(struct reading *reading, const struct node *key, bool known, struct config_pool *pool);

/* Reads a pool's `backends:` and sorts them. `judge`: as above. */
void backends_read(struct reading *reading, const struct node *node, bool judge, struct config_pool *pool);

/* A service's `limits:`, or the defaults; `node` is NULL if it has none. */
void limits_read(struct reading *reading, const struct node *node, struct config_service *service);

/* A service's `sources:`. */
void sources_read(struct reading *reading, const struct node *node, struct config_service *service);

/* The policies that a service says: its keys' nodes, or NULL. */
void policies_read(struct reading *reading, const struct node *const key[static POLICY_KEYS],
		   struct config_service *service, struct policy_given *given);

/* Once all services are read, in the file's order, given[i] being services[i]'s: brings those of an address together.
 */
void policies_share(struct reading *reading, const struct policy_given *given);

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

/* An address or prefix, which `expected` tells, without bits beyond its length. */
bool prefix_read(struct reading *reading, const struct node *node, const char *expected, struct prefix *out);

/* An address that can be a VIP's or backend's, not a multicast one, say; else the error is noted. */
bool address_usable(struct reading *reading, const struct node *node, const struct prefix *prefix);

#endif
