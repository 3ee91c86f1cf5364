/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The agent: one process, one thread, one loop. Inputs put facts into the state
 * and mark it dirty; one deferred commit plans and syncs.
 *
 *   config file, SIGHUP, control socket ─┐
 *                                        ├─> state ─> commit: plan ─> dataplane_sync ─> dataplane_attach
 *   netlink ─────────────────────────────┘
 */
#ifndef SLUICE_AGENT_H
#define SLUICE_AGENT_H

#include <event2/event.h>
#include <stdbool.h>

#include "in/control.h"
#include "in/netlink.h"
#include "model/plan.h"
#include "model/state.h"
#include "out/dataplane.h"
#include "out/report.h"

struct agent_options {
	const char *config; /* file */
	const char *socket;
	const char *state; /* folder */
	const char *bpffs; /* folder */
	const char *group; /* of the socket, or NULL */
};

struct agent {
	struct agent_options options;
	struct event_base *base;
	struct state state;
	struct netlink *netlink;
	struct plan *plan;
	struct dataplane *dataplane; /* NULL once detached */
	struct control *control;
	struct report report;
	struct event *commit; /* active when the state is dirty */
	struct event *retry;  /* attaching to interfaces that refused */
	struct event *signals[3];
	bool behind;	  /* the last commit failed: the kernel is not what the state wants */
	__u32 saved_maps; /* that the snapshot on disk speaks of */
};

/* Runs until SIGTERM, SIGINT or a detach. Returns the process's exit code. */
int agent_run(const struct agent_options *options);

/*
 * Removes everything from the kernel and ends the loop, with time left for a reply.
 * Negative errno if some of it stayed; the loop ends all the same.
 */
int agent_detach(struct agent *agent);

/* endpoints.c: what the control socket offers, for control_open(); its agent is the struct agent. */
extern const struct control_endpoint agent_endpoints[];

/*
 * reload.c: reads the config file and applies it whole, or changes nothing. Both
 * return an HTTP status and a new reference in *reply: 200 {"changes": [...]}, of a
 * reload with "warnings": [TEXT...] too; or {"error": TEXT} with 422 for a file with
 * errors, 500 if the kernel refused, 503 for a reload once detached.
 */
int agent_reload(struct agent *agent, json_t **reply);

/* The same without doing it. */
int agent_diff(struct agent *agent, json_t **reply);

/* commit.c: brings the kernel to the state. Negative errno with the reason in the log. */
int agent_commit(struct agent *agent);

/* Attaches where that has not been possible yet; if some is left, it is tried again in a second. */
void agent_attach(struct agent *agent);

/*
 * Gives indices to what the config names and writes them to the snapshot before any
 * map holds them. 0; -ENOSPC (see ids_assign()); or another negative errno where the
 * snapshot could neither be written nor removed.
 */
int agent_assign(struct agent *agent, const struct config *config);

/* Lets go of all indices and of the maps that they are for: the next commit makes new ones. */
void agent_forget(struct agent *agent);

/* Takes the indices of the last run back, or else forgets them. */
void agent_restore(struct agent *agent);

/* Takes next hops' MACs from the running headers, where the kernel has forgotten them meanwhile. */
void agent_remember_neighbours(struct agent *agent);

/* Tells netlink which destinations matter. */
int agent_watch(struct agent *agent);

#endif
