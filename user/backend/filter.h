/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The backend host's filters, one on each side of an interface; see lib/tc_filter.h for results. */
#ifndef SLUICE_BACKEND_FILTER_H
#define SLUICE_BACKEND_FILTER_H

#include "lib/tc_filter.h"

#define PROGRAM_DECAP "sluice_decap" /* on ingress */
#define PROGRAM_MSS   "sluice_mss"   /* on egress */

int filter_query(struct rtnetlink *rtnl, unsigned int ifindex, enum bpf_tc_attach_point side, __u32 *program_id);

int filter_attach(unsigned int ifindex, enum bpf_tc_attach_point side, int program_fd);

int filter_detach(struct rtnetlink *rtnl, unsigned int ifindex, enum bpf_tc_attach_point side, bool *removed);

#endif
