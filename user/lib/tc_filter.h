/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A BPF filter of ours on one side of an interface's clsact qdisc. Filters and qdiscs of others are left alone. */
#ifndef SLUICE_TC_FILTER_H
#define SLUICE_TC_FILTER_H

#include <bpf/libbpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include "lib/rtnetlink.h"

/* Its place, and the name by which a program there is known to be ours. */
struct tc_filter {
	unsigned int ifindex;
	enum bpf_tc_attach_point side; /* BPF_TC_INGRESS or BPF_TC_EGRESS */
	__u16 priority;
	__u32 handle;
	const char *program;
};

enum ingress_qdisc {
	INGRESS_QDISC_NONE,
	INGRESS_QDISC_CLSACT,
	INGRESS_QDISC_INGRESS, /* the older kind, which has no egress side */
};

/* The qdisc that holds an interface's ingress filters. 0 or a negative errno. */
int tc_ingress_qdisc(struct rtnetlink *rtnetlink, unsigned int ifindex, enum ingress_qdisc *out);

/*
 * The id of our program at the filter's place. 0; -ENOENT if there is none;
 * -EEXIST if the place is taken by a program that is not ours, or the priority by
 * a kind of filter or protocol beside which ours could not be; another negative errno.
 */
int tc_filter_query(struct rtnetlink *rtnetlink, const struct tc_filter *filter, __u32 *program_id);

/*
 * The id of whatever BPF program is there, for a caller who knows that the qdisc
 * is clsact and the id of its own program: one question. Results as above.
 */
int tc_filter_find(struct rtnetlink *rtnetlink, const struct tc_filter *filter, __u32 *program_id);

/*
 * Puts the program there, or in place of its predecessor without a gap; the
 * clsact qdisc must be there. 0 or a negative errno.
 */
int tc_filter_attach(const struct tc_filter *filter, int program_fd);

/* Removes it if it is there. *removed tells. 0 or a negative errno. */
int tc_filter_detach(struct rtnetlink *rtnetlink, const struct tc_filter *filter, bool *removed);

/* Makes the interface's clsact qdisc. 0 or a negative errno. */
int tc_clsact_add(unsigned int ifindex);

/* Removes it. 0; -EBUSY if a filter is on it; -ENOENT if there is none; another negative errno. */
int tc_clsact_delete_unused(struct rtnetlink *rtnetlink, unsigned int ifindex);

#endif
