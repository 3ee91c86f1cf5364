/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Turns what `up` is asked for into the state that is wanted, without changing the host. */
#ifndef SLUICE_BACKEND_WANTED_H
#define SLUICE_BACKEND_WANTED_H

#include "backend/host.h"
#include "backend/state.h"

/*
 * Marks in *state (the former state, or an empty one) what is wanted, and adds
 * to it what is new. 0 or a negative errno, reported.
 */
int wanted_mark(struct state *state, const struct options *options, const struct host *host, struct rtnetlink *rtnl);

#endif
