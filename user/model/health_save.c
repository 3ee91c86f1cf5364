/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "lib/buffer.h"
#include "lib/memory.h"
#include "model/health_inner.h"

static void set_number(json_t *object, const char *key, __u64 number)
{
	if (number)
		json_object_set_new(object, key, json_integer((json_int_t)number));
}

/* Of a state that the probes gave; an override has its own. 0: not known. */
static __u64 since(const struct health_backend *backend)
{
	return backend->override.state == STATE_UP && backend->since_wall > 0 ? (__u64)backend->since_wall : 0;
}

static json_t *save_down(const struct health_backend *backend, __u64 now)
{
	char address[ADDRESS_TEXT];
	json_t *saved = json_pack("{ss ss ss}", "name", backend->name, "address",
				  address_format(&backend->address, address), "text", backend->why);

	set_number(saved, "falls", backend->falls);
	set_number(saved, "held_ms", backend->held_until > now ? backend->held_until - now : 0);
	set_number(saved, "fell_ms", backend->fell ? now - backend->fell + 1 : 0); /* 0 would say never */
	set_number(saved, "since", since(backend));
	if (backend->verdict == VERDICT_UP)
		json_object_set_new(saved, "passing", json_true());
	return saved;
}

/* Names have nothing that JSON would escape. */
static void add_key(struct buffer *text, char before, const char *name)
{
	buffer_add(text, &before, before != '\0');
	buffer_add(text, "\"", 1);
	buffer_add_text(text, name);
	buffer_add(text, "\":", 2);
}

/* One string, as there are so many: a third of the time and space that an object takes. */
static void add_up(struct buffer *text, char before, const struct health_backend *backend)
{
	char address[ADDRESS_TEXT];

	add_key(text, before, backend->name);
	buffer_add(text, "\"", 1);
	buffer_add_text(text, address_format(&backend->address, address));
	if (since(backend)) {
		buffer_add(text, " ", 1);
		buffer_add_number(text, (__s64)since(backend));
	}
	buffer_add(text, "\"", 1);
}

/* What there is to say of few of those that are up. */
struct extras {
	json_t *falls, *calm, *ramp;
};

static void save_extras(const struct extras *extras, const struct health_backend *backend, __u64 now)
{
	set_number(extras->falls, backend->name, backend->falls);
	if (backend->falls)
		set_number(extras->calm, backend->name, now > backend->forgiven ? now - backend->forgiven : 0);
	if (backend->ramp_from)
		set_number(extras->ramp, backend->name, now - backend->ramp_from + 1);
}

static int dump_to_buffer(const char *bytes, size_t length, void *buffer)
{
	buffer_add(buffer, bytes, length);
	return 0;
}

/* A member of this name, whose reference is dropped. */
static void add_member(struct buffer *text, char before, const char *name, json_t *json)
{
	add_key(text, before, name);
	if (json_dump_callback(json, dump_to_buffer, text, JSON_COMPACT | JSON_ENCODE_ANY))
		memory_exhausted();
	json_decref(json);
}

static void add_pool(struct buffer *text, char before, const struct health_pool *pool, __u64 now)
{
	const struct extras extras = {json_object(), json_object(), json_object()};
	json_t *down = json_array();
	char comma = '\0';

	for (const struct health_backend *backend = pool->oldest; backend; backend = backend->newer)
		json_array_append_new(down, save_down(backend, now));
	add_key(text, before, pool->name);
	add_member(text, '{', "usable", json_boolean(health_usable(pool) && pool->server == pool));
	add_key(text, ',', "up");
	buffer_add(text, "{", 1);
	for (size_t i = 0; i < pool->backend_count; i++) {
		const struct health_backend *backend = pool->backends[i];

		if (backend->alive) {
			add_up(text, comma, backend);
			comma = ',';
			save_extras(&extras, backend, now);
		} else if (backend->verdict != VERDICT_NONE && backend->role != ROLE_FALLEN) {
			json_array_append_new(down, save_down(backend, now));
		}
	}
	buffer_add(text, "}", 1);
	add_member(text, ',', "falls", extras.falls);
	add_member(text, ',', "calm_ms", extras.calm);
	add_member(text, ',', "ramp_ms", extras.ramp);
	add_member(text, ',', "down", down);
	buffer_add(text, "}", 1);
}

char *health_save_text(const struct health *health, __u64 now)
{
	struct buffer text = {0};

	add_member(&text, '{', "clock_ms", json_integer((json_int_t)now));
	add_key(&text, ',', "pools");
	buffer_add(&text, "{", 1);
	for (size_t i = 0; i < health->pool_count; i++)
		add_pool(&text, i ? ',' : '\0', health->pools[i], now);
	buffer_add(&text, "}}", 2);
	return buffer_take(&text);
}

static json_t *save_override(const struct health_backend *backend, __u64 now)
{
	const struct health_override *override = &backend->override;
	char address[ADDRESS_TEXT];
	json_t *saved =
		json_pack("{ss ss ss ss sI sI ss}", "pool", backend->pool->name, "backend", backend->name, "address",
			  address_format(&backend->address, address), "state", state_names[override->state], "uid",
			  (json_int_t) override->uid, "when", (json_int_t) override->when, "reason", override->reason);

	if (override->weighted)
		json_object_set_new(saved, "weight", json_integer(override->weight));
	if (override->drained)
		json_object_set_new(saved, "drained", json_true());
	if (override->state != STATE_UP && backend->since_wall > 0)
		set_number(saved, "since", (__u64)backend->since_wall);
	if (override->until) {
		set_number(saved, "left_ms", override->until > now ? override->until - now : 1);
		set_number(saved, "lasted_ms", now - backend->since);
		set_number(saved, "clock_ms", now); /* its own: it may go to a document that is written later */
	}
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
