/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* rtnetlink messages as facts of model/network.h. Attributes of a wrong length count as absent. */
#ifndef SLUICE_RTNETLINK_PARSE_H
#define SLUICE_RTNETLINK_PARSE_H

#include <linux/netlink.h>

#include "model/network.h"

/*
 * RTM_NEWLINK or RTM_DELLINK. False if it speaks of something else than an
 * interface (a bridge port, IPv6 settings) or is malformed. Unset: hh.
 */
bool parse_link(const struct nlmsghdr *message, struct link *out);

/*
 * RTM_NEWNEIGH or RTM_DELNEIGH (then nud is 0). False if it is no IPv4 or IPv6
 * neighbour (a bridge's forwarding entry, a proxy entry) or is malformed. Unset: hh.
 */
bool parse_neighbour(const struct nlmsghdr *message, struct neighbour *out);

/* RTM_NEWROUTE that answers RTM_GETROUTE. Sets everything but destination and hh. */
void parse_route(const struct nlmsghdr *message, struct route *out);

/* The same from the errno with which the kernel answered instead. */
void parse_route_error(int error, struct route *out);

#endif
