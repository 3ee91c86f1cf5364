/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "packet/world.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define SOURCE4	   "10.1.0.2"
#define SOURCE6	   "2001:db8:1::2"
#define BEHIND_IN  .ifindex = FIXTURE_INTERFACE, .mtu = WORLD_MTU_IN
#define BEHIND_OUT .ifindex = WORLD_OTHER, .mtu = WORLD_MTU_OUT

static const struct target targets[WORLD_BACKENDS] = {
	[IPIP4] = {FORWARD_IPIP, "10.1.0.11", SOURCE4, BEHIND_IN},
	[IPIP6] = {FORWARD_IPIP, "2001:db8:1::12", SOURCE6, BEHIND_IN},
	[GUE4] = {FORWARD_GUE, "10.1.0.13", SOURCE4, 6080, BEHIND_IN},
	[GUE6] = {FORWARD_GUE, "2001:db8:1::14", SOURCE6, 6080, BEHIND_IN},
	[L2] = {FORWARD_L2, "10.1.0.15", SOURCE4, BEHIND_IN},
	[IPIP4_OUT] = {FORWARD_IPIP, "10.2.255.16", SOURCE4, BEHIND_OUT},
	[IPIP6_OUT] = {FORWARD_IPIP, "2001:db8:ffff:ffff:ffff:ffff:ffff:17", SOURCE6, BEHIND_OUT},
	[GUE4_OUT] = {FORWARD_GUE, "10.255.255.254", SOURCE4, 65535, BEHIND_OUT},
	[GUE6_OUT] = {FORWARD_GUE, "2001:db8:2::19", SOURCE6, 1024, BEHIND_OUT},
	[L2_OUT] = {FORWARD_L2, "2001:db8:2::20", SOURCE6, BEHIND_OUT},
	[UNRESOLVED] = {FORWARD_IPIP, "10.1.0.21", SOURCE4, BEHIND_IN, .unresolved = true},
};

const struct target *world_target(__u16 backend)
{
	assert_in_range(backend, 1, WORLD_BACKENDS - 1);
	return &targets[backend];
}

struct service world_service(__u16 number)
{
	return (struct service){
		.slot_first = WORLD_POOL_SLOTS * number,
		.slot_count = WORLD_POOL_SLOTS,
		.index = number,
	};
}

void world_backends(struct fixture *fixture)
{
	for (__u16 n = 1; n < WORLD_BACKENDS; n++) {
		if (n != UNWRITTEN)
			fixture_backend(fixture, n, &targets[n]);
		fixture_slots(fixture, WORLD_POOL_SLOTS * n, WORLD_POOL_SLOTS, n);
	}
}

static void vips_of(__u16 number, char vip4[static 32], char vip6[static 32])
{
	snprintf(vip4, 32, "192.0.2.%u", number);
	snprintf(vip6, 32, "2001:db8::%x", number);
}

void world_services(struct fixture *fixture, __u16 flags)
{
	char vip4[32], vip6[32];

	world_backends(fixture);
	for (__u16 n = 1; n < WORLD_BACKENDS; n++) {
		struct service service = world_service(n);

		service.flags = flags;
		vips_of(n, vip4, vip6);
		fixture_vip(fixture, vip4, 443, IPPROTO_TCP, &service);
		fixture_vip(fixture, vip4, 443, IPPROTO_UDP, &service);
		fixture_vip(fixture, vip6, 443, IPPROTO_TCP, &service);
		fixture_vip(fixture, vip6, 443, IPPROTO_UDP, &service);
	}
}

void world_fill(struct fixture *fixture)
{
	world_services(fixture, 0);
}

void world_addresses(struct fixture *fixture, __u16 flags)
{
	char vip4[32], vip6[32];

	for (__u16 n = 1; n < WORLD_BACKENDS; n++) {
		struct service service = world_service(n);

		service.flags = flags;
		vips_of(n, vip4, vip6);
		fixture_vip(fixture, vip4, 0, 0, &service);
		fixture_vip(fixture, vip6, 0, 0, &service);
	}
}

void world_prefixes(struct fixture *fixture, __u16 port, __u8 protocol, __u16 flags)
{
	struct service service = world_service(GUE6);

	world_backends(fixture);
	fixture_prefix(fixture, "203.0.113.0/24", port, protocol, &service);
	fixture_prefix(fixture, "2001:db8:a::/48", port, protocol, &service);
	service.flags = flags;
	fixture_prefix(fixture, "203.0.113.0/24", 0, 0, &service);
	fixture_prefix(fixture, "2001:db8:a::/48", 0, 0, &service);
}
