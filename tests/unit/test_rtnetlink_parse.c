/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Links as the kernel tells of them, VLAN devices above all: in messages as `ip -d link` gets them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "in/rtnetlink_parse.h" /* <net/if.h> first: <linux/if.h> gives way to it */

#include <arpa/inet.h>
#include <cmocka.h>
#include <libmnl/libmnl.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define ETH_0	  3 /* ifindices */
#define ETH_0_100 10

static char buffer[4096] __attribute__((aligned(NLMSG_ALIGNTO)));

static struct nlmsghdr *link_message(int ifindex, const char *name)
{
	static const __u8 mac[6] = {2, 0, 0, 0, 0, 1};
	struct nlmsghdr *message;
	struct ifinfomsg *info;

	memset(buffer, 0, sizeof(buffer));
	message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = RTM_NEWLINK;
	info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->ifi_type = ARPHRD_ETHER;
	info->ifi_index = ifindex;
	info->ifi_flags = IFF_UP | 1 << 16 /* IFF_LOWER_UP */;
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	mnl_attr_put_u32(message, IFLA_MTU, 1500);
	mnl_attr_put(message, IFLA_ADDRESS, sizeof(mac), mac);
	return message;
}

/* Adds what makes it a VLAN device. `type`: 0 for none, as kernels before 3.10 had it. */
static void put_vlan(struct nlmsghdr *message, __u16 type, __u16 id, const struct ifla_vlan_qos_mapping *egress,
		     size_t egress_count)
{
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO), *data, *mappings;

	mnl_attr_put_strz(message, IFLA_INFO_KIND, "vlan");
	data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	if (type)
		mnl_attr_put_u16(message, IFLA_VLAN_PROTOCOL, htons(type));
	mnl_attr_put_u16(message, IFLA_VLAN_ID, id);
	mappings = mnl_attr_nest_start(message, IFLA_VLAN_EGRESS_QOS);
	for (size_t i = 0; i < egress_count; i++)
		mnl_attr_put(message, IFLA_VLAN_QOS_MAPPING, sizeof(egress[i]), &egress[i]);
	mnl_attr_nest_end(message, mappings);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
}

static struct link parsed(const struct nlmsghdr *message)
{
	struct link link;

	assert_true(parse_link(message, &link));
	return link;
}

static void a_plain_link(void **unused)
{
	struct link link = parsed(link_message(ETH_0, "eth0"));

	(void)unused;
	assert_int_equal(link.ifindex, ETH_0);
	assert_string_equal(link.name, "eth0");
	assert_string_equal(link.kind, "");
	assert_int_equal(link.mtu, 1500);
	assert_true(link.ethernet);
	assert_true(link.up);
	assert_int_equal(link.tag, 0);
	assert_int_equal(link.parent, 0);
}

static void a_vlan_device(void **unused)
{
	struct nlmsghdr *message = link_message(ETH_0_100, "eth0.100");
	struct link link;

	(void)unused;
	mnl_attr_put_u32(message, IFLA_LINK, ETH_0);
	put_vlan(message, 0x8100, 100, NULL, 0);
	link = parsed(message);
	assert_string_equal(link.kind, "vlan");
	assert_int_equal(link.tag, htonl(0x81000064));
	assert_int_equal(link.parent, ETH_0);
	assert_true(link.ethernet);
}

static void tags_of_every_form(void **unused)
{
	static const struct ifla_vlan_qos_mapping of_others = {.from = 2, .to = 5}, both[] = {{1, 6}, {0, 3}};
	static const struct {
		__u16 type, id;
		const struct ifla_vlan_qos_mapping *egress;
		size_t egress_count;
		__u32 tag;
	} cases[] = {
		{0x88a8, 4094, NULL, 0, 0x88a80ffe},
		{0x9100, 1, NULL, 0, 0x91000001},
		{0, 10, NULL, 0, 0x8100000a},
		{0x8100, 0, NULL, 0, 0x81000000},
		{0x8100, 10, &of_others, 1, 0x8100000a},
		{0x8100, 10, both, 2, 0x8100600a},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nlmsghdr *message = link_message(ETH_0_100, "v");

		mnl_attr_put_u32(message, IFLA_LINK, ETH_0);
		put_vlan(message, cases[i].type, cases[i].id, cases[i].egress, cases[i].egress_count);
		assert_int_equal(parsed(message).tag, htonl(cases[i].tag));
	}
}

/* The number below is one of another namespace then, and may be another interface's here. */
static void a_vlan_device_that_was_moved(void **unused)
{
	struct nlmsghdr *message = link_message(ETH_0_100, "eth0.100");
	struct link link;

	(void)unused;
	mnl_attr_put_u32(message, IFLA_LINK, ETH_0);
	mnl_attr_put_u32(message, IFLA_LINK_NETNSID, 0);
	put_vlan(message, 0x8100, 100, NULL, 0);
	link = parsed(message);
	assert_int_equal(link.tag, htonl(0x81000064));
	assert_int_equal(link.parent, 0);
}

/* A veth has a peer in IFLA_LINK, a macvlan what it is on: neither puts a tag into frames. */
static void other_kinds(void **unused)
{
	struct nlmsghdr *message = link_message(5, "veth0");
	struct nlattr *info, *data;
	struct link link;

	(void)unused;
	mnl_attr_put_u32(message, IFLA_LINK, 6);
	info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "a-kind-with-a-very-long-name");
	data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	mnl_attr_put_u16(message, IFLA_VLAN_ID, 100);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	link = parsed(message);
	assert_string_equal(link.kind, "a-kind-with-a-v");
	assert_int_equal(link.tag, 0);
	assert_int_equal(link.parent, 0);
}

static void parts_of_a_wrong_length(void **unused)
{
	struct nlmsghdr *message = link_message(ETH_0_100, "eth0.100");
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO), *data, *mappings;

	(void)unused;
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "vlan");
	data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	mnl_attr_put_u32(message, IFLA_VLAN_PROTOCOL, 1);
	mnl_attr_put_u16(message, IFLA_VLAN_ID, 100);
	mappings = mnl_attr_nest_start(message, IFLA_VLAN_EGRESS_QOS);
	mnl_attr_put_u16(message, IFLA_VLAN_QOS_MAPPING, 7);
	mnl_attr_nest_end(message, mappings);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	assert_int_equal(parsed(message).tag, htonl(0x81000064));
	/* without an ID there is no tag */
	message = link_message(ETH_0_100, "eth0.100");
	info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "vlan");
	data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	mnl_attr_put_u32(message, IFLA_VLAN_ID, 100);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	assert_int_equal(parsed(message).tag, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_link),	      cmocka_unit_test(a_vlan_device),
		cmocka_unit_test(tags_of_every_form), cmocka_unit_test(a_vlan_device_that_was_moved),
		cmocka_unit_test(other_kinds),	      cmocka_unit_test(parts_of_a_wrong_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
