/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Has the next hops answer. XDP's packets neither resolve a neighbour nor keep the
 * kernel's entry fresh, so that is done here:
 *
 *   no MAC, or the kernel's entry is gone or failed: the kernel is told to resolve
 *       it (NTF_USE), at once and then every second;
 *   otherwise: we send a broadcast ARP request or a multicast neighbour
 *       solicitation ourselves. The answer updates the kernel's entry, so a new MAC
 *       shows although nobody announced it, which the kernel's own unicast probes
 *       to the old MAC would take long to find. Gateways are asked about every second,
 *       neighbours that are backends themselves as often as the budget allows.
 *
 * Answers are not read here: they come as the kernel's neighbour events.
 */
#ifndef SLUICE_SOLICIT_H
#define SLUICE_SOLICIT_H

#include <event2/event.h>
#include <stdbool.h>

#include "lib/rtnetlink.h"
#include "model/network.h"

struct solicit;

/* NULL: out of memory. rtnetlink and network must outlive it; network is only read. */
struct solicit *solicit_open(struct event_base *base, struct rtnetlink *rtnetlink, const struct network *network);
void solicit_close(struct solicit *solicit);

/*
 * Replaces the set of next hops: begin, add each one (several times is fine), then
 * commit, which asks those that have no MAC. A next hop that stays keeps its turn.
 */
void solicit_begin(struct solicit *solicit);

/*
 * `gateway`: many destinations may hang on it. `source`: an own address for the
 * sender of an ARP request, family 0 if unknown.
 */
void solicit_add(struct solicit *solicit, const struct neighbour_key *key, bool gateway, const struct address *source);

void solicit_commit(struct solicit *solicit);

/* Is this neighbour a next hop? */
bool solicit_wants(const struct solicit *solicit, const struct neighbour_key *key);

/* The kernel reported a new state of a next hop: its next turn comes about a second from now. */
void solicit_heard(struct solicit *solicit, const struct neighbour_key *key);

#endif
