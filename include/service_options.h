/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a service asks for beyond its pool: the slow path's, for services with SERVICE_SLOW alone. */
#ifndef SLUICE_SERVICE_OPTIONS_H
#define SLUICE_SERVICE_OPTIONS_H

#include <linux/types.h>

#include "flow.h"
#include "limit.h"

#define OPTION_LIMITS	   0x1	/* some limit is set */
#define OPTION_EXCESS_PASS 0x2	/* what is over a limit goes to the host; else it drops */
#define OPTION_RULES	   0x4	/* has source rules */
#define OPTION_QUIC	   0x8	/* UDP packets go by their QUIC connection ID first */
#define OPTION_MSS_AUTO	   0x10 /* the MSS of SYNs is at most what fits the way to the backend */

#define QUIC_CONFIGS	   7 /* config IDs 0 to 6; 7 means that the ID is not routable (draft-ietf-quic-load-balancers) */
#define QUIC_SERVER_ID_MAX 15 /* bytes */

struct service_options {
	struct limit source_packets, source_connections;   /* of one source */
	struct limit service_packets, service_connections; /* of all together */
	__u16 flags;					   /* OPTION_* */
	__u16 mss;					   /* most that a SYN may say, host byte order; 0: anything */
	__u16 vlan;			 /* takes packets of this VLAN alone (innermost tag); 0: of any, and untagged */
	__u8 source_bits4, source_bits6; /* prefix lengths that make one source */
	__u8 quic_server_id_length[QUIC_CONFIGS]; /* by config ID; 0: there is no such config */
	__u8 zero[5];
	__u32 quic_pool; /* of the keys in the map of QUIC servers */
};
_Static_assert(sizeof(struct service_options) == 88, "service_options");

/* State of a service's own limits: limit.h. */
struct service_bucket {
	__u64 packets, connections;
	__u64 spare[6]; /* a cache line of its own */
};
_Static_assert(sizeof(struct service_bucket) == 64, "service_bucket");

/* One source of a limited service, and its state. */
struct source_key {
	__be32 address[4]; /* masked; IPv4 in word 0, the rest zero */
	__u16 service;
	__u8 version; /* 4 or 6 */
	__u8 zero;
};
_Static_assert(sizeof(struct source_key) == 20, "source_key");

struct source_bucket {
	__u64 packets, connections;
};
_Static_assert(sizeof(struct source_bucket) == 16, "source_bucket");

/*
 * Source rules, LPM tries. The configuration's rules are ordered, the first one that has the source decides; each
 * prefix here has the verdict of the first rule that has all of it, so that the longest match says the same: of two
 * prefixes that share an address, one has all of the other.
 */
#define SLUICE_MAX_RULES    65536 /* prefixes, each family */
#define RULE_KEY_FIXED_BITS 32

struct rule_key4 {
	__u32 prefixlen; /* RULE_KEY_FIXED_BITS + the prefix's */
	__u16 service;
	__u16 zero;
	__be32 address;
};
_Static_assert(sizeof(struct rule_key4) == 12, "rule_key4");

struct rule_key6 {
	__u32 prefixlen;
	__u16 service;
	__u16 zero;
	__be32 address[4];
};
_Static_assert(sizeof(struct rule_key6) == 24, "rule_key6");

enum rule_action {
	RULE_ALLOW,
	RULE_DENY,
	RULE_POOL, /* `table` serves */
};

struct rule {
	struct table_use table;
	__u32 action; /* enum rule_action */
};
_Static_assert(sizeof(struct rule) == 12, "rule");

/* Which backend has a QUIC server ID: hash map; the value is the backend's index, a __u32. */
#define SLUICE_MAX_QUIC_SERVERS 65536

struct quic_key {
	__u32 pool;  /* service_options.quic_pool */
	__u8 config; /* 0 to 6 */
	__u8 length; /* of the server ID */
	__u8 zero[2];
	__u8 server_id[16]; /* the rest is zero */
};
_Static_assert(sizeof(struct quic_key) == 24, "quic_key");

/* Fragments: where the first one went, the others of the datagram follow. LRU hash. */
#define FRAGMENT_LIFE 2 /* seconds */

struct fragment_key {
	__be32 source[4], destination[4]; /* IPv4 in word 0, the rest zero */
	__be32 id;			  /* IPv4: the 16 bits in the low half */
	__u8 protocol;			  /* IPv4 alone: RFC 791; 0 for IPv6: RFC 8200 */
	__u8 version;
	__u16 vlan; /* innermost tag, 0: none */
};
_Static_assert(sizeof(struct fragment_key) == 40, "fragment_key");

struct fragment {
	__u32 seen;    /* second of CLOCK_MONOTONIC */
	__u32 hash;    /* of the flow: entropy */
	__u16 backend; /* 0: the first one went where `reason` says */
	__u16 service; /* index */
	__u32 reason;  /* with which the first one ended, if backend is 0; else who else may have the flow, 0: nobody */
};
_Static_assert(sizeof(struct fragment) == 16, "fragment");

#endif
