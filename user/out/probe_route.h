/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Policy routing for probes to VIPs: whatever bears PROBE_MARK leaves by lo,
 * where the filter waits (probe_path.h), and by nothing else. In each family
 *
 *	rule  fwmark PROBE_MARK lookup PROBE_TABLE
 *	rule  fwmark PROBE_MARK unreachable          should the route be gone
 *	route default dev lo, in PROBE_TABLE
 */
#ifndef SLUICE_PROBE_ROUTE_H
#define SLUICE_PROBE_ROUTE_H

#include <stdbool.h>

#include "lib/address.h"
#include "lib/rtnetlink.h"

#define PROBE_TABLE	 6080
#define PROBE_PREFERENCE 5150 /* of the first rule; before the main table's 32766 */

struct probe_route_report {
	/*
	 * 0, or why a family's marked packets do not leave by lo: -ENETDOWN, lo is
	 * down; -EAFNOSUPPORT, the host or lo has no such family; -EEXIST, a rule or
	 * route of somebody else takes them; or another negative errno.
	 */
	int ipv4, ipv6;
	bool made_ipv4, made_ipv6; /* something was missing */
};

/*
 * Makes what is missing, then asks the kernel which way a marked packet would go:
 * eight messages. 0, or a negative errno if the kernel does not answer.
 */
int probe_route_ensure(struct rtnetlink *rtnetlink, struct probe_route_report *report);

/*
 * Whether the kernel would take a packet from `vip` to `own`, an address of this
 * host, that comes in by an interface. 1; 0 if not, for its reverse path filter or
 * because the VIP is local, or if a rule of somebody else takes the marked packets
 * from `own` to `vip` elsewhere; or a negative errno.
 */
int probe_route_takes_reply(struct rtnetlink *rtnetlink, const struct address *vip, const struct address *own,
			    unsigned int ifindex);

/* Removes all of it. What is not there is no error. 0 or a negative errno. */
int probe_route_remove(struct rtnetlink *rtnetlink);

#endif
