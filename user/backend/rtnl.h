/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What sluice-backend asks of the kernel over rtnetlink: VIPs, qdiscs and filters. */
#ifndef SLUICE_BACKEND_RTNL_H
#define SLUICE_BACKEND_RTNL_H

#include "lib/address.h"
#include "lib/rtnetlink.h"

/*
 * Puts a VIP on the interface `loopback`: an address, or a local route for a
 * prefix. 0, -EEXIST if it is there, or another negative errno.
 */
int rtnl_vip_add(struct rtnetlink *rtnl, unsigned int loopback, const struct prefix *vip);

/* Takes it off. 0, -ENOENT if it is not there, or another negative errno. */
int rtnl_vip_delete(struct rtnetlink *rtnl, unsigned int loopback, const struct prefix *vip);

enum ingress_qdisc {
	INGRESS_QDISC_NONE,
	INGRESS_QDISC_CLSACT,
	INGRESS_QDISC_INGRESS, /* the older kind, which has no egress side */
};

/* The qdisc that holds an interface's ingress filters. 0 or a negative errno. */
int rtnl_ingress_qdisc(struct rtnetlink *rtnl, unsigned int ifindex, enum ingress_qdisc *out);

/* Whether the interface's clsact has any filter. 1, 0 or a negative errno. */
int rtnl_has_filters(struct rtnetlink *rtnl, unsigned int ifindex);

/*
 * Looks among the filters of `parent` (TC_H_MAKE(TC_H_CLSACT, ...)) for the BPF
 * filter of a priority and handle. 0 and its program's id; -ENOENT if there is
 * none; -EEXIST if the priority is taken by another kind of filter or protocol,
 * beside which it could not be; another negative errno.
 */
int rtnl_find_bpf_filter(struct rtnetlink *rtnl, unsigned int ifindex, __u32 parent, __u16 priority, __u32 handle,
			 __u32 *program_id);

#endif
