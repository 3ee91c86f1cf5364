/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "packet/packet_case.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>

/* Not taken from include/reasons.h: what is not ours must never be dropped, whatever stands there. */
static int verdict_of(enum reason reason)
{
	switch (reason) {
	case REASON_forwarded:
		return XDP_TX;
	case REASON_redirected:
		return XDP_REDIRECT;
	case REASON_no_backend:
	case REASON_no_next_hop:
	case REASON_too_big:
	case REASON_no_headroom:
		return XDP_DROP;
	default:
		return XDP_PASS;
	}
}

/* The entropy is any dynamic port (RFC 6335); which one is for test_hash.c to judge. */
static __u16 entropy_port(const struct frame *frame, const struct outer *outer)
{
	size_t udp = frame_get16(frame, 12) == 0x86dd ? FRAME_TRANSPORT6 : FRAME_TRANSPORT4;

	if (!outer->udp_to)
		return 0;
	assert_in_range(frame_get16(frame, udp), 49152, 65535);
	return frame_get16(frame, udp);
}

void packet_send(struct fixture *fixture, const struct frame *in, const struct arrival *arrival,
		 const struct outcome *outcome, struct counts *counts)
{
	bool sent = outcome->reason == REASON_forwarded || outcome->reason == REASON_redirected;
	int verdict = verdict_of(outcome->reason);
	struct frame expected, out;
	struct outer outer;
	int seen;

	seen = fixture_run(fixture, in, arrival, &out);
	if (seen == -EINVAL) {
		print_message("skipped: this kernel does not take %u bytes of XDP metadata\n", arrival->metadata);
		skip();
	}
	assert_int_equal(seen, verdict);
	if (sent) {
		outer = target_outer(world_target(outcome->backend));
		outer.udp_from = entropy_port(&out, &outer);
		frame_wrap(&expected, in, &outer);
		frame_assert_equal(&expected, &out);
	} else {
		frame_assert_equal(in, &out);
	}
	counts_add(counts, outcome->reason, outcome->service ? outcome->service : NO_SERVICE,
		   sent ? outcome->backend : NO_BACKEND, in->length);
}

void packet_assert_counted(struct fixture *fixture, const struct counts *counts)
{
	struct counts *seen = calloc(1, sizeof(*seen));

	assert_non_null(seen);
	fixture_counts(fixture, seen);
	counts_assert_equal(counts, seen);
	free(seen);
}

void packet_case_run(void **state)
{
	const struct packet_case *test = *state;
	struct counts *counts = calloc(1, sizeof(*counts));
	struct fixture *fixture;
	struct frame in;

	fixture_need_root();
	assert_non_null(counts);
	fixture = fixture_open(test->features);
	(test->setup ? test->setup : world_fill)(fixture);
	frame_client(&in, &test->client);
	if (test->change)
		test->change(&in);
	packet_send(fixture, &in, &test->arrival, &test->outcome, counts);
	packet_assert_counted(fixture, counts);
	fixture_close(fixture);
	free(counts);
}
