/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Configurations of numbered names, and what is reported as new of them. */
#ifndef SLUICE_TEST_IDS_LAB_H
#define SLUICE_TEST_IDS_LAB_H

#include "unit/sample.h"

#include "abi.h"
#include "model/ids.h"

/* A configuration of `services` services and one pool of `backends` backends, the first of them number `from`. */
static inline struct config *numbered(unsigned int from, size_t services, size_t backends)
{
	struct config *config = sample_config(1, services);
	struct config_pool *pool = sample_pool(config, "pool", 7, backends);

	for (unsigned int i = 0; i < backends; i++)
		sample_backend(pool, sample_name(config, "b%06u", from + i), sample_host(from + i));
	for (unsigned int i = 0; i < services; i++)
		sample_service(config, sample_name(config, "s%06u", from + i), 0, 0, 0);
	return config;
}

/* The index of the backend with sample_host(n). */
static inline __u16 host_index(const struct ids *ids, const char *pool, __u32 n)
{
	struct address address = sample_host(n);

	return ids_backend(ids, pool, &address);
}

/* Assigns and frees the configuration. */
static inline void assign(struct ids *ids, struct config *config)
{
	assert_int_equal(ids_assign(ids, config), 0);
	config_free(config);
}

struct reported {
	unsigned int services[SLUICE_MAX_SERVICES], backends[SLUICE_MAX_BACKENDS + 1];
	unsigned int count;
};

static inline void report_service(void *argument, __u32 index)
{
	struct reported *reported = argument;

	assert_in_range(index, 0, SLUICE_MAX_SERVICES - 1);
	reported->services[index]++;
	reported->count++;
}

static inline void report_backend(void *argument, __u32 index)
{
	struct reported *reported = argument;

	assert_in_range(index, 1, SLUICE_MAX_BACKENDS);
	reported->backends[index]++;
	reported->count++;
}

static inline unsigned int report(const struct ids *ids, struct reported *reported)
{
	memset(reported, 0, sizeof(*reported));
	ids_each_new(ids, report_service, report_backend, reported);
	return reported->count;
}

#endif
