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
	REASON(not_ip, XDP_PASS, "neither IPv4 nor IPv6 (ARP, VLAN-tagged, ...): to the host")                         \
	REASON(not_tcp_udp, XDP_PASS, "neither TCP nor UDP, nor an ICMP error about them: to the host")                \
	REASON(malformed, XDP_PASS, "too short for its headers or its lengths: to the host")                           \
	REASON(ip_options, XDP_PASS, "IPv4 options or IPv6 extension headers: to the host")                            \
	REASON(fragment, XDP_PASS, "a fragment, which has no ports: to the host")                                      \
	REASON(no_service, XDP_PASS, "no service has this address and port: to the host")                              \
	REASON(not_unicast, XDP_PASS, "a service's, but to a broadcast or multicast MAC: to the host")                 \
	REASON(no_backend, XDP_DROP, "the service's pool has no usable backend")                                       \
	REASON(no_next_hop, XDP_DROP, "the backend's next hop is not resolved")                                        \
	REASON(too_big, XDP_DROP, "with its outer header larger than the MTU towards the backend")                     \
	REASON(no_headroom, XDP_DROP, "the driver leaves no room for the outer header")

enum reason {
#define REASON_ENUM(name, action, help) REASON_##name,
	REASONS(REASON_ENUM)
#undef REASON_ENUM
		REASON_COUNT
};
_Static_assert(REASON_COUNT <= COUNT_REASONS, "count_page has room for every reason");

#endif
