/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The way that `via: vip` probes go: a socket with the mark PROBE_MARK | backend
 * index (probe_abi.h) connects to a VIP, and its packets reach that backend with
 * the pool's own encapsulation. Rules and a route (probe_route.h) lead them to lo,
 * on whose egress side a filter encapsulates them with the header in the dataplane's
 * `backends` map. A packet whose backend has no next hop there is dropped.
 *
 * The socket is to be bound to an address of the host that the backend can reply
 * to. Replies come straight from the VIP to that address. IPv4's reverse path filter
 * may refuse them: if it is on and the VIP's route is a blackhole or none, or if the
 * VIP is local. probe_path_takes_reply tells; `via: address` is left then.
 */
#ifndef SLUICE_PROBE_PATH_H
#define SLUICE_PROBE_PATH_H

#include <stdbool.h>

#include "lib/address.h"

#define PROBE_LOOPBACK 1 /* lo's ifindex in every network namespace */

struct probe_path;

/*
 * Loads the program over the map, makes filter, rules and route, and replaces what
 * an earlier run left. 0; -EBUSY if another process has the path in this network
 * namespace, whose backends have other indices, which is the caller's to say; or another
 * negative errno with the reason in the log, if the program cannot be loaded. What may pass
 * (lo is down, somebody's filter is in the place) is no error here, but logged:
 * probe_path_carries tells, and checks go on trying.
 */
int probe_path_open(struct probe_path **out, int backends_fd);

/*
 * The map was made anew: the filter gets a program over it, without a gap. 0, or a
 * negative errno with the reason in the log: then probes are not to be trusted.
 */
int probe_path_update(struct probe_path *path, int backends_fd);

/*
 * Looks whether all of it is still there and repairs what is not, in some ten
 * netlink messages. 0; 1 if something was missing that had been there; or a negative errno: then what probes by this
 * path say is not to be trusted. Changes alone are logged, so it may be called every second.
 */
int probe_path_check(struct probe_path *path);

/*
 * Whether the last check (open, update) found the way of this family, AF_INET or
 * AF_INET6, to be whole. A host without IPv6 carries AF_INET alone, and its checks are 0.
 */
bool probe_path_carries(const struct probe_path *path, int family);

/*
 * Whether the host would take a backend's reply, from `vip` to `own`, the address
 * that the probe's socket is bound to, arriving on an interface, and the probe itself would
 * go this way. 1; 0 if not; or a negative errno. Routes, rules, addresses and sysctls
 * (rp_filter, accept_local) change it.
 */
int probe_path_takes_reply(struct probe_path *path, const struct address *vip, const struct address *own,
			   unsigned int ifindex);

/* Removes everything: sockets with the mark are to be closed before. NULL is fine. */
void probe_path_close(struct probe_path *path);

/*
 * Removes what a run that ended without close left in this network namespace.
 * 0, also if there was nothing; -EBUSY if a process has the path; or another
 * negative errno, with the reason in the log.
 */
int probe_path_remove(void);

#endif
