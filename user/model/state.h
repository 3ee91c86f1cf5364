/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The agent's one state. Inputs put facts in here, plan reads it, reports show
 * it. What is derived (tables, headers) is not here but in the plan.
 */
#ifndef SLUICE_STATE_H
#define SLUICE_STATE_H

#include <time.h>

#include "model/config.h"
#include "model/deny.h"
#include "model/health.h"
#include "model/ids.h"
#include "model/network.h"

/* When the tables last followed the health: CLOCK_MONOTONIC in microseconds; 0: never yet. */
struct change_times {
	__u64 verdict; /* the first change of the health that had not been written */
	__u64 planned;
	__u64 written; /* the last slot */
};

struct state {
	struct config *config; /* the running one; not NULL once started */
	time_t config_loaded;  /* wall clock, for show, as in `started` */
	time_t started;
	__u64 begun; /* when it was started in monotonic ms: the time of day may step */
	struct ids *ids;
	struct network network;
	struct health *health; /* not NULL */
	struct deny *deny;     /* NULL: none */
	char *last_error;      /* why the last reload or apply was refused; NULL if it was not */
	char *applied;	       /* how the running configuration came over the control socket; NULL: it is the file's */
	__u64 confirm_by;      /* monotonic ms until when it has to be confirmed, 0: it has not to be */
	struct change_times change;
};

#endif
