/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What happened, for the operator: shown by `sluice show events` and `sluice watch`, logged, and told to hooks. */
#ifndef SLUICE_EVENT_H
#define SLUICE_EVENT_H

#include <linux/types.h>
#include <stdbool.h>
#include <sys/types.h>

/* kind, severity, whether hooks are told, one line of help */
#define EVENTS(EVENT)                                                                                                  \
	EVENT(backend_up, INFO, true, "the probes pass, the backend gets its share")                                   \
	EVENT(backend_down, WARNING, true, "the probes failed, the backend has left the table")                        \
	EVENT(backend_kept, WARNING, true, "the probes failed, but min_healthy keeps the backend in the table")        \
	EVENT(backend_held, WARNING, true, "the probes pass, but the backend fell too often: it stays out for a time") \
	EVENT(backend_drain, INFO, true, "an operator drains the backend")                                             \
	EVENT(backend_drained, INFO, true, "no connection of the draining backend is left, as far as can be seen")     \
	EVENT(backend_maint, INFO, true, "an operator has taken the backend out, or its drain has ended")              \
	EVENT(backend_ready, INFO, true, "an operator has ended an override or a hold-down")                           \
	EVENT(backend_weight, INFO, true, "an operator has set the backend's weight")                                  \
	EVENT(pool_degraded, WARNING, true, "fewer backends are healthy than min_healthy: none is removed any more")   \
	EVENT(pool_empty, ERROR, true, "no backend of the pool is usable")                                             \
	EVENT(pool_fallback, ERROR, true, "no backend of the pool is up: its services use the fallback")               \
	EVENT(pool_recovered, INFO, true, "the pool has enough healthy backends again")                                \
	EVENT(probe_trouble, WARNING, true, "this host cannot probe: states stay as they are")                         \
	EVENT(probe_trouble_over, INFO, true, "this host can probe again")                                             \
	EVENT(probe_aside, WARNING, true, "this host cannot probe through VIPs now: addresses are probed instead")     \
	EVENT(probe_aside_over, INFO, true, "probes go through the VIPs again")                                        \
	EVENT(config_applied, INFO, true, "a configuration was applied")                                               \
	EVENT(config_refused, WARNING, true, "a configuration had errors or could not be applied")                     \
	EVENT(config_confirm, WARNING, true, "a configuration was applied and waits for `sluice confirm`")             \
	EVENT(config_rolled_back, ERROR, true,                                                                         \
	      "a configuration was not confirmed in time or was taken back: the former one runs again")                \
	EVENT(interface_lost, ERROR, true, "an interface is gone or runs no program of ours")                          \
	EVENT(interface_attached, INFO, true, "the program runs on the interface")                                     \
	EVENT(dataplane_repaired, WARNING, true, "something of ours in the kernel was missing and was made again")     \
	EVENT(snapshot_lost, WARNING, true, "what an earlier run had noted could not be read")                         \
	EVENT(state_unsaved, WARNING, true, "the state folder cannot be written, or was removed")                      \
	EVENT(state_saved, INFO, true, "everything is in the state folder again")                                      \
	EVENT(deny_changed, INFO, false, "an operator has put prefixes on the deny list or taken them off")            \
	EVENT(agent_started, INFO, false, "sluiced has started")                                                       \
	EVENT(hook_trouble, WARNING, false, "a notify program failed, or events were left out")

enum event_kind {
#define EVENT_ENUM(name, severity, hook, help) EVENT_##name,
	EVENTS(EVENT_ENUM)
#undef EVENT_ENUM
		EVENT_KINDS
};

#define EVENT_TEXT 240

/* Names are empty where they do not apply. */
struct event_fact {
	enum event_kind kind;
	const char *pool, *backend; /* or NULL */
	const char *text; /* what happened and why, in words: "connect 10.0.0.11:8080: connection refused ..." */
	uid_t uid;	  /* who asked for it; EVENT_NOBODY: nobody */
};

#define EVENT_NOBODY ((uid_t)-1)

#endif
