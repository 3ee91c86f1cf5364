/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the judgement knows outlives reloads. See health_acts.h. */
#include "unit/health_acts.h"

static void test_reload_revives_and_drops_nothing(void **unused)
{
	(void)unused;
	LAB_RELOADS({"web rise=2 fall=2: a b c", "a+ b-- c?", "a:up:100 b:down:0 c:down:0", "up:a down:b"},
		    /* another probe: it begins with what is known */
		    {"web rise=2 fall=2 probes=tcp:80: a b c", "", "a:up:100 b:down:0 c:down:0", ""},
		    {"web rise=2 fall=2 probes=tcp:80: a b c", "a- b+ c+", "a:up:100 b:down:0 c:up:100", "up:c"},
		    /* one more of them: the other goes on with its run */
		    {"web rise=2 fall=2 probes=http,tcp:80: a b c", "", "a:up:100 b:down:0 c:up:100", ""},
		    {"web rise=2 fall=2 probes=http,tcp:80: a b c", "a.1- b.1+ b++", "a:down:0 b:up:100 c:up:100",
		     "down:a up:b"},
		    /* a new backend delays nobody, one that moved is a new one, one that is gone is gone */
		    {"web rise=2 fall=2 probes=http,tcp:80: a@9 b d", "", "a:down:0 b:up:100 d:down:0", ""},
		    {"web rise=2 fall=2 probes=http,tcp:80: a@9 b d", "a+ a.1+ d+ d.1+", "a:up:100 b:up:100 d:up:100",
		     "up:a up:d"});
}

static void test_reload_of_equal_probes(void **unused)
{
	(void)unused;
	LAB_RELOADS({"web probes=tcp,tcp: a", "a+ a.1-", "a:down:0", NULL},
		    {"web probes=tcp,tcp: a", "", "a:down:0", ""}, {"web probes=tcp,tcp: a", "a.1+", "a:up:100", NULL});
}

static void test_generation_follows_reloads(void **unused)
{
	static const struct {
		const char *spec;
		bool grows;
	} cases[] = {{"web: a b c", false},  {"web: a b=100 c d", false}, {"web: a b", false},
		     {"web: a=5 b", true},   {"web: a=5", true},	  {"web: a=5 b", false},
		     {"web: a=5@7 b", true}, {"web probes=-: b", true}};
	struct lab *lab = lab_new("web: a b c");

	(void)unused;
	lab_play(lab, "a+ b+");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		__u64 before = health_pool(lab->health, 0)->generation;

		lab_configure(lab, cases[i].spec, false);
		assert_int_equal(health_pool(lab->health, 0)->generation > before, cases[i].grows);
	}
	lab_free(lab);
}

static void test_reload_of_judgement(void **unused)
{
	(void)unused;
	/* without probes all are up; when there are some again, they begin with that */
	LAB_RELOADS({"web: a b", "a+ b-", "a:up:100 b:down:0", NULL},
		    {"web probes=-: a b", "", "a:up:100 b:up:100", "up:b"},
		    {"web fall=2: a b", "a- b--", "a:up:100 b:down:0", "down:b"});
	LAB_RELOADS({"web probes=tcp,http: a b", "a+ a.1+ b+ b.1-", "a:up:100 b:down:0", NULL},
		    {"web any probes=tcp,http: a b", "", "a:up:100 b:up:100", "up:b"},
		    {"web probes=tcp,http: a b", "", "a:up:100 b:down:0", "down:b"},
		    {"web probes=tcp: a b", "", "a:up:100 b:up:100", "up:b"});
	/* one of two probes had decided; the other alone says nothing yet */
	LAB_RELOADS({"web any probes=tcp,http: a", "a+", "a:up:100", NULL},
		    {"web probes=tcp,http: a", "", "a:up:100", ""}, {"web probes=http: a", "", "a:up:100", ""});
	LAB_RELOADS({"web probes=tcp,http: a", "a-", "a:down:0", NULL},
		    {"web any probes=tcp,http: a", "", "a:down:0", ""});
	LAB_RELOADS({"web min=50%: a b", "a+ b+ a- +1 b-", "a:down:0 b:kept:100", NULL},
		    {"web: a b", "", "a:down:0 b:down:0", "down:b empty:web"},
		    {"web min=2: a b", "", "a:kept:100 b:kept:100", "kept:b kept:a degraded:web"},
		    {"web min=2: a", "a+", "a:up:100", "up:a"});
	LAB_RELOADS({"web hold=1000/1000/9999: a b", "b+ a+-+-+", "a:down:0 b:up:100", NULL},
		    {"web hold=1000/500/9999: a b", "+499", "a:down:0 b:up:100", ""},
		    {"web hold=1000/500/9999: a b", "+1", "a:up:100 b:up:100", "up:a"},
		    {"web hold=1000/9999/9999: a b", "a-+", "a:down:0 b:up:100", NULL},
		    {"web: a b", "", "a:up:100 b:up:100", "up:a"});
	LAB_RELOADS({"web ramp=1000: a b", "a+ b+ a-+", "a:up:10 b:up:100", NULL},
		    {"web: a b", "", "a:up:100 b:up:100", ""},
		    {"web start=up: a b c", "", "a:up:100 b:up:100 c:up:100", ""});
	/* new backends of a pool that works come up slowly, those of a new pool do not */
	LAB_RELOADS({"web ramp=1000: a b", "a+ b+", "a:up:100 b:up:100", NULL},
		    {"web ramp=1000: a b c", "c+ +500", "a:up:100 b:up:100 c:up:60", NULL},
		    {"web ramp=1000: a b c; x ramp=1000: z", "z+", "a:up:100 b:up:100 c:up:60 z:up:100", NULL});
	/* new ones do not degrade a pool before they have been probed, nor bring back what has failed long ago */
	LAB_RELOADS({"web min=50%: a b c d", "a+ b+ c+ d+ a-", "a:down:0 b:up:100 c:up:100 d:up:100", NULL},
		    {"web min=50%: a b c d e f g h", "+99999",
		     "a:down:0 b:up:100 c:up:100 d:up:100 e:down:0 f:down:0 g:down:0 h:down:0", ""});
}

static void test_reload_and_operators(void **unused)
{
	const char *both = "web: a b c";

	(void)unused;
	LAB_RELOADS({both, "a+ b+ c+ maint:a weight:b:5", "a:maint:0 b:up:5 c:up:100", NULL},
		    {"web: a@77 b=50 c=60", "", "a:maint:0 b:up:5 c:up:60", ""},
		    {"web: c=60", "", "c:up:60", "ready:a ready:b"},
		    {both, "a+ b+", "a:up:100 b:up:100 c:up:100", NULL}, {both, "drain:b:500", NULL, NULL},
		    {"web probes=http: a b c", "+499", "a:up:100 b:drain:0 c:up:100", ""},
		    {"web probes=http: a b c", "+1", "a:up:100 b:maint:0 c:up:100", "maint:b"},
		    {"x: z", "", "z:down:0", "ready:b"});
}

/* Trouble that leaves with its backend is over, and the next one is told again. */
static void test_reload_and_trouble(void **unused)
{
	(void)unused;
	LAB_RELOADS({"m: a b c", "a+ b? c? +1000", NULL, "up:a trouble:m"}, {"m: a b c", "+9999", NULL, ""},
		    {"m: a b@9", "+4999 b?", NULL, ""}, {"m: a", "+5000", NULL, "trouble_over:m"},
		    {"m: a", "a? +1000", "a:up:100", "trouble:m"},
		    {"m probes=http: a", "+5000", "a:up:100", "trouble_over:m"},
		    {"m probes=http: a; n: b", "a? b? +1000", NULL, "trouble:all"},
		    {"m probes=http: a; n: b", "a+ b- +5000", NULL, "down:b empty:n trouble_over:all"});
}

/* A reload takes away what a pool has left: that is said as if probes had. */
static void test_reload_empties_a_pool(void **unused)
{
	(void)unused;
	LAB_RELOADS({"a: b; x: z", "b+ z+", "b:up:100 z:up:100", NULL},
		    {"a: ; x: z=0", "", "z:up:0", "empty:a empty:x"}, {"a: b; x: z", "b+", "b:up:100 z:up:100", NULL});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reload_revives_and_drops_nothing),
		cmocka_unit_test(test_reload_of_equal_probes),
		cmocka_unit_test(test_generation_follows_reloads),
		cmocka_unit_test(test_reload_of_judgement),
		cmocka_unit_test(test_reload_and_operators),
		cmocka_unit_test(test_reload_and_trouble),
		cmocka_unit_test(test_reload_empties_a_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
