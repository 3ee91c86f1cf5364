/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the reports tell of interfaces and of VLAN devices. */
#include "unit/report_lab.h"

#include <arpa/inet.h>

#include "lib/ethtool.h"

#define ATTACHED "[{\"name\":\"eth0\",\"attached\":true}]"
#define HINT	 "\"its hardware takes VLAN tags off before XDP sees them: ethtool -K eth0"

static unsigned int fake_strips;
static unsigned int strips_asked;

unsigned int ethtool_strips(const char *interface)
{
	assert_string_equal(interface, "eth0");
	strips_asked++;
	return fake_strips;
}

static void expect_hint(const struct fixture *fixture, const char *expected)
{
	json_t *interfaces = report_interfaces(&fixture->report);

	assert_int_equal(json_array_size(interfaces), 1);
	expect_key(json_array_get(interfaces, 0), "hint", expected);
	json_decref(interfaces);
}

static void add_vlan(struct fixture *fixture, __u32 ifindex, const char *name, __u32 tag)
{
	struct link link = {.ifindex = ifindex,
			    .kind = "vlan",
			    .ethernet = true,
			    .up = true,
			    .mtu = 1500,
			    .tag = htonl(tag),
			    .parent = fixture->link.ifindex};

	strcpy(link.name, name);
	assert_true(network_link_set(&fixture->state.network, &link));
}

static void remove_vlans(struct fixture *fixture)
{
	network_link_delete(&fixture->state.network, 10);
	network_link_delete(&fixture->state.network, 11);
}

static void tags_that_the_hardware_hides(void **state)
{
	struct fixture *fixture = *state;

	fake_interfaces = ATTACHED;
	fake_strips = ETHTOOL_STRIPS_CTAG | ETHTOOL_STRIPS_STAG;
	strips_asked = 0;
	/* nobody has tags: what becomes of them is of no interest */
	expect_hint(fixture, "null");
	assert_int_equal(strips_asked, 0);
	add_vlan(fixture, 10, "eth0.10", 0x8100000a);
	expect_hint(fixture, HINT " rxvlan off\"");
	add_vlan(fixture, 11, "eth0.100", 0x88a80064);
	expect_hint(fixture, HINT " rxvlan off rx-vlan-stag-hw-parse off\"");
	fake_strips = ETHTOOL_STRIPS_STAG;
	expect_hint(fixture, HINT " rx-vlan-stag-hw-parse off\"");
	fake_strips = 0;
	expect_hint(fixture, "null");
	remove_vlans(fixture);
}

static void a_service_that_is_bound_to_a_vlan(void **state)
{
	struct fixture *fixture = *state;

	fake_interfaces = ATTACHED;
	fake_strips = ETHTOOL_STRIPS_CTAG;
	fixture->service.vlan = 10;
	expect_hint(fixture, HINT " rxvlan off\"");
}

static void who_gets_no_hint(void **state)
{
	struct fixture *fixture = *state;

	fake_strips = ETHTOOL_STRIPS_CTAG;
	add_vlan(fixture, 10, "eth0.10", 0x8100000a);
	fake_interfaces = "[{\"name\":\"eth0\",\"attached\":false}]";
	expect_hint(fixture, "null");
	fake_interfaces = "[{\"name\":\"eth9\",\"attached\":true}]";
	expect_hint(fixture, "null");
	fake_interfaces = ATTACHED;
	strcpy(fixture->link.kind, "veth");
	expect_hint(fixture, "null");
	/* VLAN devices of other interfaces */
	strcpy(fixture->link.kind, "");
	((struct link *)network_link(&fixture->state.network, 10))->parent = 77;
	expect_hint(fixture, "null");
	remove_vlans(fixture);
}

static void expect_neighbour(struct fixture *fixture, const char *interface, const char *parent, const char *tags)
{
	json_t *neighbours = report_neighbours(&fixture->report), *backends = all_backends(fixture);

	for (int i = 0; i < 2; i++) {
		json_t *object = i ? json_array_get(backends, 1) : json_array_get(neighbours, 0);

		expect_key(object, "interface", interface);
		expect_key(object, "parent", parent);
		expect_key(object, "tags", tags);
	}
	json_decref(neighbours);
	json_decref(backends);
}

static void next_hops_on_vlan_devices(void **state)
{
	struct fixture *fixture = *state;

	expect_neighbour(fixture, "\"eth0\"", "null", "null");
	add_vlan(fixture, 10, "eth0.10", 0x8100000a);
	fixture->route.ifindex = 10;
	expect_neighbour(fixture, "\"eth0.10\"", "\"eth0\"", "\"802.1Q 10\"");
	add_vlan(fixture, 11, "double", 0x9100efff);
	((struct link *)network_link(&fixture->state.network, 11))->parent = 10;
	((struct link *)network_link(&fixture->state.network, 10))->tag = htonl(0x88a8effe);
	fixture->route.ifindex = 11;
	/* the longest text that there can be */
	expect_neighbour(fixture, "\"double\"", "\"eth0\"", "\"802.1ad 4094 priority 7, 0x9100 4095 priority 7\"");
	remove_vlans(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REPORT_TEST(tags_that_the_hardware_hides),
		REPORT_TEST(a_service_that_is_bound_to_a_vlan),
		REPORT_TEST(who_gets_no_hint),
		REPORT_TEST(next_hops_on_vlan_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
