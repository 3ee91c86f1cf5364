/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "packet/packet_case.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>

#include "out/program.h"
#include "packet/answer.h"

/* Not taken from include/reasons.h: what is not ours must never be dropped, whatever stands there. */
static int verdict_of(enum reason reason)
{
	switch (reason) {
	case REASON_forwarded:
	case REASON_echo:
	case REASON_rejected:
	case REASON_too_big_told:
		return XDP_TX;
	case REASON_redirected:
		return XDP_REDIRECT;
	case REASON_martian:
	case REASON_fragment_lost:
	case REASON_unknown_port:
	case REASON_echo_dropped:
	case REASON_reply_limited:
	case REASON_denied:
	case REASON_denied_by_rule:
	case REASON_over_source_limit:
	case REASON_over_service_limit:
	case REASON_no_backend:
	case REASON_no_next_hop:
	case REASON_too_big:
	case REASON_no_headroom:
		return XDP_DROP;
	default:
		return XDP_PASS;
	}
}

/* What leaves, or stays where nothing does. */
static void expect(struct frame *expected, const struct frame *in, const struct outcome *outcome,
		   const struct frame *out)
{
	struct frame plain = *in;
	struct outer outer;

	switch (outcome->reason) {
	case REASON_forwarded:
	case REASON_redirected:
		outer = target_outer(outcome->target ? outcome->target : world_target(outcome->backend));
		outer_take_entropy(&outer, out);
		frame_untag(&plain);
		frame_wrap(expected, &plain, &outer);
		break;
	case REASON_echo:
		answer_echo(expected, in);
		break;
	case REASON_rejected:
		answer_reject(expected, in);
		break;
	case REASON_too_big_told:
		answer_too_big(expected, in, outcome->mtu);
		break;
	default:
		*expected = *in;
	}
}

void packet_send(struct fixture *fixture, const struct frame *in, const struct arrival *arrival,
		 const struct outcome *outcome, struct counts *counts)
{
	bool sent = outcome->reason == REASON_forwarded || outcome->reason == REASON_redirected;
	int verdict = verdict_of(outcome->reason);
	struct frame expected, out;
	int seen;

	seen = fixture_run(fixture, in, arrival, &out);
	if (seen == -EINVAL) {
		print_message(
			"skipped: this kernel's test runs do not take %u bytes of XDP metadata, or %u bytes in the "
			"first buffer\n",
			arrival->metadata, arrival->first_buffer);
		skip();
	}
	assert_int_equal(seen, verdict);
	if (outcome->reason != REASON_no_headroom) { /* the room for tags is asked for last */
		expect(&expected, in, outcome, &out);
		frame_assert_equal(&expected, &out);
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

static void send_client(struct fixture *fixture, const struct packet_step *step, struct counts *counts)
{
	struct frame in;

	frame_client(&in, &step->client);
	if (step->change)
		step->change(&in);
	packet_send(fixture, &in, &step->arrival, &step->outcome, counts);
}

void packet_case_run(void **state)
{
	const struct packet_case *test = *state;
	struct fixture *fixture;
	struct counts *counts;

	fixture_need_root();
	if (test->features & FEATURE_MULTI && !(program_features() & FEATURE_MULTI)) {
		print_message("skipped: this kernel has no packets in several buffers (5.18 has)\n");
		skip();
	}
	counts = calloc(1, sizeof(*counts));
	assert_non_null(counts);
	fixture = fixture_try(&(struct fixture_options){.features = test->features, .replies = test->replies});
	assert_non_null(fixture);
	(test->setup ? test->setup : world_fill)(fixture);
	for (const struct packet_step *step = test->before; step && step->outcome.reason; step++)
		send_client(fixture, step, counts);
	if (test->meanwhile)
		test->meanwhile(fixture);
	send_client(fixture, &(struct packet_step){test->client, test->change, test->arrival, test->outcome}, counts);
	packet_assert_counted(fixture, counts);
	fixture_close(fixture);
	free(counts);
}

enum reason packet_case_reason(const void *test)
{
	return ((const struct packet_case *)test)->outcome.reason;
}
