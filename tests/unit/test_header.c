/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include <string.h>

#include "model/header.h"

#define DESTINATION_MAC 0x02, 0x11, 0x22, 0x33, 0x44, 0x55
#define SOURCE_MAC	0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee
#define SOURCE4		10, 0, 0, 1
#define DESTINATION4	10, 0, 0, 200
#define SOURCE6		0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01
#define DESTINATION6	0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xc8

static struct next_hop reachable(const char *source)
{
	struct next_hop hop = {.resolved = true,
			       .ifindex = 7,
			       .out_ifindex = 7,
			       .interface = "eth0",
			       .mac = {DESTINATION_MAC},
			       .source_mac = {SOURCE_MAC},
			       .mtu = 1500,
			       .on_link = true};

	assert_int_equal(address_parse(source, &hop.source), 0);
	return hop;
}

static struct backend build_for(const struct config_pool *pool, const char *destination, const struct next_hop *hop)
{
	struct address address;
	struct backend backend;

	assert_int_equal(address_parse(destination, &address), 0);
	/* what was there before must not shine through */
	memset(&backend, 0xee, sizeof(backend));
	header_build(&backend, pool, &address, hop);
	return backend;
}

static struct backend build(enum forward forward, const char *destination, const struct next_hop *hop)
{
	return build_for(&(const struct config_pool){.forward = forward,
						     .gue_port = 6080,
						     .outer = {.df = true, .ttl = CONFIG_DEFAULT_TTL}},
			 destination, hop);
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
	static const __u8 expected[] = {DESTINATION_MAC,
					SOURCE_MAC,
					0x08,
					0x00, /* Ethernet */
					0x45,
					0,
					0,
					0,
					0,
					0,
					0x40,
					0,
					64,
					0,
					0xd9,
					0xc9,
					SOURCE4,
					DESTINATION4};
	struct next_hop hop = reachable("10.0.0.1");
	struct backend backend = build(FORWARD_IPIP, "10.0.0.200", &hop);

	(void)state;
	assert_backend(&backend, ENCAP_IPIP4, expected, sizeof(expected));
}

static void gue4(void **state)
{
	/* as above with protocol 17: 4011 for 4000 */
	static const __u8 expected[] = {DESTINATION_MAC,
					SOURCE_MAC,
					0x08,
					0x00, /* Ethernet */
					0x45,
					0,
					0,
					0,
					0,
					0,
					0x40,
					0,
					64,
					17,
					0xd9,
					0xda,
					SOURCE4,
					DESTINATION4,
					0,
					0,
					0x17,
					0xc0,
					0,
					0,
					0,
					0}; /* UDP to 6080 */
	struct next_hop hop = reachable("10.0.0.1");
	struct backend backend = build(FORWARD_GUE, "10.0.0.200", &hop);

	(void)state;
	assert_backend(&backend, ENCAP_GUE4, expected, sizeof(expected));
}

static void ipip6(void **state)
{
	static const __u8 expected[] = {DESTINATION_MAC,
					SOURCE_MAC,
					0x86,
					0xdd, /* Ethernet */
					0x60,
					0,
					0,
					0,
					0,
					0,
					0,
					64,
					SOURCE6,
					DESTINATION6};
	struct next_hop hop = reachable("2001:db8::1");
	struct backend backend = build(FORWARD_IPIP, "2001:db8::c8", &hop);

	(void)state;
	assert_backend(&backend, ENCAP_IPIP6, expected, sizeof(expected));
}

static void gue6(void **state)
{
	static const __u8 expected[] = {DESTINATION_MAC,
					SOURCE_MAC,
					0x86,
					0xdd, /* Ethernet */
					0x60,
					0,
					0,
					0,
					0,
					0,
					17,
					64,
					SOURCE6,
					DESTINATION6,
					0,
					0,
					0x17,
					0xc0,
					0,
					0,
					0,
					0}; /* UDP to 6080 */
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

static void outer_is_what_the_pool_says(void **state)
{
	struct config_pool pool = {.forward = FORWARD_GUE, .gue_port = 6080, .outer = {.df = false, .ttl = 7}};
	struct next_hop hop = reachable("10.0.0.1");
	struct backend backend = build_for(&pool, "10.0.0.200", &hop);

	(void)state;
	assert_int_equal(backend.header[14 + 6], 0);
	assert_int_equal(backend.header[14 + 8], 7);
	/* 4500 + 0711 + 0a00 + 0001 + 0a00 + 00c8 */
	assert_int_equal(backend.header[14 + 10], 0x60);
	assert_int_equal(backend.header[14 + 11], 0xda);
	hop = reachable("2001:db8::1");
	backend = build_for(&pool, "2001:db8::c8", &hop);
	assert_int_equal(backend.header[14 + 7], 7);
}

/* As the dataplane mends it: the bits of the source, then the sum with them. */
static __u16 sum_with_source(const struct backend *backend, __u32 bits)
{
	const __u8 *ip = backend->header + 14;
	__u32 added = bits & ntohl(backend->source_mask), sum = 0, whole = ip[10] << 8 | ip[11];

	for (int i = 0; i < 20; i += 2)
		sum += i == 10 ? 0 : (__u32)(ip[i] << 8 | ip[i + 1]);
	sum += (added >> 16) + (added & 0xffff);
	whole += (added >> 16) + (added & 0xffff);
	return (__u16)((sum % 0xffff) - (whole % 0xffff));
}

static void sources_are_of_the_prefix(void **state)
{
	static const struct {
		const char *prefix, *destination;
		__u32 mask;
	} cases[] = {
		{"10.7.0.0/16", "10.0.0.200", 0x0000ffff},	   {"10.0.0.0/8", "10.0.0.200", 0x00ffffff},
		{"192.0.2.254/31", "10.0.0.200", 0x00000001},	   {"2001:db8:7::/64", "2001:db8::c8", 0xffffffff},
		{"2001:db8:7::/96", "2001:db8::c8", 0xffffffff},   {"2001:db8:7::/97", "2001:db8::c8", 0x7fffffff},
		{"2001:db8:7::8/127", "2001:db8::c8", 0x00000001},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config_pool pool = {.outer = {.df = true, .ttl = 64}};
		struct next_hop hop = reachable("10.0.0.1");
		struct prefix prefix;
		struct backend backend;
		bool v6;

		assert_int_equal(prefix_parse(cases[i].prefix, &prefix), 0);
		v6 = prefix.address.family == AF_INET6;
		*(v6 ? &pool.outer.source6 : &pool.outer.source4) = prefix;
		/* the kernel need not have one of this family */
		backend = build_for(&pool, cases[i].destination, &hop);
		assert_int_equal(backend.encap, v6 ? ENCAP_IPIP6 : ENCAP_IPIP4);
		assert_int_equal(ntohl(backend.source_mask), cases[i].mask);
		assert_memory_equal(backend.header + 14 + (v6 ? 8 : 12), prefix.address.word, v6 ? 16 : 4);
		for (__u32 bits = 0; !v6 && bits < 0xf0000000; bits += 0x01234567)
			assert_int_equal(sum_with_source(&backend, bits), 0);
		/* other modes have other ways to spread */
		pool.forward = FORWARD_GUE;
		hop = reachable(v6 ? "2001:db8::1" : "10.0.0.1");
		backend = build_for(&pool, cases[i].destination, &hop);
		assert_int_equal(backend.source_mask, 0);
		assert_memory_equal(backend.header + 14 + (v6 ? 8 : 12), hop.source.word, v6 ? 16 : 4);
	}
}

/* A prefix of one family says nothing of the other. */
static void prefix_of_the_other_family_is_none(void **state)
{
	struct config_pool pool = {.outer = {.df = true, .ttl = 64}};
	struct next_hop hop = reachable("10.0.0.1");
	struct backend backend;

	(void)state;
	assert_int_equal(prefix_parse("2001:db8:7::/64", &pool.outer.source6), 0);
	backend = build_for(&pool, "10.0.0.200", &hop);
	assert_int_equal(backend.source_mask, 0);
	assert_memory_equal(backend.header + 14 + 12, hop.source.word, 4);
}

static void local_has_no_header(void **state)
{
	const struct backend expected = {.encap = ENCAP_LOCAL, .mtu = 0xffff};
	struct backend backend;

	(void)state;
	memset(&backend, 0xee, sizeof(backend));
	header_local(&backend);
	assert_memory_equal(&backend, &expected, sizeof(expected));
}

static void vlan_tags(void **state)
{
	struct next_hop hop = reachable("10.0.0.1");
	struct backend backend;

	(void)state;
	/* the route's interface is a VLAN device: frames leave by the one below */
	hop.ifindex = 9;
	hop.tags = 1;
	hop.tag[0] = htonl(0x8100000a);
	backend = build(FORWARD_IPIP, "10.0.0.200", &hop);
	assert_int_equal(backend.ifindex, 7);
	assert_int_equal(backend.encap, ENCAP_IPIP4 | ENCAP_SLOW);
	assert_int_equal(backend.tags, 1);
	assert_int_equal(backend.tag[0], htonl(0x8100000a));
	assert_int_equal(backend.tag[1], 0);
	/* the tags are not in the header itself */
	assert_memory_equal(backend.header + 12, "\x08\x00\x45", 3);
	hop.tags = 2;
	hop.tag[1] = htonl(0x81000014);
	backend = build(FORWARD_L2, "10.0.0.200", &hop);
	assert_int_equal(backend.encap, ENCAP_L2 | ENCAP_SLOW);
	assert_int_equal(backend.tags, 2);
	assert_int_equal(backend.tag[1], htonl(0x81000014));
	hop.resolved = false;
	backend = build(FORWARD_IPIP, "10.0.0.200", &hop);
	assert_int_equal(backend.encap, ENCAP_NONE);
	assert_int_equal(backend.tags, 0);
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
		cmocka_unit_test(vlan_tags),
		cmocka_unit_test(outer_is_what_the_pool_says),
		cmocka_unit_test(sources_are_of_the_prefix),
		cmocka_unit_test(prefix_of_the_other_family_is_none),
		cmocka_unit_test(local_has_no_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
