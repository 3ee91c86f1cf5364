/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Builds a backend's finished outer header, which the dataplane copies before each packet. */
#ifndef SLUICE_HEADER_H
#define SLUICE_HEADER_H

#include "abi.h"
#include "model/config.h"
#include "model/network.h"

/*
 * Fills *out for a backend at `destination`, of that pool, over the resolved next hop. With an
 * unresolved one, or without a source address of the right family, *out is ENCAP_NONE.
 */
void header_build(struct backend *out, const struct config_pool *pool, const struct address *destination,
		  const struct next_hop *hop);

/* The same for a backend that is this host: its packets are of any size, and nothing is put before them. */
void header_local(struct backend *out);

#endif
