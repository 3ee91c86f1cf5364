/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A snapshot of what the host has: interfaces, addresses, local prefixes, default routes. */
#ifndef SLUICE_BACKEND_HOST_H
#define SLUICE_BACKEND_HOST_H

#include <net/if.h>

#include "backend/prefixes.h"
#include "backend/rtnl.h"

struct host_link {
	__u32 ifindex;
	char name[IFNAMSIZ];
	__u32 mtu;
	bool ethernet; /* its frames have an Ethernet header */
	bool loopback;
	bool up;
	bool has_default; /* a default route of the main table leaves by it */
};

struct host_address {
	__u32 ifindex;
	struct address address;
};

struct host {
	struct host_link *links;
	size_t link_count;
	struct host_address *addresses;
	size_t address_count;
	struct prefixes locals; /* prefixes of the table `local` that are not single addresses */
};

/* Reads the snapshot. 0 or a negative errno, reported. Free with host_free in either case. */
int host_read(struct host *host, struct rtnetlink *rtnl);
void host_free(struct host *host);

/* NULL if there is none. */
const struct host_link *host_link_by_name(const struct host *host, const char *name);
const struct host_link *host_link_by_index(const struct host *host, __u32 ifindex);
const struct host_link *host_loopback(const struct host *host);

/* Whether the VIP is on the host, on whichever interface. */
bool host_has_vip(const struct host *host, const struct prefix *vip);

#endif
