/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The real thing under a virtual clock: health, ids, plan, sync and sweep of the agent, with the real program's maps
 * in the kernel. A scene (reference.h) is what it is told; packets go in by BPF_PROG_TEST_RUN, and the outer
 * destination that they come out with tells whose they are.
 */
#ifndef SLUICE_TEST_BALANCER_H
#define SLUICE_TEST_BALANCER_H

#include "packet/reference.h"

struct balancer;

/* Loads the program. Never NULL: what cannot be set up fails the running test. */
struct balancer *balancer_new(void);
void balancer_free(struct balancer *balancer);

/* Empties the maps and forgets everything. */
void balancer_reset(struct balancer *balancer);

/* Takes the scene: configuration, facts and the time. Only what differs from the last one is told. */
void balancer_take(struct balancer *balancer, const struct scene *scene);

/* The agent ends, and another one adopts what it left; it is to be told a scene then. */
void balancer_restart(struct balancer *balancer, __u32 now);

/* The next commit ends after so many of its steps, 1 to BALANCER_STEPS: the agent is killed in its midst. */
#define BALANCER_STEPS 4
void balancer_cut(struct balancer *balancer, unsigned int steps);

/* Whether one has, since this was asked last; the agent is to be started again then. */
bool balancer_was_cut(struct balancer *balancer);

/* The service of a flow, and whether it is UDP. */
void balancer_flow(unsigned int flow, unsigned int *service, bool *udp);

/* Sends a packet of the flow; returns the host that gets it, 0: none. `recorded`: the flow had a record before. */
__u32 balancer_send(struct balancer *balancer, unsigned int flow, enum packet_kind kind, __u32 now, bool *recorded);

/* Whether the flow has a record. */
bool balancer_is_recorded(const struct balancer *balancer, unsigned int flow);

/* Its record gives way to others. Whether there was one. */
bool balancer_evict(struct balancer *balancer, unsigned int flow);

/*
 * Goes on with the sweep, by so many flows; begins a pass if none is under way. Returns whether a pass ended. `removed`
 * is called for each flow whose record is removed.
 */
bool balancer_sweep(struct balancer *balancer, unsigned int flows, __u32 now,
		    void (*removed)(void *argument, unsigned int flow), void *argument);

/* NULL if the maps hold the pure tables of the scene and nothing else; or what does not fit. */
const char *balancer_unsettled(struct balancer *balancer, const struct scene *scene);

/* The flow's slot in its service's table, as text, for a failure's report. */
const char *balancer_explain(struct balancer *balancer, unsigned int flow);

#endif
