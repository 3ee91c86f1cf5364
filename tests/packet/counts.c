/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "packet/counts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static const char *reason_name(enum reason reason)
{
	static const char *const names[] = {
#define REASON_NAME(name, action, help) [REASON_##name] = #name,
		REASONS(REASON_NAME)
#undef REASON_NAME
	};

	return names[reason];
}

static void add(struct counters *counters, size_t bytes)
{
	counters->packets++;
	counters->bytes += bytes;
}

void counts_add(struct counts *counts, enum reason reason, int service, __u16 backend, size_t bytes)
{
	add(&counts->reasons[reason], bytes);
	if (service != NO_SERVICE)
		add(&counts->services[service], bytes);
	if (backend != NO_BACKEND)
		add(&counts->backends[backend], bytes);
}

static unsigned int differences(const char *what, const struct counters *expected, const struct counters *seen,
				__u32 count)
{
	unsigned int differ = 0;

	for (__u32 i = 0; i < count; i++) {
		if (expected[i].packets == seen[i].packets && expected[i].bytes == seen[i].bytes)
			continue;
		fprintf(stderr, "%s[%u]: expected %llu packets, %llu bytes; counted %llu packets, %llu bytes\n", what,
			i, expected[i].packets, expected[i].bytes, seen[i].packets, seen[i].bytes);
		differ++;
	}
	return differ;
}

void counts_assert_equal(const struct counts *expected, const struct counts *seen)
{
	unsigned int differ = 0;

	for (int i = 0; i < REASON_COUNT; i++)
		differ += differences(reason_name(i), &expected->reasons[i], &seen->reasons[i], 1);
	differ += differences("service", expected->services, seen->services, SLUICE_MAX_SERVICES);
	differ += differences("backend", expected->backends, seen->backends, SLUICE_MAX_BACKENDS + 1);
	for (int i = 0; i < SLUICE_MAX_SERVICES; i++) {
		if (expected->tracked[i] == seen->tracked[i])
			continue;
		fprintf(stderr, "tracked[%d]: expected %llu, counted %llu\n", i, expected->tracked[i],
			seen->tracked[i]);
		differ++;
	}
	if (differ)
		fail_msg("%u counters are not as expected", differ);
}
