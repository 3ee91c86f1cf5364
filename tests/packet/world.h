/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What most packet tests share: one backend of each kind, and for each of them
 * a service with an IPv4 and an IPv6 VIP, 443/tcp and 443/udp. Services and
 * pools bear their backend's number, so that a wrong choice shows everywhere.
 *
 *   number  VIPs                         pool's slots
 *   n       192.0.2.n   2001:db8::n      7n to 7n + 6, all of backend n
 */
#ifndef SLUICE_TEST_WORLD_H
#define SLUICE_TEST_WORLD_H

#include "packet/fixture.h"

#define WORLD_POOL_SLOTS 7
#define WORLD_MTU_IN	 1600 /* towards backends behind the interface that frames come from */
#define WORLD_MTU_OUT	 1500 /* and behind the other one */
#define WORLD_OTHER	 7    /* that other interface's index: test runs do not look whether it exists */

enum { /* the family is that of the backend's address */
       IPIP4 = 1,
       IPIP6,
       GUE4,
       GUE6,
       L2,
       IPIP4_OUT, /* behind the other interface */
       IPIP6_OUT,
       GUE4_OUT,
       GUE6_OUT,
       L2_OUT,
       UNRESOLVED, /* no next hop is known */
       UNWRITTEN,  /* its entry is all zero */
       WORLD_BACKENDS
};

#define V4_IPIP4      "192.0.2.1"
#define V4_IPIP6      "192.0.2.2"
#define V4_GUE4	      "192.0.2.3"
#define V4_GUE6	      "192.0.2.4"
#define V4_L2	      "192.0.2.5"
#define V4_IPIP4_OUT  "192.0.2.6"
#define V4_IPIP6_OUT  "192.0.2.7"
#define V4_GUE4_OUT   "192.0.2.8"
#define V4_GUE6_OUT   "192.0.2.9"
#define V4_L2_OUT     "192.0.2.10"
#define V4_UNRESOLVED "192.0.2.11"
#define V4_UNWRITTEN  "192.0.2.12"
#define V6_IPIP4      "2001:db8::1"
#define V6_IPIP6      "2001:db8::2"
#define V6_GUE4	      "2001:db8::3"
#define V6_GUE6	      "2001:db8::4"
#define V6_L2	      "2001:db8::5"
#define V6_IPIP4_OUT  "2001:db8::6"
#define V6_IPIP6_OUT  "2001:db8::7"
#define V6_GUE4_OUT   "2001:db8::8"
#define V6_GUE6_OUT   "2001:db8::9"
#define V6_L2_OUT     "2001:db8::a"
#define V6_UNRESOLVED "2001:db8::b"
#define V6_UNWRITTEN  "2001:db8::c"

#define V4_NO_VIP "192.0.2.200"
#define V6_NO_VIP "2001:db8::200"

#define CLIENT4 "198.51.100.7"
#define CLIENT6 "2001:db8:c::7"

/* How the backend of this number is reached; 1 to WORLD_BACKENDS - 1. */
const struct target *world_target(__u16 backend);

/* The service of this number; its pool's slots are those of the table above. */
struct service world_service(__u16 number);

/* The backends and the slots, without any VIP. */
void world_backends(struct fixture *fixture);

/* All of it. `flags`: SERVICE_* of the services. */
void world_services(struct fixture *fixture, __u16 flags);
void world_fill(struct fixture *fixture); /* without flags */

/* Each VIP's own entry, which says what becomes of packets that are no service's: ADDRESS_*. */
void world_addresses(struct fixture *fixture, __u16 flags);

/*
 * All addresses of 203.0.113.0/24 and 2001:db8:a::/48 instead, for one port (0: any); ADDRESS_* `flags` say what
 * becomes of the rest of them.
 */
void world_prefixes(struct fixture *fixture, __u16 port, __u8 protocol, __u16 flags);

#endif
