/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "backend/rtnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "backend/prefixes.h"

static void put_address(struct nlmsghdr *request, __u16 type, const struct address *address)
{
	mnl_attr_put(request, type, address_bits(address) / 8, address->word);
}

/*
 * The host should not choose a VIP as the source of its own connections, whose
 * replies would go to a balancer: scope host (IPv4) and a preferred lifetime of
 * zero (IPv6) keep it from doing so.
 */
static void put_vip_address(struct nlmsghdr *request, unsigned int loopback, const struct prefix *vip)
{
	struct ifaddrmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	struct ifa_cacheinfo lifetime = {.ifa_prefered = 0, .ifa_valid = 0xffffffff};

	header->ifa_family = (__u8)vip->address.family;
	header->ifa_prefixlen = (__u8)vip->length;
	header->ifa_index = loopback;
	put_address(request, IFA_LOCAL, &vip->address);
	put_address(request, IFA_ADDRESS, &vip->address);
	if (vip->address.family == AF_INET) {
		header->ifa_scope = RT_SCOPE_HOST;
	} else {
		header->ifa_flags = IFA_F_NODAD;
		mnl_attr_put(request, IFA_CACHEINFO, sizeof(lifetime), &lifetime);
	}
}

static void put_vip_route(struct nlmsghdr *request, unsigned int loopback, const struct prefix *vip)
{
	struct rtmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	header->rtm_family = (__u8)vip->address.family;
	header->rtm_dst_len = (__u8)vip->length;
	header->rtm_table = RT_TABLE_LOCAL;
	header->rtm_protocol = RTPROT_STATIC;
	header->rtm_scope = RT_SCOPE_HOST;
	header->rtm_type = RTN_LOCAL;
	put_address(request, RTA_DST, &vip->address);
	mnl_attr_put_u32(request, RTA_OIF, loopback);
}

struct vip_change {
	unsigned int loopback;
	const struct prefix *vip;
	bool add;
	int err;
};

static void make_vip_change(void *argument, size_t i, struct nlmsghdr *request)
{
	const struct vip_change *change = argument;

	(void)i;
	request->nlmsg_flags |= NLM_F_ACK | (change->add ? NLM_F_CREATE | NLM_F_EXCL : 0);
	if (prefix_is_address(change->vip)) {
		request->nlmsg_type = change->add ? RTM_NEWADDR : RTM_DELADDR;
		put_vip_address(request, change->loopback, change->vip);
	} else {
		request->nlmsg_type = change->add ? RTM_NEWROUTE : RTM_DELROUTE;
		put_vip_route(request, change->loopback, change->vip);
	}
}

static void take_answer(void *argument, size_t i, int err, const struct nlmsghdr *message)
{
	struct vip_change *change = argument;

	(void)i;
	(void)message;
	change->err = err;
}

static int change_vip(struct rtnetlink *rtnl, unsigned int loopback, const struct prefix *vip, bool add)
{
	struct vip_change change = {.loopback = loopback, .vip = vip, .add = add};

	return rtnetlink_ask(rtnl, 1, make_vip_change, take_answer, &change) ?: change.err;
}

int rtnl_vip_add(struct rtnetlink *rtnl, unsigned int loopback, const struct prefix *vip)
{
	return change_vip(rtnl, loopback, vip, true);
}

int rtnl_vip_delete(struct rtnetlink *rtnl, unsigned int loopback, const struct prefix *vip)
{
	int err = change_vip(rtnl, loopback, vip, false);

	return err == -EADDRNOTAVAIL || err == -ESRCH ? -ENOENT : err;
}

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

int rtnl_ingress_qdisc(struct rtnetlink *rtnl, unsigned int ifindex, enum ingress_qdisc *out)
{
	struct tcmsg header = {.tcm_ifindex = (int)ifindex};
	struct qdisc_search search = {.ifindex = ifindex};
	int err = rtnetlink_dump(rtnl, RTM_GETQDISC, &header, sizeof(header), see_qdisc, &search);

	*out = search.found;
	return err;
}

static void see_filter(void *argument, const struct nlmsghdr *message)
{
	(void)message;
	*(int *)argument = 1;
}

int rtnl_has_filters(struct rtnetlink *rtnl, unsigned int ifindex)
{
	static const __u32 sides[] = {TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
				      TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)};
	int found = 0;

	for (size_t i = 0; i < 2; i++) {
		struct tcmsg header = {.tcm_ifindex = (int)ifindex, .tcm_parent = sides[i]};
		int err = rtnetlink_dump(rtnl, RTM_GETTFILTER, &header, sizeof(header), see_filter, &found);

		if (err)
			return err;
	}
	return found;
}

struct filter_search {
	__u32 priority;
	__u32 handle;
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

	if (TC_H_MAJ(header->tcm_info) >> 16 != search->priority)
		return;
	mnl_attr_parse(message, sizeof(*header), see_filter_attribute, &attributes);
	if (strcmp(attributes.kind, "bpf") || TC_H_MIN(header->tcm_info) != htons(ETH_P_ALL)) {
		search->result = -EEXIST;
		return;
	}
	if (header->tcm_handle != search->handle || !attributes.options)
		return;
	mnl_attr_parse_nested(attributes.options, see_bpf_option, &attributes);
	search->program_id = attributes.program_id;
	search->result = 0;
}

int rtnl_find_bpf_filter(struct rtnetlink *rtnl, unsigned int ifindex, __u32 parent, __u16 priority, __u32 handle,
			 __u32 *program_id)
{
	struct tcmsg header = {.tcm_ifindex = (int)ifindex, .tcm_parent = parent};
	struct filter_search search = {.priority = priority, .handle = handle, .result = -ENOENT};
	int err = rtnetlink_dump(rtnl, RTM_GETTFILTER, &header, sizeof(header), see_place, &search);

	*program_id = search.program_id;
	return err ? err : search.result;
}
