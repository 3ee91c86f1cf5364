/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Keeps a struct network true: reads and follows links, addresses, routes, rules
 * and neighbours over rtnetlink (libmnl), asks the kernel for the route to each
 * watched destination, and has missing neighbours resolved.
 */
#ifndef SLUICE_NETLINK_H
#define SLUICE_NETLINK_H

#include <event2/event.h>
#include <stddef.h>

#include "model/network.h"

struct netlink;

/* Called from the loop after facts changed; never from within a call of this module. */
typedef void (*netlink_changed_fn)(void *argument);

/*
 * Opens the sockets, reads links and neighbours once and follows them on `base`.
 * 0 or a negative errno, reported in the log. *network must outlive it.
 */
int netlink_open(struct netlink **out, struct event_base *base, struct network *network, netlink_changed_fn changed,
		 void *argument);

/*
 * Sets the destinations whose routes are wanted, replacing the former ones, and has
 * their routes in the network before it returns. Duplicates are fine. Neighbours that
 * are missing are solicited; `changed` follows when they answer. 0 or a negative
 * errno, reported in the log: then some routes are not known yet, and are asked for again.
 */
int netlink_watch(struct netlink *netlink, const struct address *destinations, size_t count);

/* NULL is fine. The network keeps what it holds. */
void netlink_close(struct netlink *netlink);

#endif
