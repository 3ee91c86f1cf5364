/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What balancer.h hides. */
#ifndef SLUICE_TEST_BALANCER_INNER_H
#define SLUICE_TEST_BALANCER_INNER_H

#include "model/plan.h"
#include "model/sweep.h"
#include "out/program.h"
#include "out/sync.h"
#include "packet/balancer.h"
#include "packet/frame.h"

#define PREFIX_SERVICE (SCENE_SERVICES - 1) /* its VIP is a prefix, and IPv4 alone */

#define VIPS 32

/* Who sends a flow's packets. */
struct balancer_client {
	struct flow_tuple tuple;
	struct frame data, bare; /* with payload and without */
	__u32 sequence;
};

struct balancer {
	struct maps maps;
	struct program program;
	struct state state;
	struct plan *plan;
	struct synced synced;
	struct scene scene;	     /* as last told */
	struct vip_entry vips[VIPS]; /* in the table */
	size_t vip_count;
	struct balancer_client clients[SCENE_FLOWS];
	struct sweep sweep;
	struct sweep_life lives[SLUICE_MAX_BACKENDS + 1];
	bool sweeping;	    /* a pass is under way */
	unsigned int swept; /* flows, by it */
	unsigned int steps; /* that the next commit makes; 0: all */
	bool cut;
	char text[256];
};

void balancer_make_client(struct balancer_client *client, unsigned int flow);

#endif
