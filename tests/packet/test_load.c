/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The kernel's verifier takes both programs with every feature, alone and together; what is off costs nothing. */
#include <bpf/bpf.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "out/program.h"
#include "packet/packet_case.h"

#define FINDING	     (FEATURE_ANY_PORT | FEATURE_PREFIX4 | FEATURE_PREFIX6)
#define FLOWS	     (FEATURE_TRANSITION | FEATURE_SECOND_HOP)
#define STAGES	     (FEATURE_SLOW | FEATURE_RULES | FEATURE_LIMITS | FEATURE_QUIC)
#define ALL_FEATURES (2 * FEATURE_MULTI - 1)

/* Of these, the ones that this kernel has. */
static __u32 known(__u32 features)
{
	return features & ~(FEATURE_MULTI & ~program_features());
}

/* Loads it and sends one packet of each family; *state is the combination. */
static void loads(void **state)
{
	struct fixture_options options = {.features = known((uintptr_t)*state), .alone = true};
	struct outcome four = {.reason = REASON_forwarded, .service = IPIP4, .backend = IPIP4},
		       six = {.reason = REASON_forwarded, .service = GUE6, .backend = GUE6};
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

static __u32 size_of(int program)
{
	struct bpf_prog_info info = {0};
	__u32 length = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(program, &info, &length), 0);
	return info.xlated_prog_len;
}

/* In bytes, after the verifier removed what cannot be reached. */
struct sizes {
	__u32 fast, slow;
};

static struct sizes program_sizes(__u32 features)
{
	struct fixture *fixture = fixture_open(known(features));
	struct sizes sizes = {size_of(fixture_program(fixture)), size_of(fixture_slow_program(fixture))};

	fixture_close(fixture);
	return sizes;
}

/* From one of both at least: what is not on the slow path's way may be on the fast one's instead. */
static void features_that_are_off_are_removed(void **state)
{
	struct sizes all, less;

	(void)state;
	fixture_need_root();
	all = program_sizes(ALL_FEATURES);
	for (__u32 feature = 1; feature <= ALL_FEATURES; feature <<= 1) {
		if (!known(feature))
			continue;
		less = program_sizes(ALL_FEATURES & ~feature);
		assert_true(less.fast < all.fast || less.slow < all.slow);
	}
}

#define LOADS(text, set)                                                                                               \
	{                                                                                                              \
		.name = "loads with " text, .test_func = loads, .initial_state = (void *)(uintptr_t)(set)              \
	}

#define ALONE(name) LOADS(#name " alone", name)

int main(void)
{
	const struct CMUnitTest combinations[] = {
		LOADS("exact services alone", 0),
		ALONE(FEATURE_ANY_PORT),
		ALONE(FEATURE_PREFIX4),
		ALONE(FEATURE_PREFIX6),
		ALONE(FEATURE_TRANSITION),
		ALONE(FEATURE_SECOND_HOP),
		ALONE(FEATURE_SLOW),
		ALONE(FEATURE_ADDRESS),
		ALONE(FEATURE_DENY4),
		ALONE(FEATURE_DENY6),
		ALONE(FEATURE_ENTROPY),
		ALONE(FEATURE_RULES),
		ALONE(FEATURE_LIMITS),
		ALONE(FEATURE_QUIC),
		ALONE(FEATURE_MULTI),
		LOADS("any port and IPv4 prefixes", FEATURE_ANY_PORT | FEATURE_PREFIX4),
		LOADS("any port and IPv6 prefixes", FEATURE_ANY_PORT | FEATURE_PREFIX6),
		LOADS("prefixes of both families", FEATURE_PREFIX4 | FEATURE_PREFIX6),
		LOADS("every way to find a service", FINDING),
		LOADS("transitions and the second hop", FLOWS),
		LOADS("every way to find a service, and transitions", FINDING | FEATURE_TRANSITION),
		LOADS("both deny lists and transitions", FEATURE_DENY4 | FEATURE_DENY6 | FLOWS),
		LOADS("all that services may ask for", STAGES),
		LOADS("all that services may ask for, and several buffers", STAGES | FEATURE_MULTI),
		LOADS("all that services may ask for, and transitions", STAGES | FLOWS),
		LOADS("everything but several buffers", ALL_FEATURES & ~FEATURE_MULTI),
		LOADS("everything", ALL_FEATURES),
		cmocka_unit_test(features_that_are_off_are_removed),
	};

	return cmocka_run_group_tests(combinations, NULL, NULL);
}
