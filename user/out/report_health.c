/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the judgement knows, for the reports. */
#include "lib/text.h"
#include "model/health.h"
#include "out/member.h"
#include "out/report_part.h"
#include "probe/prober.h"

static const char *const verdict_names[] = {
	[VERDICT_NONE] = "none",
	[VERDICT_UP] = "up",
	[VERDICT_DOWN] = "down",
};

/* Who serves, and whether that is enough. */
enum pool_state {
	POOL_OK,
	POOL_DEGRADED,
	POOL_SETTLING, /* nobody yet: first verdicts are outstanding */
	POOL_EMPTY,    /* nobody */
	POOL_FALLBACK, /* another pool */
	POOL_STATES
};

static const char *const pool_state_names[] = {
	[POOL_OK] = "ok",	[POOL_DEGRADED] = "degraded", [POOL_SETTLING] = "settling",
	[POOL_EMPTY] = "empty", [POOL_FALLBACK] = "fallback",
};

static const char *user_name(uid_t uid, struct report_user *user)
{
	if (!user->known || user->uid != uid)
		account_name(uid, user->name);
	user->known = true;
	user->uid = uid;
	return user->name;
}

static void add_override(struct buffer *to, const struct health_override *override, __u64 now, struct report_user *user)
{
	char when[TEXT_DATE];

	if (override->state == STATE_UP && !override->weighted) {
		member_null(to, "override");
		return;
	}
	member_begin(to, "override", '{');
	member_text(to, "state", override->state == STATE_UP ? NULL : state_names[override->state]);
	member_number_or_null(to, "weight", override->weighted, override->weight);
	member_number(to, "uid", override->uid);
	member_text(to, "user", user_name(override->uid, user));
	member_text(to, "when", text_date(override->when, when));
	member_number_or_null(to, "left_ms", override->until, left_ms(override->until, now));
	member_text(to, "reason", override->reason);
	member_end(to, '}');
}

/* Where the probe goes, and why not through the VIP; null where that is not known. */
static void add_aim(struct buffer *to, const struct prober *prober, const struct health_backend *backend, size_t probe)
{
	struct prober_aim aim;
	bool known = prober && prober_aim(prober, backend, probe, &aim);

	member_text(to, "to", known ? aim.to : NULL);
	member_text(to, "via", known ? aim.via : NULL);
	member_text(to, "why", known ? aim.why : NULL);
}

static void add_probe(struct buffer *to, const struct prober *prober, const struct health_backend *backend,
		      size_t probe, __u64 now)
{
	const struct health_probe *found = &backend->probes[probe];

	member_begin(to, NULL, '{');
	member_text(to, "type", probe_type_names[backend->pool->probes[probe].type]);
	member_text(to, "verdict", verdict_names[found->verdict]);
	member_number(to, "run", found->run);
	member_text(to, "text", found->text);
	member_number_or_null(to, "ago_ms", found->seen, left_ms(now, found->at));
	add_aim(to, prober, backend, probe);
	member_end(to, '}');
}

/* How much a probe's text tells of why the backend is as it is. */
static int telling(const struct health_probe *probe)
{
	if (!probe->text[0])
		return 0;
	if (probe->trouble)
		return 2;
	if (probe->last == FINDING_FAILED)
		return probe->verdict == VERDICT_DOWN ? 4 : 3;
	return 1;
}

/* What a failing probe says; else, of one that is down or not probed yet in this run, why; else what was said last. */
static const char *telling_text(const struct health_backend *backend)
{
	const struct health_probe *best = NULL;

	for (size_t i = 0; i < backend->pool->probe_count; i++) {
		const struct health_probe *probe = &backend->probes[i];
		int more = telling(probe) - (best ? telling(best) : 0);

		if (more > 0 || (!more && best && probe->at > best->at))
			best = probe;
	}
	if (backend->why[0] && (!best || (backend->state == STATE_DOWN && telling(best) < 3)))
		return backend->why;
	return best ? best->text : NULL;
}

/* Why this host cannot probe it now; NULL if it can. */
static const char *trouble_text(const struct health_backend *backend)
{
	for (size_t i = 0; i < backend->pool->probe_count; i++)
		if (backend->probes[i].trouble)
			return backend->probes[i].text;
	return NULL;
}

void report_add_health(struct buffer *to, const struct prober *prober, const struct health_backend *backend,
		       __u64 weights, __u64 now, struct report_user *user)
{
	__u32 weight = health_weight(backend);
	char since[TEXT_DATE];

	member_text(to, "state", state_names[backend->state]);
	member_text(to, "state_since", text_date(backend->since_wall, since));
	member_bool(to, "kept", backend->kept);
	member_bool(to, "drained", backend->override.drained);
	member_number(to, "weight", backend->configured);
	member_number(to, "weight_now", weight);
	member_real(to, "share", weights ? (double)weight / (double)weights : 0);
	member_text(to, "probe", telling_text(backend));
	member_text(to, "trouble", trouble_text(backend));
	member_begin(to, "probes", '[');
	for (size_t i = 0; i < backend->pool->probe_count; i++)
		add_probe(to, prober, backend, i, now);
	member_end(to, ']');
	member_number(to, "falls", backend->falls);
	member_number(to, "held_ms", (__s64)left_ms(backend->held_until, now));
	add_override(to, &backend->override, now, user);
}

__u64 report_weights(const struct health_pool *pool)
{
	__u64 sum = 0;

	for (size_t i = 0; i < pool->backend_count; i++)
		sum += health_weight(pool->backends[i]);
	return sum;
}

static enum pool_state pool_state(const struct state *state, size_t pool)
{
	const struct health_pool *health = health_pool(state->health, pool);

	if (health_effective_pool(state->health, pool) != pool)
		return POOL_FALLBACK;
	if (!health_usable(health))
		return health->condition == CONDITION_SETTLING && health->roles[ROLE_WAITING] ? POOL_SETTLING
											      : POOL_EMPTY;
	return health->degraded ? POOL_DEGRADED : POOL_OK;
}

void report_set_pool_health(json_t *object, const struct state *state, size_t pool)
{
	const struct health_pool *health = health_pool(state->health, pool);
	const struct config *config = state->config;
	size_t fallback = config->pools[pool].fallback;
	enum pool_state how = pool_state(state, pool);

	set(object, "state", json_string(pool_state_names[how]));
	set(object, "usable", json_boolean(health_usable(health)));
	set(object, "up", count_json(health->up));
	set(object, "kept", count_json(health->kept));
	set(object, "troubled", count_json(health->troubled));
	set(object, "min_healthy", count_json(health_min_healthy(health)));
	set(object, "degraded", json_boolean(health->degraded));
	set(object, "fallback", fallback == CONFIG_NONE ? json_null() : json_string(config->pools[fallback].name));
	set(object, "fallback_in_use", json_boolean(how == POOL_FALLBACK));
	set(object, "effective", json_string(config->pools[health_effective_pool(state->health, pool)].name));
}

size_t report_troubled(const struct state *state)
{
	size_t troubled = 0;

	for (size_t i = 0; i < state->config->pool_count; i++)
		troubled += health_pool(state->health, i)->troubled;
	return troubled;
}

void report_set_health_totals(json_t *status, const struct state *state)
{
	__u64 states[STATE_DOWN + 1] = {0}, pools[POOL_STATES] = {0}, kept = 0, degraded = 0;
	json_t *object = json_object();

	for (size_t i = 0; i < state->config->pool_count; i++) {
		const struct health_pool *pool = health_pool(state->health, i);

		for (size_t j = 0; j < pool->backend_count; j++)
			states[pool->backends[j]->state]++;
		kept += pool->kept;
		degraded += pool->degraded;
		pools[pool_state(state, i)]++;
	}
	for (size_t i = 0; i <= STATE_DOWN; i++)
		set(object, state_names[i], count_json(states[i]));
	set(status, "backend_states", object);
	set(status, "backends_kept", count_json(kept));
	set(status, "pools_degraded", count_json(degraded));
	set(status, "pools_empty", count_json(pools[POOL_EMPTY]));
	set(status, "pools_fallback", count_json(pools[POOL_FALLBACK]));
}
