/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What is known of the host's network: links, neighbours, and the route to each
 * backend. Plain facts, reported by user/in/netlink.c; questions about them are
 * answered here, without any system call.
 */
#ifndef SLUICE_NETWORK_H
#define SLUICE_NETWORK_H

#include <linux/types.h>
#include <net/if.h>
#include <stdbool.h>
#include <uthash.h>

#include "lib/address.h"

struct link {
	__u32 ifindex;
	char name[IFNAMSIZ];
	char kind[16]; /* "vlan", "bridge", ...; empty: hardware. Longer ones are cut */
	__u8 mac[6];
	bool ethernet; /* ARPHRD_ETHER with a MAC */
	bool up;       /* administratively up and with carrier */
	__u32 mtu;
	__be32 tag;   /* a VLAN device's TPID and TCI, as on the wire; 0: it is none */
	__u32 parent; /* a VLAN device's: the ifindex below it, 0 if that is in another network namespace */
	UT_hash_handle hh;
};

struct neighbour_key {
	__u32 ifindex;
	struct address address;
};
_Static_assert(sizeof(struct neighbour_key) == 24, "neighbour_key is a hash key: no padding");

/*
 * A neighbour keeps its last known MAC when the kernel forgets or fails it: what
 * XDP sends does not refresh the kernel's entry, so its end says nothing.
 */
struct neighbour {
	struct neighbour_key key;
	__u8 mac[6];
	bool known; /* mac is one that an answer gave */
	__u16 nud;  /* the kernel's NUD_* state, 0 once it has forgotten it */
	UT_hash_handle hh;
};

enum route_kind {
	ROUTE_NONE,    /* no route, or not yet asked */
	ROUTE_UNICAST, /* through gateway or on link */
	ROUTE_LOCAL,   /* the address is this host's own */
	ROUTE_REFUSED, /* blackhole, unreachable, prohibit, multicast, ... */
};

/* The kernel's route to one destination; entries exist for watched destinations alone. */
struct route {
	struct address destination;
	enum route_kind kind;
	__u8 type; /* the kernel's RTN_*, 0 if there is none: tells why a route refuses */
	__u32 ifindex;
	struct address gateway; /* family 0: on link. May be of the other family (RTA_VIA) */
	struct address source;	/* that the kernel would use */
	__u32 mtu;		/* of the route, 0: the link's */
	UT_hash_handle hh;
};

struct network {
	struct link *links;	      /* by ifindex */
	struct neighbour *neighbours; /* by key */
	struct route *routes;	      /* by destination */
};

/* How to reach a destination, or why not. */
struct next_hop {
	bool resolved;
	bool silent;   /* all is there but an answer of the neighbour: a packet could be tried */
	bool local;    /* the destination is this host's own address */
	char why[96];  /* if not resolved: for the operator */
	__u32 ifindex; /* of the route's interface, whose neighbour it is; 0: no route */
	char interface[IFNAMSIZ];
	__u32 out_ifindex; /* what frames are sent on: the same, or the interface below VLAN devices; 0: unknown */
	char out_interface[IFNAMSIZ];
	__u8 tags;		/* of tag[], which go into each frame then */
	__be32 tag[2];		/* TPID and TCI, as on the wire; the outermost first */
	struct address address; /* of the neighbour: the gateway or the destination itself */
	struct address source;	/* family 0: the kernel named none */
	__u8 mac[6];		/* the neighbour's */
	__u8 source_mac[6];	/* the route's interface's */
	__u32 mtu;		/* in bytes: the least of the route's, the interface's and what two tags leave */
	bool on_link;
};

/* Frees what the network holds and leaves it empty. */
void network_free(struct network *network);

/* Notes a neighbour's MAC from an earlier run, unless something newer is known. */
void network_neighbour_remember(struct network *network, const struct neighbour_key *key, const __u8 mac[6]);

/* NULL if there is none. What the pointers point to is valid until the next turn of the loop. */
const struct link *network_link(const struct network *network, __u32 ifindex);
const struct link *network_link_by_name(const struct network *network, const char *name);
const struct neighbour *network_neighbour(const struct network *network, const struct neighbour_key *key);
const struct route *network_route(const struct network *network, const struct address *destination);

/*
 * What user/in/netlink.c reports. Adds or replaces a link (its hh is ignored), or
 * deletes it with its neighbours. True if the network differs now.
 */
bool network_link_set(struct network *network, const struct link *fact);
bool network_link_delete(struct network *network, __u32 ifindex);

/*
 * Whether a link that is not known yet may be what a VLAN device is on that was in another namespace until now: only
 * reading all links anew tells.
 */
bool network_link_may_be_parent(const struct network *network, __u32 ifindex);

/* The neighbour of this key, a new one of which nothing is known if there was none. */
struct neighbour *network_neighbour_add(struct network *network, const struct neighbour_key *key);
void network_neighbour_delete(struct network *network, struct neighbour *neighbour);

/* Fills *key with the neighbour that a unicast route leads to; false for other routes. */
bool route_neighbour(const struct route *route, struct neighbour_key *key);

/*
 * Fills *hop for a watched destination. Returns hop->resolved. An unresolved hop
 * has `why`, and those of the other fields that are known; the rest is zero.
 */
bool network_next_hop(const struct network *network, const struct address *destination, struct next_hop *hop);

#endif
