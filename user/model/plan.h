/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* From the state to the wanted contents of the maps. Pure: no system call, no map. */
#ifndef SLUICE_PLAN_H
#define SLUICE_PLAN_H

#include "abi.h"
#include "model/maglev.h"
#include "model/state.h"
#include "model/transition.h"

/* A pool's wanted table. It is kept from plan to plan while its inputs stay the same. */
struct table {
	char pool[CONFIG_NAME_MAX + 1];
	__u32 first, size;		/* its range of slots */
	struct maglev_backend *members; /* the pool's backends in the config's order; names are the config's */
	size_t member_count;
	__u64 names;	  /* hash of the size, names and owners */
	__u64 inputs;	  /* hash of what it was built from: these and the weights */
	__u64 health;	  /* generation of the pool's health that it was built from */
	__u64 generation; /* grows whenever it is built anew, or what its backends stand for changes */
	struct windows windows;
	__u16 *owner; /* size backend indices */
	UT_hash_handle hh;
};

struct plan_vip {
	struct prefix address;
	__u16 port;    /* host byte order; 0: any */
	__u8 protocol; /* 0: the address's own entry */
	struct service service;
};

/* A prefix of a service's source rules: service_options.h. */
struct plan_rule {
	struct prefix from;
	__u32 service; /* index */
	__u32 pool;    /* of RULE_POOL: index in config.pools of the one that the rule names */
	struct rule rule;
};

struct plan_quic_server {
	struct quic_key key;
	__u32 backend; /* index */
};

struct plan {
	/* facts that the caller gives before it plans: */
	__u32 second;			   /* CLOCK_MONOTONIC */
	const struct service_move *former; /* what the kernel has, SLUICE_MAX_SERVICES of them; NULL: nothing */

	struct deny *deny;	  /* the state's: of it, what the maps lack goes there; NULL: none */
	struct settings settings; /* settings.object and slot_capacity are the dataplane's to fill in */
	bool shared;		  /* some interface's program is libxdp's to attach */
	__u32 slots_used;	  /* one past the last slot of any table */
	struct table **tables;	  /* one a pool, in the config's order */
	size_t table_count;
	struct plan_vip *vips;
	size_t vip_count;
	__u64 vip_generation;		 /* grows whenever the VIPs change */
	struct service_options *options; /* SLUICE_MAX_SERVICES, by index, zero where a service asks for nothing */
	struct plan_rule *rules;
	size_t rule_count;
	__u64 rules_inputs; /* hash of the configured rules that these were made from */
	struct plan_quic_server *quic;
	size_t quic_count;
	__u64 options_generation;     /* grows whenever the options, rules or QUIC servers change */
	struct backend *backends;     /* SLUICE_MAX_BACKENDS + 1 of them, zero where unused ... */
	__u32 backend_end;	      /* ... as from here on */
	__u64 backends_generation;    /* grows whenever ways to them change, or the configuration is planned anew */
	__u8 *standing, *stood;	      /* enum standing, by backend index: now, and in the last plan */
	__u16 *table_of;	      /* index in tables of the one that a backend is for, by backend index */
	struct service_move *moves;   /* SLUICE_MAX_SERVICES, zero where unused ... */
	struct windows *move_windows; /* ... and those that end them */
	size_t *effective;	      /* by pool: the one whose table serves, by the fallbacks */
	struct table *cache;	      /* owner of the tables, by pool */
	__u64 generation;	      /* of the table built last */
};

/* How much of the state may have changed since the last plan: each includes those before it. */
enum plan_scope {
	PLAN_HEALTH,  /* backends' states and weights: only the tables of their pools are looked at */
	PLAN_NETWORK, /* ways to backends */
	PLAN_ALL,
};

/* Whether the VIP is a single address, not a prefix. */
bool plan_vip_is_exact(const struct plan_vip *vip);

struct plan *plan_new(void);
void plan_free(struct plan *plan);

/* Makes the plan for the state, whose ids are assigned and whose health has taken the config. */
void plan_make(struct plan *plan, const struct state *state, enum plan_scope scope);

#endif
