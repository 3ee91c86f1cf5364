/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The agent's one state. Inputs put facts in here, plan reads it, reports show
 * it. What is derived (tables, headers) is not here but in the plan.
 */
#ifndef SLUICE_STATE_H
#define SLUICE_STATE_H

#include <time.h>

#include "model/config.h"
#include "model/ids.h"
#include "model/network.h"

struct state {
	struct config *config; /* the running one; not NULL once started */
	time_t config_loaded;  /* wall clock, for show */
	time_t started;
	struct ids *ids;
	struct network network;
	char *last_error; /* of the last reload that failed, or NULL */
};

#endif
