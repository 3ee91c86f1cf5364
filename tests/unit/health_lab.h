/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A judgement under a script. After every step it is checked that what must always
 * hold does hold: lab_check().
 *
 *   configuration  "web rise=2 fall=3 min=50% service=www: a b=50 c@9; z: d"
 *                  pools with settings, backends with weight and address
 *   steps          "a+++ b-- c? b.1+ +200 maint:a weight:b:10"
 *                  passes, failures and trouble of a backend's (second) probe; milliseconds; operators
 *
 * Backends go by their name alone, which is unique over all pools.
 */
#ifndef SLUICE_TEST_HEALTH_LAB_H
#define SLUICE_TEST_HEALTH_LAB_H

#include "unit/health_check.h"

#include "lib/memory.h"
#include "unit/health_saved.h"

#define LAB_UID 1000

static inline void lab_note_pool(struct lab *lab, const struct event_fact *fact)
{
	size_t i = 0;

	if (fact->kind < EVENT_pool_degraded || fact->kind > EVENT_pool_recovered)
		return;
	while (*lab->last[i].pool && strcmp(lab->last[i].pool, fact->pool) != 0)
		assert_true(++i < 8);
	snprintf(lab->last[i].pool, sizeof(lab->last[i].pool), "%s", fact->pool);
	snprintf(lab->last[i].text, sizeof(lab->last[i].text), "%s", fact->text);
	lab->last[i].kind = fact->kind;
}

static inline void lab_event(void *argument, const struct event_fact *fact)
{
	static const char *const names[] = {
#define LAB_EVENT_NAME(name, severity, hook, help) [EVENT_##name] = #name,
		EVENTS(LAB_EVENT_NAME)};
	const char *of = fact->backend ? fact->backend : fact->pool ? fact->pool : "all";
	struct lab *lab = argument;
	size_t used = strlen(lab->told);
	const char *name = names[fact->kind];

	for (const char *prefix = "backend_\0pool_\0probe_\0"; *prefix; prefix += strlen(prefix) + 1)
		if (strncmp(name, prefix, strlen(prefix)) == 0)
			name += strlen(prefix);
	assert_true(strlen(fact->text) < EVENT_TEXT);
	snprintf(lab->told + used, sizeof(lab->told) - used, "%s%s:%s", used ? " " : "", name, of);
	used = strlen(lab->texts);
	snprintf(lab->texts + used, sizeof(lab->texts) - used, "%s\n", fact->text);
	lab_note_pool(lab, fact);
}

/* Seconds of a day in 2024, so that times of day do not look like the monotonic ones. */
static time_t lab_wall = 1720000000;

static inline time_t lab_clock(time_t *unused)
{
	(void)unused;
	return lab_wall;
}

/* What a pool's settings say of more than itself. */
struct lab_links {
	const char *fallback, *service;
	const char *sources; /* the service some of whose sources go here */
};

static inline void lab_setting(struct config_pool *pool, const char *word, __u32 *rise, __u32 *fall,
			       const char **probes, struct lab_links *links)
{
	struct config_judgement *judgement = &pool->judgement;
	const char *value = strchr(word, '=');
	size_t length = value ? (size_t)(value++ - word) : strlen(word);

#define LAB_IS(name) (length == strlen(name) && strncmp(word, name, length) == 0)
	if (LAB_IS("any"))
		judgement->any = true;
	else if (LAB_IS("rise"))
		*rise = (__u32)atoi(value);
	else if (LAB_IS("fall"))
		*fall = (__u32)atoi(value);
	else if (LAB_IS("probes"))
		*probes = value;
	else if (LAB_IS("fallback"))
		links->fallback = value;
	else if (LAB_IS("service"))
		links->service = value;
	else if (LAB_IS("sources"))
		links->sources = value;
	else if (LAB_IS("ramp"))
		judgement->ramp_ms = (__u32)atoi(value);
	else if (LAB_IS("start"))
		judgement->start = strcmp(value, "up") == 0	? START_UP
				   : strcmp(value, "down") == 0 ? START_DOWN
								: START_PROBE;
	else if (LAB_IS("hold"))
		assert_int_equal(sscanf(value, "%u/%u/%u", &judgement->hold_first_ms, &judgement->hold_max_ms,
					&judgement->hold_decay_ms),
				 3);
	else if (LAB_IS("min"))
		judgement->min_healthy_percent = value[strspn(value, "0123456789")] == '%';
	else
		fail_msg("no setting %s", word);
	if (LAB_IS("min"))
		judgement->min_healthy = (__u32)atoi(value);
#undef LAB_IS
}

/* "tcp,http:8080"; "-": none. */
static inline void lab_probes(struct config *config, struct config_pool *pool, const char *text, __u32 rise, __u32 fall)
{
	pool->probes = arena_array(config->arena, CONFIG_MAX_PROBES, sizeof(*pool->probes));
	while (*text && *text != '-') {
		size_t length = strcspn(text, ",:");
		struct config_probe *probe = &pool->probes[pool->probe_count++];

		while (strncmp(probe_type_names[probe->type], text, length) != 0 ||
		       probe_type_names[probe->type][length])
			assert_true(++probe->type < PROBE_TYPES);
		probe->rise = rise;
		probe->fall = fall;
		text += length;
		if (*text == ':')
			probe->port = (__u16)strtoul(text + 1, (char **)&text, 10);
		text += *text == ',';
	}
}

static inline void lab_backend(struct config *config, struct config_pool *pool, const char *word)
{
	size_t length = strcspn(word, "=@");
	__u32 host = (unsigned char)word[0];
	struct config_backend *backend;

	if (strchr(word, '@'))
		host = (__u32)atoi(strchr(word, '@') + 1);
	backend = sample_backend(pool, arena_strndup(config->arena, word, length), sample_host(host));
	if (word[length] == '=')
		backend->weight = (__u32)atoi(word + length + 1);
}

static inline void lab_pool(struct config *config, char *text, struct lab_links *links)
{
	__u32 rise = 1, fall = 1;
	const char *probes = "tcp";
	char *rest = strchr(text, ':'), *save = NULL;
	struct config_pool *pool;

	while (rest && rest[1] != ' ' && rest[1])
		rest = strchr(rest + 1, ':');
	assert_non_null(rest);
	*rest++ = '\0';
	pool = sample_pool(config, arena_strdup(config->arena, strtok_r(text, " ", &save)), 7, LAB_BACKENDS);
	pool->fallback = CONFIG_NONE;
	for (char *word; (word = strtok_r(NULL, " ", &save));)
		lab_setting(pool, word, &rise, &fall, &probes, links);
	lab_probes(config, pool, probes, rise, fall);
	save = NULL;
	for (char *word = strtok_r(rest, " ", &save); word; word = strtok_r(NULL, " ", &save))
		lab_backend(config, pool, word);
}

/* A source rule of the service leads to the pool. */
static inline void lab_sources(struct config *config, const char *service, size_t pool)
{
	struct config_service *of = (struct config_service *)config_service_find(config, service);

	assert_non_null(of);
	of->rules = arena_array(config->arena, 1, sizeof(*of->rules));
	of->rules[0] = (struct config_rule){.action = RULE_POOL, .pool = pool};
	of->rule_count = 1;
}

static inline struct config *lab_config(const char *spec)
{
	struct config *config = sample_config(8, 8);
	struct lab_links links[8] = {0};
	char *text = arena_strdup(config->arena, spec), *save = NULL;

	for (char *pool = strtok_r(text, ";", &save); pool; pool = strtok_r(NULL, ";", &save))
		lab_pool(config, pool, &links[config->pool_count]);
	for (size_t i = 0; i < config->pool_count; i++) {
		for (size_t j = 0; links[i].fallback && j < config->pool_count; j++)
			if (strcmp(config->pools[j].name, links[i].fallback) == 0)
				config->pools[i].fallback = j;
		if (links[i].service)
			sample_service(config, links[i].service, i, 0, 0);
	}
	for (size_t i = 0; i < config->pool_count; i++)
		if (links[i].sources)
			lab_sources(config, links[i].sources, i);
	return config;
}

static inline struct health_backend *lab_find(const struct lab *lab, const char *name)
{
	struct health_backend *found = NULL;

	for (size_t i = 0; i < lab->pools && !found; i++)
		found = health_find(lab->health, health_pool(lab->health, i)->name, name);
	if (!found)
		fail_msg("no backend %s", name);
	return found;
}

static inline void lab_report(struct lab *lab, struct health_backend *backend, size_t probe, char sign)
{
	enum finding finding = sign == '+' ? FINDING_PASSED : sign == '-' ? FINDING_FAILED : FINDING_TROUBLE;
	static const char *const texts[] = {"answered", "refused", "no route"};
	struct lab_before before;
	bool changed;

	lab_note(lab, &before);
	changed = health_report(lab->health, backend, probe, finding, texts[finding], lab->now);
	lab_checked(lab, &before, changed);
	if (finding == FINDING_TROUBLE)
		assert_false(changed);
}

/* Goes on by so many milliseconds, with a tick whenever one is due. */
static inline void lab_wait(struct lab *lab, __u64 milliseconds)
{
	__u64 until = lab->now + milliseconds, next;
	struct lab_before before;

	while ((next = health_next(lab->health)) && next <= until) {
		assert_true(next > lab->now);
		lab->now = next;
		lab_note(lab, &before);
		lab_checked(lab, &before, health_tick(lab->health, lab->now));
	}
	lab->now = until;
}

/* "maint:a", "drain:a:500", "weight:a:10", "ready:a" */
static inline void lab_operate(struct lab *lab, char *word)
{
	char *save = NULL, *action = strtok_r(word, ":", &save);
	struct health_backend *backend = lab_find(lab, strtok_r(NULL, ":", &save));
	__u64 number = (__u64)atoll(save && *save ? save : "0");
	struct lab_before before;
	bool changed = false;

	lab_note(lab, &before);
	if (strcmp(action, "drain") == 0)
		changed =
			health_drain(lab->health, backend, LAB_UID, "works", number ? lab->now + number : 0, lab->now);
	else if (strcmp(action, "maint") == 0)
		changed = health_maint(lab->health, backend, LAB_UID, NULL, lab->now);
	else if (strcmp(action, "weight") == 0)
		changed = health_set_weight(lab->health, backend, (__u32)number, LAB_UID, "slow", lab->now);
	else if (strcmp(action, "ready") == 0)
		changed = health_ready(lab->health, backend, LAB_UID, "done", lab->now);
	else
		fail_msg("no action %s", action);
	lab_checked(lab, &before, changed);
}

static inline void lab_step(struct lab *lab, char *word)
{
	size_t length = strcspn(word, ".+-?");
	char *signs = word + length;
	size_t probe = 0;

	if (*word == '+') {
		lab_wait(lab, (__u64)atoll(word + 1));
	} else if (strchr(word, ':')) {
		lab_operate(lab, word);
	} else {
		if (*signs == '.')
			probe = strtoul(signs + 1, &signs, 10);
		for (char sign; (sign = *signs); signs++) {
			word[length] = '\0';
			lab_report(lab, lab_find(lab, word), probe, sign);
		}
	}
}

static inline void lab_play(struct lab *lab, const char *script)
{
	char *text = memory_format("%s", script), *save = NULL;

	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
		lab_step(lab, word);
	free(text);
}

static inline void lab_configure(struct lab *lab, const char *spec, bool running)
{
	struct config *config = lab_config(spec);

	health_configure(lab->health, config, running, lab->now);
	lab->pools = config->pool_count;
	config_free(config);
	lab_check(lab);
}

static inline struct lab *lab_new(const char *spec)
{
	struct lab *lab = memory_new(1, sizeof(*lab));

	lab->now = 1000000;
	lab->health = health_new(lab_event, lab, lab_clock);
	if (spec)
		lab_configure(lab, spec, false);
	return lab;
}

static inline void lab_free(struct lab *lab)
{
	health_free(lab->health);
	free(lab);
}

/* "a:up:100 b:kept:100 c:down:0": state and weight of all backends. */
static inline char *lab_show(const struct lab *lab, char text[static 2048])
{
	size_t used = 0;

	*text = '\0';
	for (size_t i = 0; i < lab->pools; i++)
		for (size_t j = 0; j < health_pool(lab->health, i)->backend_count; j++) {
			const struct health_backend *backend = health_pool(lab->health, i)->backends[j];

			used += (size_t)snprintf(text + used, 2048 - used, "%s%s:%s:%u", used ? " " : "", backend->name,
						 backend->kept ? "kept" : state_names[backend->state],
						 health_weight(backend));
		}
	return text;
}

static inline void lab_expect(const struct lab *lab, const char *shown)
{
	char text[2048];

	assert_string_equal(lab_show(lab, text), shown);
}

/* The events up to now are not looked at. */
static inline void lab_forget(struct lab *lab)
{
	*lab->told = *lab->texts = '\0';
}

/* The events since the last look. */
static inline void lab_told(struct lab *lab, const char *told)
{
	assert_string_equal(lab->told, told);
	lab_forget(lab);
}

/* One of the texts of the events since the last look has this in it. */
static inline void lab_said(const struct lab *lab, const char *part)
{
	if (!strstr(lab->texts, part))
		fail_msg("'%s' is not in:\n%s", part, lab->texts);
}

#endif
