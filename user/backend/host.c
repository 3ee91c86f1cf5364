/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "backend/host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/memory.h"

#define ATTRIBUTES 64 /* more than any type that is read here */
#define READ_TRIES 10 /* of a snapshot that changes interrupt */

struct attributes {
	const struct nlattr *of[ATTRIBUTES];
};

static int keep_attribute(const struct nlattr *attribute, void *argument)
{
	struct attributes *attributes = argument;

	if (mnl_attr_get_type(attribute) < ATTRIBUTES)
		attributes->of[mnl_attr_get_type(attribute)] = attribute;
	return MNL_CB_OK;
}

static bool get_address(const struct nlattr *attribute, int family, struct address *out)
{
	*out = (struct address){.family = (__u32)family};
	if (!attribute || mnl_attr_get_payload_len(attribute) != address_bits(out) / 8)
		return false;
	memcpy(out->word, mnl_attr_get_payload(attribute), address_bits(out) / 8);
	return true;
}

static void see_link(void *argument, const struct nlmsghdr *message)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	struct attributes attributes = {0};
	struct host *host = argument;
	struct host_link *link;

	mnl_attr_parse(message, sizeof(*header), keep_attribute, &attributes);
	if (!attributes.of[IFLA_IFNAME] || !attributes.of[IFLA_MTU])
		return;
	host->links = memory_resize(host->links, host->link_count + 1, sizeof(*host->links));
	link = &host->links[host->link_count++];
	*link = (struct host_link){
		.ifindex = (__u32)header->ifi_index,
		.mtu = mnl_attr_get_u32(attributes.of[IFLA_MTU]),
		.ethernet = header->ifi_type == ARPHRD_ETHER,
		.loopback = header->ifi_flags & IFF_LOOPBACK,
		.up = header->ifi_flags & IFF_UP,
	};
	strncpy(link->name, mnl_attr_get_str(attributes.of[IFLA_IFNAME]), IFNAMSIZ - 1);
}

static void see_address(void *argument, const struct nlmsghdr *message)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	struct attributes attributes = {0};
	struct host *host = argument;
	struct address address;

	mnl_attr_parse(message, sizeof(*header), keep_attribute, &attributes);
	/* IFA_ADDRESS is the peer's on a point-to-point link; IPv6 has IFA_LOCAL only there */
	if (!get_address(attributes.of[IFA_LOCAL], header->ifa_family, &address) &&
	    !get_address(attributes.of[IFA_ADDRESS], header->ifa_family, &address))
		return;
	host->addresses = memory_resize(host->addresses, host->address_count + 1, sizeof(*host->addresses));
	host->addresses[host->address_count++] =
		(struct host_address){.ifindex = header->ifa_index, .address = address};
}

static void mark_default(struct host *host, __u32 ifindex)
{
	for (size_t i = 0; i < host->link_count; i++)
		if (host->links[i].ifindex == ifindex && !host->links[i].loopback)
			host->links[i].has_default = true;
}

static void see_default_route(struct host *host, const struct attributes *attributes)
{
	const struct nlattr *paths = attributes->of[RTA_MULTIPATH];

	if (attributes->of[RTA_OIF])
		mark_default(host, mnl_attr_get_u32(attributes->of[RTA_OIF]));
	if (!paths)
		return;

	const struct rtnexthop *hop = mnl_attr_get_payload(paths);
	int left = mnl_attr_get_payload_len(paths);

	for (; RTNH_OK(hop, left); left -= (int)RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop))
		mark_default(host, (__u32)hop->rtnh_ifindex);
}

static void see_route(void *argument, const struct nlmsghdr *message)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	struct attributes attributes = {0};
	struct host *host = argument;
	struct prefix prefix = {.length = header->rtm_dst_len};

	if (header->rtm_flags & RTM_F_CLONED)
		return;
	mnl_attr_parse(message, sizeof(*header), keep_attribute, &attributes);
	if (header->rtm_table == RT_TABLE_MAIN && header->rtm_type == RTN_UNICAST && !header->rtm_dst_len)
		see_default_route(host, &attributes);
	if (header->rtm_table != RT_TABLE_LOCAL || header->rtm_type != RTN_LOCAL ||
	    !get_address(attributes.of[RTA_DST], header->rtm_family, &prefix.address) || prefix_is_address(&prefix))
		return;
	prefixes_add(&host->locals, &prefix);
}

static int read_routes(struct host *host, struct rtnetlink *rtnl, __u8 family)
{
	struct rtmsg header = {.rtm_family = family};

	return rtnetlink_dump(rtnl, RTM_GETROUTE, &header, sizeof(header), see_route, host);
}

static int read_all(struct host *host, struct rtnetlink *rtnl)
{
	struct ifinfomsg link_header = {0};
	struct ifaddrmsg address_header = {0};
	int err = rtnetlink_dump(rtnl, RTM_GETLINK, &link_header, sizeof(link_header), see_link, host);

	if (!err)
		err = rtnetlink_dump(rtnl, RTM_GETADDR, &address_header, sizeof(address_header), see_address, host);
	if (!err)
		err = read_routes(host, rtnl, AF_INET);
	if (!err)
		err = read_routes(host, rtnl, AF_INET6);
	return err;
}

int host_read(struct host *host, struct rtnetlink *rtnl)
{
	int err = -EINTR;

	*host = (struct host){0};
	for (int i = 0; err == -EINTR && i < READ_TRIES; i++) {
		host_free(host);
		err = read_all(host, rtnl);
	}
	if (err)
		log_error("cannot read the host's interfaces, addresses and routes: %s", strerror(-err));
	return err;
}

void host_free(struct host *host)
{
	free(host->links);
	free(host->addresses);
	prefixes_free(&host->locals);
	*host = (struct host){0};
}

const struct host_link *host_link_by_name(const struct host *host, const char *name)
{
	for (size_t i = 0; i < host->link_count; i++)
		if (!strcmp(host->links[i].name, name))
			return &host->links[i];
	return NULL;
}

const struct host_link *host_link_by_index(const struct host *host, __u32 ifindex)
{
	for (size_t i = 0; i < host->link_count; i++)
		if (host->links[i].ifindex == ifindex)
			return &host->links[i];
	return NULL;
}

const struct host_link *host_loopback(const struct host *host)
{
	for (size_t i = 0; i < host->link_count; i++)
		if (host->links[i].loopback)
			return &host->links[i];
	return NULL;
}

bool host_has_vip(const struct host *host, const struct prefix *vip)
{
	if (!prefix_is_address(vip))
		return prefixes_have(&host->locals, vip);
	for (size_t i = 0; i < host->address_count; i++)
		if (address_equal(&host->addresses[i].address, &vip->address))
			return true;
	return false;
}
