/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Sends ARP requests and IPv6 neighbour solicitations. The answers go to the kernel, as to its own requests. */
#ifndef SLUICE_NEIGHBOUR_REQUEST_H
#define SLUICE_NEIGHBOUR_REQUEST_H

#include "model/network.h"

/* Two sockets, which receive nothing; -1 where the host cannot have one. */
struct neighbour_request {
	int arp;
	int icmp6;
};

/* What could not be opened is reported in the log, and requests of that family fail. */
void neighbour_request_open(struct neighbour_request *request);
void neighbour_request_close(struct neighbour_request *request);

/*
 * Asks everyone on the link who has `target`. `source` is the sender address of an
 * ARP request (family 0: none, as in RFC 5227's probes); for IPv6 the kernel chooses
 * it. 0 or a negative errno.
 */
int neighbour_request_send(const struct neighbour_request *request, const struct link *link,
			   const struct address *target, const struct address *source);

#endif
