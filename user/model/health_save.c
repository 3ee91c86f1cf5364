/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "model/health_inner.h"

static void set_number(json_t *object, const char *key, __u64 number)
{
	if (number)
		json_object_set_new(object, key, json_integer((json_int_t)number));
}

static json_t *save_down(const struct health_backend *backend, __u64 now)
{
	char address[ADDRESS_TEXT];
	json_t *saved = json_pack("{ss ss ss}", "name", backend->name, "address",
				  address_format(&backend->address, address), "text", backend->why);

	set_number(saved, "falls", backend->falls);
	set_number(saved, "held_ms", backend->held_until > now ? backend->held_until - now : 0);
	set_number(saved, "fell_ms", backend->fell ? now - backend->fell + 1 : 0); /* 0 would say never */
	set_number(saved, "since", backend->since_wall > 0 ? (__u64)backend->since_wall : 0);
	if (backend->verdict == VERDICT_UP)
		json_object_set_new(saved, "passing", json_true());
	return saved;
}

static json_t *save_pool(const struct health_pool *pool, __u64 now)
{
	json_t *up = json_object(), *falls = json_object(), *down = json_array();
	char address[ADDRESS_TEXT];

	for (const struct health_backend *backend = pool->oldest; backend; backend = backend->newer)
		json_array_append_new(down, save_down(backend, now));
	for (size_t i = 0; i < pool->backend_count; i++) {
		const struct health_backend *backend = pool->backends[i];

		if (backend->alive) {
			json_object_set_new(up, backend->name, json_string(address_format(&backend->address, address)));
			set_number(falls, backend->name, backend->falls);
		} else if (backend->verdict != VERDICT_NONE && backend->role != ROLE_FALLEN) {
			json_array_append_new(down, save_down(backend, now));
		}
	}
	return json_pack("{so so so}", "up", up, "falls", falls, "down", down);
}

json_t *health_save(const struct health *health, __u64 now)
{
	json_t *pools = json_object();

	for (size_t i = 0; i < health->pool_count; i++)
		json_object_set_new(pools, health->pools[i]->name, save_pool(health->pools[i], now));
	return json_pack("{so}", "pools", pools);
}

static json_t *save_override(const struct health_backend *backend, __u64 now)
{
	const struct health_override *override = &backend->override;
	json_t *saved = json_pack("{ss ss ss sI sI ss}", "pool", backend->pool->name, "backend", backend->name, "state",
				  state_names[override->state], "uid", (json_int_t) override->uid, "when",
				  (json_int_t) override->when, "reason", override->reason);

	if (override->weighted)
		json_object_set_new(saved, "weight", json_integer(override->weight));
	if (override->until)
		set_number(saved, "left_ms", override->until > now ? override->until - now : 1);
	return saved;
}

json_t *health_save_overrides(const struct health *health, __u64 now)
{
	json_t *overrides = json_array();

	for (size_t i = 0; i < health->pool_count; i++) {
		const struct health_pool *pool = health->pools[i];

		for (size_t j = 0; j < pool->backend_count; j++) {
			const struct health_override *override = &pool->backends[j]->override;

			if (override->state != STATE_UP || override->weighted)
				json_array_append_new(overrides, save_override(pool->backends[j], now));
		}
	}
	return json_pack("{so}", "overrides", overrides);
}
