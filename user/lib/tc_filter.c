/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "lib/tc_filter.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

struct qdisc_search {
	unsigned int ifindex;
	enum ingress_qdisc found;
};

static int see_kind(const struct nlattr *attribute, void *argument)
{
	if (mnl_attr_get_type(attribute) == TCA_KIND)
		*(const char **)argument = mnl_attr_get_str(attribute);
	return MNL_CB_OK;
}

static void see_qdisc(void *argument, const struct nlmsghdr *message)
{
	const struct tcmsg *header = mnl_nlmsg_get_payload(message);
	struct qdisc_search *search = argument;
	const char *kind = "";

	/* TC_H_CLSACT is the same number */
	if ((unsigned int)header->tcm_ifindex != search->ifindex || header->tcm_parent != TC_H_INGRESS)
		return;
	mnl_attr_parse(message, sizeof(*header), see_kind, &kind);
	search->found = strcmp(kind, "clsact") ? INGRESS_QDISC_INGRESS : INGRESS_QDISC_CLSACT;
}

int tc_ingress_qdisc(struct rtnetlink *rtnetlink, unsigned int ifindex, enum ingress_qdisc *out)
{
	struct tcmsg header = {.tcm_ifindex = (int)ifindex};
	struct qdisc_search search = {.ifindex = ifindex};
	int err = rtnetlink_dump(rtnetlink, RTM_GETQDISC, &header, sizeof(header), see_qdisc, &search);

	*out = search.found;
	return err;
}

static void see_filter(void *argument, const struct nlmsghdr *message)
{
	(void)message;
	*(int *)argument = 1;
}

/* Whether the clsact qdisc has any filter. 1, 0 or a negative errno. */
static int has_filters(struct rtnetlink *rtnetlink, unsigned int ifindex)
{
	static const __u32 sides[] = {TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
				      TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)};
	int found = 0;

	for (size_t i = 0; i < 2; i++) {
		struct tcmsg header = {.tcm_ifindex = (int)ifindex, .tcm_parent = sides[i]};
		int err = rtnetlink_dump(rtnetlink, RTM_GETTFILTER, &header, sizeof(header), see_filter, &found);

		if (err)
			return err;
	}
	return found;
}

struct filter_search {
	const struct tc_filter *filter;
	__u32 program_id;
	int result;
};

struct filter_attributes {
	const char *kind;
	const struct nlattr *options;
	__u32 program_id;
};

static int see_filter_attribute(const struct nlattr *attribute, void *argument)
{
	struct filter_attributes *attributes = argument;

	if (mnl_attr_get_type(attribute) == TCA_KIND)
		attributes->kind = mnl_attr_get_str(attribute);
	if (mnl_attr_get_type(attribute) == TCA_OPTIONS)
		attributes->options = attribute;
	return MNL_CB_OK;
}

static int see_bpf_option(const struct nlattr *attribute, void *argument)
{
	struct filter_attributes *attributes = argument;

	if (mnl_attr_get_type(attribute) == TCA_BPF_ID)
		attributes->program_id = mnl_attr_get_u32(attribute);
	return MNL_CB_OK;
}

static void see_place(void *argument, const struct nlmsghdr *message)
{
	const struct tcmsg *header = mnl_nlmsg_get_payload(message);
	struct filter_search *search = argument;
	struct filter_attributes attributes = {.kind = ""};

	if (TC_H_MAJ(header->tcm_info) >> 16 != search->filter->priority)
		return;
	mnl_attr_parse(message, sizeof(*header), see_filter_attribute, &attributes);
	if (strcmp(attributes.kind, "bpf") || TC_H_MIN(header->tcm_info) != htons(ETH_P_ALL)) {
		search->result = -EEXIST;
		return;
	}
	if (header->tcm_handle != search->filter->handle || !attributes.options)
		return;
	mnl_attr_parse_nested(attributes.options, see_bpf_option, &attributes);
	search->program_id = attributes.program_id;
	search->result = 0;
}

int tc_filter_find(struct rtnetlink *rtnetlink, const struct tc_filter *filter, __u32 *program_id)
{
	__u32 side = filter->side == BPF_TC_INGRESS ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS;
	struct tcmsg header = {.tcm_ifindex = (int)filter->ifindex, .tcm_parent = TC_H_MAKE(TC_H_CLSACT, side)};
	struct filter_search search = {.filter = filter, .result = -ENOENT};
	int err = rtnetlink_dump(rtnetlink, RTM_GETTFILTER, &header, sizeof(header), see_place, &search);

	*program_id = search.program_id;
	return err ? err : search.result;
}

/* Whether a program bears the filter's name. 1, 0 or a negative errno. */
static int is_ours(__u32 program_id, const char *name)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(program_id);
	int err;

	if (fd < 0)
		return fd;
	err = bpf_obj_get_info_by_fd(fd, &info, &size);
	close(fd);
	return err ? err : !strcmp(info.name, name);
}

int tc_filter_query(struct rtnetlink *rtnetlink, const struct tc_filter *filter, __u32 *program_id)
{
	enum ingress_qdisc qdisc;
	int err = tc_ingress_qdisc(rtnetlink, filter->ifindex, &qdisc);

	if (err)
		return err;
	/* the older qdisc would show its ingress filters for either side */
	if (qdisc == INGRESS_QDISC_NONE || (qdisc == INGRESS_QDISC_INGRESS && filter->side == BPF_TC_EGRESS))
		return -ENOENT;
	err = tc_filter_find(rtnetlink, filter, program_id);
	if (err)
		return err;
	/* classic BPF has no program id */
	err = *program_id ? is_ours(*program_id, filter->program) : 0;
	if (err < 0)
		return err;
	return err ? 0 : -EEXIST;
}

int tc_filter_attach(const struct tc_filter *filter, int program_fd)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)filter->ifindex, .attach_point = filter->side);
	LIBBPF_OPTS(bpf_tc_opts, place, .handle = filter->handle, .priority = filter->priority, .prog_fd = program_fd,
		    .flags = BPF_TC_F_REPLACE);

	return bpf_tc_attach(&hook, &place);
}

int tc_filter_detach(struct rtnetlink *rtnetlink, const struct tc_filter *filter, bool *removed)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)filter->ifindex, .attach_point = filter->side);
	LIBBPF_OPTS(bpf_tc_opts, place, .handle = filter->handle, .priority = filter->priority);
	__u32 program_id;
	int err = tc_filter_query(rtnetlink, filter, &program_id);

	*removed = false;
	if (err)
		return err == -ENOENT || err == -EEXIST ? 0 : err;
	err = bpf_tc_detach(&hook, &place);
	*removed = !err;
	return err;
}

int tc_clsact_add(unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	return bpf_tc_hook_create(&hook);
}

int tc_clsact_delete_unused(struct rtnetlink *rtnetlink, unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	enum ingress_qdisc qdisc;
	int err = tc_ingress_qdisc(rtnetlink, ifindex, &qdisc);

	if (err)
		return err;
	if (qdisc != INGRESS_QDISC_CLSACT)
		return -ENOENT;
	err = has_filters(rtnetlink, ifindex);
	if (err)
		return err < 0 ? err : -EBUSY;
	return bpf_tc_hook_destroy(&hook);
}
