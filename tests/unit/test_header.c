/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "model/header.h"

#define DESTINATION_MAC 0x02, 0x11, 0x22, 0x33, 0x44, 0x55
#define SOURCE_MAC 0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee
#define SOURCE4 10, 0, 0, 1
#define DESTINATION4 10, 0, 0, 200
#define SOURCE6 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01
#define DESTINATION6 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xc8

static struct next_hop reachable(const char *source)
{
	struct next_hop hop = {.resolved = true,
			       .ifindex = 7,
			       .interface = "eth0",
			       .mac = {DESTINATION_MAC},
			       .source_mac = {SOURCE_MAC},
			       .mtu = 1500,
			       .on_link = true};

	assert_int_equal(address_parse(source, &hop.source), 0);
	return hop;
}

static struct backend build(enum forward forward, const char *destination, const struct next_hop *hop)
{
	struct address address;
	struct backend backend;

	assert_int_equal(address_parse(destination, &address), 0);
	/* what was there before must not shine through */
	memset(&backend, 0xee, sizeof(backend));
	header_build(&backend, forward, 6080, &address, hop);
	return backend;
}

/* Everything of the entry: the given header bytes, and zero behind them. */
static void assert_backend(const struct backend *backend, enum encap encap, const __u8 *header, size_t length)
{
	struct backend expected = {.ifindex = 7, .mtu = 1500, .encap = (__u8)encap};

	memcpy(expected.header, header, length);
	assert_memory_equal(backend, &expected, sizeof(expected));
}

static void ipip4(void **state)
{
	/* 4500 + 4000 + 4000 (TTL 64, protocol 0) + 0a00 + 0001 + 0a00 + 00c8 = d9c9 */
	static const __u8 expected[] = {DESTINATION_MAC, SOURCE_MAC, 0x08, 0x00, /* Ethernet */
					0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 0, 0xd9, 0xc9, SOURCE4, DESTINATION4};
	struct next_hop hop = reachable("10.0.0.1");
	struct backend backend = build(FORWARD_IPIP, "10.0.0.200", &hop);

	(void)state;
	assert_backend(&backend, ENCAP_IPIP4, expected, sizeof(expected));
}

static void gue4(void **state)
{
	/* as above with protocol 17: 4011 for 4000 */
	static const __u8 expected[] = {DESTINATION_MAC, SOURCE_MAC, 0x08, 0x00, /* Ethernet */
					0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0xd9, 0xda, SOURCE4, DESTINATION4,
					0, 0, 0x17, 0xc0, 0, 0, 0, 0}; /* UDP to 6080 */
	struct next_hop hop = reachable("10.0.0.1");
	struct backend backend = build(FORWARD_GUE, "10.0.0.200", &hop);

	(void)state;
	assert_backend(&backend, ENCAP_GUE4, expected, sizeof(expected));
}

static void ipip6(void **state)
{
	static const __u8 expected[] = {DESTINATION_MAC, SOURCE_MAC, 0x86, 0xdd, /* Ethernet */
					0x60, 0, 0, 0, 0, 0, 0, 64, SOURCE6, DESTINATION6};
	struct next_hop hop = reachable("2001:db8::1");
	struct backend backend = build(FORWARD_IPIP, "2001:db8::c8", &hop);

	(void)state;
	assert_backend(&backend, ENCAP_IPIP6, expected, sizeof(expected));
}

static void gue6(void **state)
{
	static const __u8 expected[] = {DESTINATION_MAC, SOURCE_MAC, 0x86, 0xdd, /* Ethernet */
					0x60, 0, 0, 0, 0, 0, 17, 64, SOURCE6, DESTINATION6,
					0, 0, 0x17, 0xc0, 0, 0, 0, 0}; /* UDP to 6080 */
	struct next_hop hop = reachable("2001:db8::1");
	struct backend backend = build(FORWARD_GUE, "2001:db8::c8", &hop);

	(void)state;
	assert_int_equal(sizeof(expected), BACKEND_HEADER_MAX);
	assert_backend(&backend, ENCAP_GUE6, expected, sizeof(expected));
}

/* 4500 + 4000 + 4000 + 4 * ffff does not fit 16 bits: the carries must be added in. */
static void checksum_is_folded(void **state)
{
	struct next_hop hop = reachable("255.255.255.255");
	struct backend backend = build(FORWARD_IPIP, "255.255.255.255", &hop);

	(void)state;
	/* ffff counts as zero: c500 is left */
	assert_int_equal(backend.header[14 + 10], 0xc5);
	assert_int_equal(backend.header[14 + 11], 0x00);
}

static void l2_leaves_the_type(void **state)
{
	static const __u8 expected[] = {DESTINATION_MAC, SOURCE_MAC};
	struct next_hop hop = reachable("10.0.0.1");
	struct backend backend = build(FORWARD_L2, "10.0.0.200", &hop);

	(void)state;
	assert_backend(&backend, ENCAP_L2, expected, sizeof(expected));
	/* nothing of the source goes into the packet, so none is needed */
	hop.source = (struct address){0};
	backend = build(FORWARD_L2, "10.0.0.200", &hop);
	assert_backend(&backend, ENCAP_L2, expected, sizeof(expected));
}

static void without_a_way_is_none(void **state)
{
	static const struct backend none;
	struct next_hop hop = reachable("10.0.0.1");
	struct backend backend;

	(void)state;
	backend = build(FORWARD_GUE, "2001:db8::c8", &hop); /* the outer source is IPv4 */
	assert_memory_equal(&backend, &none, sizeof(none));
	hop.on_link = false; /* behind a gateway, which would route the VIP back to us */
	backend = build(FORWARD_L2, "10.0.0.200", &hop);
	assert_memory_equal(&backend, &none, sizeof(none));
	backend = build(FORWARD_IPIP, "10.0.0.200", &hop);
	assert_int_equal(backend.encap, ENCAP_IPIP4);
	hop.resolved = false;
	for (enum forward forward = FORWARD_IPIP; forward <= FORWARD_L2; forward++) {
		backend = build(forward, "10.0.0.200", &hop);
		assert_memory_equal(&backend, &none, sizeof(none));
	}
}

static void mtu_is_clamped(void **state)
{
	struct next_hop hop = reachable("10.0.0.1");

	(void)state;
	hop.mtu = 65536; /* a loopback's */
	assert_int_equal(build(FORWARD_IPIP, "10.0.0.200", &hop).mtu, 65535);
	hop.mtu = 65535;
	assert_int_equal(build(FORWARD_IPIP, "10.0.0.200", &hop).mtu, 65535);
	hop.mtu = 9000;
	assert_int_equal(build(FORWARD_L2, "10.0.0.200", &hop).mtu, 9000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipip4),
		cmocka_unit_test(gue4),
		cmocka_unit_test(ipip6),
		cmocka_unit_test(gue6),
		cmocka_unit_test(checksum_is_folded),
		cmocka_unit_test(l2_leaves_the_type),
		cmocka_unit_test(without_a_way_is_none),
		cmocka_unit_test(mtu_is_clamped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
