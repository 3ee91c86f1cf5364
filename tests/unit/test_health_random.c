/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The judgement against a plain reference, for every sequence of findings; and under random sequences of
 * everything that can happen, checked after each step: see health_lab.h. SEED=N repeats a run.
 */
#include "unit/health_lab.h"

#include <time.h>

/* The verdict by the book, from the whole history: findings are '+', '-' and '?'. */
static enum verdict reference(const char *history, size_t length, __u32 rise, __u32 fall, enum health_start start)
{
	enum verdict verdict = VERDICT_NONE;
	__u32 passes = 0, failures = 0;

	for (size_t i = 0; i < length; i++) {
		if (history[i] == '?')
			continue;
		passes = history[i] == '+' ? passes + 1 : 0;
		failures = history[i] == '-' ? failures + 1 : 0;
		if (failures >= fall)
			verdict = VERDICT_DOWN;
		if (passes >= (verdict == VERDICT_NONE && start != START_DOWN ? 1 : rise))
			verdict = VERDICT_UP;
	}
	return verdict;
}

/* Plays history[from..] on a fresh backend and compares after each finding. */
static void compare(const char *history, size_t length, __u32 rise, __u32 fall, enum health_start start)
{
	static const char *const starts[] = {"probe", "up", "down"};
	char *spec = memory_format("web rise=%u fall=%u start=%s: a", rise, fall, starts[start]);
	struct lab *lab = lab_new(spec);
	struct health_backend *a = lab_find(lab, "a");

	for (size_t i = 0; i < length; i++) {
		enum verdict verdict = reference(history, i + 1, rise, fall, start);
		bool up = verdict == VERDICT_UP || (verdict == VERDICT_NONE && start == START_UP);

		lab_report(lab, a, 0, history[i]);
		assert_int_equal(a->verdict, verdict);
		assert_int_equal(health_weight(a), up ? 100 : 0);
	}
	free(spec);
	lab_free(lab);
}

#define LONGEST 7

static void test_every_sequence_of_findings(void **unused)
{
	char history[LONGEST];
	size_t all = 1;

	(void)unused;
	for (size_t i = 0; i < LONGEST; i++)
		all *= 3;
	for (size_t n = 0; n < all; n++) {
		for (size_t i = 0, rest = n; i < LONGEST; i++, rest /= 3)
			history[i] = "+-?"[rest % 3];
		for (__u32 rise = 1; rise <= 3; rise++)
			compare(history, LONGEST, rise, 1 + (rise + n) % 3, (enum health_start)(n % 3));
	}
}

#define HOSTS 4096

/* A random course of things. It is the same for the same seed, whatever the clock began with. */
struct course {
	struct lab *lab;
	__u64 seed, started;
	char spec[1024];
	__u32 hosts[26];     /* by name; 0: the configuration does not have it */
	__u32 newest;	     /* of all hosts that there have been: none comes twice */
	bool been_up[HOSTS]; /* by host */
	__u64 trace;	     /* hash of all that could be seen */
};

static __u32 draw(struct course *course, __u32 below)
{
	return sample_random(&course->seed, below);
}

static const char *pick(struct course *course, const char *const *from, __u32 count)
{
	return from[draw(course, count)];
}
#define PICK(course, ...)                                                                                              \
	pick(course, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

#define FIRST(pool) ((pool) == 'm' ? 'a' : 'n')
#define LAST(pool)  ((pool) == 'm' ? 'h' : 'u')

/* Gives up some backends and adds others, moves some to another address, and exchanges names. */
static void draw_hosts(struct course *course, char pool)
{
	__u32 *first = &course->hosts[FIRST(pool) - 'a'], count = (__u32)(LAST(pool) - FIRST(pool) + 1);
	bool all = !draw(course, 8);

	for (__u32 i = 0; i < count; i++) {
		if (!draw(course, 8))
			first[i] = 0;
		else if (!first[i] || all || !draw(course, 8))
			first[i] = ++course->newest;
	}
	for (__u32 i = draw(course, 2) * draw(course, 5); i; i--) {
		__u32 *one = &first[draw(course, count)], *other = &first[draw(course, count)], host = *one;

		*one = *other;
		*other = host;
	}
	assert_true(course->newest < HOSTS);
}

/* Pools m and n with backends a to h and n to u, some of them. */
static void draw_config(struct course *course)
{
	size_t used = 0;

#define ADD(...) used += (size_t)snprintf(course->spec + used, sizeof(course->spec) - used, __VA_ARGS__)
	for (char pool = 'm'; pool <= 'n'; pool++) {
		__u32 rise = 1 + draw(course, 3), fall = 1 + draw(course, 3);

		ADD("%s%c rise=%u fall=%u %s %s %s %s %s %s:", used ? "; " : "", pool, rise, fall,
		    PICK(course, "", "", "min=50%", "min=2", "min=100%"), PICK(course, "", "ramp=1000", "ramp=7"),
		    PICK(course, "", "hold=50/500/3000", "hold=300/300/100", "hold=10/100/0"),
		    PICK(course, "", "any", "start=up", "start=down"),
		    PICK(course, "", "probes=tcp,http", "probes=http", "probes=http,tcp:80", "probes=-",
			 "probes=none,tcp"),
		    pool == 'm' ? "fallback=n" : PICK(course, "", "fallback=m"));
		draw_hosts(course, pool);
		for (char name = FIRST(pool); name <= LAST(pool); name++)
			if (course->hosts[name - 'a'])
				ADD(" %c%s@%u", name, PICK(course, "", "", "=50", "=1", "=0"),
				    course->hosts[name - 'a']);
	}
#undef ADD
}

/* Who was who before a reload. */
struct former {
	__u32 hosts[26];
	struct health_backend *backends[26], copies[26];
	bool serving[2];
};

static struct former note_former(const struct course *course)
{
	struct former former = {0};

	memcpy(former.hosts, course->hosts, sizeof(former.hosts));
	for (size_t i = 0; i < 26; i++)
		if (former.hosts[i]) {
			former.backends[i] = lab_find(course->lab, (char[]){(char)('a' + i), '\0'});
			former.copies[i] = *former.backends[i];
		}
	for (size_t i = 0; i < course->lab->pools; i++)
		former.serving[i] = health_usable(health_pool(course->lab->health, i)) &&
				    health_effective_pool(course->lab->health, i) == i;
	return former;
}

/* Which of the hosts it is, 26 if it is none: no host is in two pools. */
static size_t find_host(const __u32 hosts[26], __u32 host)
{
	size_t i = 0;

	while (i < 26 && hosts[i] != host)
		i++;
	return i;
}

/* A backend is the former one of its address; or else, as a new one, takes the place and override of its name. */
static void check_identity(const struct course *course, const struct former *former, size_t i)
{
	const struct health_backend *backend = lab_find(course->lab, (char[]){(char)('a' + i), '\0'});
	const struct health_override none = {0}, *override = &none;
	size_t was = find_host(former->hosts, course->hosts[i]);

	assert_int_equal(backend->fresh, was == 26);
	if (was == 26 && former->hosts[i] && find_host(course->hosts, former->hosts[i]) == 26)
		was = i;
	if (was < 26) {
		assert_ptr_equal(backend, former->backends[was]);
		override = &former->copies[was].override;
	}
	assert_memory_equal(&backend->override, override, sizeof(*override));
	if (!backend->fresh && backend->state == former->copies[was].state)
		assert_int_equal(backend->since, former->copies[was].since);
}

static void configure(struct course *course, bool running)
{
	struct former former = note_former(course);

	draw_config(course);
	lab_configure(course->lab, course->spec, running);
	for (size_t i = 0; i < 26; i++)
		if (course->hosts[i])
			check_identity(course, &former, i);
	for (size_t i = 0; i < course->lab->pools; i++) {
		const struct health_pool *pool = health_pool(course->lab->health, i);

		if (former.serving[i] && !health_usable(pool) && health_effective_pool(course->lab->health, i) == i)
			assert_true(!pool->roles[ROLE_WAITING] || pool->judgement.start != START_PROBE);
	}
}

/* What is left of a time; what ends with the next tick is as good as over. */
static __u64 left(const struct lab *lab, __u64 until)
{
	return until > lab->now + 1 ? until - lab->now : 0;
}

/* Nothing that lasts, or is counted, has got lost. */
static void compare_labs(const struct lab *old, const struct lab *new)
{
	char before[2048], after[2048];

	assert_string_equal(lab_show(new, after), lab_show(old, before));
	for (size_t i = 0; i < old->pools; i++)
		for (size_t j = 0; j < health_pool(old->health, i)->backend_count; j++) {
			const struct health_backend *a = health_pool(old->health, i)->backends[j];
			const struct health_backend *b = health_pool(new->health, i)->backends[j];

			assert_int_equal(a->falls, b->falls);
			assert_int_equal(left(old, a->held_until), left(new, b->held_until));
			assert_int_equal(left(old, a->override.until), left(new, b->override.until));
			if (a->alive || a->verdict != VERDICT_NONE || a->override.state != STATE_UP)
				assert_int_equal(a->since_wall, b->since_wall);
		}
}

/* Ends the agent and begins another one, which finds what the first one has saved. */
static void restart(struct course *course)
{
	struct lab *lab = course->lab, *next = lab_new(NULL);
	json_t *saved = health_save(lab->health, lab->now), *overrides = health_save_overrides(lab->health, lab->now);
	__u64 meanwhile = draw(course, 2) ? draw(course, 5000) : draw(course, 50);
	bool same_clock = draw(course, 4);

	next->now = lab->now + meanwhile;
	lab_wall += 3600;
	lab_configure(next, course->spec, draw(course, 2));
	lab_forget(next);			   /* that a pool has too few backends even if all are up ... */
	memset(next->last, 0, sizeof(next->last)); /* ... unless an override that comes back gives one a weight */
	health_restore_overrides(next->health, overrides, same_clock, next->now);
	health_restore(next->health, saved, same_clock, next->now);
	lab_check(next);
	lab_told(next, "");
	lab_forget(lab);
	if (same_clock) /* what it would be by now without a restart */
		lab_wait(lab, meanwhile);
	if (!*lab->told)
		compare_labs(lab, next);
	json_decref(saved);
	json_decref(overrides);
	lab_free(lab);
	course->lab = next;
}

static void step(struct course *course);

/* Goes on with another configuration for a while, and back to the one before. */
static void try_other(struct course *course)
{
	struct lab *lab = course->lab;
	json_t *saved = health_save(lab->health, lab->now), *overrides = health_save_overrides(lab->health, lab->now);
	struct config *config = lab_config(course->spec);
	struct former there;
	char spec[sizeof(course->spec)];
	__u32 hosts[26];

	strcpy(spec, course->spec);
	memcpy(hosts, course->hosts, sizeof(hosts));
	configure(course, false);
	for (__u32 i = draw(course, 30); i; i--)
		step(course);
	lab = course->lab;
	there = note_former(course);
	strcpy(course->spec, spec);
	memcpy(course->hosts, hosts, sizeof(hosts));
	health_return(lab->health, config, saved, overrides, lab->now);
	lab->pools = config->pool_count;
	lab_check(lab);
	for (size_t i = 0; i < 26; i++)
		if (hosts[i] && find_host(there.hosts, hosts[i]) < 26)
			check_identity(course, &there, i);
	config_free(config);
	json_decref(saved);
	json_decref(overrides);
}

static struct health_backend *draw_backend(struct course *course)
{
	struct health_pool *pool = health_pool(course->lab->health, draw(course, 2));

	return pool->backend_count ? pool->backends[draw(course, (__u32)pool->backend_count)] : NULL;
}

/* Most things that happen are findings, in bursts, so that verdicts change. */
static void step(struct course *course)
{
	struct health_backend *backend = draw_backend(course);
	__u32 what = draw(course, 1000);
	struct lab *lab = course->lab;
	char word[128];

	if (what < 3)
		restart(course);
	else if (what < 13)
		configure(course, false);
	else if (what < 16)
		try_other(course);
	else if (what < 250)
		lab_wait(lab, draw(course, draw(course, 4) ? 30 : 3000));
	else if (!backend)
		return;
	else if (what < 300) {
		snprintf(word, sizeof(word), "%s:%s:%u",
			 PICK(course, "drain", "maint", "weight", "ready", "ready", "ready"), backend->name,
			 1 + draw(course, 200));
		lab_operate(lab, word);
	} else if (backend->pool->probe_count) {
		size_t probe = draw(course, (__u32)backend->pool->probe_count);
		char sign = "+-?"[draw(course, 7) % 3];

		for (__u32 i = 1 + draw(course, 4); i && backend->pool->probes[probe].type != PROBE_NONE; i--)
			lab_report(lab, backend, probe, sign);
	}
}

/* The kept make up for those that are missing, as far as there are any that have ever been up. */
static void check_course(struct course *course)
{
	for (size_t i = 0; i < course->lab->pools; i++) {
		const struct health_pool *pool = health_pool(course->lab->health, i);
		size_t can = 0, wanted = lab_minimum(pool);

		for (size_t j = 0; j < pool->backend_count; j++) {
			const struct health_backend *backend = pool->backends[j];
			bool *been_up = &course->been_up[course->hosts[*backend->name - 'a']];

			*been_up |= backend->alive;
			can += *been_up && backend->role != ROLE_OUT;
		}
		assert_true(pool->up + pool->kept >= (can < wanted ? can : wanted));
	}
}

static void look(struct course *course)
{
	struct lab *lab = course->lab;
	char text[2048];

	lab_show(lab, text);
	for (const char *c = text; *c; c++)
		course->trace = course->trace * 1099511628211ULL + (unsigned char)*c;
	for (const char *c = lab->told; *c; c++)
		course->trace = course->trace * 1099511628211ULL + (unsigned char)*c;
	for (const char *c = lab->texts; *c; c++)
		course->trace = course->trace * 1099511628211ULL + (unsigned char)*c;
	if (health_next(lab->health))
		course->trace = course->trace * 1099511628211ULL + health_next(lab->health) - course->started;
	lab_forget(lab);
}

static __u64 run(__u64 seed, __u64 started, size_t steps)
{
	struct course course = {.lab = lab_new(NULL), .seed = seed, .started = started};
	__u64 trace;

	course.lab->now = started;
	lab_wall = 1720000000;
	configure(&course, draw(&course, 2));
	for (size_t i = 0; i < steps; i++) {
		step(&course);
		check_course(&course);
		look(&course);
	}
	trace = course.trace;
	lab_free(course.lab);
	return trace;
}

static void test_random_courses(void **unused)
{
	const char *given = getenv("SEED");
	__u64 seed = given ? strtoull(given, NULL, 10) : (__u64)time(NULL);

	(void)unused;
	for (size_t i = 0; i < (given ? 1 : 40); i++, seed++) {
		print_message("SEED=%llu\n", (unsigned long long)seed);
		assert_int_equal(run(seed, 1ULL << 32, 3000), run(seed, 1ULL << 40, 3000));
	}
}

/* Thousands at once: what is told stays little, and nothing is lost on the way. */
static void test_many_backends(void **unused)
{
	struct config *config = sample_config(1, 0);
	struct config_pool *pool = sample_pool(config, "web", 7, 10000);
	struct lab *lab = lab_new(NULL);

	(void)unused;
	pool->fallback = CONFIG_NONE;
	pool->judgement = (struct config_judgement){.min_healthy = 10, .min_healthy_percent = true};
	lab_probes(config, pool, "tcp", 1, 1);
	for (unsigned int i = 0; i < 10000; i++)
		sample_backend(pool, sample_name(config, "b%05u", i), sample_host(i + 1));
	health_configure(lab->health, config, true, lab->now);
	for (size_t i = 0; i < 10000; i++)
		health_report(lab->health, health_pool(lab->health, 0)->backends[i], 0, FINDING_PASSED, "", lab->now);
	for (size_t i = 0; i < 10000; i++)
		assert_false(health_report(lab->health, health_pool(lab->health, 0)->backends[i], 0, FINDING_TROUBLE,
					   "too many open files", lab->now + i / 20));
	assert_string_equal(lab->told, "");
	assert_false(health_tick(lab->health, lab->now + 1000));
	lab_told(lab, "trouble:web");
	for (size_t i = 0; i < 10000; i++)
		health_report(lab->health, health_pool(lab->health, 0)->backends[i], 0, FINDING_FAILED, "",
			      lab->now + 2000);
	assert_int_equal(health_pool(lab->health, 0)->kept, 1000);
	assert_int_equal(health_pool(lab->health, 0)->up, 0);
	config_free(config);
	lab_free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_sequence_of_findings),
		cmocka_unit_test(test_random_courses),
		cmocka_unit_test(test_many_backends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
