/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Our filter on one side of an interface's clsact qdisc, at a fixed priority and handle. */
#ifndef SLUICE_BACKEND_FILTER_H
#define SLUICE_BACKEND_FILTER_H

#include <bpf/libbpf.h>
#include <stdbool.h>

#include "backend/rtnl.h"

#define PROGRAM_DECAP "sluice_decap" /* on ingress */
#define PROGRAM_MSS   "sluice_mss"   /* on egress */

/*
 * The id of our program there. 0; -ENOENT if there is none; -EEXIST if the place
 * is taken by a program that is not ours; another negative errno.
 */
int filter_query(struct rtnetlink *rtnl, unsigned int ifindex, enum bpf_tc_attach_point side, __u32 *program_id);

/*
 * Puts the program there, or in place of its predecessor without a gap; the
 * clsact qdisc must be there. 0 or a negative errno.
 */
int filter_attach(unsigned int ifindex, enum bpf_tc_attach_point side, int program_fd);

/* Removes it if it is there. *removed tells. 0 or a negative errno. */
int filter_detach(struct rtnetlink *rtnl, unsigned int ifindex, enum bpf_tc_attach_point side, bool *removed);

/* Makes and removes the interface's clsact qdisc. 0 or a negative errno. */
int clsact_add(unsigned int ifindex);
int clsact_delete(unsigned int ifindex);

#endif
