/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "in/rtnetlink_parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define VLAN_ID_MAX	    0xfff
#define VLAN_PRIORITY_MAX   7
#define VLAN_PRIORITY_SHIFT 13

#define NUD_VALID (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

static const __u8 no_mac[6];

static void read_mac(const struct nlattr *attribute, __u8 mac[6])
{
	if (mnl_attr_get_payload_len(attribute) == 6)
		memcpy(mac, mnl_attr_get_payload(attribute), 6);
}

static __u32 read_u32(const struct nlattr *attribute)
{
	return mnl_attr_get_payload_len(attribute) == sizeof(__u32) ? mnl_attr_get_u32(attribute) : 0;
}

/* Sets *out from the bytes of an address; leaves it if family and length do not fit. */
static void read_address(unsigned int family, const void *bytes, size_t length, struct address *out)
{
	if (length != (family == AF_INET ? 4U : 16U) || (family != AF_INET && family != AF_INET6))
		return;
	*out = (struct address){.family = family};
	memcpy(out->word, bytes, length);
}

static void read_address_attribute(unsigned int family, const struct nlattr *attribute, struct address *out)
{
	read_address(family, mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute), out);
}

/* The priority that a VLAN device gives to frames of which nothing else is known. */
static __u32 read_egress_priority(const struct nlattr *mappings)
{
	const struct nlattr *attribute;
	__u32 priority = 0;

	mnl_attr_for_each_nested(attribute, mappings)
	{
		const struct ifla_vlan_qos_mapping *mapping = mnl_attr_get_payload(attribute);

		if (mnl_attr_get_type(attribute) == IFLA_VLAN_QOS_MAPPING &&
		    mnl_attr_get_payload_len(attribute) == sizeof(*mapping) && mapping->from == 0)
			priority = mapping->to & VLAN_PRIORITY_MAX;
	}
	return priority;
}

/* What a VLAN device puts into frames; 0 if it is not all there. */
static __be32 read_tag(const struct nlattr *data)
{
	__u32 type = ETH_P_8021Q, id = 0, priority = 0;
	const struct nlattr *attribute;
	bool complete = false;

	mnl_attr_for_each_nested(attribute, data)
	{
		switch (mnl_attr_get_type(attribute)) {
		case IFLA_VLAN_ID:
			complete = mnl_attr_get_payload_len(attribute) == sizeof(__u16);
			id = complete ? mnl_attr_get_u16(attribute) & VLAN_ID_MAX : 0;
			break;
		case IFLA_VLAN_PROTOCOL:
			if (mnl_attr_get_payload_len(attribute) == sizeof(__be16))
				type = ntohs(mnl_attr_get_u16(attribute));
			break;
		case IFLA_VLAN_EGRESS_QOS:
			priority = read_egress_priority(attribute);
			break;
		}
	}
	return complete ? htonl(type << 16 | priority << VLAN_PRIORITY_SHIFT | id) : 0;
}

static void read_kind(const struct nlattr *info, struct link *out)
{
	const struct nlattr *attribute, *data = NULL;

	mnl_attr_for_each_nested(attribute, info)
	{
		if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND &&
		    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
			strncpy(out->kind, mnl_attr_get_str(attribute), sizeof(out->kind) - 1);
		else if (mnl_attr_get_type(attribute) == IFLA_INFO_DATA)
			data = attribute;
	}
	if (data && strcmp(out->kind, "vlan") == 0)
		out->tag = read_tag(data);
}

bool parse_link(const struct nlmsghdr *message, struct link *out)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	bool elsewhere = false;

	/* other families tell of bridge ports and the like: their RTM_DELLINK does not delete the link */
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*info) || info->ifi_family != AF_UNSPEC)
		return false;
	*out = (struct link){.ifindex = (__u32)info->ifi_index};
	mnl_attr_for_each(attribute, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attribute)) {
		case IFLA_IFNAME:
			if (mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
				strncpy(out->name, mnl_attr_get_str(attribute), sizeof(out->name) - 1);
			break;
		case IFLA_ADDRESS:
			read_mac(attribute, out->mac);
			break;
		case IFLA_MTU:
			out->mtu = read_u32(attribute);
			break;
		case IFLA_LINK:
			out->parent = read_u32(attribute);
			break;
		case IFLA_LINK_NETNSID: /* then IFLA_LINK is a number of there */
			elsewhere = true;
			break;
		case IFLA_LINKINFO:
			read_kind(attribute, out);
			break;
		}
	}
	if (!out->tag || elsewhere) /* veths and others have one, too, which nobody asks for */
		out->parent = 0;
	out->ethernet = info->ifi_type == ARPHRD_ETHER && memcmp(out->mac, no_mac, sizeof(no_mac)) != 0;
	out->up = (info->ifi_flags & IFF_UP) && (info->ifi_flags & IFF_LOWER_UP);
	return out->ifindex != 0;
}

bool parse_neighbour(const struct nlmsghdr *message, struct neighbour *out)
{
	const struct ndmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*info) || (info->ndm_flags & NTF_PROXY))
		return false;
	*out = (struct neighbour){.key.ifindex = (__u32)info->ndm_ifindex, .nud = info->ndm_state};
	mnl_attr_for_each(attribute, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attribute)) {
		case NDA_DST:
			read_address_attribute(info->ndm_family, attribute, &out->key.address);
			break;
		case NDA_LLADDR:
			read_mac(attribute, out->mac);
			break;
		}
	}
	out->known = (out->nud & NUD_VALID) && memcmp(out->mac, no_mac, sizeof(no_mac)) != 0;
	if (message->nlmsg_type == RTM_DELNEIGH)
		out->nud = 0;
	return out->key.address.family != 0;
}

static enum route_kind kind_of(__u8 type)
{
	switch (type) {
	case RTN_UNSPEC:
		return ROUTE_NONE;
	case RTN_UNICAST:
		return ROUTE_UNICAST;
	case RTN_LOCAL:
		return ROUTE_LOCAL;
	default:
		return ROUTE_REFUSED;
	}
}

static __u32 read_mtu(const struct nlattr *metrics)
{
	const struct nlattr *attribute;
	__u32 mtu = 0;

	mnl_attr_for_each_nested(attribute, metrics) if (mnl_attr_get_type(attribute) == RTAX_MTU) mtu =
		read_u32(attribute);
	return mtu;
}

/* A gateway of another family than the destination's. */
static void read_via(const struct nlattr *attribute, struct address *out)
{
	const struct rtvia *via = mnl_attr_get_payload(attribute);
	size_t length = mnl_attr_get_payload_len(attribute);

	if (length >= sizeof(*via))
		read_address(via->rtvia_family, via->rtvia_addr, length - sizeof(*via), out);
}

static void clear_route(struct route *route)
{
	route->kind = ROUTE_NONE;
	route->type = RTN_UNSPEC;
	route->ifindex = 0;
	route->gateway = (struct address){0};
	route->source = (struct address){0};
	route->mtu = 0;
}

void parse_route(const struct nlmsghdr *message, struct route *out)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;

	clear_route(out);
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*info))
		return;
	out->type = info->rtm_type;
	out->kind = kind_of(info->rtm_type);
	mnl_attr_for_each(attribute, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attribute)) {
		case RTA_OIF:
			out->ifindex = read_u32(attribute);
			break;
		case RTA_GATEWAY:
			read_address_attribute(info->rtm_family, attribute, &out->gateway);
			break;
		case RTA_VIA:
			read_via(attribute, &out->gateway);
			break;
		case RTA_PREFSRC:
			read_address_attribute(info->rtm_family, attribute, &out->source);
			break;
		case RTA_METRICS:
			out->mtu = read_mtu(attribute);
			break;
		}
	}
	if (address_equal(&out->gateway, &out->destination))
		out->gateway = (struct address){0};
}

void parse_route_error(int error, struct route *out)
{
	clear_route(out);
	/* the kernel's fib_props[] and its IPv6 twin: what each type of route answers with */
	switch (error) {
	case -EINVAL:
		out->type = RTN_BLACKHOLE;
		break;
	case -EHOSTUNREACH:
		out->type = RTN_UNREACHABLE;
		break;
	case -EACCES:
		out->type = RTN_PROHIBIT;
		break;
	}
	out->kind = kind_of(out->type);
}
