/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "backend/rtnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
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
