/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Routing by QUIC connection ID: draft-ietf-quic-load-balancers, server IDs without encryption; headers as RFC 8999
 * has them. All flows of the service under test hash to one backend, HASHED, so that any other was named by an ID.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet/packet_case.h"
#include "packet/policy.h"

#define FEATURES     (FEATURE_SLOW | FEATURE_QUIC)
#define POOL	     5 /* any number: the service's IDs are those of this one */
#define OTHER_POOL   6
#define PAYLOAD_MAX  96
#define UDP_HEADER   8
#define SHORT_ROUTES 5	/* bytes of a short header's packet with the first byte, config and three of server ID */
#define LONG_ROUTES  10 /* the same of a long header's */

enum { HASHED = IPIP4, NAMED = GUE4, NAMED_TOO = L2, DEAD = GUE6, NOBODY = 900 };

struct datagram {
	size_t length;
	__u8 data[PAYLOAD_MAX];
};

struct quic_case {
	const char *name;
	const char *payload; /* hexadecimal; blanks say nothing */
	__u16 backend;
};

static struct datagram datagram_of(const char *hex)
{
	struct datagram datagram = {0};
	unsigned int byte;
	int used;

	for (; sscanf(hex, " %2x%n", &byte, &used) == 1; hex += used) {
		assert_in_range(datagram.length, 0, PAYLOAD_MAX - 1);
		datagram.data[datagram.length++] = byte;
	}
	return datagram;
}

static size_t transport_of(bool v6)
{
	return v6 ? FRAME_TRANSPORT6 : FRAME_TRANSPORT4;
}

/* To the service under test. The balancer leaves the UDP checksum to the backend, so that any will do. */
static void frame_datagram(struct frame *frame, const struct datagram *datagram, bool v6, __u16 padding)
{
	size_t header = transport_of(v6) + UDP_HEADER;

	frame_client(frame, &(struct client){
				    .from = v6 ? CLIENT6 : CLIENT4,
				    .to = v6 ? V6_IPIP4 : V4_IPIP4,
				    .from_port = 40000,
				    .to_port = 443,
				    .protocol = IPPROTO_UDP,
				    .ip_length = header - FRAME_IP + datagram->length,
				    .padding = padding,
			    });
	memcpy(frame->data + header, datagram->data, datagram->length);
}

static const struct service_options with = {
	.flags = OPTION_QUIC,
	.quic_pool = POOL,
	.quic_server_id_length = {[0] = 3, [1] = 5, [2] = 1, [4] = 15, [6] = 3},
};

/* The program, and what it should have counted since. */
struct lab {
	struct fixture *fixture;
	struct counts *counts;
};

static struct lab lab_open(__u32 features, const struct service_options *options)
{
	struct counts *counts = calloc(1, sizeof(*counts));
	struct fixture *fixture;

	fixture_need_root();
	assert_non_null(counts);
	fixture = fixture_open(features);
	policy_fill(fixture);
	policy_options(fixture, IPIP4, options);
	policy_server(fixture, POOL, 0, "\xc4\x60\x5e", 3, NAMED);
	policy_server(fixture, POOL, 0, "\xc4\x60\x5f", 3, DEAD);
	policy_server(fixture, POOL, 0, "\xc4\x60\x60", 3, NOBODY);
	policy_server(fixture, POOL, 0, "\0\0\0", 3, NAMED_TOO);
	policy_server(fixture, POOL, 1, "\x35\x0d\x28\xb4\x20", 5, NAMED_TOO);
	policy_server(fixture, POOL, 2, "\x01", 1, NAMED);
	policy_server(fixture, POOL, 4, "\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", 15, NAMED);
	policy_server(fixture, POOL, 6, "\xc4\x60\x5e", 3, NAMED_TOO);
	policy_server(fixture, OTHER_POOL, 0, "\xaa\xbb\xcc", 3, NAMED);
	fixture_backend_dies(fixture, DEAD);
	return (struct lab){fixture, counts};
}

static void lab_close(struct lab *lab)
{
	packet_assert_counted(lab->fixture, lab->counts);
	fixture_close(lab->fixture);
	free(lab->counts);
}

static void expect(struct lab *lab, const struct frame *frame, __u16 backend)
{
	packet_send(lab->fixture, frame, NULL,
		    &(struct outcome){.reason = REASON_forwarded, .service = HASHED, .backend = backend}, lab->counts);
}

/* In both families. */
static void quic_case_run(void **state)
{
	const struct quic_case *test = *state;
	const struct datagram datagram = datagram_of(test->payload);
	struct lab lab = lab_open(FEATURES, &with);
	struct frame frame;

	for (int v6 = 0; v6 <= 1; v6++) {
		frame_datagram(&frame, &datagram, v6, 0);
		expect(&lab, &frame, test->backend);
	}
	lab_close(&lab);
}

#define REST " 00 4142434445464748494a4b4c4d4e4f505152535455565758"
#define CID  "07 c4605e 4504cc4f" /* the draft's test vector, appendix B.1 */

static const struct quic_case long_headers[] = {
	{"version 1, Initial", "c0 00000001 08 " CID REST, NAMED},
	{"version 1, 0-RTT", "d0 00000001 08 " CID REST, NAMED},
	{"version 1, Handshake", "e0 00000001 08 " CID REST, NAMED},
	{"version 2, Initial", "d0 6b3343cf 08 " CID REST, NAMED},
	{"version 2, Handshake", "f0 6b3343cf 08 " CID REST, NAMED},
	{"a version yet unknown", "80 1a2a3a4a 08 " CID REST, NAMED},
	{"version 0", "80 00000000 08 " CID REST, NAMED},
	{"the fixed bit is not set", "80 00000001 08 " CID REST, NAMED},
	{"an ID of 20 bytes", "c0 00000001 14 " CID "000102030405060708090a0b" REST, NAMED},
	{"an ID longer than versions 1 and 2 allow",
	 "c0 1a2a3a4a 20 " CID "000102030405060708090a0b0c0d0e0f"
	 "1011121314151617" REST,
	 NAMED},
	{"an ID that ends with the server ID", "c0 00000001 04 07c4605e" REST, NAMED},
	{"an ID one byte too short for the server ID", "c0 00000001 03 07c4605e" REST, HASHED},
	{"an ID of one byte", "c0 00000001 01 07c4605e" REST, HASHED},
	{"no ID", "c0 00000001 00 07c4605e" REST, HASHED},
	{"an ID that a client chose", "c0 00000001 08 8394c8f03e515708" REST, HASHED},
	{"an ID that is longer than the datagram", "c0 00000001 14 07c460", HASHED},
	{"a source ID that would be routable", "c0 00000001 00 08 " CID REST, HASHED},
};

static const struct quic_case short_headers[] = {
	{"a short header", "40 " CID REST, NAMED},
	{"all its other bits set", "7f " CID REST, NAMED},
	{"the fixed bit is not set", "00 " CID REST, NAMED},
	{"an ID that does not tell its length", "40 1f c4605e 4504cc4f" REST, NAMED},
	{"nothing behind the server ID", "40 07c4605e", NAMED},
	{"the server ID is cut short", "40 07c460", HASHED},
	{"a first octet alone", "40 07", HASHED},
	{"a header without an ID", "40", HASHED},
	{"an empty datagram", "", HASHED},
	{"one byte that is zero", "00", HASHED},
	{"a long header cut in its version", "c0 0000", HASHED},
	{"a long header without length", "c0 00000001", HASHED},
	{"a long header without ID", "c0 00000001 08", HASHED},
	{"DTLS 1.2", "16 fefd 0001000000000001 0040" REST, HASHED},
};

static const struct quic_case servers[] = {
	{"another config", "40 2a 350d28b420 3487d970b0" REST, NAMED_TOO},
	{"another config, long header", "c0 00000001 0b 2a 350d28b420 3487d970b0" REST, NAMED_TOO},
	{"a server ID of one byte", "40 45 01 33333333" REST, NAMED},
	{"a server ID of 15 bytes", "40 93 0102030405060708090a0b0c0d0e0f 4504cc4f" REST, NAMED},
	{"the last byte of 15 differs", "40 93 0102030405060708090a0b0c0d0e10 4504cc4f" REST, HASHED},
	{"a server ID of zeros", "40 07 000000 4504cc4f" REST, NAMED_TOO},
	{"the same server ID in another config", "40 c7 c4605e 4504cc4f" REST, NAMED_TOO},
	{"a config that the pool has not", "40 67 c4605e 4504cc4f" REST, HASHED},
	{"config 7: not routable", "40 e7 c4605e 4504cc4f" REST, HASHED},
	{"config 7, long header", "c0 00000001 08 e7 c4605e 4504cc4f" REST, HASHED},
	{"an unknown server ID", "40 07 c4605d 4504cc4f" REST, HASHED},
	{"another pool's server ID", "40 07 aabbcc 4504cc4f" REST, HASHED},
	{"a backend that serves no more", "40 07 c4605f 4504cc4f" REST, HASHED},
	{"a backend that is not there", "40 07 c46060 4504cc4f" REST, HASHED},
};

/* Every length of a datagram, and the frame behind it going on with what would be the rest of the ID. */
static void cut_everywhere(const char *payload, size_t routes)
{
	const struct datagram whole = datagram_of(payload);
	struct lab lab = lab_open(FEATURES, &with);
	struct frame frame;

	for (size_t length = 0; length <= whole.length; length++) {
		for (int v6 = 0; v6 <= 1; v6++) {
			struct datagram cut = whole;
			size_t at = transport_of(v6) + UDP_HEADER + length;

			cut.length = length;
			frame_datagram(&frame, &cut, v6, 0);
			expect(&lab, &frame, length >= routes ? NAMED : HASHED);
			frame_datagram(&frame, &cut, v6, whole.length - length);
			memcpy(frame.data + at, whole.data + length, whole.length - length);
			expect(&lab, &frame, length >= routes ? NAMED : HASHED);
		}
	}
	lab_close(&lab);
}

static void short_header_cut_everywhere(void **state)
{
	(void)state;
	cut_everywhere("40 " CID REST, SHORT_ROUTES);
}

static void long_header_cut_everywhere(void **state)
{
	(void)state;
	cut_everywhere("c0 00000001 08 " CID REST, LONG_ROUTES);
}

/* UDP's length is not the IP packet's: more is for the kernel to refuse, and what is less holds no ID. */
static void udp_length_lies(void **state)
{
	static const __u16 lengths[] = {0, 7, 8, 9, 12, 13, 100, 65535};
	const struct datagram datagram = datagram_of("40 " CID REST);
	struct lab lab = lab_open(FEATURES, &with);
	struct frame frame;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		for (int v6 = 0; v6 <= 1; v6++) {
			frame_datagram(&frame, &datagram, v6, 0);
			frame_put16(&frame, transport_of(v6) + 4, lengths[i]);
			expect(&lab, &frame, lengths[i] >= UDP_HEADER + SHORT_ROUTES ? NAMED : HASHED);
		}
	}
	lab_close(&lab);
}

/* Each config with server IDs of each length; what differs in the last bit is nobody's, and then another's. */
static void every_config_and_length(void **state)
{
	struct service_options options = with;
	struct datagram datagram;
	struct lab lab = lab_open(FEATURES, &with);
	struct frame frame;

	(void)state;
	for (__u32 config = 0; config < QUIC_CONFIGS; config++) {
		for (__u32 length = 1; length <= QUIC_SERVER_ID_MAX; length++) {
			bool long_header = length % 2;
			size_t id = long_header ? 6 : 1;

			options.quic_pool = 100 + config;
			options.quic_server_id_length[config] = length;
			policy_options(lab.fixture, IPIP4, &options);
			datagram = datagram_of(long_header ? "c0 00000001 14" : "40");
			for (datagram.length = id + 21; datagram.length > id; datagram.length--)
				datagram.data[datagram.length] = datagram.length * 37 + length;
			datagram.length = id + 21;
			datagram.data[id] = config << 5 | 0x13;
			policy_server(lab.fixture, 100 + config, config, datagram.data + id + 1, length, NAMED);
			frame_datagram(&frame, &datagram, config % 2, 0);
			expect(&lab, &frame, NAMED);
			datagram.data[id + length] ^= 1;
			frame_datagram(&frame, &datagram, config % 2, 0);
			expect(&lab, &frame, HASHED);
			policy_server(lab.fixture, 100 + config, config, datagram.data + id + 1, length, NAMED_TOO);
			expect(&lab, &frame, NAMED_TOO);
		}
	}
	lab_close(&lab);
}

/* The client's address and port are nothing to the ID. */
static void client_moves(void **state)
{
	const struct datagram datagram = datagram_of("40 " CID REST);
	struct lab lab = lab_open(FEATURES, &with);
	struct frame frame;

	(void)state;
	for (__u16 i = 0; i < 100; i++) {
		bool v6 = i % 2;

		frame_datagram(&frame, &datagram, v6, 0);
		frame.data[FRAME_IP + (v6 ? 23 : 15)] = 1 + i;
		frame_put16(&frame, transport_of(v6), 1024 + 97 * i);
		if (!v6)
			frame_checksum4(&frame);
		expect(&lab, &frame, NAMED);
	}
	lab_close(&lab);
}

/* Where the UDP header is not where it mostly is: IPv4 options, an IPv6 extension header. */
static void behind_more_headers(void **state)
{
	static const __u8 no_operation[4] = {1, 1, 1, 1};
	static const __u8 destination_options[8] = {IPPROTO_UDP, 0, 1, 4};
	const struct datagram datagram = datagram_of("40 " CID REST);
	struct lab lab = lab_open(FEATURES, &with);
	struct frame frame;

	(void)state;
	frame_datagram(&frame, &datagram, false, 0);
	memmove(frame.data + FRAME_TRANSPORT4 + 4, frame.data + FRAME_TRANSPORT4, frame.length - FRAME_TRANSPORT4);
	memcpy(frame.data + FRAME_TRANSPORT4, no_operation, sizeof(no_operation));
	frame.length += sizeof(no_operation);
	frame.data[FRAME_IP] = 0x46;
	frame_put16(&frame, FRAME_IP + 2, frame.length - FRAME_IP);
	frame_checksum4(&frame);
	expect(&lab, &frame, NAMED);
	frame_datagram(&frame, &datagram, true, 0);
	memmove(frame.data + FRAME_TRANSPORT6 + 8, frame.data + FRAME_TRANSPORT6, frame.length - FRAME_TRANSPORT6);
	memcpy(frame.data + FRAME_TRANSPORT6, destination_options, sizeof(destination_options));
	frame.length += sizeof(destination_options);
	frame.data[FRAME_IP + 6] = IPPROTO_DSTOPTS;
	frame_put16(&frame, FRAME_IP + 4, frame.length - FRAME_TRANSPORT6);
	expect(&lab, &frame, NAMED);
	lab_close(&lab);
}

/* The service's IDs are its own pool's: a client that a rule gives another pool goes by that pool's hash. */
static void a_rule_comes_first(void **state)
{
	struct service_options options = with;
	const struct datagram datagram = datagram_of("40 " CID REST);
	struct frame frame;
	struct lab lab;

	(void)state;
	options.flags |= OPTION_RULES;
	lab = lab_open(FEATURES | FEATURE_RULES, &options);
	policy_rule(lab.fixture, HASHED, CLIENT4 "/32", RULE_POOL, NAMED_TOO);
	policy_rule(lab.fixture, HASHED, CLIENT6 "/128", RULE_ALLOW, 0);
	frame_datagram(&frame, &datagram, false, 0);
	expect(&lab, &frame, NAMED_TOO);
	frame_datagram(&frame, &datagram, true, 0);
	expect(&lab, &frame, NAMED);
	lab_close(&lab);
}

/* TCP, services that do not ask for it, programs loaded without it. */
static void not_looked_at(void **state)
{
	static const struct service_options without = {.quic_pool = POOL, .quic_server_id_length = {3}};
	const struct datagram datagram = datagram_of("40 " CID REST);
	struct lab lab = lab_open(FEATURES, &with);
	struct frame frame;

	(void)state;
	frame_datagram(&frame, &datagram, false, 0);
	frame.data[FRAME_IP + 9] = IPPROTO_TCP;
	frame_checksum4(&frame);
	expect(&lab, &frame, HASHED);
	frame_datagram(&frame, &datagram, false, 0);
	policy_options(lab.fixture, IPIP4, &without);
	expect(&lab, &frame, HASHED);
	lab_close(&lab);
	lab = lab_open(FEATURE_SLOW, &with);
	expect(&lab, &frame, HASHED);
	lab_close(&lab);
}

/* All of them reach a backend: which, the ID says, or else the hash. */
static enum reason quic_case_reason(const void *test)
{
	(void)test;
	return REASON_forwarded;
}

static const struct case_group groups[] = {
	GROUP_OF("QUIC: long headers", long_headers, quic_case_run, quic_case_reason),
	GROUP_OF("QUIC: short headers", short_headers, quic_case_run, quic_case_reason),
	GROUP_OF("QUIC: server IDs", servers, quic_case_run, quic_case_reason),
};

int main(int argc, char **argv)
{
	const struct CMUnitTest more[] = {
		cmocka_unit_test(short_header_cut_everywhere),
		cmocka_unit_test(long_header_cut_everywhere),
		cmocka_unit_test(udp_length_lies),
		cmocka_unit_test(every_config_and_length),
		cmocka_unit_test(client_moves),
		cmocka_unit_test(behind_more_headers),
		cmocka_unit_test(a_rule_comes_first),
		cmocka_unit_test(not_looked_at),
	};
	int failed = GROUPS_RUN(argc, argv, groups);

	return groups_are_listed(argc, argv) ? failed : failed + cmocka_run_group_tests(more, NULL, NULL);
}
