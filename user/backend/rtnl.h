/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What sluice-backend asks of the kernel over rtnetlink: VIPs. */
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

#endif
