/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/text.h"
#include "model/health_inner.h"

enum verdict health_combine(const struct health_backend *backend)
{
	const struct health_pool *pool = backend->pool;
	size_t count[] = {[VERDICT_NONE] = 0, [VERDICT_UP] = 0, [VERDICT_DOWN] = 0};
	enum verdict decisive = pool->judgement.any ? VERDICT_UP : VERDICT_DOWN;
	enum verdict other = pool->judgement.any ? VERDICT_DOWN : VERDICT_UP;

	if (!pool->probe_count)
		return VERDICT_UP;
	for (size_t i = 0; i < pool->probe_count; i++)
		count[backend->probes[i].verdict]++;
	if (count[decisive])
		return decisive;
	return count[VERDICT_NONE] ? backend->verdict : other;
}

/* How many passes or failures in a row change the probe's verdict. */
static __u32 needed(const struct health_backend *backend, size_t i, enum finding finding)
{
	const struct config_probe *config = &backend->pool->probes[i];
	bool first = backend->probes[i].verdict == VERDICT_NONE;

	if (finding == FINDING_FAILED)
		return first && backend->hasty ? 1 : config->fall;
	return first && backend->pool->judgement.start != START_DOWN ? 1 : config->rise;
}

/* Whether the probe's verdict changes. */
static bool count_finding(struct health_backend *backend, size_t i, enum finding finding)
{
	struct health_probe *probe = &backend->probes[i];
	enum verdict verdict = finding == FINDING_PASSED ? VERDICT_UP : VERDICT_DOWN;

	if (finding != probe->last)
		probe->run = 0;
	probe->last = finding;
	if (probe->run < UINT32_MAX)
		probe->run++;
	if (probe->verdict == verdict || probe->run < needed(backend, i, finding))
		return false;
	probe->verdict = verdict;
	return true;
}

/* "http: connect 10.0.0.11:80: connection refused after 0.3 ms (3 in a row)"; the type only where there are several. */
static void describe(const struct health_backend *backend, size_t i, char out[HEALTH_TEXT])
{
	const struct health_probe *probe = &backend->probes[i];
	bool several = backend->pool->probe_count > 1;
	char whole[HEALTH_TEXT + 64], run[32] = "";
	int prefix =
		several ? snprintf(whole, sizeof(whole), "%s: ", probe_type_names[backend->pool->probes[i].type]) : 0;

	if (probe->run > 1)
		snprintf(run, sizeof(run), " (%u in a row)", probe->run);
	snprintf(whole + prefix, sizeof(whole) - (size_t)prefix, "%.*s%s", HEALTH_TEXT - 1 - prefix - (int)strlen(run),
		 probe->text, run);
	text_clean(out, HEALTH_TEXT, whole, strlen(whole));
}

bool health_report(struct health *health, struct health_backend *backend, size_t probe, enum finding finding,
		   const char *text, __u64 now)
{
	struct health_probe *of = &backend->probes[probe];
	enum verdict was = backend->verdict;
	char said[HEALTH_TEXT];

	health_begin(health, now);
	text_clean(of->text, sizeof(of->text), text ? text : "", text ? strlen(text) : 0);
	of->at = now;
	of->seen = true;
	health_trouble_note(health, backend, probe, finding == FINDING_TROUBLE, now);
	if (finding == FINDING_TROUBLE || !count_finding(backend, probe, finding))
		return health->changed;
	backend->verdict = health_combine(backend);
	if (backend->verdict != was) {
		describe(backend, probe, said);
		health_backend_judge(health, backend, was, said, now);
	}
	return health->changed;
}

bool health_pending(const struct health_backend *backend, size_t probe)
{
	const struct health_probe *of = &backend->probes[probe];
	enum verdict last = of->last == FINDING_PASSED ? VERDICT_UP : VERDICT_DOWN;

	return of->verdict == VERDICT_NONE || (of->run && last != of->verdict);
}
