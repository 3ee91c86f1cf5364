/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a service or pool is configured to do beyond the usual, in few words, from the agent's object; to be freed. */
#ifndef SLUICE_CONFIGURED_H
#define SLUICE_CONFIGURED_H

#include <jansson.h>

/* "VLAN 7, MSS auto, 2 source rules, 1000 packets/s a source, unknown ports: drop"; "-" where there is nothing. */
char *configured_service(const json_t *service);

/* "outer TTL 32, no DF, outer source 10.7.0.0/16, QUIC 0:8 1:4" (config:bytes of the server ID), or "-". */
char *configured_pool(const json_t *pool);

#endif
