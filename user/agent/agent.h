/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The agent: one process, one thread, one loop. Inputs put facts into the state
 * and mark it dirty; one deferred commit plans and syncs.
 *
 *   config file, SIGHUP, control socket ─┐
 *                             netlink ───┼─> state ─> commit: plan ─> dataplane_sync ─> dataplane_attach
 *   probes ─> judgement (model/health.h) ┘
 */
#ifndef SLUICE_AGENT_H
#define SLUICE_AGENT_H

#include <event2/event.h>
#include <stdbool.h>

#include "agent/notify.h"
#include "in/control.h"
#include "in/netlink.h"
#include "model/plan.h"
#include "model/state.h"
#include "out/dataplane.h"
#include "out/events.h"
#include "out/probe_path.h"
#include "out/report.h"
#include "out/snapshot.h"
#include "probe/prober.h"

struct agent_options {
	const char *config; /* file */
	const char *socket;
	const char *state; /* folder */
	const char *bpffs; /* folder */
	const char *group; /* of the socket, or NULL */
};

/* What ran before a configuration that waits to be confirmed. */
struct former {
	struct config *config;
	char *applied, *health; /* as health_save_text() gives it */
	json_t *ids, *overrides;
};

struct sweeper;
struct denying;

struct agent {
	struct agent_options options;
	struct event_base *base;
	struct state state;
	struct events *events;
	__u64 before; /* number of the last event of earlier runs */
	struct notify *notify;
	bool hooked; /* there is a notify program ... */
	__u64 told;  /* ... which was told the events up to this number */
	struct prober *prober;
	struct probe_path *path; /* to backends through their VIP; NULL while no probe takes it or it cannot be had */
	__u32 path_maps;	 /* that it was made for */
	int path_error;		 /* of the last try to have it */
	__u64 path_again;	 /* when that may be tried again, in ms */
	char path_why[128];	 /* why it cannot be had */
	__u64 path_checked;	 /* when it was last looked after, in ms */
	__u64 path_mended;	 /* when a part of it was last found missing, in ms; 0: never */
	bool path_was_broken;	 /* since ways_watch() was last called */
	struct pool_vips *vips;	 /* by pool: where its probes go through the VIP (ways.c) */
	size_t vip_count;
	char aside[256]; /* what was last told of probes that do not go through VIPs; empty: all do */
	struct netlink *netlink;
	struct plan *plan;
	struct dataplane *dataplane; /* NULL once detached */
	struct sweeper *sweeper;
	struct denying *denying; /* deny.c */
	struct control *control;
	struct report report;
	struct event *commit;	/* active when the state is dirty */
	struct event *tick;	/* what time alone changes in the health */
	__u64 health_changes;	/* as of the last look */
	__u64 tick_at;		/* when that is, in ms; 0: never */
	struct event *save;	/* the health, after it changed */
	__u64 health_written;	/* when that was last, in ms */
	struct event *watch;	/* every second: what failed is tried again, what is missing is made again */
	struct event *rollback; /* when an applied configuration is not confirmed */
	struct event *signals[3];
	bool dirty;	       /* a commit is due */
	__u64 verdict;	       /* since when, in us: the first change of the health that is not written yet; or 0 */
	enum plan_scope scope; /* what the next commit has to look at */
	bool override_changed; /* without an operator: to be saved with the health */
	bool health_due;       /* will be written in a moment */
	int state_lock;	       /* of the state folder, -1: none */
	bool state_taken;      /* the folder was removed, and another agent has its place */
	bool ids_unsaved, health_unsaved, overrides_unsaved; /* could not be written: tried again */
	bool applied_unsaved, told_unsaved, deny_unsaved;
	bool unsaved;	      /* some of these were, and state_saved was not told yet */
	bool behind;	      /* the last commit failed: the kernel is not what the state wants */
	__u32 saved_maps;     /* that the snapshot on disk speaks of */
	struct former former; /* config NULL: nothing waits to be confirmed */
	json_t *waiting_text; /* the text of the configuration that does */
	char *applied_text;   /* what applied.yaml is to hold; NULL: it is not to be there */
	json_t *interfaces;   /* which were attached when last looked at */
};

/* Runs until SIGTERM, SIGINT or a detach. Returns the process's exit code. */
int agent_run(const struct agent_options *options);

/*
 * Removes everything from the kernel and ends the loop, with time left for a reply.
 * Negative errno if some of it stayed; the loop ends all the same.
 */
int agent_detach(struct agent *agent);

/* Something in the state changed: the next turn of the loop commits it. */
void agent_changed(struct agent *agent, enum plan_scope scope);

/* telling.c: reads the events of earlier runs; from now on those that watch are told. */
void telling_open(struct agent *agent);
void telling_close(struct agent *agent);

/* For the start: the hook of state.config is told what it was not told before. */
void telling_start(struct agent *agent);

/* Brings the hook to state.config. */
void telling_configure(struct agent *agent);

/* Writes how far the hook was told; as agent_save_ids(). */
int telling_save(struct agent *agent);

/* Notes an event of the agent itself. */
void agent_event(struct agent *agent, enum event_kind kind, uid_t uid, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* endpoints.c: what the control socket offers, for control_open(); its agent is the struct agent. */
extern const struct control_endpoint agent_endpoints[];

/*
 * reload.c: a new configuration is read whole and applied whole, or nothing changes. Each
 * returns an HTTP status and a new reference in *reply: 200 {"changes": [...], "warnings": [TEXT...]}; or {"error":
 * TEXT} with 422 for a text with errors, 409 while another waits to be confirmed, 500 if the kernel refused,
 * 503 once detached.
 */
int agent_reload(struct agent *agent, uid_t uid, json_t **reply);

/* `name` stands for the text in messages. confirm_ms 0: it is kept at once, for restarts too. */
int agent_apply(struct agent *agent, const struct control_request *request, const char *name, __u32 confirm_ms,
		json_t **reply);
int agent_confirm(struct agent *agent, uid_t uid, json_t **reply);
int agent_rollback(struct agent *agent, const char *why, uid_t uid, json_t **reply);

void agent_former_free(struct agent *agent);

/* What a reload (text NULL) or applying the text would change. */
int agent_diff(struct agent *agent, const struct control_request *request, json_t **reply);

/* applied.c, for the start: the configuration applied over the socket in an earlier run, or else the file's. */
int agent_read_config(struct agent *agent, struct config **config, char **errors);

/* How a configuration came, for display and as the last line of the file that keeps it. To be freed. */
char *applied_describe(const char *name, uid_t uid);

/* The text is what runs after a restart, or the file's is. What fails is tried again; as agent_save_ids(). */
int applied_keep(struct agent *agent, const char *text);
int applied_drop(struct agent *agent);
int applied_save(struct agent *agent);

/* Of what config_file_read() says, for an event: the first error's line, and how many more there are. To be freed. */
char *applied_first_error(const char *errors);

/* operate.c: an operator's wish for a backend, as JSON. */
int agent_operate(struct agent *agent, const struct control_request *request, json_t **reply);

/* commit.c: brings the kernel to the state. Negative errno with the reason in the log. */
int agent_commit(struct agent *agent);

/* The same if the state is dirty; what fails is tried again. */
void agent_commit_now(struct agent *agent);

/* Attaches where that has not been possible yet. */
void agent_attach(struct agent *agent);

/*
 * Gives indices to what the config names and writes them to the snapshot before any
 * map holds them. 0; -ENOSPC (see ids_assign()); or another negative errno where the
 * snapshot could neither be written nor removed.
 */
int agent_assign(struct agent *agent, const struct config *config);

/* Lets go of all indices and of the maps that they are for: the next commit makes new ones. */
void agent_forget(struct agent *agent);

/* Takes next hops' MACs from the running headers, where the kernel has forgotten them meanwhile. */
void agent_remember_neighbours(struct agent *agent);

/* Tells netlink which destinations matter. */
int agent_watch(struct agent *agent);

/* persist.c: takes the indices of the last run back, or else forgets them. */
void agent_restore_ids(struct agent *agent);

/* Takes back what the last run knew of backends. False if that is lost. */
bool agent_restore_health(struct agent *agent);
void agent_restore_overrides(struct agent *agent);

/*
 * Writes the indices, the health soon or now, the overrides. 0, or a negative errno with the reason in the
 * log: it is then tried again until it succeeds.
 */
int agent_save_ids(struct agent *agent);
void agent_save_health_soon(struct agent *agent);
int agent_save_health(struct agent *agent);
int agent_save_overrides(struct agent *agent);

/* Removes such a file of ours, of this name. 0 or a negative errno. */
int agent_remove(struct agent *agent, const char *name);

/* For the timer of agent_save_health_soon(): also what could not be written before. */
void agent_save_due(struct agent *agent);

/* Writes all of it: the folder may be empty. */
void agent_save_all(struct agent *agent);

/* Whether something could not be written. */
bool agent_unsaved(const struct agent *agent);

/* As snapshot_write(); and says once that the file cannot be written, and once that it can again. Returns err. */
int agent_save(struct agent *agent, const char *name, enum snapshot_how how, const json_t *content, bool *unsaved);

/* The same for a file that was written otherwise. */
void agent_saved(struct agent *agent, const char *name, int err, bool *unsaved);

/* probing.c: makes judgement and prober; frees them. */
int probing_open(struct agent *agent);
void probing_close(struct agent *agent);

/* Brings judgement and prober to state.config. `running` as for health_configure(). */
void probing_configure(struct agent *agent, bool running);

/* The health may have changed by itself or by somebody: commits if tables did, and sets the clock for the next time. */
void probing_changed(struct agent *agent, bool tables);

/* ways.c: what the prober asks of ways to backends; the caller adds what it wants to hear. */
struct prober_ask ways_ask(struct agent *agent);

/* Finds the VIPs that probes of state.config go to; ways_refresh() is to follow before any does. */
void ways_configure(struct agent *agent);

/* The network or the maps may have changed: asks for the ways to VIPs anew, makes the probe path or lets it go. */
void ways_refresh(struct agent *agent);

/*
 * Every second: makes again what somebody removed of the path, and tries again what could not be had or would fail.
 * Whether something was removed.
 */
bool ways_watch(struct agent *agent);
void ways_free(struct agent *agent);

/* sweep.c: starts sweeping the flow map. */
int sweep_open(struct agent *agent);
void sweep_close(struct agent *agent);

/* Names and indices changed: what a pass has found so far counts for nothing. */
void sweep_again(struct agent *agent);

/* watch.c: starts looking after what is in the kernel. */
int watch_open(struct agent *agent);

#endif
