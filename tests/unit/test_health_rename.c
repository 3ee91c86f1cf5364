/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Who is who after a reload or restart, and pools that get none but new backends. See health_acts.h. */
#include "unit/health_acts.h"

static void test_renamed_keeps_its_judgement(void **unused)
{
	(void)unused;
	/* verdict and run: the second failure in a row is one more of the first */
	LAB_RELOADS({"web rise=2 fall=2: a b", "a+- b--", "a:up:100 b:down:0", NULL},
		    {"web rise=2 fall=2: x@97 y@98", "", "x:up:100 y:down:0", ""},
		    {"web rise=2 fall=2: x@97 y@98", "x- y+", "x:down:0 y:down:0", "down:x empty:web"},
		    {"web rise=2 fall=2: c@97 d@98", "d+", "c:down:0 d:up:100", "up:d recovered:web"});
	/* falls, hold-down and the rest of it */
	LAB_RELOADS({"web hold=100/400/1000: a b", "a+ b+ a-+-+ +40", "a:down:0 b:up:100", NULL},
		    {"web hold=100/400/1000: b x@97", "+59", "b:up:100 x:down:0", ""},
		    {"web hold=100/400/1000: b x@97", "+1", "b:up:100 x:up:100", "up:x"},
		    {"web hold=100/400/1000: b z@97", "z- +199 z+", "b:up:100 z:down:0", "down:z held:z"});
	/* the ramp */
	LAB_RELOADS({"web ramp=1000: a b", "a+ b+ a-+ +300", "a:up:40 b:up:100", NULL},
		    {"web ramp=1000: b x@97", "", "b:up:100 x:up:40", ""},
		    {"web ramp=1000: b x@97", "+100", "b:up:100 x:up:50", ""});
	/* who is kept, and who next */
	LAB_RELOADS({"web min=2: a b c d", "a+ b+ c+ d+ a- +1 b- +1 c-", "a:down:0 b:down:0 c:kept:100 d:up:100", NULL},
		    {"web min=2: n@97 o@98 p@99 q@100", "", "n:down:0 o:down:0 p:kept:100 q:up:100", ""},
		    {"web min=2: n@97 o@98 p@99 q@100", "q-", "n:down:0 o:down:0 p:kept:100 q:kept:100", "kept:q"},
		    {"web min=2: o@98 p@99", "", "o:kept:100 p:kept:100", "kept:o"});
}

static void test_renamed_keeps_its_times(void **unused)
{
	struct lab *lab = lab_new("web: a b");
	struct health_backend *a = lab_find(lab, "a");
	__u64 since;

	(void)unused;
	lab_play(lab, "b+ +10 a+ +10 a- +10");
	since = a->since;
	lab_configure(lab, "web: b z@97", false);
	assert_ptr_equal(lab_find(lab, "z"), a);
	assert_null(health_find(lab->health, "web", "a"));
	assert_int_equal(a->since, since);
	assert_string_equal(a->why, "refused");
	lab_free(lab);
}

/* A server that an operator took out does not come back for being called otherwise. */
static void test_renamed_keeps_its_override(void **unused)
{
	struct lab *lab = lab_new("web: a b c d");

	(void)unused;
	lab_play(lab, "a+ b+ c+ d+ maint:a weight:b:7 drain:c:500");
	lab_forget(lab);
	lab_configure(lab, "web: d x@97 y@98=50 z@99", false);
	lab_expect(lab, "d:up:100 x:maint:0 y:up:7 z:drain:0");
	lab_said(lab, "renamed from a: the override (maint) by uid 1000 goes on");
	lab_said(lab, "renamed from b: the override (weight) by uid 1000 goes on");
	lab_said(lab, "renamed from c: the override (drain) by uid 1000 goes on");
	lab_told(lab, "maint:x weight:y drain:z");
	assert_string_equal(lab_find(lab, "y")->override.reason, "slow");
	lab_play(lab, "+500");
	lab_expect(lab, "d:up:100 x:maint:0 y:up:7 z:maint:0");
	lab_told(lab, "maint:z");
	/* gone, and back under its first name: as any new one */
	lab_configure(lab, "web: d", false);
	lab_said(lab, "10.0.0.97 is not in the pool any more: the override (maint) by uid 1000 is gone with it");
	lab_told(lab, "ready:x ready:y ready:z");
	lab_configure(lab, "web: a d", false);
	lab_expect(lab, "a:down:0 d:up:100");
	lab_free(lab);
}

static void test_exchanged_names(void **unused)
{
	(void)unused;
	LAB_RELOADS({"web: a b", "a+ b-", "a:up:100 b:down:0", NULL}, {"web: a@98 b@97", "", "a:down:0 b:up:100", ""},
		    {"web: a@98 b@97", "maint:b", "a:down:0 b:maint:0", NULL},
		    {"web: a b", "", "a:maint:0 b:down:0", "maint:a"},
		    {"web: a b", "ready:a", "a:up:100 b:down:0", NULL});
	/* names by number, and the first server is gone: each keeps what it had, the last one is new */
	LAB_RELOADS({"web: a@1 b@2 c@3", "a+ b+ c+ c- maint:a weight:b:9", "a:maint:0 b:up:9 c:down:0", NULL},
		    {"web: a@2 b@3 c@4", "", "a:up:9 b:down:0 c:down:0", "ready:a weight:a"},
		    {"web: a@2 b@3 c@4", "b+ c+", "a:up:9 b:up:100 c:up:100", "up:b up:c"});
	/* three in a circle */
	LAB_RELOADS({"web: a@1 b@2 c@3 d@4", "a+ b+ c- d+ maint:b", "a:up:100 b:maint:0 c:down:0 d:up:100", NULL},
		    {"web: a@3 b@1 c@2 d@4", "", "a:down:0 b:up:100 c:maint:0 d:up:100", "maint:c"});
	/* an address of another pool is another backend */
	LAB_RELOADS({"m: a@1 b@2; n: y@3 z@4", "a+ b+ y+ z+ maint:a", "a:maint:0 b:up:100 y:up:100 z:up:100", NULL},
		    {"m: b@2; n: x@1 y@3 z@4", "", "b:up:100 x:down:0 y:up:100 z:up:100", "ready:a"});
}

static void test_override_of_a_name(void **unused)
{
	(void)unused;
	/* a new address under the name: the server was replaced, the operator's wish stays */
	LAB_RELOADS({"web: a b", "a+ b+ maint:a", NULL, NULL}, {"web: a@1 b", "a+", "a:maint:0 b:up:100", ""},
		    /* unless the server is still there, under another name */
		    {"web: a@2 b x@1", "a+", "a:up:100 b:up:100 x:maint:0", "maint:x up:a"});
}

static void test_trouble_of_renamed(void **unused)
{
	(void)unused;
	LAB_RELOADS({"m: a b", "a+ b? +1000", NULL, "up:a trouble:m"}, {"m: a x@98", "+9999", NULL, ""},
		    {"m: a x@98", "x+ +5000", "a:up:100 x:up:100", "up:x trouble_over:m"});
}

/* Empty, it would drop everything for certain. */
static void test_all_backends_are_new(void **unused)
{
	const char *fallen = "web fall=3: a b";

	(void)unused;
	LAB_RELOADS({"web fall=3 ramp=1000: a b", "a+ b+", "a:up:100 b:up:100", NULL},
		    {"web fall=3 ramp=1000: a@1 b@2 c@3", "", "a:up:100 b:up:100 c:up:100", ""},
		    /* one failure is enough, but then it is judged as any other */
		    {"web fall=3 ramp=1000: a@1 b@2 c@3", "a+-- b- c?", "a:up:100 b:down:0 c:up:100", "down:b"},
		    /* where somebody is left, new ones wait */
		    {"web fall=3: a@1 b@2 d@4", "", "a:up:100 b:down:0 d:down:0", ""});
	/* nobody is left but who has failed; this one waits from the reload before */
	LAB_RELOADS({fallen, "a+ b---", "a:up:100 b:down:0", NULL},
		    {"web: a b c", "", "a:up:100 b:down:0 c:down:0", ""}, {"web: b c", "", "b:down:0 c:up:100", ""},
		    {"web: b c", "c-", "b:down:0 c:down:0", "down:c empty:web"},
		    /* it was empty before */
		    {"web: b d", "", "b:down:0 d:down:0", ""}, {"web: e", "", "e:down:0", ""},
		    {"web: e", "e+", "e:up:100", "up:e recovered:web"});
	/* somebody is kept; nobody may be assumed; operators' wishes count */
	LAB_RELOADS({"web min=1: a b", "a+ b+ b-", "a:up:100 b:down:0", NULL},
		    {"web min=1: b c", "", "b:kept:100 c:down:0", "kept:b degraded:web"});
	/* its fallback served, and goes on until somebody new is up */
	LAB_RELOADS({"m min=1 fallback=n: a; n: s", "a+ s+ a-", "a:kept:100 s:up:100", NULL},
		    {"m min=1 fallback=n: b; n: s", "", "b:down:0 s:up:100", ""},
		    {"m min=1 fallback=n: b; n: s", "b+", "b:up:100 s:up:100", "up:b recovered:m"});
	LAB_RELOADS({"web start=down: a", "a+", "a:up:100", NULL}, {"web start=down: b", "", "b:down:0", NULL});
	LAB_RELOADS({"web: a b", "a+ b+ maint:b", "a:up:100 b:maint:0", NULL},
		    {"web: a@1 b@2", "", "a:up:100 b:maint:0", ""});
	LAB_RELOADS({"web: a b", "a+ b+ maint:a maint:b", "a:maint:0 b:maint:0", NULL},
		    {"web: c", "", "c:down:0", "ready:a ready:b"});
}

/* A service goes over to a pool that is new. */
static void test_new_pool_of_a_service(void **unused)
{
	(void)unused;
	LAB_RELOADS({"blue service=www: a b", "a+ b+", "a:up:100 b:up:100", NULL},
		    {"blue: a b; green service=www: c d", "", "a:up:100 b:up:100 c:up:100 d:up:100", ""},
		    {"green service=www: c d", "c+ d-", "c:up:100 d:down:0", "down:d"},
		    /* there before it gets the service: nothing is known that speaks for it */
		    {"green service=www: c d; red: e", "", "c:up:100 d:down:0 e:down:0", ""},
		    {"green: c d; red service=www: e", "", "c:up:100 d:down:0 e:down:0", ""});
	/* no service went through the former pool; the service is a new one, too */
	LAB_RELOADS({"blue service=www: a", "a-", "a:down:0", NULL}, {"green service=www: c", "", "c:down:0", NULL});
	LAB_RELOADS({"blue service=www: a", "a+", "a:up:100", NULL}, {"green service=dns: c", "", "c:down:0", NULL});
	/* by way of its fallback */
	LAB_RELOADS({"blue service=www fallback=spare: a; spare: s", "a- s+", "a:down:0 s:up:100", NULL},
		    {"green service=www: c; spare: s", "", "c:up:100 s:up:100", ""});
	/* some of its sources go over, by a rule: they are served as well */
	LAB_RELOADS({"blue service=www: a", "a+", "a:up:100", NULL},
		    {"blue service=www: a; green sources=www: c", "", "a:up:100 c:up:100", ""});
	LAB_RELOADS({"blue service=www: a", "a-", "a:down:0", NULL},
		    {"blue service=www: a; green sources=www: c", "", "a:down:0 c:down:0", NULL});
}

static json_t *saved_of(const struct lab *lab, json_t **overrides)
{
	*overrides = health_save_overrides(lab->health, lab->now);
	return health_save(lab->health, lab->now);
}

static void test_renamed_over_restart(void **unused)
{
	struct lab *old = lab_new("web rise=2: a b c d"), *lab = lab_new(NULL);
	json_t *overrides, *saved;

	(void)unused;
	lab_play(old, "a+ b+ c- d+ maint:b weight:d:5");
	saved = saved_of(old, &overrides);
	lab_restart(lab, "web rise=2: b@97 c@1 d@2 x@98 y@99", true, saved, overrides);
	lab_expect(lab, "b:up:100 c:down:0 d:down:0 x:maint:0 y:down:0");
	assert_int_equal(lab_find(lab, "d")->override.weight, 5); /* its address is nobody's now: it goes by the name */
	assert_false(lab_find(lab, "b")->override.weighted);
	lab_told(lab, "maint:x");
	lab_play(lab, "y+");
	lab_expect(lab, "b:up:100 c:down:0 d:down:0 x:maint:0 y:down:0");
	lab_free_docs(saved, overrides);
	lab_free(old);
	lab_free(lab);
}

/* An empty pool drops all: so new backends get packets before their first verdict, unless a fallback is there. */
static void test_new_backends_beside_a_fallback(void **unused)
{
	struct lab *lab = lab_new("spare: s; web fallback=spare: a"), *restarted = lab_new(NULL);
	json_t *overrides, *saved;

	(void)unused;
	lab_play(lab, "s+ a+");
	saved = saved_of(lab, &overrides);
	lab_configure(lab, "spare: s; web fallback=spare: z", false);
	lab_expect(lab, "s:up:100 z:down:0");
	lab_restart(restarted, "spare: s; web fallback=spare: z", true, saved, overrides);
	lab_expect(restarted, "s:up:100 z:down:0");
	lab_play(lab, "s- z+");
	lab_configure(lab, "spare: s; web fallback=spare: y", false);
	lab_expect(lab, "s:down:0 y:up:100");
	lab_free_docs(saved, overrides);
	lab_free(lab);
	lab_free(restarted);
}

/* Goes from one configuration to another, plays there, and goes back. */
static struct lab *return_from(const char *spec, const char *play, const char *to, const char *there)
{
	struct lab *lab = lab_new(spec);
	struct config *config = lab_config(spec);
	json_t *overrides, *saved;

	lab_play(lab, play);
	saved = saved_of(lab, &overrides);
	lab_configure(lab, to, false);
	lab_play(lab, there);
	lab_forget(lab);
	health_return(lab->health, config, saved, overrides, lab->now);
	lab->pools = config->pool_count;
	lab_check(lab);
	config_free(config);
	lab_free_docs(saved, overrides);
	return lab;
}

/* Nothing is told of what lasts for no time at all. */
static void test_return_tells_the_difference(void **unused)
{
	static const struct {
		const char *spec, *play, *to, *there, *show, *told;
	} cases[] = {
		{"web: a b", "a+ b-", "web: c", "c+", "a:up:100 b:down:0", ""},
		{"web: a b", "a+ b-", "web: c", "c-", "a:up:100 b:down:0", "recovered:web"},
		{"web: a b", "a- b-", "web: c", "c+", "a:down:0 b:down:0", "empty:web"},
		{"web: a b", "a- b-", "web: c", "c-", "a:down:0 b:down:0", ""},
		{"web start=down: a b", "a+ b+", "web start=down: c", "c+", "a:up:100 b:up:100", ""},
		{"web min=2: a b c", "a+ b+ c+ c-", "web min=2: c x y", "x+ y+", "a:up:100 b:up:100 c:down:0", ""},
		{"web min=2: a b c", "a+ b+ c-", "web min=2: a c x y", "x+ y+ a-", "a:kept:100 b:up:100 c:down:0",
		 "kept:a degraded:web"},
		{"web: a b", "a+ b+ maint:a", "web: b c", "c+ maint:c", "a:maint:0 b:up:100", "ready:c maint:a"},
		{"web: a b", "a+ b+ maint:a", "web: x@97 y@98", "y-", "a:maint:0 b:down:0", "maint:a"},
		/* a pool that was gone: its states were told before that */
		{"dns: z; web: a b", "a+ z-", "web: a b", "b-", "z:down:0 a:up:100 b:down:0", ""},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct lab *lab = return_from(cases[i].spec, cases[i].play, cases[i].to, cases[i].there);

		lab_expect(lab, cases[i].show);
		lab_told(lab, cases[i].told);
		/* as the agent does then, and when it is told anew */
		lab_configure(lab, cases[i].spec, false);
		lab_expect(lab, cases[i].show);
		lab_told(lab, "");
		lab_free(lab);
	}
}

/* Verdicts that change nothing that is seen or told have to be saved, too; trouble and text have not. */
static void test_changes(void **unused)
{
	static const struct {
		const char *play;
		bool grows;
	} acts[] = {{"a++-", false}, {"a?", false}, {"a--", true}, {"a-", false}, {"maint:b", true}, {"b-", false},
		    {"b-", true},    {"b+", false}, {"b+", true},  {"b?", false}, {"c--", true},     {"+10", false},
		    {"c++", true},   {"c--", true}, {"c++", true}, {"+60", true}};
	struct lab *lab = lab_new("web min=1 rise=2 fall=2 hold=50/50/1000: a b c");

	(void)unused;
	lab_play(lab, "a+ b+ c+");
	for (size_t i = 0; i < sizeof(acts) / sizeof(*acts); i++) {
		__u64 before = health_changes(lab->health);

		lab_play(lab, acts[i].play);
		if ((health_changes(lab->health) > before) != acts[i].grows)
			fail_msg("act %zu: %s", i, acts[i].play);
	}
	lab_free(lab);
}

/* A server in maint is found before a name that another's override had. */
static void test_restart_with_a_name_taken_over(void **unused)
{
	struct lab *old = lab_new("web: a@1 b@2 c@3"), *lab = lab_new(NULL);
	json_t *saved, *overrides;

	(void)unused;
	lab_play(old, "a+ b+ c+ weight:a:7 maint:b");
	saved = saved_of(old, &overrides);
	lab_restart(lab, "web: a@2 c@3", true, saved, overrides);
	lab_expect(lab, "a:maint:0 c:up:100");
	lab_free_docs(saved, overrides);
	lab_free(lab);
	lab_free(old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_renamed_keeps_its_judgement),
		cmocka_unit_test(test_renamed_keeps_its_times),
		cmocka_unit_test(test_renamed_keeps_its_override),
		cmocka_unit_test(test_exchanged_names),
		cmocka_unit_test(test_override_of_a_name),
		cmocka_unit_test(test_trouble_of_renamed),
		cmocka_unit_test(test_all_backends_are_new),
		cmocka_unit_test(test_new_pool_of_a_service),
		cmocka_unit_test(test_renamed_over_restart),
		cmocka_unit_test(test_new_backends_beside_a_fallback),
		cmocka_unit_test(test_restart_with_a_name_taken_over),
		cmocka_unit_test(test_return_tells_the_difference),
		cmocka_unit_test(test_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
