/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "backend/rtnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <time.h>

#include "backend/prefixes.h"

#define BUFFER_SIZE 32768 /* what the kernel fills at most in a dump */

int rtnl_open(struct rtnl *rtnl)
{
	*rtnl = (struct rtnl){.sequence = (unsigned int)time(NULL)};
	rtnl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!rtnl->socket)
		return -errno;
	if (mnl_socket_bind(rtnl->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int err = -errno;

		rtnl_close(rtnl);
		return err;
	}
	return 0;
}

void rtnl_close(struct rtnl *rtnl)
{
	if (rtnl->socket)
		mnl_socket_close(rtnl->socket);
	rtnl->socket = NULL;
}

/* Sends a request and reads until its end: the acknowledgement, or the dump's last message. */
static int rtnl_talk(struct rtnl *rtnl, struct nlmsghdr *request, mnl_cb_t callback, void *argument)
{
	char buffer[BUFFER_SIZE];
	unsigned int port = mnl_socket_get_portid(rtnl->socket);
	int status;

	request->nlmsg_seq = ++rtnl->sequence;
	if (mnl_socket_sendto(rtnl->socket, request, request->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t length = mnl_socket_recvfrom(rtnl->socket, buffer, sizeof(buffer));

		if (length < 0)
			return -errno;
		status = mnl_cb_run(buffer, (size_t)length, rtnl->sequence, port, callback, argument);
		if (status < 0)
			return -errno;
	} while (status > MNL_CB_STOP);
	return 0;
}

int rtnl_dump(struct rtnl *rtnl, __u16 type, const void *header, size_t header_size, mnl_cb_t callback, void *argument)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	memcpy(mnl_nlmsg_put_extra_header(request, header_size), header, header_size);
	return rtnl_talk(rtnl, request, callback, argument);
}

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

static int change_vip(struct rtnl *rtnl, unsigned int loopback, const struct prefix *vip, bool add)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_EXCL : 0);
	if (prefix_is_address(vip)) {
		request->nlmsg_type = add ? RTM_NEWADDR : RTM_DELADDR;
		put_vip_address(request, loopback, vip);
	} else {
		request->nlmsg_type = add ? RTM_NEWROUTE : RTM_DELROUTE;
		put_vip_route(request, loopback, vip);
	}
	return rtnl_talk(rtnl, request, NULL, NULL);
}

int rtnl_vip_add(struct rtnl *rtnl, unsigned int loopback, const struct prefix *vip)
{
	return change_vip(rtnl, loopback, vip, true);
}

int rtnl_vip_delete(struct rtnl *rtnl, unsigned int loopback, const struct prefix *vip)
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

static int see_qdisc(const struct nlmsghdr *message, void *argument)
{
	const struct tcmsg *header = mnl_nlmsg_get_payload(message);
	struct qdisc_search *search = argument;
	const char *kind = "";

	/* TC_H_CLSACT is the same number */
	if ((unsigned int)header->tcm_ifindex != search->ifindex || header->tcm_parent != TC_H_INGRESS)
		return MNL_CB_OK;
	mnl_attr_parse(message, sizeof(*header), see_kind, &kind);
	search->found = strcmp(kind, "clsact") ? INGRESS_QDISC_INGRESS : INGRESS_QDISC_CLSACT;
	return MNL_CB_OK;
}

int rtnl_ingress_qdisc(struct rtnl *rtnl, unsigned int ifindex, enum ingress_qdisc *out)
{
	struct tcmsg header = {.tcm_ifindex = (int)ifindex};
	struct qdisc_search search = {.ifindex = ifindex};
	int err = rtnl_dump(rtnl, RTM_GETQDISC, &header, sizeof(header), see_qdisc, &search);

	*out = search.found;
	return err;
}

static int see_filter(const struct nlmsghdr *message, void *argument)
{
	(void)message;
	*(int *)argument = 1;
	return MNL_CB_OK;
}

int rtnl_has_filters(struct rtnl *rtnl, unsigned int ifindex)
{
	static const __u32 sides[] = {TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
				      TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)};
	int found = 0;

	for (size_t i = 0; i < 2; i++) {
		struct tcmsg header = {.tcm_ifindex = (int)ifindex, .tcm_parent = sides[i]};
		int err = rtnl_dump(rtnl, RTM_GETTFILTER, &header, sizeof(header), see_filter, &found);

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

static int see_place(const struct nlmsghdr *message, void *argument)
{
	const struct tcmsg *header = mnl_nlmsg_get_payload(message);
	struct filter_search *search = argument;
	struct filter_attributes attributes = {.kind = ""};

	if (TC_H_MAJ(header->tcm_info) >> 16 != search->priority)
		return MNL_CB_OK;
	mnl_attr_parse(message, sizeof(*header), see_filter_attribute, &attributes);
	if (strcmp(attributes.kind, "bpf") || TC_H_MIN(header->tcm_info) != htons(ETH_P_ALL)) {
		search->result = -EEXIST;
		return MNL_CB_OK;
	}
	if (header->tcm_handle != search->handle || !attributes.options)
		return MNL_CB_OK;
	mnl_attr_parse_nested(attributes.options, see_bpf_option, &attributes);
	search->program_id = attributes.program_id;
	search->result = 0;
	return MNL_CB_OK;
}

int rtnl_find_bpf_filter(struct rtnl *rtnl, unsigned int ifindex, __u32 parent, __u16 priority, __u32 handle,
			 __u32 *program_id)
{
	struct tcmsg header = {.tcm_ifindex = (int)ifindex, .tcm_parent = parent};
	struct filter_search search = {.priority = priority, .handle = handle, .result = -ENOENT};
	int err = rtnl_dump(rtnl, RTM_GETTFILTER, &header, sizeof(header), see_place, &search);

	*program_id = search.program_id;
	return err ? err : search.result;
}
