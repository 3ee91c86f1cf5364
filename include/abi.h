/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The one contract between the XDP program and user space: keys and values of
 * every map, and their limits. Both sides compile this file; nothing is copied
 * by hand. Every struct has its size asserted and no implicit padding, because
 * BPF hashes keys byte by byte. Fields are in host byte order unless typed
 * __be16 or __be32.
 */
#ifndef SLUICE_ABI_H
#define SLUICE_ABI_H

#include <linux/types.h>

#include "flow.h"
#include "hash.h"
#include "limit.h"
#include "service_options.h"
#include "vip.h"

#define SLUICE_MAX_SERVICES 4096
#define SLUICE_MAX_POOLS    1024
#define SLUICE_MAX_BACKENDS 32767      /* index 0 means "none", so indices are 1 to 32767 */
#define SLUICE_MAX_VIPS	    65536      /* (address, port, protocol) entries, each family */
#define SLUICE_MAX_PREFIXES 16384      /* (prefix, port, protocol) entries, each family */
#define SLUICE_MAX_SLOTS    (1U << 26) /* 512 MiB, as far as the verifier lets a program reach into a value */

/*
 * A VIP prefix's key in an LPM trie. Protocol and port come before the address,
 * so a match is always for one (protocol, port), port 0 meaning any: prefixlen = PREFIX_KEY_FIXED_BITS
 * + the address prefix's own length.
 */
#define PREFIX_KEY_FIXED_BITS 32

struct prefix_key4 {
	__u32 prefixlen;
	__u8 zero;
	__u8 protocol;
	__be16 port;
	__be32 address;
};
_Static_assert(sizeof(struct prefix_key4) == 12, "prefix_key4");

struct prefix_key6 {
	__u32 prefixlen;
	__u8 zero;
	__u8 protocol;
	__be16 port;
	__be32 address[4];
};
_Static_assert(sizeof(struct prefix_key6) == 24, "prefix_key6");

/* The deny list: sources that no service takes packets from. LPM tries; the value says nothing. */
#define SLUICE_MAX_DENIED 100000 /* prefixes, both families together */

struct deny_key4 {
	__u32 prefixlen;
	__be32 address;
};
_Static_assert(sizeof(struct deny_key4) == 8, "deny_key4");

struct deny_key6 {
	__u32 prefixlen;
	__be32 address[4];
};
_Static_assert(sizeof(struct deny_key6) == 20, "deny_key6");

/* What the dataplane puts before a packet. ENCAP_NONE: no next hop is known. */
enum encap {
	ENCAP_NONE,
	ENCAP_L2,    /* new Ethernet header only */
	ENCAP_IPIP4, /* outer IPv4 */
	ENCAP_IPIP6, /* outer IPv6 */
	ENCAP_GUE4,  /* outer IPv4, UDP, GUE variant 1 (no GUE header); with a second hop variant 0 */
	ENCAP_GUE6,  /* outer IPv6, likewise */
	ENCAP_LOCAL, /* the backend is this host: nothing, its stack gets the packet */
};

#define ENCAP_SLOW 0x80 /* added to it: takes the slow path, for VLAN tags */

#define BACKEND_SERVES	   0x1 /* connections that it has go on; without it, records that name it count as none */
#define BACKEND_SECOND_HOP 0x2 /* it forwards what is not its own: wire.h */

/*
 * A backend's finished outer header. `header` starts with the destination MAC
 * at an offset of 2 modulo 8, so a changed gateway MAC is one aligned 8-byte
 * store: no packet leaves with half of an address.
 *
 * What the dataplane still mends: IPv4 total length, TOS, protocol and checksum;
 * IPv6 payload length, traffic class and next header; UDP source port and length.
 * In IPv4 the checksum field holds the folded, not yet complemented ones'
 * complement sum of the header with the mended fields as zero: for GUE, whose
 * protocol is always UDP, that is in the sum already.
 */
#define BACKEND_HEADER_MAX (14 + 40 + 8)

struct backend {
	__u32 ifindex; /* out interface */
	__u16 mtu;     /* largest IP packet, outer header included, in bytes */
	__u8 encap;    /* enum encap, perhaps with ENCAP_SLOW */
	__u8 flags;    /* BACKEND_* */
	__u8 pad[2];   /* puts header at offset 10 */
	__u8 header[BACKEND_HEADER_MAX];
	__u8 tags; /* how many of tag[] follow the MACs; then encap has ENCAP_SLOW */
	__u8 zero[3];
	__be32 tag[2];	    /* 802.1Q: TPID and TCI, as on the wire; the outermost first */
	__be32 source_mask; /* bits of the outer source (IPv6: of its last word) that come from the flow hash; ipip
			       alone */
	__u8 spare[40];	    /* two cache lines, so that entries never share one */
} __attribute__((aligned(8)));
_Static_assert(sizeof(struct backend) == 128, "backend");
_Static_assert(__builtin_offsetof(struct backend, header) == 10, "backend.header");

/* Frames and their bytes as received (Ethernet header included, FCS not). */
struct counters {
	__u64 packets;
	__u64 bytes;
};
_Static_assert(sizeof(struct counters) == 16, "counters");

/*
 * All counters of one CPU, written by that CPU alone; the counts array has a
 * page for each possible CPU and is mapped into user space. One look-up finds all
 * three counters of a packet, where three per-CPU arrays would take three.
 * Counts are powers of two, so that a mask proves an index to the verifier.
 */
#define COUNT_REASONS 64

struct count_page {
	struct counters reason[COUNT_REASONS];
	struct counters service[SLUICE_MAX_SERVICES];
	struct counters backend[SLUICE_MAX_BACKENDS + 1];
	__u64 tracked[SLUICE_MAX_SERVICES]; /* packets for which a flow record was looked for */
};
_Static_assert((SLUICE_MAX_SERVICES & (SLUICE_MAX_SERVICES - 1)) == 0, "SLUICE_MAX_SERVICES is a mask plus one");
_Static_assert((SLUICE_MAX_BACKENDS & (SLUICE_MAX_BACKENDS + 1)) == 0, "SLUICE_MAX_BACKENDS is a mask");
_Static_assert(sizeof(struct count_page) % 64 == 0, "CPUs must not share a cache line");

/*
 * Settings that are constants of a loaded program: the verifier removes the
 * branches of what is not configured. A change loads the program anew and
 * replaces it atomically.
 */
#define FEATURE_ANY_PORT   0x1	/* some service takes any port */
#define FEATURE_PREFIX4	   0x2	/* some service has an IPv4 prefix */
#define FEATURE_PREFIX6	   0x4	/* some service has an IPv6 prefix */
#define FEATURE_TRANSITION 0x8	/* some pool has a transition window */
#define FEATURE_SECOND_HOP 0x10 /* some pool's backends forward what is not theirs */
#define FEATURE_SLOW	   0x20 /* some service has SERVICE_SLOW */
#define FEATURE_ADDRESS                                                                                                \
	0x40		     /* some VIP does not pass on packets to its unknown ports, or has fragments go by source  \
			      */
#define FEATURE_DENY4	0x80 /* the deny list has IPv4 prefixes */
#define FEATURE_DENY6	0x100
#define FEATURE_ENTROPY 0x200  /* some backend has a source_mask */
#define FEATURE_RULES	0x400  /* some service has source rules */
#define FEATURE_LIMITS	0x800  /* some service has limits */
#define FEATURE_QUIC	0x1000 /* some service routes by QUIC connection ID */
#define FEATURE_MULTI	0x2000 /* packets may come in several buffers (xdp.frags, Linux 5.18) */
#define FEATURE_ID	0x4000 /* some outer IPv4 header may be fragmented, and needs an identification */

/* The first 16 bits of a constant in the instructions that stands for a setting: bpf/setting.h. */
#define SETTING_MARK 0x51ceU

struct settings {
	struct flow_key key;
	__u64 object; /* identifies the program's object file; user space compares it on adoption */
	__u32 features;
	__u32 slot_capacity;	 /* entries of the slots array */
	__u32 flow_capacity;	 /* of the flow map */
	__u32 fragment_capacity; /* of the map of fragments */
	__u32 source_capacity;	 /* of the map of limited sources */
	__u32 slow;		 /* the slow path's place in the programs array: each load has the other one */
	__u32 cpus;		 /* pages of the counts array */
	__u32 vip_shift;	 /* of the VIP table: VIP_BUCKETS() */
	struct limit replies;	 /* of what the dataplane answers by itself; interval 0: no bound */
};
_Static_assert(sizeof(struct settings) == sizeof(struct flow_key) + 56, "settings");

#endif
