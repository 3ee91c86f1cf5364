/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the judgement knows outlives restarts, and times go on meanwhile. See health_acts.h. */
#include "unit/health_acts.h"

/* Whether they differ in nothing but when they were written. */
static bool same_content(const json_t *a, const json_t *b)
{
	json_t *copies[] = {json_deep_copy(a), json_deep_copy(b)}, *one;
	bool same;
	size_t j;

	for (size_t i = 0; i < 2; i++) {
		json_object_del(copies[i], "clock_ms");
		json_array_foreach(json_object_get(copies[i], "overrides"), j, one)
			json_object_del(one, "clock_ms");
	}
	same = json_equal(copies[0], copies[1]);
	lab_free_docs(copies[0], copies[1]);
	return same;
}

static void test_restart_changes_nothing(void **unused)
{
	char before[2048], after[2048];
	json_t *saved, *overrides, *again, *overrides_again;
	struct lab *old = lab_eventful(&saved, &overrides), *lab;

	(void)unused;
	lab_show(old, before);
	assert_string_equal(before, "a:kept:100 b:up:100 c:down:0 d:down:0 e:drain:0 v:up:30 w:down:0 z:maint:0");
	for (int running = 0; running < 2; running++) {
		lab = lab_new(NULL);
		lab->now = running ? 500 : 1ULL << 40; /* the host may have been started anew */
		lab_restart(lab, lab_spec, running, saved, overrides);
		assert_string_equal(lab_show(lab, after), before);
		lab_told(lab, "");
		again = health_save(lab->health, lab->now);
		overrides_again = health_save_overrides(lab->health, lab->now);
		if (!running) /* else the falls are older than the clock, and only their order is left */
			assert_true(same_content(saved, again));
		assert_true(same_content(overrides, overrides_again));
		lab_play(lab, "b- c+ d+");
		assert_string_equal(lab_show(lab, after), before); /* one finding revives or drops nobody */
		lab_play(lab, "c+ +9999");
		lab_expect(lab, "a:up:100 b:up:100 c:up:100 d:down:0 e:drain:0 v:up:30 w:down:0 z:maint:0");
		lab_told(lab, "up:c down:a recovered:m up:a");
		lab_play(lab, "+1");
		lab_told(lab, "maint:e");
		assert_string_equal(lab_find(lab, "d")->why, "refused (2 in a row)");
		assert_string_equal(lab_find(lab, "z")->override.reason, "");
		assert_string_equal(lab_find(lab, "v")->override.reason, "slow");
		lab_free_docs(again, overrides_again);
		lab_free(lab);
	}
	lab_free_docs(saved, overrides);
	lab_free(old);
}

/* Who is kept among those that fell at the same moment, or before the clock began, is decided by the saved order. */
static void test_restart_keeps_the_order(void **unused)
{
	const char *four = "web min=2: a b c d";
	json_t *saved, *overrides;
	struct lab *old = lab_new(four), *lab = lab_new(NULL);

	(void)unused;
	lab_play(old, "a+ b+ c+ d+ +1000000 d- b- a- c-");
	lab_expect(old, "a:kept:100 b:down:0 c:kept:100 d:down:0");
	saved = health_save(old->health, old->now + 50000);
	overrides = health_save_overrides(old->health, old->now);
	lab->now = 100;
	lab_restart(lab, four, true, saved, overrides);
	lab_expect(lab, "a:kept:100 b:down:0 c:kept:100 d:down:0");
	lab_play(lab, "a+");
	lab_expect(lab, "a:up:100 b:down:0 c:kept:100 d:down:0");
	lab_free_docs(saved, overrides);
	lab_free(old);
	lab_free(lab);
}

/* What the configuration has got since: it waits for its probes, also while packets run by the old tables. */
static void test_restart_with_another_config(void **unused)
{
	json_t *saved, *overrides;
	struct lab *old = lab_new("web: a b c e"), *lab = lab_new(NULL);

	(void)unused;
	lab_play(old, "a+ b+ c- e+ maint:b");
	saved = health_save(old->health, old->now);
	overrides = health_save_overrides(old->health, old->now);
	lab_restart(lab, "web: a@1 c d e", true, saved, overrides); /* nothing is damaged */
	lab_expect(lab, "a:down:0 c:down:0 d:down:0 e:up:100");
	lab_free(lab);
	/* unless nobody else would be left */
	lab = lab_new(NULL);
	lab_restart(lab, "web: a@1 c d", true, saved, overrides);
	lab_expect(lab, "a:up:100 c:down:0 d:up:100");
	lab_free(lab);
	/* where something cannot be read, nobody is taken out for it */
	lab = lab_new(NULL);
	lab_configure(lab, "web: a c d", true);
	json_array_append_new(json_object_get(json_object_get(json_object_get(saved, "pools"), "web"), "down"),
			      json_integer(5));
	assert_int_equal(health_restore(lab->health, saved, true, lab->now), 1);
	lab_expect(lab, "a:up:100 c:down:0 d:up:100");
	lab_free_docs(saved, overrides);
	lab_free(old);
	lab_free(lab);
}

/* What the last run knew goes before what an earlier one did; and a fallback that served goes on. */
static void test_restart_with_two_documents(void **unused)
{
	const char *one = "m min=1 fallback=n: a b; n: s t; o probes=none: x";
	json_t *saved[2], *overrides[2];
	struct lab *old = lab_new(one), *lab = lab_new(NULL);
	time_t since;

	(void)unused;
	lab_play(old, "a+ s+ t+");
	saved[0] = health_save(old->health, old->now);
	overrides[0] = health_save_overrides(old->health, old->now);
	lab_wall += 60;
	lab_play(old, "a- t- maint:x ready:x");
	since = lab_find(old, "x")->since_wall;
	saved[1] = health_save(old->health, old->now);
	overrides[1] = health_save_overrides(old->health, old->now);
	lab_restart(lab, "m min=1 fallback=n: a@1 b; n: s t; o probes=none: x", true, saved[1], overrides[1]);
	lab_expect(lab, "a:down:0 b:down:0 s:up:100 t:down:0 x:up:100");
	assert_int_equal(health_restore(lab->health, saved[0], false, lab->now), 0);
	lab_expect(lab, "a:down:0 b:down:0 s:up:100 t:down:0 x:up:100");
	assert_int_equal(lab_find(lab, "x")->since_wall, since);
	lab_told(lab, "");
	lab_free_docs(saved[0], overrides[0]);
	lab_free_docs(saved[1], overrides[1]);
	lab_free(old);
	lab_free(lab);
}

/* A configuration that is rolled back: what it had taken away comes back, what stayed is not touched. */
static void test_restore_touches_only_what_is_new(void **unused)
{
	struct lab *lab = lab_new("web: a b c");
	json_t *saved, *overrides;

	(void)unused;
	lab_play(lab, "a+ b+ c- maint:b maint:a");
	saved = health_save(lab->health, lab->now);
	overrides = health_save_overrides(lab->health, lab->now);
	lab_configure(lab, "web: a", false);
	lab_play(lab, "ready:a a-");
	lab_restart(lab, "web: a b c", false, saved, overrides);
	lab_expect(lab, "a:down:0 b:maint:0 c:down:0");
	lab_play(lab, "ready:b");
	lab_expect(lab, "a:down:0 b:up:100 c:down:0");
	lab_free_docs(saved, overrides);
	lab_free(lab);
}

/* Ends the agent and begins it anew so much later. `same_clock`: the host has not been started anew. */
static struct lab *crash(struct lab *old, const char *config, bool same_clock, __u64 later)
{
	json_t *saved = health_save(old->health, old->now), *overrides = health_save_overrides(old->health, old->now);
	struct lab *lab = lab_new(NULL);

	lab->now = same_clock ? old->now + later : later;
	lab_wall += 86400;
	lab_configure(lab, config, true);
	assert_int_equal(health_restore_overrides(lab->health, overrides, same_clock, lab->now), 0);
	assert_int_equal(health_restore(lab->health, saved, same_clock, lab->now), 0);
	lab_check(lab);
	lab_told(lab, "");
	lab_free_docs(saved, overrides);
	lab_free(old);
	return lab;
}

static void test_drain_goes_on(void **unused)
{
	struct lab *lab = lab_new("web: a b");

	(void)unused;
	lab_play(lab, "a+ b+ +500 drain:a:10000");
	for (int i = 0; i < 12; i++) {
		lab_play(lab, "+300");
		lab = crash(lab, "web: a b", true, 500);
	}
	lab_play(lab, "+399");
	lab_expect(lab, "a:drain:0 b:up:100");
	lab_forget(lab);
	lab_play(lab, "+1");
	lab_said(lab, "the drain's time is over after 10.0 s, what was left is cut: works\n");
	lab_told(lab, "maint:a");
	/* it ends meanwhile, which is told */
	lab_play(lab, "ready:a drain:a:10000 +1000");
	lab = crash(lab, "web: a b", true, 20000);
	lab_expect(lab, "a:drain:0 b:up:100");
	lab_play(lab, "+1");
	lab_said(lab, "the drain's time is over after 21.0 s, what was left is cut: works\n");
	lab_told(lab, "maint:a");
	/* after a reboot nobody knows how long that took */
	lab_play(lab, "ready:a drain:a:10000 +1000");
	lab = crash(lab, "web: a b", false, 77000);
	lab_play(lab, "+8999");
	lab_expect(lab, "a:drain:0 b:up:100");
	lab_forget(lab);
	lab_play(lab, "+1");
	lab_said(lab, "the drain's time is over after 10.0 s, what was left is cut: works\n");
	lab_free(lab);
}

static void test_hold_down_goes_on(void **unused)
{
	const char *one = "web hold=1000/8000/60000: a b";
	struct lab *lab = lab_new(one);

	(void)unused;
	lab_play(lab, "a+ b+ a-+-+");
	lab = crash(lab, one, true, 300);
	lab = crash(lab, one, true, 300);
	lab_play(lab, "+399");
	lab_expect(lab, "a:down:0 b:up:100");
	lab_play(lab, "+1");
	lab_told(lab, "up:a");
	lab_play(lab, "a-+");
	lab = crash(lab, one, true, 999999); /* it ends meanwhile */
	lab_play(lab, "+1");
	lab_told(lab, "up:a");
	lab_play(lab, "a-+");
	lab = crash(lab, one, false, 999999);
	lab_play(lab, "+3999");
	lab_expect(lab, "a:down:0 b:up:100");
	lab_play(lab, "+1");
	lab_expect(lab, "a:up:100 b:up:100");
	/* and so is being up, which forgives: four are remembered */
	assert_int_equal(lab_find(lab, "a")->falls, 4);
	lab_play(lab, "+50000");
	lab = crash(lab, one, true, 9999);
	assert_int_equal(lab_find(lab, "a")->falls, 4);
	lab = crash(lab, one, true, 60001);
	assert_int_equal(lab_find(lab, "a")->falls, 2);
	lab_free(lab);
}

static void test_ramp_goes_on(void **unused)
{
	const char *one = "m ramp=10000: a b; n ramp=10000 probes=none: c";
	struct lab *lab = lab_new(one);

	(void)unused;
	lab_play(lab, "a+ b+ a-+ maint:c ready:c +3000");
	lab_expect(lab, "a:up:40 b:up:100 c:up:40");
	lab = crash(lab, one, true, 1500);
	lab_expect(lab, "a:up:50 b:up:100 c:up:50");
	lab_play(lab, "+500");
	lab_expect(lab, "a:up:60 b:up:100 c:up:60");
	lab = crash(lab, one, false, 60000);
	lab_expect(lab, "a:up:60 b:up:100 c:up:60");
	lab_play(lab, "+999");
	lab_expect(lab, "a:up:60 b:up:100 c:up:60");
	lab = crash(lab, one, true, 3001);
	lab_expect(lab, "a:up:100 b:up:100 c:up:100");
	lab_free(lab);
}

/* Since when it is up, down, in maint: an upgrade is no change of state. */
static void test_since_stays(void **unused)
{
	const char *one = "m min=1: a b c d; n probes=none: x y";
	struct lab *lab = lab_new(one);
	time_t since[6];

	(void)unused;
	for (const char *c = "abcdxy"; *c; c++) {
		lab_wall += 60;
		lab_play(lab, *c > 'd' ? *c == 'y' ? "drain:y:90000000" : "" : (char[]){*c, '+', '\0'});
	}
	lab_wall += 60;
	lab_play(lab, "b- maint:c c-");
	for (int i = 0; i < 6; i++)
		since[i] = lab_find(lab, (char[]){"abcdxy"[i], '\0'})->since_wall;
	assert_true(since[0] < since[3] && since[3] < since[1] && since[4] < since[5]);
	for (int restart = 0; restart < 3; restart++) {
		lab = crash(lab, one, restart != 1, 5000);
		for (int i = 0; i < 6; i++)
			assert_int_equal(lab_find(lab, (char[]){"abcdxy"[i], '\0'})->since_wall, since[i]);
	}
	lab_play(lab, "ready:c");
	assert_true(lab_find(lab, "c")->since_wall > since[5]); /* down since now, as an operator sees it */
	lab_free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_restart_changes_nothing),
		cmocka_unit_test(test_restart_keeps_the_order),
		cmocka_unit_test(test_restart_with_another_config),
		cmocka_unit_test(test_restart_with_two_documents),
		cmocka_unit_test(test_restore_touches_only_what_is_new),
		cmocka_unit_test(test_drain_goes_on),
		cmocka_unit_test(test_hold_down_goes_on),
		cmocka_unit_test(test_ramp_goes_on),
		cmocka_unit_test(test_since_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
