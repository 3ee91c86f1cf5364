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

/* A random course of things. It is the same for the same seed, whatever the clock began with. */
struct course {
	struct lab *lab;
	__u64 seed, started;
	char spec[1024];
	bool been_up[26]; /* by name, since the configuration has that address for it */
	__u32 hosts[26];
	__u64 trace; /* hash of all that could be seen */
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

/* Pools m and n with backends a to h and n to u, some of them, some of these with another address or weight. */
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
		for (char name = pool == 'm' ? 'a' : 'n'; name <= (pool == 'm' ? 'h' : 'u'); name++) {
			__u32 *host = &course->hosts[name - 'a'];

			if (!draw(course, 8)) {
				*host = 0;
				continue;
			}
			if (!*host || !draw(course, 8))
				*host = 1 + draw(course, 1000000);
			ADD(" %c%s@%u", name, PICK(course, "", "", "=50", "=1", "=0"), *host);
		}
	}
#undef ADD
}

static void configure(struct course *course, bool running)
{
	__u32 hosts[26];

	memcpy(hosts, course->hosts, sizeof(hosts));
	draw_config(course);
	for (size_t i = 0; i < 26; i++)
		course->been_up[i] &= hosts[i] == course->hosts[i];
	lab_configure(course->lab, course->spec, running);
}

/* Ends the agent and begins another one, which finds what the first one has saved. */
static void restart(struct course *course)
{
	struct lab *lab = course->lab, *next = lab_new(NULL);
	json_t *saved = health_save(lab->health, lab->now), *overrides = health_save_overrides(lab->health, lab->now);
	char before[2048], after[2048];

	lab_show(lab, before);
	next->now = lab->now + draw(course, 5000);
	lab_configure(next, course->spec, draw(course, 2));
	*next->told = '\0'; /* that a pool has too few backends even if all are up */
	health_restore(next->health, saved, next->now);
	health_restore_overrides(next->health, overrides, next->now);
	lab_check(next);
	if (!strstr(course->spec, "ramp")) /* those end */
		assert_string_equal(lab_show(next, after), before);
	lab_told(next, "");
	json_decref(saved);
	json_decref(overrides);
	lab_free(lab);
	course->lab = next;
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
			bool *been_up = &course->been_up[*backend->name - 'a'];

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
	*lab->told = *lab->texts = '\0';
}

static __u64 run(__u64 seed, __u64 started, size_t steps)
{
	struct course course = {.lab = lab_new(NULL), .seed = seed, .started = started};
	__u64 trace;

	course.lab->now = started;
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
