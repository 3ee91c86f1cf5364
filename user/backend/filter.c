/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "backend/filter.h"

#include "backend_abi.h"

static struct tc_filter make_filter(unsigned int ifindex, enum bpf_tc_attach_point side)
{
	return (struct tc_filter){.ifindex = ifindex,
				  .side = side,
				  .priority = BACKEND_TC_PRIORITY,
				  .handle = BACKEND_TC_HANDLE,
				  .program = side == BPF_TC_INGRESS ? PROGRAM_DECAP : PROGRAM_MSS};
}

int filter_query(struct rtnetlink *rtnl, unsigned int ifindex, enum bpf_tc_attach_point side, __u32 *program_id)
{
	struct tc_filter filter = make_filter(ifindex, side);

	return tc_filter_query(rtnl, &filter, program_id);
}

int filter_attach(unsigned int ifindex, enum bpf_tc_attach_point side, int program_fd)
{
	struct tc_filter filter = make_filter(ifindex, side);

	return tc_filter_attach(&filter, program_fd);
}

int filter_detach(struct rtnetlink *rtnl, unsigned int ifindex, enum bpf_tc_attach_point side, bool *removed)
{
	struct tc_filter filter = make_filter(ifindex, side);

	return tc_filter_detach(rtnl, &filter, removed);
}
