/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What must hold of a judgement after every step, by the book: for health_lab.h. */
#ifndef SLUICE_TEST_HEALTH_CHECK_H
#define SLUICE_TEST_HEALTH_CHECK_H

#include "unit/sample.h"

#include "model/health.h"

#define LAB_BACKENDS 64

struct lab {
	struct health *health;
	__u64 now;
	size_t pools;
	char told[4096];  /* events since the last look: "up:a degraded:web" */
	char texts[8192]; /* theirs, a line each */
	struct {
		char pool[CONFIG_NAME_MAX + 1], text[EVENT_TEXT];
		enum event_kind kind;
	} last[8]; /* what was told last of each pool as a whole */
};

static inline size_t lab_minimum(const struct health_pool *pool)
{
	size_t judged = pool->roles[ROLE_UP] + pool->roles[ROLE_FALLEN] + pool->roles[ROLE_FAILED];
	size_t whole = judged * pool->judgement.min_healthy;

	return pool->judgement.min_healthy_percent ? whole / 100 + (whole % 100 != 0) : pool->judgement.min_healthy;
}

static inline void lab_check_backend(const struct lab *lab, const struct health_backend *backend,
				     size_t roles[HEALTH_ROLES])
{
	const struct health_pool *pool = backend->pool;
	const struct health_override *override = &backend->override;
	__u32 wanted = override->weighted ? override->weight : backend->configured;
	__u32 weight = health_weight(backend);
	__u64 next = health_next(lab->health);
	bool up = backend->state == STATE_UP, held = backend->held_until > lab->now;

	assert_true(weight == 0 || ((up || backend->kept) && weight <= wanted));
	assert_true(weight > 0 || wanted == 0 || !(up || backend->kept));
	assert_true(!backend->kept || (backend->state == STATE_DOWN && backend->fell && wanted));
	assert_true(override->state == STATE_UP || override->state == backend->state);
	assert_true(!up || (!held && backend->verdict != VERDICT_DOWN));
	assert_true(!backend->kept || weight == wanted); /* nobody ramps then */
	assert_true(!pool->kept || !weight || weight == wanted);
	assert_true(!held || next <= backend->held_until);
	assert_true(!backend->override.until || override->state != STATE_DRAIN || next <= override->until);
	if (override->state != STATE_UP || !wanted)
		roles[ROLE_OUT]++;
	else if (up)
		roles[ROLE_UP]++;
	else if (backend->verdict == VERDICT_NONE)
		roles[ROLE_WAITING]++;
	else
		roles[backend->fell ? ROLE_FALLEN : ROLE_FAILED]++;
}

/* Of two that are down: whether `a` is kept rather than `b`. */
static inline bool lab_prefers(const struct health_backend *a, const struct health_backend *b)
{
	bool x = a->verdict == VERDICT_UP, y = b->verdict == VERDICT_UP;

	return x != y ? x : a->fell >= b->fell;
}

static inline void lab_check_pool(const struct lab *lab, const struct health_pool *pool)
{
	size_t roles[HEALTH_ROLES] = {0}, kept = 0, wanted = lab_minimum(pool), can;

	for (size_t i = 0; i < pool->backend_count; i++) {
		const struct health_backend *a = pool->backends[i];

		lab_check_backend(lab, a, roles);
		kept += a->kept;
		for (size_t j = 0; j < pool->backend_count; j++) {
			const struct health_backend *b = pool->backends[j];

			if (a->kept && !b->kept && b->role == ROLE_FALLEN)
				assert_true(lab_prefers(a, b));
		}
	}
	assert_memory_equal(roles, pool->roles, sizeof(roles));
	can = roles[ROLE_UP] + roles[ROLE_FALLEN];
	assert_int_equal(pool->up, roles[ROLE_UP]);
	assert_int_equal(pool->kept, kept);
	assert_int_equal(kept, pool->up >= wanted ? 0 : (wanted < can ? wanted : can) - pool->up);
	assert_int_equal(health_usable(pool), pool->up + kept > 0);
	assert_true(pool->up < wanted || !pool->degraded);
}

/* Whether the pool has a backend with a weight that is up, or else with `kept` one that is kept. */
static inline bool lab_has(const struct health_pool *pool, bool kept)
{
	for (size_t i = 0; i < pool->backend_count; i++) {
		const struct health_backend *backend = pool->backends[i];

		if (health_weight(backend) && (kept ? backend->kept : backend->state == STATE_UP))
			return true;
	}
	return false;
}

/* By the book: along the fallbacks the first one that has some up, or else the first one that keeps some. */
static inline size_t lab_server(const struct lab *lab, size_t pool)
{
	for (int kept = 0; kept < 2; kept++) {
		size_t at = pool;

		for (size_t steps = 0; steps < lab->pools && at != CONFIG_NONE; steps++) {
			if (lab_has(health_pool(lab->health, at), kept))
				return at;
			at = health_pool(lab->health, at)->fallback;
		}
	}
	return pool;
}

/* What was told last of the pool is how it is, as far as anything was told since the agent began. */
static inline void lab_check_told(const struct lab *lab, size_t pool)
{
	const struct health_pool *of = health_pool(lab->health, pool);
	size_t server = lab_server(lab, pool), i = 0;

	while (i < 8 && strcmp(lab->last[i].pool, of->name) != 0)
		i++;
	if (i == 8)
		return;
	if (server != pool) {
		assert_int_equal(lab->last[i].kind, EVENT_pool_fallback);
		assert_non_null(strstr(lab->last[i].text, ": its services use pool "));
		assert_string_equal(strrchr(lab->last[i].text, ' ') + 1, health_pool(lab->health, server)->name);
	} else if (!health_usable(of)) {
		assert_int_equal(lab->last[i].kind, EVENT_pool_empty);
	} else {
		assert_int_equal(lab->last[i].kind, of->degraded ? EVENT_pool_degraded : EVENT_pool_recovered);
	}
}

static inline void lab_check(const struct lab *lab)
{
	__u64 next = health_next(lab->health);

	assert_true(!next || next > lab->now);
	for (size_t i = 0; i < lab->pools; i++) {
		lab_check_pool(lab, health_pool(lab->health, i));
		assert_int_equal(health_effective_pool(lab->health, i), lab_server(lab, i));
		lab_check_told(lab, i);
	}
}

/* What the tables are made from, before a step. */
struct lab_before {
	__u32 weights[LAB_BACKENDS];
	__u64 generations[8];
	size_t servers[8];
};

static inline void lab_note(const struct lab *lab, struct lab_before *before)
{
	size_t n = 0;

	for (size_t i = 0; i < lab->pools; i++) {
		const struct health_pool *pool = health_pool(lab->health, i);

		before->generations[i] = pool->generation;
		before->servers[i] = health_effective_pool(lab->health, i);
		for (size_t j = 0; j < pool->backend_count; j++)
			before->weights[n++] = health_weight(pool->backends[j]);
	}
}

/*
 * Generations and what the function returned tell exactly whether weights, or who serves, changed; and all that must
 * always hold.
 */
static inline void lab_checked(const struct lab *lab, const struct lab_before *before, bool returned)
{
	bool any = false;
	size_t n = 0;

	for (size_t i = 0; i < lab->pools; i++) {
		const struct health_pool *pool = health_pool(lab->health, i);
		bool changed = false;

		for (size_t j = 0; j < pool->backend_count; j++)
			changed |= before->weights[n++] != health_weight(pool->backends[j]);
		assert_true(pool->generation >= before->generations[i]);
		assert_true(!changed || pool->generation > before->generations[i]);
		any |= pool->generation > before->generations[i];
		any |= health_effective_pool(lab->health, i) != before->servers[i];
	}
	assert_int_equal(any, returned);
	lab_check(lab);
}

#endif
