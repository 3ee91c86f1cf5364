/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What is read here may be anything: a file that was cut off, written by another
 * version, or edited. Each part is taken for itself, and counted if it is no good.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"
#include "model/health_inner.h"

#define LAST_TIME  253402300799LL /* of the year 9999: what shows times of day gets no larger ones */
#define LONGEST_MS (1LL << 53)

struct reading {
	struct health *health;
	bool same_clock;
	__u64 now, passed; /* since what is read was written, as far as that is known */
	size_t skipped;
	bool returning; /* to a configuration that has just run, not at a start */
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

/* Without a clock, or with none that can be, nothing has passed. */
static void read_clock(struct reading *reading, const json_t *object)
{
	__u64 clock = 0;

	if (reading->same_clock)
		clock = (__u64)read_number(reading, object, "clock_ms", (json_int_t)reading->now);
	reading->passed = clock ? reading->now - clock : 0;
}

/* What is left now of what was left then; not nothing, as there is an end to be told. */
static __u64 left_now(const struct reading *reading, __u64 left)
{
	return left > reading->passed ? left - reading->passed : 1;
}

/* When it was what was so long ago then: at the earliest when the clock began. */
static __u64 moment(const struct reading *reading, __u64 age)
{
	age += reading->passed;
	return reading->now > age ? reading->now - age : 1;
}

static void read_text(struct reading *reading, const json_t *object, const char *key, char *out, size_t room)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_string(value))
		text_clean(out, room, json_string_value(value), json_string_length(value));
	else if (value)
		malformed(reading);
}

/* What may be left out, for false. */
static bool read_flag(struct reading *reading, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (value && !json_is_boolean(value))
		malformed(reading);
	return json_is_true(value);
}

/* Whether nothing is known of it yet: one that is not probed is up from the start. */
static bool is_blank(const struct health_backend *backend)
{
	return backend->fresh && backend->verdict == VERDICT_NONE;
}

/* NULL if there is nothing to restore. */
static struct health_backend *find_fresh(struct reading *reading, const char *pool, const char *address)
{
	struct health_backend *backend;
	struct address was;

	if (!address || address_parse(address, &was)) {
		malformed(reading);
		return NULL;
	}
	backend = health_find_address(reading->health, pool, &was);
	return backend && backend->fresh ? backend : NULL;
}

static void set_since(struct health_backend *backend, enum backend_state state, time_t since)
{
	if (since && backend->state == state)
		backend->since_wall = since;
}

/* What else is read is not for this backend. */
static void set_restored(struct health_backend *backend, enum backend_state state, time_t since)
{
	set_since(backend, state, since);
	backend->fresh = false;
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

/* Cuts "ADDRESS SINCE" after the address. */
static time_t cut_since(struct reading *reading, char *text)
{
	char *space = strchr(text, ' '), *end;
	long long since;

	if (!space)
		return 0;
	*space = '\0';
	since = strtoll(space + 1, &end, 10);
	if (end != space + 1 && !*end && since >= 0 && since <= LAST_TIME)
		return (time_t)since;
	malformed(reading);
	return 0;
}

static void restore_one_up(struct reading *reading, const char *pool, const char *name, const char *text,
			   const json_t *saved)
{
	const json_t *falls = json_object_get(saved, "falls"), *calm = json_object_get(saved, "calm_ms");
	const json_t *ramp = json_object_get(saved, "ramp_ms");
	char address[ADDRESS_TEXT + 24] = "";
	struct health_backend *backend;
	time_t since;
	__u64 age;

	text_clean(address, sizeof(address), text, strlen(text));
	since = cut_since(reading, address);
	backend = find_fresh(reading, pool, address);
	if (!backend)
		return;
	if (is_blank(backend)) {
		backend->falls = (__u32)read_number(reading, falls, name, HEALTH_FALLS_MAX);
		backend->forgiven = moment(reading, (__u64)read_number(reading, calm, name, LONGEST_MS));
		set_verdict(reading, backend, VERDICT_UP, true);
	}
	age = (__u64)read_number(reading, ramp, name, LONGEST_MS);
	if (age)
		backend->ramp_from = moment(reading, age - 1);
	set_restored(backend, STATE_UP, since);
}

static void restore_up(struct reading *reading, const char *pool, const json_t *saved)
{
	json_t *up = json_object_get(saved, "up"), *text;
	const char *name;

	for (const char *key = "up\0falls\0calm_ms\0ramp_ms\0"; *key; key += strlen(key) + 1) {
		const json_t *part = json_object_get(saved, key);

		if (part && !json_is_object(part))
			malformed(reading);
	}
	json_object_foreach(up, name, text)
		restore_one_up(reading, pool, name, json_string_value(text) ?: "", saved);
}

/* What is left of its hold-down, if the configuration still has one. */
static bool restore_hold(struct reading *reading, struct health_backend *backend, const json_t *saved)
{
	const struct config_judgement *judgement = &backend->pool->judgement;
	__u64 most = judgement->hold_first_ms ? judgement->hold_max_ms : 0;
	__u64 held = (__u64)read_number(reading, saved, "held_ms", LONGEST_MS);

	if (held)
		held = left_now(reading, held);
	held = held < most ? held : most;
	backend->held_until = held ? reading->now + held : 0;
	backend->falls = (__u32)read_number(reading, saved, "falls", HEALTH_FALLS_MAX);
	return held;
}

static void restore_down(struct reading *reading, const char *pool, const json_t *saved)
{
	const json_t *name = json_object_get(saved, "name");
	struct health_backend *backend;
	__u64 age;
	bool held, passing;

	if (!json_is_string(name)) {
		malformed(reading);
		return;
	}
	backend = find_fresh(reading, pool, json_string_value(json_object_get(saved, "address")));
	if (!backend || !is_blank(backend))
		return;
	held = restore_hold(reading, backend, saved);
	age = (__u64)read_number(reading, saved, "fell_ms", LONGEST_MS);
	if (age)
		backend->fell = moment(reading, age - 1);
	read_text(reading, saved, "text", backend->why, sizeof(backend->why));
	passing = read_flag(reading, saved, "passing");
	set_verdict(reading, backend, held && passing ? VERDICT_UP : VERDICT_DOWN, false);
	set_restored(backend, STATE_DOWN, (time_t)read_number(reading, saved, "since", LAST_TIME));
}

static void restore_pool(struct reading *reading, const char *pool, json_t *saved)
{
	const json_t *down = json_object_get(saved, "down"), *usable = json_object_get(saved, "usable");
	json_t *one;
	size_t i;

	restore_up(reading, pool, saved);
	if (!json_is_object(saved) || (down && !json_is_array(down)) || (usable && !json_is_boolean(usable)))
		malformed(reading);
	json_array_foreach(down, i, one)
		restore_down(reading, pool, one);
}

static bool is_assumed(const struct health_backend *backend)
{
	return is_blank(backend) && backend->hasty;
}

/*
 * Where all that was known has been read, the others are what they would be without tables of an earlier run; unless
 * that would leave the pool empty, which packets went through.
 */
static void end_assumptions(struct reading *reading, struct health_pool *pool, const json_t *saved)
{
	size_t assumed = 0;

	for (size_t i = 0; i < pool->backend_count; i++)
		assumed += is_assumed(pool->backends[i]) && pool->backends[i]->role == ROLE_UP;
	if (json_is_true(json_object_get(saved, "usable")) && health_pool_empties(pool, pool->up - assumed) &&
	    !health_pool_has_help(reading->health, pool))
		return;
	for (size_t i = 0; i < pool->backend_count; i++) {
		struct health_backend *backend = pool->backends[i];

		if (!is_assumed(backend))
			continue;
		backend->hasty = backend->assumed = backend->alive = false;
		health_backend_assess(reading->health, backend, VERDICT_NONE, reading->now);
	}
}

static size_t restore_unsettled(struct health *health, const json_t *saved, bool same_clock, __u64 now)
{
	struct reading reading = {.health = health, .same_clock = same_clock, .now = now};
	json_t *pools = json_object_get(saved, "pools"), *one;
	const char *name;

	if (!json_is_object(pools))
		malformed(&reading);
	read_clock(&reading, saved);
	json_object_foreach(pools, name, one)
		restore_pool(&reading, name, one);
	for (size_t i = 0; i < health->pool_count && !reading.malformed; i++)
		end_assumptions(&reading, health->pools[i], json_object_get(pools, health->pools[i]->name));
	return reading.skipped;
}

size_t health_restore(struct health *health, const json_t *saved, bool same_clock, __u64 now)
{
	size_t skipped;

	health_begin(health, now);
	skipped = restore_unsettled(health, saved, same_clock, now);
	health_settle(health, true, now);
	return skipped;
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

/* The backend that has the address of the record's; NULL if there is none. */
static struct health_backend *find_server(const struct reading *reading, const json_t *saved)
{
	const char *pool = json_string_value(json_object_get(saved, "pool"));
	const char *text = json_string_value(json_object_get(saved, "address"));
	struct address address;

	if (!pool || !text || address_parse(text, &address))
		return NULL;
	return health_find_address(reading->health, pool, &address);
}

static struct health_backend *find_named(struct reading *reading, const json_t *saved)
{
	const char *pool = json_string_value(json_object_get(saved, "pool"));
	const char *name = json_string_value(json_object_get(saved, "backend"));
	const json_t *text = json_object_get(saved, "address");
	struct address address;

	if (pool && name && (!text || (json_is_string(text) && !address_parse(json_string_value(text), &address))))
		return health_find(reading->health, pool, name);
	reading->skipped++;
	return NULL;
}

/* `server`: as find_server(). */
static void restore_override(struct reading *reading, const json_t *saved, struct health_backend *server)
{
	struct health_override override = {.state = read_state(saved)};
	const char *name;
	size_t skipped = reading->skipped;
	struct health_backend *backend = server ?: find_named(reading, saved);
	__u64 left;

	override.weighted = json_object_get(saved, "weight") != NULL;
	override.weight = (__u32)read_number(reading, saved, "weight", CONFIG_MAX_WEIGHT);
	left = (__u64)read_number(reading, saved, "left_ms", LONGEST_MS);
	override.drained = read_flag(reading, saved, "drained") && override.state != STATE_UP;
	override.uid = (uid_t)read_number(reading, saved, "uid", UINT32_MAX);
	override.when = (time_t)read_number(reading, saved, "when", LAST_TIME);
	read_text(reading, saved, "reason", override.reason, sizeof(override.reason));
	if (reading->skipped != skipped)
		return;
	if (override.state == STATE_DOWN || (override.state == STATE_UP && !override.weighted)) {
		reading->skipped++;
		return;
	}
	if (!backend)
		return;
	if (override.state == STATE_DRAIN && left)
		override.until = reading->now + left_now(reading, left);
	if (!backend->fresh || backend->override.state != STATE_UP || backend->override.weighted)
		return;
	backend->override = override;
	name = json_string_value(json_object_get(saved, "backend"));
	if (reading->returning)
		health_tell_override(reading->health, backend, "back in the pool", backend->pool->name);
	else if (name && strcmp(name, backend->name) != 0)
		health_tell_override(reading->health, backend, "renamed from", name);
	health_backend_assess(reading->health, backend, backend->verdict, reading->now);
	if (override.state == STATE_UP)
		return;
	if (override.until)
		backend->since = moment(reading, (__u64)read_number(reading, saved, "lasted_ms", LONGEST_MS));
	set_since(backend, override.state, (time_t)read_number(reading, saved, "since", LAST_TIME));
}

static size_t restore_overrides_unsettled(struct health *health, const json_t *saved, bool same_clock, bool returning,
					  __u64 now)
{
	struct reading reading = {.health = health, .same_clock = same_clock, .returning = returning, .now = now};
	const json_t *overrides = json_object_get(saved, "overrides");
	json_t *one;
	size_t i;

	if (!json_is_array(overrides))
		return 1;
	/* servers first: what was another's name then may be theirs now */
	for (int named = false; named <= true; named++) {
		json_array_foreach(overrides, i, one) {
			struct health_backend *server = find_server(&reading, one);

			if ((server == NULL) != named)
				continue;
			read_clock(&reading, one);
			restore_override(&reading, one, server);
		}
	}
	return reading.skipped;
}

size_t health_restore_overrides(struct health *health, const json_t *saved, bool same_clock, __u64 now)
{
	size_t skipped;

	health_begin(health, now);
	skipped = restore_overrides_unsettled(health, saved, same_clock, false, now);
	health_settle(health, true, now);
	return skipped;
}

void health_return(struct health *health, const struct config *config, const json_t *saved, const json_t *overrides,
		   __u64 now)
{
	health_configure_unsettled(health, config, false, now);
	restore_overrides_unsettled(health, overrides, true, true, now);
	restore_unsettled(health, saved, true, now);
	health_settle(health, true, now);
}
