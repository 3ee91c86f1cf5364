/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * 20,000 packets of every kind, most of them damaged: each is either as it was
 * or a whole encapsulation of what came in, and nothing is aborted. The seed is
 * printed; SEED=NUMBER in the environment repeats a run.
 */
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "packet/packet_case.h"

#define PACKETS 20000

/* SplitMix64 (Steele, Lea, Flood, 2014). */
static __u64 next(__u64 *seed)
{
	__u64 z = *seed += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static __u32 below(__u64 *seed, __u32 limit)
{
	return (next(seed) >> 32) * limit >> 32;
}

static void noise(struct frame *frame, __u64 *seed)
{
	frame->length = 14 + below(seed, 200);
	for (size_t i = 0; i < frame->length; i++)
		frame->data[i] = next(seed);
}

/* A whole packet, mostly to a VIP of the world, or an error about such a one's answer. */
static void whole(struct frame *frame, __u64 *seed)
{
	static const __u8 protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_GRE};
	static const __u8 types[] = {1, 2, 3, 4, 11, 12}; /* of either family's errors */
	unsigned int vip = 1 + below(seed, WORLD_BACKENDS);
	bool v6 = below(seed, 2);
	char to[32];
	struct client client = {
		.from = v6 ? CLIENT6 : CLIENT4,
		.to = to,
		.from_port = next(seed),
		.to_port = below(seed, 16) ? 443 : next(seed),
		.protocol = protocols[below(seed, sizeof(protocols))],
		.tos = next(seed),
		.ttl = next(seed),
		.ip_length = 48 + below(seed, below(seed, 2) ? 1480 : 60),
		.padding = below(seed, 2) ? below(seed, 20) : 0,
	};

	snprintf(to, sizeof(to), v6 ? "2001:db8::%x" : "192.0.2.%u", vip);
	frame_client(frame, &client);
	if (below(seed, 6) == 0)
		frame_error(frame, types[below(seed, sizeof(types))], 0, below(seed, 8) ? 8 : below(seed, 8));
}

/* One of the ways in which packets go wrong, mostly in the headers. */
static void damage(struct frame *frame, __u64 *seed)
{
	__u32 headers = frame->length < 80 ? frame->length : 80;

	switch (below(seed, 8)) {
	case 0:
		frame->length = 14 + below(seed, frame->length - 13);
		break;
	case 1:
		frame->length += below(seed, 64);
		break;
	case 2:
		frame->data[below(seed, headers)] = next(seed);
		break;
	case 3: /* either family's length field */
		frame_put16(frame, FRAME_IP + 2 + 2 * below(seed, 2), frame->length - 80 + below(seed, 160));
		break;
	case 4:
		frame_put16(frame, 12, below(seed, 2) ? 0x86dd : 0x0800);
		break;
	case 5:
		frame->data[FRAME_IP] = next(seed);
		break;
	default:
		frame->data[below(seed, headers)] ^= 1 << below(seed, 8);
		break;
	}
}

/* Whether it is a whole, unfragmented TCP or UDP packet without options; sets its length and destination. */
static bool is_whole(const struct frame *in, size_t *ip_length, const __u8 **to, size_t *ports)
{
	const __u8 *ip = in->data + FRAME_IP;
	bool v6 = frame_get16(in, 12) == 0x86dd;
	size_t header = v6 ? 40 : 20;
	__u8 protocol;

	if ((!v6 && frame_get16(in, 12) != 0x0800) || in->length < FRAME_IP + header + 8)
		return false;
	if (v6 ? ip[0] >> 4 != 6 : ip[0] != 0x45)
		return false;
	if (!v6 && frame_get16(in, FRAME_IP + 6) & 0x3fff)
		return false;
	protocol = v6 ? ip[6] : ip[9];
	*ip_length = v6 ? 40 + frame_get16(in, FRAME_IP + 4) : frame_get16(in, FRAME_IP + 2);
	*to = ip + (v6 ? 24 : 16);
	*ports = FRAME_IP + header;
	return (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) && *ip_length >= header + 8 &&
	       *ip_length <= in->length - FRAME_IP;
}

/* Whether it is a whole ICMP error about such a packet, from its destination; `ports` are as they are for that one. */
static bool is_error(const struct frame *in, size_t *ip_length, const __u8 **to, size_t *ports)
{
	bool v6 = frame_get16(in, 12) == 0x86dd;
	size_t header = v6 ? 40 : 20, address = v6 ? 16 : 4, from = v6 ? 8 : 12;
	const __u8 *ip = in->data + FRAME_IP, *icmp = ip + header, *quoted = icmp + 8;
	__u8 protocol = quoted[v6 ? 6 : 9];

	*ip_length = v6 ? 40 + frame_get16(in, FRAME_IP + 4) : frame_get16(in, FRAME_IP + 2);
	*to = ip + from + address;
	*ports = FRAME_IP + header + 8 + header - 2;
	if (!v6 && frame_get16(in, 12) != 0x0800)
		return false;
	if (*ip_length > in->length - FRAME_IP || *ip_length < 2 * header + 16)
		return false;
	if (v6 ? ip[0] >> 4 != 6 || quoted[0] >> 4 != 6 : ip[0] != 0x45 || quoted[0] != 0x45)
		return false;
	if (!v6 && (frame_get16(in, FRAME_IP + 6) & 0x3fff || frame_get16(in, FRAME_QUOTE4 + 6) & 0x1fff))
		return false;
	if (v6 ? ip[6] != IPPROTO_ICMPV6 || icmp[0] < 1 || icmp[0] > 4
	       : ip[9] != IPPROTO_ICMP || (icmp[0] != 3 && icmp[0] != 11 && icmp[0] != 12))
		return false;
	return (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) && !memcmp(quoted + from, *to, address);
}

/* The number of the world's service that should take it; 0: none. */
static __u16 service_of(const struct frame *in, size_t *ip_length)
{
	static const __u8 four[3] = {192, 0, 2}, six[15] = {0x20, 0x01, 0x0d, 0xb8};
	size_t ports, known;
	const __u8 *to;

	if (!is_whole(in, ip_length, &to, &ports) && !is_error(in, ip_length, &to, &ports))
		return 0;
	if (frame_get16(in, ports + 2) != 443 || in->data[0] & 1)
		return 0;
	known = frame_get16(in, 12) == 0x86dd ? sizeof(six) : sizeof(four);
	if (memcmp(to, known == sizeof(six) ? six : four, known) || to[known] >= WORLD_BACKENDS)
		return 0;
	return to[known];
}

/* Fails unless the frame ended as it had to; returns the verdict. */
static int check(struct fixture *fixture, const struct frame *in)
{
	struct frame out, expected = *in;
	size_t ip_length = 0;
	__u16 service = service_of(in, &ip_length);
	int verdict = service ? XDP_DROP : XDP_PASS;
	struct outer outer;
	int seen;

	seen = fixture_run(fixture, in, NULL, &out);
	if (service && service != UNRESOLVED && service != UNWRITTEN) {
		outer = target_outer(world_target(service));
		if (outer.udp_to)
			outer.udp_from = frame_get16(&out, outer.to && strchr(outer.to, ':') ? FRAME_TRANSPORT6
											     : FRAME_TRANSPORT4);
		frame_wrap(&expected, in, &outer);
		if (ip_length + expected.length - in->length <= world_target(service)->mtu)
			verdict = service < IPIP4_OUT ? XDP_TX : XDP_REDIRECT;
		else
			expected = *in;
	}
	frame_assert_equal(&expected, &out);
	assert_int_equal(seen, verdict);
	return verdict;
}

static __u64 choose_seed(void)
{
	const char *text = getenv("SEED");
	__u64 seed;

	if (text)
		return strtoull(text, NULL, 0);
	assert_int_equal(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
	return seed;
}

/* Every packet was counted for one reason, and each sent one for one backend. */
static void check_counts(struct fixture *fixture, const unsigned int verdicts[5], __u64 bytes)
{
	struct counts *counts = calloc(1, sizeof(*counts));
	struct counters all = {0}, sent = {0};

	assert_non_null(counts);
	fixture_counts(fixture, counts);
	for (int i = 0; i < REASON_COUNT; i++) {
		all.packets += counts->reasons[i].packets;
		all.bytes += counts->reasons[i].bytes;
	}
	for (int i = 0; i <= SLUICE_MAX_BACKENDS; i++)
		sent.packets += counts->backends[i].packets;
	assert_int_equal(all.packets, PACKETS);
	assert_int_equal(all.bytes, bytes);
	assert_int_equal(sent.packets, verdicts[XDP_TX] + verdicts[XDP_REDIRECT]);
	assert_int_equal(counts->reasons[REASON_go_on].packets, 0);
	assert_int_equal(counts->reasons[REASON_forwarded].packets, verdicts[XDP_TX]);
	assert_int_equal(counts->reasons[REASON_redirected].packets, verdicts[XDP_REDIRECT]);
	free(counts);
}

static void damaged_packets(void **state)
{
	unsigned int verdicts[5] = {0};
	struct fixture *fixture;
	struct frame in = {0};
	__u64 seed, bytes = 0;

	(void)state;
	fixture_need_root();
	seed = choose_seed();
	print_message("SEED=0x%llx\n", seed);
	fixture = fixture_open(FEATURE_ANY_PORT | FEATURE_PREFIX4 | FEATURE_PREFIX6);
	world_fill(fixture);
	for (unsigned int n = 0; n < PACKETS; n++) {
		if (below(&seed, 16))
			whole(&in, &seed);
		else
			noise(&in, &seed);
		for (unsigned int times = below(&seed, 4); times; times--)
			damage(&in, &seed);
		verdicts[check(fixture, &in)]++;
		bytes += in.length;
	}
	check_counts(fixture, verdicts, bytes);
	/* or the packets would be of no use */
	assert_true(verdicts[XDP_PASS] > PACKETS / 10 && verdicts[XDP_DROP] > PACKETS / 100);
	assert_true(verdicts[XDP_TX] > PACKETS / 20 && verdicts[XDP_REDIRECT] > PACKETS / 20);
	fixture_close(fixture);
}

int main(void)
{
	const struct CMUnitTest random[] = {
		cmocka_unit_test(damaged_packets),
	};

	return cmocka_run_group_tests(random, NULL, NULL);
}
