/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "backend/filter.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/pkt_sched.h>
#include <string.h>
#include <unistd.h>

#include "backend_abi.h"

/* Whether a program bears our name. */
static int is_ours(__u32 program_id, enum bpf_tc_attach_point side)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(program_id);
	int err;

	if (fd < 0)
		return fd;
	err = bpf_obj_get_info_by_fd(fd, &info, &size);
	close(fd);
	if (err)
		return err;
	return !strcmp(info.name, side == BPF_TC_INGRESS ? PROGRAM_DECAP : PROGRAM_MSS);
}

int filter_query(struct rtnetlink *rtnl, unsigned int ifindex, enum bpf_tc_attach_point side, __u32 *program_id)
{
	__u32 parent = TC_H_MAKE(TC_H_CLSACT, side == BPF_TC_INGRESS ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
	enum ingress_qdisc qdisc;
	int err = rtnl_ingress_qdisc(rtnl, ifindex, &qdisc);

	if (err)
		return err;
	/* the older qdisc would show its ingress filters for either side */
	if (qdisc == INGRESS_QDISC_NONE || (qdisc == INGRESS_QDISC_INGRESS && side == BPF_TC_EGRESS))
		return -ENOENT;
	err = rtnl_find_bpf_filter(rtnl, ifindex, parent, BACKEND_TC_PRIORITY, BACKEND_TC_HANDLE, program_id);
	if (err)
		return err;
	/* classic BPF has no program id */
	err = *program_id ? is_ours(*program_id, side) : 0;
	if (err < 0)
		return err;
	return err ? 0 : -EEXIST;
}

int filter_attach(unsigned int ifindex, enum bpf_tc_attach_point side, int program_fd)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = side);
	LIBBPF_OPTS(bpf_tc_opts, place, .handle = BACKEND_TC_HANDLE, .priority = BACKEND_TC_PRIORITY,
		    .prog_fd = program_fd, .flags = BPF_TC_F_REPLACE);

	return bpf_tc_attach(&hook, &place);
}

int filter_detach(struct rtnetlink *rtnl, unsigned int ifindex, enum bpf_tc_attach_point side, bool *removed)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = side);
	LIBBPF_OPTS(bpf_tc_opts, place, .handle = BACKEND_TC_HANDLE, .priority = BACKEND_TC_PRIORITY);
	__u32 program_id;
	int err = filter_query(rtnl, ifindex, side, &program_id);

	*removed = false;
	if (err)
		return err == -ENOENT || err == -EEXIST ? 0 : err;
	err = bpf_tc_detach(&hook, &place);
	*removed = !err;
	return err;
}

int clsact_add(unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	return bpf_tc_hook_create(&hook);
}

int clsact_delete(unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	return bpf_tc_hook_destroy(&hook);
}
