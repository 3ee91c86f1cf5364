/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The kernel's verifier takes the program with every combination of features, and what is off costs nothing. */
#include <bpf/bpf.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "packet/packet_case.h"

#define FINDING	     (FEATURE_ANY_PORT | FEATURE_PREFIX4 | FEATURE_PREFIX6)
#define ALL_FEATURES (FINDING | FEATURE_TRANSITION | FEATURE_SECOND_HOP)

/* Loads it, at the size that balancers have, and sends one packet of each family; *state is the combination. */
static void loads(void **state)
{
	struct fixture_options options = {.features = (uintptr_t)*state, .full_size = true};
	struct outcome four = {REASON_forwarded, IPIP4, IPIP4}, six = {REASON_forwarded, GUE6, GUE6};
	struct counts *counts = calloc(1, sizeof(*counts));
	struct fixture *fixture;
	struct frame in;

	fixture_need_root();
	assert_non_null(counts);
	fixture = fixture_try(&options);
	if (!fixture)
		fail_msg("the verifier refused the program; its log is above");
	world_fill(fixture);
	frame_client(&in, &(struct client){.from = CLIENT4, .to = V4_IPIP4, .to_port = 443});
	packet_send(fixture, &in, NULL, &four, counts);
	frame_client(&in, &(struct client){.from = CLIENT6, .to = V6_GUE6, .to_port = 443});
	packet_send(fixture, &in, NULL, &six, counts);
	packet_assert_counted(fixture, counts);
	fixture_close(fixture);
	free(counts);
}

/* In bytes, after the verifier removed what cannot be reached. */
static __u32 program_size(__u32 features)
{
	struct fixture *fixture = fixture_open(features);
	struct bpf_prog_info info = {0};
	__u32 length = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fixture_program(fixture), &info, &length), 0);
	fixture_close(fixture);
	return info.xlated_prog_len;
}

static void features_that_are_off_are_removed(void **state)
{
	__u32 all;

	(void)state;
	fixture_need_root();
	all = program_size(ALL_FEATURES);
	for (__u32 feature = 1; feature <= ALL_FEATURES; feature <<= 1)
		assert_true(program_size(ALL_FEATURES & ~feature) < all);
}

#define LOADS(text, set)                                                                                               \
	{                                                                                                              \
		.name = "loads with " text, .test_func = loads, .initial_state = (void *)(uintptr_t)(set)              \
	}

int main(void)
{
	const struct CMUnitTest combinations[] = {
		LOADS("exact services alone", 0),
		LOADS("any port", FEATURE_ANY_PORT),
		LOADS("IPv4 prefixes", FEATURE_PREFIX4),
		LOADS("any port and IPv4 prefixes", FEATURE_ANY_PORT | FEATURE_PREFIX4),
		LOADS("IPv6 prefixes", FEATURE_PREFIX6),
		LOADS("any port and IPv6 prefixes", FEATURE_ANY_PORT | FEATURE_PREFIX6),
		LOADS("prefixes of both families", FEATURE_PREFIX4 | FEATURE_PREFIX6),
		LOADS("every way to find a service", FINDING),
		LOADS("transitions", FEATURE_TRANSITION),
		LOADS("transitions and the second hop", FEATURE_TRANSITION | FEATURE_SECOND_HOP),
		LOADS("every way to find a service, and transitions", FINDING | FEATURE_TRANSITION),
		LOADS("everything", ALL_FEATURES),
		cmocka_unit_test(features_that_are_off_are_removed),
	};

	return cmocka_run_group_tests(combinations, NULL, NULL);
}
