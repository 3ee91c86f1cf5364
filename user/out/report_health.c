/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the judgement knows, for the reports. */
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "model/health.h"
#include "out/report_part.h"
#include "probe/prober.h"

static const char *const verdict_names[] = {
	[VERDICT_NONE] = "none",
	[VERDICT_UP] = "up",
	[VERDICT_DOWN] = "down",
};

/* Of this host's own users alone: those of a directory in the network might take a while to be asked for. */
static const char *user_name(uid_t uid, struct report_user *user)
{
	FILE *file = user->known && user->uid == uid ? NULL : fopen("/etc/passwd", "re");
	struct passwd entry, *found;
	char text[4096];

	if (!file)
		return user->known && user->uid == uid ? user->name : NULL;
	*user = (struct report_user){.known = true, .uid = uid};
	while (fgetpwent_r(file, &entry, text, sizeof(text), &found) == 0) {
		if (entry.pw_uid != uid)
			continue;
		snprintf(user->name, sizeof(user->name), "%s", entry.pw_name);
		break;
	}
	fclose(file);
	return user->name;
}

static json_t *override_json(const struct health_override *override, __u64 now, struct report_user *user)
{
	json_t *object;

	if (override->state == STATE_UP && !override->weighted)
		return json_null();
	object = json_object();
	set(object, "state", override->state == STATE_UP ? json_null() : json_string(state_names[override->state]));
	set(object, "weight", override->weighted ? json_integer(override->weight) : json_null());
	set(object, "uid", json_integer((json_int_t) override->uid));
	set(object, "user", text_or_null(user_name(override->uid, user)));
	set(object, "when", report_time(override->when));
	set(object, "left_ms", override->until ? count_json(left_ms(override->until, now)) : json_null());
	set(object, "reason", text_or_null(override->reason));
	return object;
}

static json_t *probe_json(const struct config_probe *probe, const struct health_probe *found, __u64 now)
{
	json_t *object = json_object();

	set(object, "type", json_string(probe_type_names[probe->type]));
	set(object, "verdict", json_string(verdict_names[found->verdict]));
	set(object, "run", json_integer(found->run));
	set(object, "text", text_or_null(found->text));
	set(object, "ago_ms", found->seen ? count_json(left_ms(now, found->at)) : json_null());
	return object;
}

/* Where the probe goes, and why not through the VIP; null where that is not known. */
static void set_aim(json_t *object, const struct prober *prober, const struct health_backend *backend, size_t probe)
{
	json_t *aim = prober ? prober_probe_json(prober, backend, probe) : NULL;

	set(object, "to", json_null());
	set(object, "via", json_null());
	set(object, "why", json_null());
	json_object_update(object, aim);
	json_decref(aim);
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

void report_set_health(json_t *object, const struct prober *prober, const struct health_backend *backend, __u64 weights,
		       __u64 now, struct report_user *user)
{
	__u32 weight = health_weight(backend);
	json_t *probes = json_array();

	for (size_t i = 0; i < backend->pool->probe_count; i++) {
		json_t *probe = probe_json(&backend->pool->probes[i], &backend->probes[i], now);

		set_aim(probe, prober, backend, i);
		append(probes, probe);
	}
	set(object, "state", json_string(state_names[backend->state]));
	set(object, "state_since", report_time(backend->since_wall));
	set(object, "kept", json_boolean(backend->kept));
	set(object, "weight", json_integer(backend->configured));
	set(object, "weight_now", json_integer(weight));
	set(object, "share", json_real(weights ? (double)weight / (double)weights : 0));
	set(object, "probe", text_or_null(telling_text(backend)));
	set(object, "probes", probes);
	set(object, "falls", json_integer(backend->falls));
	set(object, "held_ms", count_json(left_ms(backend->held_until, now)));
	set(object, "override", override_json(&backend->override, now, user));
}

__u64 report_weights(const struct health_pool *pool)
{
	__u64 sum = 0;

	for (size_t i = 0; i < pool->backend_count; i++)
		sum += health_weight(pool->backends[i]);
	return sum;
}

void report_set_pool_health(json_t *object, const struct state *state, size_t pool)
{
	const struct health_pool *health = health_pool(state->health, pool);
	const struct config *config = state->config;
	size_t fallback = config->pools[pool].fallback;

	set(object, "up", count_json(health->up));
	set(object, "kept", count_json(health->kept));
	set(object, "min_healthy", count_json(health_min_healthy(health)));
	set(object, "degraded", json_boolean(health->degraded));
	set(object, "fallback", fallback == CONFIG_NONE ? json_null() : json_string(config->pools[fallback].name));
	set(object, "effective", json_string(config->pools[health_effective_pool(state->health, pool)].name));
}

void report_set_health_totals(json_t *status, const struct state *state)
{
	__u64 states[STATE_DOWN + 1] = {0}, kept = 0, degraded = 0;
	json_t *object = json_object();

	for (size_t i = 0; i < state->config->pool_count; i++) {
		const struct health_pool *pool = health_pool(state->health, i);

		for (size_t j = 0; j < pool->backend_count; j++)
			states[pool->backends[j]->state]++;
		kept += pool->kept;
		degraded += pool->degraded;
	}
	for (size_t i = 0; i <= STATE_DOWN; i++)
		set(object, state_names[i], count_json(states[i]));
	set(status, "backend_states", object);
	set(status, "backends_kept", count_json(kept));
	set(status, "pools_degraded", count_json(degraded));
}
