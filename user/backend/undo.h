/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Takes back what `up` did: all of it for `down`, what is no longer wanted for a second `up`. */
#ifndef SLUICE_BACKEND_UNDO_H
#define SLUICE_BACKEND_UNDO_H

#include "backend/host.h"
#include "backend/state.h"

/* Prints a line about a change made to the host and counts it in *changes. */
void change_say(unsigned int *changes, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Undoes every entry of the state that is not wanted. What somebody else has
 * changed since is left alone. Goes on after a failure; 0 or the first one's
 * negative errno, all reported.
 */
int undo_unwanted(struct rtnetlink *rtnl, const struct host *host, const struct state *state, unsigned int *changes);

/* Removes our filters from an interface. 0 or a negative errno, reported. */
int undo_filters(struct rtnetlink *rtnl, const struct host_link *link, unsigned int *changes);

#endif
