/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What is read here may be anything: a file that was cut off, written by another
 * version, or edited. Each part is taken for itself, and counted if it is no good.
 */
#include <stdint.h>
#include <string.h>

#include "lib/text.h"
#include "model/health_inner.h"

#define LAST_TIME  253402300799LL /* of the year 9999: what shows times of day gets no larger ones */
#define LONGEST_MS (1LL << 53)

struct reading {
	struct health *health;
	__u64 now;
	size_t skipped;
	bool malformed; /* there was more wrong than names and addresses that are not configured */
};

static void malformed(struct reading *reading)
{
	reading->skipped++;
	reading->malformed = true;
}

/* The number under `key` from 0 to `most`; 0 if there is none, or none that is good. */
static json_int_t read_number(struct reading *reading, const json_t *object, const char *key, json_int_t most)
{
	const json_t *value = json_object_get(object, key);
	json_int_t number = json_integer_value(value);

	if (!value)
		return 0;
	if (json_is_integer(value) && number >= 0 && number <= most)
		return number;
	malformed(reading);
	return 0;
}

static void read_text(struct reading *reading, const json_t *object, const char *key, char *out, size_t room)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_string(value))
		text_clean(out, room, json_string_value(value), json_string_length(value));
	else if (value)
		malformed(reading);
}

/* Whether the backend is still to be restored: the last configuration brought it, and nothing is known of it. */
static bool is_blank(const struct health_backend *backend)
{
	return backend->fresh && backend->verdict == VERDICT_NONE;
}

/* NULL if there is nothing to restore. */
static struct health_backend *find(struct reading *reading, const char *pool, const char *name, const json_t *address)
{
	struct health_backend *backend = health_find(reading->health, pool, name);
	struct address was;

	if (!json_is_string(address) || address_parse(json_string_value(address), &was)) {
		malformed(reading);
		return NULL;
	}
	/* a configuration that changed meanwhile is no damage */
	return backend && address_equal(&was, &backend->address) && is_blank(backend) ? backend : NULL;
}

/* Is no rise or fall, and among the fallen it comes after those that were restored before. */
static void set_verdict(struct reading *reading, struct health_backend *backend, enum verdict verdict, bool alive)
{
	backend->verdict = verdict;
	backend->alive = alive;
	for (size_t i = 0; i < backend->pool->probe_count; i++)
		if (backend->pool->probes[i].type != PROBE_NONE)
			backend->probes[i].verdict = verdict;
	health_backend_assess(reading->health, backend, verdict, reading->now);
}

static void restore_up(struct reading *reading, const char *pool, json_t *saved)
{
	const json_t *up = json_object_get(saved, "up"), *falls = json_object_get(saved, "falls");
	const char *name;
	json_t *address;

	if ((up && !json_is_object(up)) || (falls && !json_is_object(falls)))
		malformed(reading);
	json_object_foreach((json_t *)up, name, address) {
		struct health_backend *backend = find(reading, pool, name, address);

		if (!backend)
			continue;
		backend->falls = (__u32)read_number(reading, falls, name, HEALTH_FALLS_MAX);
		backend->forgiven = reading->now;
		set_verdict(reading, backend, VERDICT_UP, true);
	}
}

/* What is left of its hold-down, if the configuration still has one. */
static bool restore_hold(struct reading *reading, struct health_backend *backend, const json_t *saved)
{
	const struct config_judgement *judgement = &backend->pool->judgement;
	__u64 most = judgement->hold_first_ms ? judgement->hold_max_ms : 0;
	__u64 held = (__u64)read_number(reading, saved, "held_ms", LONGEST_MS);

	held = held < most ? held : most;
	backend->held_until = held ? reading->now + held : 0;
	backend->falls = (__u32)read_number(reading, saved, "falls", HEALTH_FALLS_MAX);
	return held;
}

static void restore_down(struct reading *reading, const char *pool, const json_t *saved)
{
	const json_t *name = json_object_get(saved, "name"), *passing = json_object_get(saved, "passing");
	struct health_backend *backend;
	time_t since;
	__u64 age;
	bool held;

	if (!json_is_string(name)) {
		malformed(reading);
		return;
	}
	backend = find(reading, pool, json_string_value(name), json_object_get(saved, "address"));
	if (!backend)
		return;
	held = restore_hold(reading, backend, saved);
	age = (__u64)read_number(reading, saved, "fell_ms", LONGEST_MS);
	if (age)
		backend->fell = reading->now > age ? reading->now - age + 1 : 1;
	read_text(reading, saved, "text", backend->why, sizeof(backend->why));
	if (passing && !json_is_boolean(passing))
		malformed(reading);
	set_verdict(reading, backend, held && json_is_true(passing) ? VERDICT_UP : VERDICT_DOWN, false);
	since = (time_t)read_number(reading, saved, "since", LAST_TIME);
	if (since && backend->state == STATE_DOWN)
		backend->since_wall = since;
}

static void restore_pool(struct reading *reading, const char *pool, json_t *saved)
{
	const json_t *down = json_object_get(saved, "down");
	json_t *one;
	size_t i;

	restore_up(reading, pool, saved);
	if (!json_is_object(saved) || (down && !json_is_array(down)))
		malformed(reading);
	json_array_foreach(down, i, one)
		restore_down(reading, pool, one);
}

/* Where all that was known has been read, the others are what they would be without tables of an earlier run. */
static void end_assumption(struct reading *reading, struct health_backend *backend)
{
	if (!is_blank(backend) || !backend->hasty)
		return;
	backend->hasty = backend->assumed = backend->alive = false;
	health_backend_assess(reading->health, backend, VERDICT_NONE, reading->now);
}

static void settle(struct health *health, __u64 now)
{
	for (size_t i = 0; i < health->pool_count; i++) {
		health->quiet = health->pools[i]->fresh;
		health_pool_settle(health, health->pools[i], now);
	}
	health->quiet = false;
}

size_t health_restore(struct health *health, const json_t *saved, __u64 now)
{
	struct reading reading = {.health = health, .now = now};
	json_t *pools = json_object_get(saved, "pools"), *one;
	const char *name;

	health_begin(health, now);
	if (!json_is_object(pools))
		malformed(&reading);
	json_object_foreach(pools, name, one)
		restore_pool(&reading, name, one);
	if (!reading.malformed)
		for (size_t i = 0; i < health->pool_count; i++)
			for (size_t j = 0; j < health->pools[i]->backend_count; j++)
				end_assumption(&reading, health->pools[i]->backends[j]);
	settle(health, now);
	return reading.skipped;
}

/* STATE_DOWN if it is none that an operator can set. */
static enum backend_state read_state(const json_t *saved)
{
	const char *text = json_string_value(json_object_get(saved, "state"));

	for (enum backend_state state = STATE_UP; text && state <= STATE_MAINT; state++)
		if (strcmp(text, state_names[state]) == 0)
			return state;
	return STATE_DOWN;
}

static void restore_override(struct reading *reading, const json_t *saved)
{
	const char *pool = json_string_value(json_object_get(saved, "pool"));
	const char *name = json_string_value(json_object_get(saved, "backend"));
	struct health_backend *backend = pool && name ? health_find(reading->health, pool, name) : NULL;
	struct health_override override = {.state = read_state(saved)};
	size_t skipped = reading->skipped;
	__u64 left;

	override.weighted = json_object_get(saved, "weight") != NULL;
	override.weight = (__u32)read_number(reading, saved, "weight", CONFIG_MAX_WEIGHT);
	left = (__u64)read_number(reading, saved, "left_ms", LONGEST_MS);
	override.uid = (uid_t)read_number(reading, saved, "uid", UINT32_MAX);
	override.when = (time_t)read_number(reading, saved, "when", LAST_TIME);
	read_text(reading, saved, "reason", override.reason, sizeof(override.reason));
	if (reading->skipped != skipped)
		return;
	if (!pool || !name || override.state == STATE_DOWN || (override.state == STATE_UP && !override.weighted)) {
		reading->skipped++;
		return;
	}
	if (!backend)
		return;
	if (override.state == STATE_DRAIN && left)
		override.until = reading->now + left;
	if (!backend->fresh || backend->override.state != STATE_UP || backend->override.weighted)
		return;
	backend->override = override;
	health_backend_assess(reading->health, backend, backend->verdict, reading->now);
}

size_t health_restore_overrides(struct health *health, const json_t *saved, __u64 now)
{
	struct reading reading = {.health = health, .now = now};
	const json_t *overrides = json_object_get(saved, "overrides");
	json_t *one;
	size_t i;

	health_begin(health, now);
	if (!json_is_array(overrides))
		malformed(&reading);
	json_array_foreach(overrides, i, one)
		restore_override(&reading, one);
	settle(health, now);
	return reading.skipped;
}
