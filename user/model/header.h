/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Builds a backend's finished outer header, which the dataplane copies before each packet. */
#ifndef SLUICE_HEADER_H
#define SLUICE_HEADER_H

#include "abi.h"
#include "model/config.h"
#include "model/network.h"

#define HEADER_TTL 64 /* of the outer header: RFC 1700's default, as Linux tunnels do */

/*
 * Fills *out for a backend at `destination` over the resolved next hop. With an
 * unresolved one, or a source address of the wrong family, *out is ENCAP_NONE.
 * gue_port is in host byte order and used for FORWARD_GUE alone.
 */
void header_build(struct backend *out, enum forward forward, __u16 gue_port, const struct address *destination,
		  const struct next_hop *hop);

#endif
