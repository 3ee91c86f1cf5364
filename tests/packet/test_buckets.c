/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The buckets behind limits: what time gives back, tested by setting their state and never by waiting; what is charged
 * and what is not; how many there are; and that CPUs can share one.
 */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <bpf/bpf.h>

#include "packet/packet_case.h"
#include "packet/policy.h"

#define FEATURES (FEATURE_SLOW | FEATURE_LIMITS)
#define VIP	 V4_IPIP4 /* of service IPIP4 */
#define VIP6	 V6_IPIP4
#define A	 "198.51.100.7"
#define B	 "198.51.100.8"
#define A6	 "2001:db8:c::7"
#define PREFIXES .source_bits4 = 32, .source_bits6 = 64

#define FROM(source, vip)                                                                                              \
	{                                                                                                              \
		.from = source, .to = vip, .from_port = 40000, .to_port = 443                                          \
	}

static struct fixture *open_with(const struct service_options *options)
{
	struct fixture *fixture = fixture_open(FEATURES);

	policy_fill(fixture);
	policy_options(fixture, IPIP4, options);
	return fixture;
}

static __u64 now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (__u64)time.tv_sec * 1000000000ULL + time.tv_nsec;
}

/* Whether a packet to VIP goes on. */
static bool goes(struct fixture *fixture, const char *from)
{
	struct frame in, out;
	int verdict;

	frame_client(&in, &(struct client)FROM(from, VIP));
	verdict = fixture_run(fixture, &in, NULL, &out);
	assert_true(verdict == XDP_TX || verdict == XDP_DROP);
	return verdict == XDP_TX;
}

static int passing(struct fixture *fixture, const char *from)
{
	int passed = 0;

	while (passed < 100 && goes(fixture, from))
		passed++;
	return passed;
}

static struct source_key source_of(const char *address)
{
	struct source_key key = {.service = IPIP4, .version = 4};

	assert_int_equal(inet_pton(AF_INET, address, key.address), 1);
	return key;
}

static bool source_state(struct fixture *fixture, const char *address, struct source_bucket *bucket)
{
	struct source_key key = source_of(address);

	return !bpf_map_lookup_elem(fixture_map(fixture, "sources"), &key, bucket);
}

static void source_set(struct fixture *fixture, const char *address, __u64 packets)
{
	struct source_bucket bucket = {.packets = packets};
	struct source_key key = source_of(address);

	assert_int_equal(bpf_map_update_elem(fixture_map(fixture, "sources"), &key, &bucket, BPF_ANY), 0);
}

static struct service_bucket service_state(struct fixture *fixture, __u32 service)
{
	struct service_bucket bucket;

	assert_int_equal(bpf_map_lookup_elem(fixture_map(fixture, "buckets"), &service, &bucket), 0);
	return bucket;
}

static void service_set(struct fixture *fixture, __u32 service, __u64 packets)
{
	struct service_bucket bucket = {.packets = packets};

	assert_int_equal(bpf_map_update_elem(fixture_map(fixture, "buckets"), &service, &bucket, BPF_ANY), 0);
}

static const struct service_options three = {.flags = OPTION_LIMITS, .source_packets = LIMIT(3), PREFIXES};
static const struct service_options three_in_all = {.flags = OPTION_LIMITS, .service_packets = LIMIT(3), PREFIXES};

/* A bucket of three, as it is `full` nanoseconds before it will be full again. */
static int passing_at(__s64 full, bool of_source)
{
	struct fixture *fixture = open_with(of_source ? &three : &three_in_all);
	int passed;

	if (of_source)
		source_set(fixture, A, now() + full);
	else
		service_set(fixture, IPIP4, now() + full);
	passed = passing(fixture, A);
	fixture_close(fixture);
	return passed;
}

static void time_gives_back(void **state)
{
	const __s64 hour = HOUR;

	(void)state;
	fixture_need_root();
	for (int of_source = 0; of_source <= 1; of_source++) {
		assert_int_equal(passing_at(5 * hour / 2, of_source), 0);
		assert_int_equal(passing_at(3 * hour / 2, of_source), 1);
		assert_int_equal(passing_at(hour / 2, of_source), 2);
		assert_int_equal(passing_at(-1, of_source), 3);
		assert_int_equal(passing_at(-(__s64)now(), of_source), 3); /* it is never more than full */
	}
}

static void what_is_refused_is_not_charged(void **state)
{
	const struct service_options options = {
		.flags = OPTION_LIMITS, .source_packets = LIMIT(2), .service_packets = LIMIT(3), PREFIXES};
	struct source_bucket before, after;
	struct service_bucket all;
	struct fixture *fixture;

	(void)state;
	fixture_need_root();
	fixture = open_with(&options);
	assert_int_equal(passing(fixture, A), 2);
	assert_true(source_state(fixture, A, &before));
	all = service_state(fixture, IPIP4);
	assert_false(goes(fixture, A)); /* by its own limit */
	assert_true(source_state(fixture, A, &after));
	assert_int_equal(before.packets, after.packets);
	assert_int_equal(all.packets, service_state(fixture, IPIP4).packets);
	assert_int_equal(passing(fixture, B), 1); /* and then by the service's */
	assert_true(source_state(fixture, B, &before));
	all = service_state(fixture, IPIP4);
	assert_false(goes(fixture, B));
	assert_true(source_state(fixture, B, &after));
	assert_int_equal(before.packets, after.packets);
	assert_int_equal(all.packets, service_state(fixture, IPIP4).packets);
	/* nor does it take a place among the sources */
	assert_false(goes(fixture, "203.0.113.1"));
	assert_false(source_state(fixture, "203.0.113.1", &after));
	fixture_close(fixture);
}

static void without_limits_nothing_is_kept(void **state)
{
	const struct service_options options = {.source_packets = LIMIT(1), .service_packets = LIMIT(1), PREFIXES};
	struct source_bucket bucket;
	struct fixture *fixture;

	(void)state;
	fixture_need_root();
	fixture = open_with(&options);
	assert_int_equal(passing(fixture, A), 100);
	assert_false(source_state(fixture, A, &bucket));
	assert_int_equal(service_state(fixture, IPIP4).packets, 0);
	fixture_close(fixture);
}

/* More sources than there is room for: none of them is worse off, and the latest are known. */
static void sources_are_bounded(void **state)
{
	const struct service_options options = {.flags = OPTION_LIMITS, .source_packets = LIMIT(1), PREFIXES};
	struct source_key key, *at = NULL;
	struct fixture *fixture;
	char source[16];
	int count = 0;

	(void)state;
	fixture_need_root();
	fixture = open_with(&options);
	for (int i = 0; i < 8 * FIXTURE_SOURCES; i++) {
		snprintf(source, sizeof(source), "100.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
		assert_true(goes(fixture, source));
	}
	assert_false(goes(fixture, source));
	while (!bpf_map_get_next_key(fixture_map(fixture, "sources"), at, &key)) {
		at = &key;
		count++;
	}
	assert_in_range(count, 1, FIXTURE_SOURCES);
	fixture_close(fixture);
}

#define THREADS 2
#define ROUNDS	400000
#define BURST	500000

struct flood {
	struct fixture *fixture;
	int number;
};

/* On a CPU of its own, if there are two: left alone, the scheduler likes to keep both on one. */
static void flood_pin(int number)
{
	cpu_set_t may, one;

	sched_getaffinity(0, sizeof(may), &may);
	number %= CPU_COUNT(&may);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &may) || number-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

/* The l2 backend's packets keep their bytes but for MACs, so that the program may be run on its own output. */
static void *flood(void *argument)
{
	const struct flood *flood = argument;
	struct frame in;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in.data, .repeat = ROUNDS);

	flood_pin(flood->number);
	frame_client(&in, &(struct client)FROM(A, V4_L2));
	options.data_size_in = in.length;
	return bpf_prog_test_run_opts(fixture_program(flood->fixture), &options) ? "test run" : NULL;
}

static __u64 flooded(struct fixture *fixture)
{
	struct counts *counts = calloc(1, sizeof(*counts));
	struct flood floods[THREADS];
	pthread_t threads[THREADS];
	void *failure = NULL;
	__u64 forwarded;

	assert_non_null(counts);
	for (int i = 0; i < THREADS; i++) {
		floods[i] = (struct flood){fixture, i};
		assert_int_equal(pthread_create(&threads[i], NULL, flood, &floods[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &failure);
		assert_null(failure);
	}
	fixture_counts(fixture, counts);
	forwarded = counts->reasons[REASON_forwarded].packets;
	free(counts);
	return forwarded;
}

/* CPUs that share a bucket charge each packet to it, and let at most one each through too many. */
static void cpus_share(void **state)
{
	const struct service_options options = {.flags = OPTION_LIMITS, .service_packets = LIMIT(BURST)};
	struct fixture *fixture;
	__u64 began, forwarded;

	(void)state;
	fixture_need_root();
	fixture = open_with(&options);
	policy_options(fixture, L2, &options);
	began = now();
	forwarded = flooded(fixture);
	assert_in_range(forwarded, BURST, BURST + THREADS);
	assert_in_range(service_state(fixture, L2).packets - forwarded * HOUR, began, now());
	fixture_close(fixture);
}

static void cpus_share_a_source(void **state)
{
	const struct service_options options = {.flags = OPTION_LIMITS, .source_packets = LIMIT(BURST), PREFIXES};
	struct source_key key = source_of(A);
	struct source_bucket bucket;
	struct fixture *fixture;
	__u64 began, forwarded;

	(void)state;
	fixture_need_root();
	fixture = open_with(&options);
	policy_options(fixture, L2, &options);
	key.service = L2;
	began = now();
	bucket.packets = began;
	assert_int_equal(bpf_map_update_elem(fixture_map(fixture, "sources"), &key, &bucket, BPF_ANY), 0);
	forwarded = flooded(fixture);
	assert_in_range(forwarded, BURST, BURST + THREADS);
	assert_int_equal(bpf_map_lookup_elem(fixture_map(fixture, "sources"), &key, &bucket), 0);
	assert_in_range(bucket.packets - forwarded * HOUR, began, now());
	fixture_close(fixture);
}

/* What the balancer answers by itself has one bucket, whoever asks; without a rate there is no bound. */
static int answered(const struct limit *replies)
{
	const struct fixture_options options = {.features = FEATURE_ADDRESS, .replies = *replies};
	struct fixture *fixture = fixture_try(&options);
	struct service address = world_service(IPIP4);
	struct frame in, out;
	int count = 0;

	assert_non_null(fixture);
	world_fill(fixture);
	address.flags = ADDRESS_ECHO_ANSWER;
	fixture_vip(fixture, VIP, 0, 0, &address);
	fixture_vip(fixture, VIP6, 0, 0, &address);
	for (int i = 0; i < 10; i++) {
		frame_client(&in, &(struct client){.from = i % 2 ? A6 : A,
						   .to = i % 2 ? VIP6 : VIP,
						   .protocol = i % 2 ? IPPROTO_ICMPV6 : IPPROTO_ICMP});
		count += fixture_run(fixture, &in, NULL, &out) == XDP_TX;
	}
	fixture_close(fixture);
	return count;
}

static void answers_are_bounded(void **state)
{
	(void)state;
	fixture_need_root();
	assert_int_equal(answered(&(struct limit)LIMIT(1)), 1);
	assert_int_equal(answered(&(struct limit)LIMIT(7)), 7);
	assert_int_equal(answered(&(struct limit){0}), 10);
}

int main(void)
{
	const struct CMUnitTest states[] = {
		cmocka_unit_test(time_gives_back),
		cmocka_unit_test(what_is_refused_is_not_charged),
		cmocka_unit_test(without_limits_nothing_is_kept),
		cmocka_unit_test(sources_are_bounded),
		cmocka_unit_test(cpus_share),
		cmocka_unit_test(cpus_share_a_source),
		cmocka_unit_test(answers_are_bounded),
	};
	return cmocka_run_group_tests(states, NULL, NULL);
}
