/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The MSS of clients' SYNs: lowered, the TCP checksum right afterwards, and no other byte changed. */
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet/packet_case.h"
#include "packet/policy.h"

#define FEATURES    FEATURE_SLOW
#define OPTIONS_MAX 40
#define PAYLOAD	    8
#define SYN	    0x02
#define MOST	    1400 /* 0x0578 */

struct options {
	size_t length;
	__u8 data[OPTIONS_MAX];
};

/* A SYN, and what its options are on the way to the backend. */
struct mss_case {
	const char *name;
	const char *before; /* hexadecimal; blanks say nothing */
	const char *after;  /* [before] */
	__u8 flags;	    /* [SYN] */
	__u8 data_offset;   /* in words [as long as the options are] */
};

static struct options options_of(const char *hex)
{
	struct options options = {0};
	unsigned int byte;
	int used;

	for (; sscanf(hex, " %2x%n", &byte, &used) == 1; hex += used) {
		assert_in_range(options.length, 0, OPTIONS_MAX - 1);
		options.data[options.length++] = byte;
	}
	assert_int_equal(options.length % 4, 0);
	return options;
}

static size_t transport_of(bool v6)
{
	return v6 ? FRAME_TRANSPORT6 : FRAME_TRANSPORT4;
}

/* RFC 9293, 3.1: over the addresses, the protocol, the length and the segment. */
static void put_checksum(struct frame *frame, bool v6)
{
	size_t at = transport_of(v6), length = frame->length - at;
	__u32 sum = IPPROTO_TCP + length;

	frame_put16(frame, at + 16, 0);
	for (size_t i = FRAME_IP + (v6 ? 8 : 12); i < frame->length; i += 2)
		sum += i + 1 < frame->length ? frame_get16(frame, i) : frame->data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	frame_put16(frame, at + 16, ~sum);
}

static void frame_syn(struct frame *frame, const char *to, const struct options *options, const struct mss_case *test)
{
	bool v6 = strchr(to, ':');
	size_t at = transport_of(v6), header = 20 + options->length;

	frame_client(frame, &(struct client){
				    .from = v6 ? CLIENT6 : CLIENT4,
				    .to = to,
				    .from_port = 40000,
				    .to_port = 443,
				    .tcp_flags = test->flags ? test->flags : SYN,
				    .ip_length = at - FRAME_IP + header + PAYLOAD,
			    });
	memcpy(frame->data + at + 20, options->data, options->length);
	frame->data[at + 12] = (test->data_offset ? test->data_offset : header / 4) << 4;
	put_checksum(frame, v6);
}

static struct fixture *open_with(const struct service_options *options)
{
	struct fixture *fixture;

	fixture_need_root();
	fixture = fixture_open(FEATURES);
	policy_fill(fixture);
	for (__u16 n = 1; n < WORLD_BACKENDS; n++)
		policy_options(fixture, n, options);
	return fixture;
}

/* Sends one, and compares what comes out with the other as it is sent to that backend. */
static void expect(struct fixture *fixture, const struct frame *sent, const struct frame *changed, __u16 backend)
{
	struct outer outer = target_outer(world_target(backend));
	struct frame expected, out;
	int verdict = fixture_run(fixture, sent, NULL, &out);

	assert_int_equal(verdict, world_target(backend)->ifindex == FIXTURE_INTERFACE ? XDP_TX : XDP_REDIRECT);
	outer_take_entropy(&outer, &out);
	frame_wrap(&expected, changed, &outer);
	frame_assert_equal(&expected, &out);
}

/* In both families. */
static void mss_case_run(void **state)
{
	const struct mss_case *test = *state;
	const struct options before = options_of(test->before);
	const struct options after = options_of(test->after ? test->after : test->before);
	const struct service_options options = {.mss = MOST};
	struct fixture *fixture = open_with(&options);
	struct frame sent, changed;

	for (int v6 = 0; v6 <= 1; v6++) {
		frame_syn(&sent, v6 ? V6_IPIP4 : V4_IPIP4, &before, test);
		frame_syn(&changed, v6 ? V6_IPIP4 : V4_IPIP4, &after, test);
		expect(fixture, &sent, &changed, IPIP4);
	}
	fixture_close(fixture);
}

#define TIMES "080a 00000001 00000000"

#define LOWERED(text, from, to, ...)                                                                                   \
	{                                                                                                              \
		.name = text, .before = from, .after = to, ##__VA_ARGS__                                               \
	}

static const struct mss_case lowered[] = {
	LOWERED("alone", "020405b4", "02040578"),
	LOWERED("as Linux sends it", "020405b4 0402 " TIMES "01 030307", "02040578 0402 " TIMES "01 030307"),
	LOWERED("as Windows sends it", "020405b4 01 030308 0101 0402", "02040578 01 030308 0101 0402"),
	LOWERED("as macOS sends it", "020405b4 01 030306 0101 " TIMES "0402 0000",
		"02040578 01 030306 0101 " TIMES "0402 0000"),
	LOWERED("at an odd offset", "01 020405b4 010101", "01 02040578 010101"),
	LOWERED("at an offset of 2 modulo 4", "0101 020405b4 0101", "0101 02040578 0101"),
	LOWERED("at an offset of 3 modulo 4", "010101 020405b4 01", "010101 02040578 01"),
	LOWERED("the last option", TIMES "0101 020405b4", TIMES "0101 02040578"),
	LOWERED("behind an option of odd length", "030307 020405b4 01", "030307 02040578 01"),
	LOWERED("behind an option yet unknown", "fd06 01020304 0101 020405b4", "fd06 01020304 0101 02040578"),
	LOWERED("behind the longest one",
		"fe24 0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122 020405b4",
		"fe24 0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122 02040578"),
	LOWERED("behind 36 no-operations",
		"010101010101010101010101010101010101010101010101010101010101010101010101 020405b4",
		"010101010101010101010101010101010101010101010101010101010101010101010101 02040578"),
	LOWERED("behind one of a wrong length", "020305 020405b4 01", "020305 02040578 01"),
	LOWERED("from one more", "02040579", "02040578"),
	LOWERED("from the largest", "0204ffff", "02040578"),
	LOWERED("of a SYN with ECE and CWR", "020405b4", "02040578", .flags = 0xc2),
	LOWERED("padding behind it", "020405b4 00000000", "02040578 00000000"),
};

static const struct mss_case left[] = {
	{.name = "the same", .before = "02040578"},
	{.name = "smaller", .before = "02040577"},
	{.name = "zero", .before = "02040000"},
	{.name = "no options", .before = ""},
	{.name = "no such option", .before = "0402 " TIMES "01 030307"},
	{.name = "behind the end of options", .before = "01010100 020405b4"},
	{.name = "behind an option of length 0", .before = "0500 020405b4 0101"},
	{.name = "behind an option of length 1", .before = "0501 020405b4 0101"},
	{.name = "behind an option that is longer than the header", .before = "05ff 020405b4 0101"},
	{.name = "behind an option one byte longer than the header", .before = "0509 020405b4 0101"},
	{.name = "inside another option", .before = "fe0a 020405b4 020405b4 0101"},
	{.name = "of length 3", .before = "02030579 01010101"},
	{.name = "of length 5", .before = "020505b4 01010101"},
	{.name = "cut by the header's end", .before = "01010204 05b40101", .data_offset = 6},
	{.name = "behind the header's end", .before = "01010101 020405b4", .data_offset = 6},
	{.name = "behind a header without options", .before = "020405b4", .data_offset = 5},
	{.name = "of a SYN-ACK", .before = "020405b4", .flags = 0x12},
	{.name = "of no SYN", .before = "020405b4", .flags = 0x10},
	{.name = "of a RST", .before = "020405b4", .flags = 0x04},
};

/* A header that would go on behind the segment is none, and what is behind it in the frame no option. */
static const struct mss_case longer[] = {
	{.name = "an option that is there", .before = "020405b4", .data_offset = 15},
	{.name = "one that is not", .before = "01010101", .data_offset = 15},
	{.name = "one that would be behind the frame", .before = "05190101", .data_offset = 15},
};

struct auto_case {
	const char *name;
	const char *vip;
	__u16 backend;
	__u16 mss;
};

/* The MTU less the outer header, less 40 bytes of IPv4 and TCP or 60 of IPv6 and TCP. */
static const struct auto_case automatic[] = {
	{"IPv4 in IPv4", V4_IPIP4, IPIP4, WORLD_MTU_IN - 20 - 40},
	{"IPv4 in IPv6", V4_IPIP6, IPIP6, WORLD_MTU_IN - 40 - 40},
	{"IPv4 in GUE over IPv4", V4_GUE4, GUE4, WORLD_MTU_IN - 28 - 40},
	{"IPv4 in GUE over IPv6", V4_GUE6, GUE6, WORLD_MTU_IN - 48 - 40},
	{"IPv4, l2", V4_L2, L2, WORLD_MTU_IN - 40},
	{"IPv6 in IPv4", V6_IPIP4, IPIP4, WORLD_MTU_IN - 20 - 60},
	{"IPv6 in IPv6", V6_IPIP6, IPIP6, WORLD_MTU_IN - 40 - 60},
	{"IPv6 in GUE over IPv4", V6_GUE4, GUE4, WORLD_MTU_IN - 28 - 60},
	{"IPv6 in GUE over IPv6", V6_GUE6, GUE6, WORLD_MTU_IN - 48 - 60},
	{"IPv6, l2", V6_L2, L2, WORLD_MTU_IN - 60},
	{"IPv4 in IPv4, out of another interface", V4_IPIP4_OUT, IPIP4_OUT, WORLD_MTU_OUT - 20 - 40},
	{"IPv6 in GUE over IPv6, out of another interface", V6_GUE6_OUT, GUE6_OUT, WORLD_MTU_OUT - 48 - 60},
};

static void auto_case_run(void **state)
{
	const struct auto_case *test = *state;
	const struct service_options options = {.flags = OPTION_MSS_AUTO};
	const struct mss_case syn = {0};
	struct fixture *fixture = open_with(&options);
	struct options before = options_of("02040000"), after = before;
	struct frame sent, changed;

	/* one less, as much, one more */
	for (int more = -1; more <= 1; more++) {
		before.data[2] = (test->mss + more) >> 8;
		before.data[3] = test->mss + more;
		memcpy(after.data, before.data, sizeof(after.data));
		if (more > 0) {
			after.data[2] = test->mss >> 8;
			after.data[3] = test->mss;
		}
		frame_syn(&sent, test->vip, &before, &syn);
		frame_syn(&changed, test->vip, &after, &syn);
		expect(fixture, &sent, &changed, test->backend);
	}
	fixture_close(fixture);
}

/* Whatever is left of the options goes on as RFC 9293 has it: where is an MSS that is to be lowered? 0: nowhere. */
static size_t find_larger(const struct options *options, __u16 most)
{
	const __u8 *data = options->data;
	size_t i = 0;

	while (i < options->length && data[i] != 0) {
		if (data[i] == 1) {
			i++;
			continue;
		}
		if (i + 1 >= options->length || data[i + 1] < 2 || i + data[i + 1] > options->length)
			return 0;
		if (data[i] == 2 && data[i + 1] == 4)
			return (data[i + 2] << 8 | data[i + 3]) > most ? i + 2 : 0;
		i += data[i + 1];
	}
	return 0;
}

/* Options of kinds and lengths that are often sensible, and bytes of any value. */
static struct options random_options(unsigned int *seed)
{
	static const __u8 likely[] = {0, 1, 1, 1, 2, 2, 3, 4, 5, 6, 8, 10};
	struct options options = {.length = rand_r(seed) % 11 * 4};

	for (size_t i = 0; i < options.length; i++)
		options.data[i] = rand_r(seed) % 8 ? likely[rand_r(seed) % sizeof(likely)] : rand_r(seed) % 256;
	if (options.length >= 8 && rand_r(seed) % 2)
		memcpy(options.data + rand_r(seed) % (options.length - 3), "\x02\x04\x07", 3);
	return options;
}

static void random_options_as_a_reference_has_them(void **state)
{
	const struct service_options limit = {.mss = MOST};
	const struct mss_case syn = {0};
	struct fixture *fixture = open_with(&limit);
	unsigned int seed = 1, lowered_ones = 0;
	struct frame sent, changed;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		const char *vip = i % 2 ? V6_L2 : V4_L2;
		struct options options = random_options(&seed), after = options;
		size_t at = find_larger(&options, MOST);

		if (at) {
			after.data[at] = MOST >> 8;
			after.data[at + 1] = MOST & 0xff;
			lowered_ones++;
		}
		frame_syn(&sent, vip, &options, &syn);
		frame_syn(&changed, vip, &after, &syn);
		expect(fixture, &sent, &changed, L2);
	}
	assert_in_range(lowered_ones, 1000, 19000);
	fixture_close(fixture);
}

/* A service without one, and a program that has no service with options. */
static void not_looked_at(void **state)
{
	const struct service_options none = {0}, limit = {.mss = MOST};
	const struct options options = options_of("020405b4");
	const struct mss_case syn = {0};
	struct fixture *fixture = open_with(&none);
	struct frame sent;

	(void)state;
	frame_syn(&sent, V4_GUE4, &options, &syn);
	expect(fixture, &sent, &sent, GUE4);
	fixture_close(fixture);
	fixture = fixture_open(0);
	policy_fill(fixture);
	policy_options(fixture, GUE4, &limit);
	expect(fixture, &sent, &sent, GUE4);
	fixture_close(fixture);
}

/* All of them reach a backend. */
static enum reason mss_case_reason(const void *test)
{
	(void)test;
	return REASON_forwarded;
}

static const struct case_group groups[] = {
	GROUP_OF("MSS that is lowered", lowered, mss_case_run, mss_case_reason),
	GROUP_OF("MSS that is left", left, mss_case_run, mss_case_reason),
	GROUP_OF("MSS: TCP headers longer than their segment", longer, mss_case_run, mss_case_reason),
	GROUP_OF("MSS that fits the way to the backend", automatic, auto_case_run, mss_case_reason),
};

int main(int argc, char **argv)
{
	const struct CMUnitTest more[] = {
		cmocka_unit_test(random_options_as_a_reference_has_them),
		cmocka_unit_test(not_looked_at),
	};
	int failed = GROUPS_RUN(argc, argv, groups);

	return groups_are_listed(argc, argv) ? failed : failed + cmocka_run_group_tests(more, NULL, NULL);
}
