/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The contract between the backend host's TC programs and sluice-backend: keys
 * and values of their maps, and every way an encapsulated packet can end.
 */
#ifndef SLUICE_BACKEND_ABI_H
#define SLUICE_BACKEND_ABI_H

#include <linux/types.h>

#define BACKEND_MAX_VIPS  4096
#define BACKEND_MAX_FROM  4096
#define BACKEND_MAX_OWN	  4096 /* addresses of the host */
#define BACKEND_MAX_LINKS 16   /* interfaces with our programs */
#define BACKEND_FRAGMENTS 4096 /* fragmented packets with a second hop, at a time */

/*
 * Our filters on the clsact qdisc, the same on every host, so that they can be
 * found and removed without a record of them.
 */
#define BACKEND_TC_PRIORITY 6080
#define BACKEND_TC_HANDLE   0x51

/* An address. `version` is the IP version's number, 4 or 6; IPv4 stands in word[0], the rest is zero. */
struct address_key {
	__u32 version;
	__be32 word[4];
};
_Static_assert(sizeof(struct address_key) == 20, "address_key");

/* A prefix in an LPM trie. The version is always compared whole, so prefixlen = 32 + the prefix's own length. */
#define NET_KEY_FIXED_BITS 32

struct net_key {
	__u32 prefixlen;
	struct address_key address;
};
_Static_assert(sizeof(struct net_key) == 24, "net_key");

/*
 * What a packet's fragments have in common. Words of IPv4 as in address_key; `id` and `protocol` as in the header, but
 * IPv6 has no protocol there (RFC 8200, section 4.5): 0.
 */
struct fragments_key {
	__be32 source[4];
	__be32 destination[4];
	__u32 id;
	__u32 protocol;
};
_Static_assert(sizeof(struct fragments_key) == 40, "fragments_key");

/* Where a packet's first fragment went. */
struct fragments_owner {
	__u64 since;	 /* nanoseconds of CLOCK_MONOTONIC */
	__u64 elsewhere; /* 1: sent on to the second hop */
};
_Static_assert(sizeof(struct fragments_owner) == 16, "fragments_owner");

/* Largest MSS that SYN segments may offer, in bytes; 0: leave it as it is. */
struct link_mss {
	__u16 mss4;
	__u16 mss6;
};
_Static_assert(sizeof(struct link_mss) == 4, "link_mss");

/*
 * OUTCOME(name, one line of help). The first is 0 and means "go on" inside the
 * program; it is never counted. Unless the help says otherwise, the packet goes
 * on to the host as it came.
 */
#define OUTCOMES(OUTCOME)                                                                                              \
	OUTCOME(go_on, "no verdict; never counted")                                                                    \
	OUTCOME(decap_ipip, "decapsulated: IP in IP")                                                                  \
	OUTCOME(decap_gue, "decapsulated: GUE")                                                                        \
	OUTCOME(not_from, "encapsulated, but the outer source is in no --from prefix")                                 \
	OUTCOME(not_own, "encapsulated, but the outer destination was no address of this host at the last `up`")       \
	OUTCOME(fragment, "encapsulated, but a fragment: the balancer's path has too small an MTU")                    \
	OUTCOME(malformed, "encapsulated, but too short for its headers or its lengths")                               \
	OUTCOME(gue_unsupported, "GUE with control messages, flags or a payload that is not IP")                       \
	OUTCOME(not_vip, "encapsulated, but the inner destination is no VIP of this host")                             \
	OUTCOME(ecn_drop, "dropped: congestion was signalled on a connection that cannot be told (RFC 6040)")          \
	OUTCOME(no_room, "dropped: the kernel would not change the packet")                                            \
	OUTCOME(mss_clamped, "SYN or SYN-ACK of a VIP whose MSS was lowered")                                          \
	OUTCOME(forwarded, "no connection of this host: sent on to the backend that may have it")                      \
	OUTCOME(hop_expired, "dropped: to be sent on, but the outer TTL is used up")                                   \
	OUTCOME(hop_not_from, "of decap_gue: should have been sent on, but to an address in no --from prefix")         \
	OUTCOME(hop_family, "of decap_gue: should have been sent on, but to an address of the other IP version")

enum outcome {
#define OUTCOME_ENUM(name, help) OUTCOME_##name,
	OUTCOMES(OUTCOME_ENUM)
#undef OUTCOME_ENUM
		OUTCOME_COUNT
};

#endif
