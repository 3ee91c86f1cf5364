/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Every way a packet can end: REASON(name, XDP action, one line of help).
 * The XDP program, CLI, metrics and tests are all made from this table. The
 * first entry is 0 and means "go on": a stage returns it when it has no verdict.
 */
#ifndef SLUICE_REASONS_H
#define SLUICE_REASONS_H

#include "abi.h"

#define REASONS(REASON)                                                                                                \
	REASON(go_on, XDP_ABORTED, "no verdict; never counted")                                                        \
	REASON(forwarded, XDP_TX, "sent to a backend, out of the interface it came from")                              \
	REASON(redirected, XDP_REDIRECT, "sent to a backend, out of another interface")                                \
	REASON(local, XDP_PASS, "the backend is this host itself: to its stack")                                       \
	REASON(echo, XDP_TX, "a ping of a VIP, answered")                                                              \
	REASON(rejected, XDP_TX, "to a VIP's unknown port, answered with RST or port unreachable")                     \
	REASON(too_big_told, XDP_TX, "too big for the way to the backend: the client was told the right MTU")          \
	REASON(not_ip, XDP_PASS, "neither IPv4 nor IPv6 (ARP, ...): to the host")                                      \
	REASON(not_tcp_udp, XDP_PASS, "neither TCP nor UDP, nor an ICMP error about them: to the host")                \
	REASON(malformed, XDP_PASS, "too short for its headers or its lengths: to the host")                           \
	REASON(extensions, XDP_PASS, "more IPv6 extension headers than are read, or a route to go on: to the host")    \
	REASON(fragment, XDP_PASS, "a fragment of no VIP's: to the host")                                              \
	REASON(no_service, XDP_PASS, "no service has this address and port: to the host")                              \
	REASON(not_unicast, XDP_PASS, "a service's, but to a broadcast or multicast MAC: to the host")                 \
	REASON(over_limit_passed, XDP_PASS, "over a limit whose excess passes: to the host")                           \
	REASON(fragment_lost, XDP_DROP, "a fragment that came before its datagram's first one, or long after")         \
	REASON(martian, XDP_DROP, "from a source that cannot be a client's: loopback, multicast, the VIP itself, ...") \
	REASON(denied, XDP_DROP, "from a source on the deny list")                                                     \
	REASON(denied_by_rule, XDP_DROP, "from a source that the service's rules deny")                                \
	REASON(over_source_limit, XDP_DROP, "over the service's limit of one source")                                  \
	REASON(over_service_limit, XDP_DROP, "over the service's own limit")                                           \
	REASON(unknown_port, XDP_DROP, "to a VIP's port that no service has, which are to drop")                       \
	REASON(echo_dropped, XDP_DROP, "a ping of a VIP, which are to drop")                                           \
	REASON(reply_limited, XDP_DROP, "an answer of the balancer's own was due, but there are too many of them")     \
	REASON(no_backend, XDP_DROP, "the service's pool has no usable backend")                                       \
	REASON(no_next_hop, XDP_DROP, "the backend's next hop is not resolved")                                        \
	REASON(too_big, XDP_DROP, "with its outer header larger than the MTU towards the backend")                     \
	REASON(no_headroom, XDP_DROP, "the driver leaves no room for the outer header")                                \
	REASON(no_slow_path, XDP_PASS, "the slow path's program is not there (restart sluiced): to the host")

enum reason {
#define REASON_ENUM(name, action, help) REASON_##name,
	REASONS(REASON_ENUM)
#undef REASON_ENUM
		REASON_COUNT
};
_Static_assert(REASON_COUNT <= COUNT_REASONS, "count_page has room for every reason");

#endif
