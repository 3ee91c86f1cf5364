/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The judgement's rules, one after the other, as scripts: see health_lab.h. */
#include "unit/health_acts.h"

static void test_verdict(void **unused)
{
	(void)unused;
	LAB_ACTS("web rise=2 fall=3: a b", {"", "a:down:0 b:down:0", ""}, /* nothing known: nothing told */
		 {"a+ b--", "a:up:100 b:down:0", "up:a"},		  /* the first pass is enough */
		 {"b-", "a:up:100 b:down:0", "down:b"},			  /* the first DOWN takes `fall` */
		 {"a--+--", "a:up:100 b:down:0", ""}, {"a-", NULL, "down:a empty:web"}, /* in a row */
		 {"a+-+", "a:down:0 b:down:0", ""}, {"a+", "a:up:100 b:down:0", "up:a recovered:web"});
}

static void test_trouble_changes_nothing(void **unused)
{
	(void)unused;
	LAB_ACTS("web rise=2 fall=3: a b", {"a+ b?????", "a:up:100 b:down:0", "up:a"},
		 {"a--???", "a:up:100 b:down:0", ""},
		 {"a-", "a:down:0 b:down:0", "down:a empty:web"}, /* the run goes on: three failures without a pass */
		 {"b+", NULL, "up:b recovered:web"}, {"a+?+", "a:up:100 b:up:100", "up:a"});
}

static void test_several_probes(void **unused)
{
	(void)unused;
	LAB_ACTS("web rise=2 fall=2 probes=tcp,http: a", {"a+", "a:down:0", ""}, {"a.1+", "a:up:100", "up:a"},
		 {"a.1--", "a:down:0", "down:a empty:web"}, {"a-- a.1++", "a:down:0", ""}, {"a++", "a:up:100", NULL});
	LAB_ACTS("web fall=2 probes=tcp,http: a",
		 {"a--", "a:down:0", "down:a empty:web"}); /* decided without the other */
	LAB_ACTS("web any rise=2 fall=2 probes=tcp,http: a", {"a--", "a:down:0", ""}, {"a.1+", "a:up:100", "up:a"},
		 {"a++ a.1--", "a:up:100", ""}, {"a--", "a:down:0", "down:a empty:web"});
	/* what was decided stays while nothing else is */
	LAB_ACTS("web any probes=tcp,http: a", {"a+- a.1?", "a:up:100", "up:a"},
		 {"a.1-", "a:down:0", "down:a empty:web"});
	LAB_ACTS("web probes=tcp,http: a", {"a-+ a.1?", "a:down:0", "down:a empty:web"}, {"a.1+", "a:up:100", NULL});
	LAB_ACTS("web any probes=tcp,http: a", {"a- a.1-", "a:down:0", "down:a empty:web"});
}

static void test_event_says_what_the_probe_said(void **unused)
{
	struct lab *lab = lab_new("web rise=2 fall=3 probes=tcp,http: a");
	char longest[2 * HEALTH_TEXT];

	(void)unused;
	lab_play(lab, "a+ a.1+ a.1---");
	lab_said(lab, "http: refused (3 in a row)\n");
	assert_string_equal(lab_find(lab, "a")->why, "http: refused (3 in a row)");
	lab_play(lab, "a.1+");
	assert_string_equal(lab_find(lab, "a")->probes[1].text, "answered");
	assert_string_equal(lab_find(lab, "a")->why, "http: refused (3 in a row)"); /* still the cause of its state */
	for (size_t i = 0; i + 2 < sizeof(longest); i += 2)
		memcpy(longest + i, "\xc3\xbc", 3);
	for (int i = 0; i < 3; i++)
		health_report(lab->health, lab_find(lab, "a"), 0, FINDING_FAILED, longest, lab->now);
	for (int i = 0; i < 4; i++)
		health_report(lab->health, lab_find(lab, "a"), i % 2, FINDING_PASSED, longest, lab->now);
	assert_non_null(strstr(lab->told, "up:a down:a empty:web up:a"));
	assert_non_null(strstr(lab->texts, " (2 in a row)\n"));
	lab_free(lab);

	lab = lab_new("web: a");
	health_report(lab->health, lab_find(lab, "a"), 0, FINDING_FAILED, "con\nnect\x1b\xff", lab->now);
	lab_said(lab, "con nect ?\n");
	lab_free(lab);
}

static void test_start(void **unused)
{
	(void)unused;
	LAB_ACTS("web start=up rise=2 fall=2: a b", {"", "a:up:100 b:up:100", ""}, {"a-+", "a:up:100 b:up:100", ""},
		 {"b--", "a:up:100 b:down:0", "down:b"});
	LAB_ACTS("web start=down rise=3 fall=2: a", {"", "a:down:0", ""}, {"a++", "a:down:0", ""},
		 {"a+", "a:up:100", "up:a"});
	LAB_ACTS("web probes=-: a b=0", {"+5", "a:up:100 b:up:0", ""});
	LAB_ACTS("web probes=none: a", {"+5", "a:up:100", ""});
}

static void test_start_while_packets_run(void **unused)
{
	struct lab *lab = lab_new(NULL);

	(void)unused;
	lab_configure(lab, "web rise=2 fall=3: a b; x start=down: c; y start=up fall=2: d", true);
	lab_expect(lab, "a:up:100 b:up:100 c:down:0 d:up:100");
	lab_told(lab, "");
	lab_play(lab, "a- b+-- d-");
	lab_expect(lab, "a:down:0 b:up:100 c:down:0 d:up:100");
	lab_told(lab, "down:a");
	lab_play(lab, "b-");
	lab_told(lab, "down:b empty:web");
	lab_free(lab);
}

#define UPS "a+ b+ c+ d+"
#define UP4 "a:up:100 b:up:100 c:up:100 d:up:100"

static void test_min_healthy(void **unused)
{
	const char *fallen = "a:down:0 b:down:0 c:kept:100 d:kept:100";

	(void)unused;
	LAB_ACTS("web min=50%: a b c d", {UPS, UP4, NULL},
		 {"a- +1 b-", "a:down:0 b:down:0 c:up:100 d:up:100", "down:a down:b"},
		 {"+1 c-", "a:down:0 b:down:0 c:kept:100 d:up:100", "kept:c degraded:web"}, {"+1 d-", fallen, "kept:d"},
		 {"a-- b-- c-- d--", fallen, ""},
		 /* who recovers takes the place of the one kept that fell first */
		 {"a+", "a:up:100 b:down:0 c:down:0 d:kept:100", "up:a down:c"},
		 {"d+", "a:up:100 b:down:0 c:down:0 d:up:100", "up:d recovered:web"});
	/* a number of backends; one third of three, rounded up */
	LAB_ACTS("web min=3: a b c d", {UPS, UP4, NULL}, {"a-", NULL, "down:a"}, {"b-", NULL, "kept:b degraded:web"});
	LAB_ACTS("web min=34%: a b c", {"a+ b+ c+ a-", NULL, NULL}, {"b-", "a:down:0 b:kept:100 c:up:100", NULL});
	/* all of them */
	LAB_ACTS("web min=100%: a b", {"a+ b+", NULL, NULL}, {"a-", "a:kept:100 b:up:100", "kept:a degraded:web"});
}

static void test_min_healthy_keeps_only_what_was_up(void **unused)
{
	(void)unused;
	LAB_ACTS("web min=100%: a b c", {"a+ b-", "a:up:100 b:down:0 c:down:0", "up:a down:b"},
		 {"c+", "a:up:100 b:down:0 c:up:100", "up:c degraded:web"},
		 {"a- c-", "a:kept:100 b:down:0 c:kept:100", NULL}, {"b+", "a:kept:100 b:up:100 c:kept:100", NULL});
}

static void test_min_healthy_and_operators(void **unused)
{
	(void)unused;
	/* what operators take out is out all the same, and does not count: of two, one is enough */
	LAB_ACTS("web min=50%: a b c d", {UPS " maint:a weight:b:0", "a:maint:0 b:up:0 c:up:100 d:up:100", NULL},
		 {"c-", "a:maint:0 b:up:0 c:down:0 d:up:100", "down:c"},
		 {"d-", "a:maint:0 b:up:0 c:down:0 d:kept:100", "kept:d degraded:web"},
		 {"drain:d", "a:maint:0 b:up:0 c:kept:100 d:drain:0", "drain:d kept:c"},
		 {"ready:d", "a:maint:0 b:up:0 c:down:0 d:kept:100", NULL});
}

/* Of two that are down, one of which answers again, that one is the better to keep. */
static void test_min_healthy_prefers_who_answers(void **unused)
{
	(void)unused;
	LAB_ACTS("web min=1 hold=10000/10000/100000: a b", {"a+ b+ a-+-", "a:down:0 b:up:100", NULL},
		 {"a+ +5", "a:down:0 b:up:100", "held:a"}, {"b-", "a:kept:100 b:down:0", "kept:a down:b degraded:web"},
		 {"a-", "a:down:0 b:kept:100", "kept:b down:a"}, {"a+", "a:kept:100 b:down:0", "down:b kept:a"},
		 {"+10000", "a:up:100 b:down:0", "up:a recovered:web"});
}

static void test_first_verdicts_degrade_nothing(void **unused)
{
	(void)unused;
	LAB_ACTS("web min=50%: a b c d", {"a+ b- c-", NULL, "up:a down:b down:c"}, {"d+", NULL, "up:d"});
	LAB_ACTS("web min=50%: a b c d", {"a+ b- c-", NULL, "up:a down:b down:c"}, {"d-", NULL, "down:d degraded:web"});
	LAB_ACTS("web min=50%: a b", {"a-", NULL, "down:a"}, {"b-", NULL, "down:b empty:web"},
		 {"b+", NULL, "up:b recovered:web"});
}

static void test_hold_down(void **unused)
{
	const char *spec = "web rise=1 fall=1 hold=100/400/1000: a b";

	(void)unused;
	LAB_ACTS(spec, {"b+ a+ a-+", "a:up:100 b:up:100", "up:b up:a down:a up:a"},   /* the first is free */
		 {"a-", NULL, "down:a"}, {"+99 a+++", "a:down:0 b:up:100", "held:a"}, /* told once */
		 {"+1", "a:up:100 b:up:100", "up:a"},
		 {"a-+-+ +199", "a:down:0 b:up:100", "down:a held:a"}, /* doubled */
		 {"+1", "a:up:100 b:up:100", "up:a"}, {"a- +399 a+", "a:down:0 b:up:100", NULL},
		 {"+1 a- +399 a+", "a:down:0 b:up:100", NULL},
		 {"+1", "a:up:100 b:up:100", NULL},					       /* no longer than max */
		 {"a- +400", "a:down:0 b:up:100", NULL}, {"a+", "a:up:100 b:up:100", "up:a"}); /* over while failing */
	/* being up forgives: four are remembered (100, 200, 400), each takes a second */
	LAB_ACTS(spec, {"b+ a+- +1 a+- +100 a+- +200 a+- +400 a+", "a:up:100 b:up:100", NULL},
		 {"+3999 a-+", "a:down:0 b:up:100", NULL}, {"+100", "a:up:100 b:up:100", NULL},
		 {"+2000 a-+", "a:up:100 b:up:100", "down:a up:a"});
}

static void test_hold_down_counts_falls_alone(void **unused)
{
	struct lab *lab = lab_new("web fall=2 hold=100/400/1000: a");

	(void)unused;
	lab_play(lab, "a-- a+");
	assert_int_equal(lab_find(lab, "a")->falls, 0); /* a first DOWN is no fall */
	lab_play(lab, "maint:a a-- a+ a-- a+");
	assert_int_equal(lab_find(lab, "a")->falls, 0); /* it may well be off while it is serviced */
	lab_play(lab, "ready:a a-- a+ a-- a+");
	assert_int_equal(lab_find(lab, "a")->falls, 2);
	lab_forget(lab);
	lab_play(lab, "ready:a");
	lab_expect(lab, "a:up:100");
	lab_told(lab, "ready:a recovered:web");
	assert_int_equal(lab_find(lab, "a")->falls, 0);
	lab_play(lab, "ready:a");
	lab_told(lab, "");
	for (int i = 0; i < 1000; i++)
		lab_play(lab, "a-- +400 a+");
	assert_int_equal(lab_find(lab, "a")->falls, 4); /* no more than lead to the longest hold-down */
	lab_free(lab);
	lab = lab_new("web hold=1/4294967295/4294967295: a");
	for (int i = 0; i < 100; i++)
		lab_play(lab, "a+ a- +4294967295");
	lab_free(lab);
}

static void test_ramp(void **unused)
{
	const char *spec = "web ramp=1000: a b c=5";

	(void)unused;
	LAB_ACTS(spec, {"a+ b+ c+", "a:up:100 b:up:100 c:up:5", NULL}, {"b- b+ c- c+", "a:up:100 b:up:10 c:up:1", NULL},
		 {"+99", "a:up:100 b:up:10 c:up:1", ""}, {"+1", "a:up:100 b:up:20 c:up:1", ""},
		 {"+100", "a:up:100 b:up:30 c:up:1", ""}, {"+600", "a:up:100 b:up:90 c:up:4", ""},
		 {"+100", "a:up:100 b:up:100 c:up:5", ""}, {"+9999", "a:up:100 b:up:100 c:up:5", ""});
	/* from maint, but not from drain: there it has not been idle */
	LAB_ACTS(spec, {"a+ b+ c+ maint:a +1 ready:a drain:b +1 ready:b", "a:up:10 b:up:100 c:up:5", NULL});
	/* the whole pool comes back: all alike, whoever is first */
	LAB_ACTS(spec, {"a+ b+ c+ a- b- c- +9 a+ +50 b+", "a:up:10 b:up:10 c:down:0", NULL});
	/* the others were kept for want of healthy ones: no time for slow starts */
	LAB_ACTS("web ramp=1000 min=100%: a b", {"a+ b+ a- b- +9 a+", "a:up:100 b:kept:100", NULL});
	LAB_ACTS("web ramp=1000 min=1: a b", {"a+ b+ a- +9 a+", "a:up:10 b:up:100", NULL},
		 {"b- a-", "a:kept:100 b:down:0", NULL});
	LAB_ACTS("web ramp=1000 min=2: a b c", {"a+ b+ c+ a- +9 a+", "a:up:10 b:up:100 c:up:100", NULL},
		 {"b- c-", "a:up:100 b:down:0 c:kept:100", NULL});
	LAB_ACTS("web ramp=3: a b", {"a+ b+ a-+", "a:up:10 b:up:100", NULL}, {"+1", "a:up:40 b:up:100", NULL},
		 {"+2", "a:up:100 b:up:100", NULL}); /* shorter than its steps */
}

static void test_operators(void **unused)
{
	struct lab *lab = lab_new("web: a b");
	const struct health_override *override = &lab_find(lab, "a")->override;

	(void)unused;
	lab_play(lab, "a+ b+");
	lab_forget(lab);
	lab_play(lab, "drain:a:600000");
	lab_said(lab, "drain for 10.0 min: works");
	lab_expect(lab, "a:drain:0 b:up:100");
	assert_int_equal(override->uid, LAB_UID);
	assert_string_equal(override->reason, "works");
	assert_int_equal(override->when, 1720000000);
	lab_play(lab, "a-+- +599999");
	lab_expect(lab, "a:drain:0 b:up:100");
	lab_told(lab, "drain:a");
	lab_play(lab, "+1");
	lab_expect(lab, "a:maint:0 b:up:100");
	lab_said(lab, "the drain is over after 10.0 min: its probes fail, so its connections were cut: works");
	lab_told(lab, "maint:a");
	lab_play(lab, "ready:a");
	lab_said(lab, "ready, down: done: refused");
	lab_expect(lab, "a:down:0 b:up:100");
	lab_told(lab, "ready:a");
	lab_play(lab, "weight:b:7");
	lab_said(lab, "weight 100 -> 7: slow");
	lab_play(lab, "b- b+ +5");
	lab_expect(lab, "a:down:0 b:up:7");
	lab_play(lab, "drain:b:10 maint:b");
	assert_int_equal(lab_find(lab, "b")->override.until, 0);
	lab_play(lab, "ready:b");
	lab_expect(lab, "a:down:0 b:up:100");
	lab_play(lab, "drain:b +999999999");
	lab_expect(lab, "a:down:0 b:drain:0"); /* without an end */
	lab_free(lab);
}

static void test_fallback(void **unused)
{
	const char *spec = "a fallback=b: a1; b fallback=c: b1; c fallback=a: c1";
	static const struct {
		const char *play, *effective;
	} acts[] = {{"", "abc"},    {"a1+ b1+ c1+", "abc"}, {"a1-", "bbc"}, {"b1-", "ccc"},
		    {"c1-", "abc"}, {"b1+", "bbb"},	    {"a1+", "aba"}, {"maint:a1", "bbb"}};
	struct lab *lab = lab_new(spec);

	(void)unused;
	for (size_t i = 0; i < sizeof(acts) / sizeof(*acts); i++) {
		lab_play(lab, acts[i].play);
		for (size_t j = 0; j < 3; j++)
			assert_int_equal(health_effective_pool(lab->health, j), acts[i].effective[j] - 'a');
	}
	lab_told(lab, "up:a1 up:b1 up:c1 down:a1 fallback:a down:b1 fallback:b fallback:a down:c1 empty:c empty:a "
		      "empty:b up:b1 "
		      "recovered:b fallback:a fallback:c up:a1 recovered:a fallback:c maint:a1 fallback:a fallback:c");
	lab_free(lab);
}

/* The kept are dead by what the probes say: who is up elsewhere goes before them. */
static void test_fallback_goes_before_the_kept(void **unused)
{
	const char *dead = "a:kept:100 b:kept:100 s:up:100", *none = "a:kept:100 b:kept:100 s:down:0";

	(void)unused;
	LAB_ACTS("m min=2 fallback=n: a b; n: s", {"a+ b+ s+", NULL, "up:a up:b up:s"},
		 {"a-", NULL, "kept:a degraded:m"}, {"b-", dead, "kept:b fallback:m"},
		 {"s-", none, "down:s empty:n degraded:m"}, {"s+", dead, "up:s recovered:n fallback:m"},
		 {"b+", "a:kept:100 b:up:100 s:up:100", "up:b degraded:m"}, {"b-", dead, "kept:b fallback:m"},
		 {"maint:s", "a:kept:100 b:kept:100 s:maint:0", "maint:s empty:n degraded:m"},
		 {"ready:s a+ b+", "a:up:100 b:up:100 s:up:100",
		  "ready:s recovered:n fallback:m up:a degraded:m up:b recovered:m"});
	/* the fallback of the fallback is up; and then the first one that keeps some */
	LAB_ACTS("m fallback=n: a; n min=1 fallback=o: s; o min=1: t", {"a+ s+ t+ a-", NULL, NULL},
		 {"s-", "a:down:0 s:kept:100 t:up:100", "kept:s fallback:n fallback:m"},
		 {"t-", "a:down:0 s:kept:100 t:kept:100", "kept:t degraded:o fallback:m degraded:n"},
		 {"maint:s", "a:down:0 s:maint:0 t:kept:100", "maint:s fallback:n fallback:m"});
	/* nobody has a verdict in the new pool: nothing is said, but its fallback serves */
	LAB_ACTS("m fallback=n: a b; n: s", {"s+", "a:down:0 b:down:0 s:up:100", "up:s"}, {"a-", NULL, "down:a"},
		 {"b-", NULL, "down:b fallback:m"}, {"b+", NULL, "up:b recovered:m"});
}

static void test_pool_texts(void **unused)
{
	struct lab *lab = lab_new("m min=2 fallback=n: a b c d=0; n: s");

	(void)unused;
	lab_play(lab, "a+ b+ c+ d+ s+ maint:a weight:b:0");
	lab_said(lab,
		 "1 of 4 backends up (2 taken out by operators, 1 of weight 0), 2 wanted by min_healthy 2; 0 kept");
	lab_play(lab, "c-");
	lab_said(lab, "none of its 4 backends is up (2 taken out by operators, 1 of weight 0), 1 kept although down: "
		      "its services use pool n\n");
	lab_play(lab, "ready:b ready:a");
	lab_said(lab, "2 of 4 backends up (1 of weight 0)\n");
	lab_play(lab, "maint:s");
	lab_said(lab, "none of its 1 backends is usable (1 taken out by operators)\n");
	lab_play(lab, "maint:a maint:b maint:c");
	lab_said(lab, "none of its 4 backends is usable (3 taken out by operators, 1 of weight 0), nor any of its "
		      "fallbacks'\n");
	lab_free(lab);
}

/* What is configured so is no news at the start; what a reload takes away, or probes find, is. */
static void test_idle_pools_are_no_news(void **unused)
{
	(void)unused;
	LAB_RELOADS({"m: ; n: a=0 b=0; o: c", "a- b+ c+", "a:down:0 b:up:0 c:up:100", "down:a up:b up:c"},
		    {"m: x; n: a=0 b; o: ", "", "x:down:0 a:down:0 b:up:100", "empty:o"},
		    {"m: x; n: a=0 b; o: ", "x- b-", NULL, "down:x empty:m down:b empty:n"});
	/* it is a name for its fallback, which tells for itself */
	LAB_ACTS("m fallback=n: ; n: s", {"s+", NULL, "up:s"}, {"s-+", NULL, "down:s empty:n up:s recovered:n"});
}

/* Who took the server out, when and why, is what the next one must know. */
static void test_weight_during_maint(void **unused)
{
	struct lab *lab = lab_new("web: a b");
	const struct health_override *override = &lab_find(lab, "a")->override;

	(void)unused;
	lab_play(lab, "a+ b+ drain:a:5000");
	lab_forget(lab);
	assert_false(health_set_weight(lab->health, lab_find(lab, "a"), 7, LAB_UID + 1, "half", lab->now));
	lab_said(lab, "weight 100 -> 7: half\n");
	assert_string_equal(override->reason, "works");
	assert_int_equal(override->uid, LAB_UID);
	lab_play(lab, "+5000");
	lab_said(lab, "the drain's time is over after 5.0 s, what was left is cut: works\n");
	assert_true(override->weighted);
	lab_play(lab, "ready:a weight:a:7");
	assert_string_equal(override->reason, "slow");
	lab_free(lab);
}

static void test_trouble_is_told_once(void **unused)
{
	struct lab *lab = lab_new("m: a b c; n: d e");

	(void)unused;
	lab_play(lab, "a? b? d? +999");
	lab_told(lab, "");
	lab_play(lab, "e? +1");
	lab_said(lab, "4 backends of 2 pools cannot be probed: m/a: no route");
	lab_told(lab, "trouble:all");
	lab_play(lab, "c? +9999 a? b? c? d? e? +9999");
	lab_told(lab, "");
	lab_play(lab, "a+ b+ c+ +4999 c? +9999");
	lab_told(lab, "up:a up:b up:c");
	lab_play(lab, "c+ +5000");
	lab_told(lab, "trouble_over:m");
	lab_play(lab, "d- e- +5000");
	lab_told(lab, "down:d down:e empty:n trouble_over:n");
	lab_play(lab, "a? a+ +9999"); /* not worth a word */
	lab_told(lab, "");
	lab_play(lab, "b? +1000");
	lab_said(lab, "1 of 3 backends cannot be probed: b: no route");
	lab_told(lab, "trouble:m");
	lab_configure(lab, "n: d e", false);
	lab_play(lab, "+9999");
	lab_told(lab, "");
	lab_free(lab);
}

/* Without a tick, findings do what is due: a caller that comes late loses nothing. */
static void test_report_does_what_is_due(void **unused)
{
	struct lab *lab = lab_new("web hold=100/400/1000: a b");

	(void)unused;
	lab_play(lab, "a+ b+ a-+-+");
	lab->now += 100;
	assert_true(health_report(lab->health, lab_find(lab, "b"), 0, FINDING_PASSED, "fine", lab->now));
	lab_expect(lab, "a:up:100 b:up:100");
	lab_free(lab);
}

static void test_pending(void **unused)
{
	struct lab *lab = lab_new("web rise=2 fall=2: a");
	struct health_backend *a = lab_find(lab, "a");

	(void)unused;
	assert_true(health_pending(a, 0));
	for (const char *c = "?1+0-1?1+0-1-0-0+1-0+1+0"; *c; c += 2) {
		lab_report(lab, a, 0, c[0]);
		assert_int_equal(health_pending(a, 0), c[1] == '1');
	}
	lab_free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdict),
		cmocka_unit_test(test_trouble_changes_nothing),
		cmocka_unit_test(test_several_probes),
		cmocka_unit_test(test_event_says_what_the_probe_said),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_start_while_packets_run),
		cmocka_unit_test(test_min_healthy),
		cmocka_unit_test(test_min_healthy_keeps_only_what_was_up),
		cmocka_unit_test(test_min_healthy_and_operators),
		cmocka_unit_test(test_min_healthy_prefers_who_answers),
		cmocka_unit_test(test_first_verdicts_degrade_nothing),
		cmocka_unit_test(test_hold_down),
		cmocka_unit_test(test_hold_down_counts_falls_alone),
		cmocka_unit_test(test_ramp),
		cmocka_unit_test(test_operators),
		cmocka_unit_test(test_fallback),
		cmocka_unit_test(test_fallback_goes_before_the_kept),
		cmocka_unit_test(test_pool_texts),
		cmocka_unit_test(test_idle_pools_are_no_news),
		cmocka_unit_test(test_weight_during_maint),
		cmocka_unit_test(test_trouble_is_told_once),
		cmocka_unit_test(test_report_does_what_is_due),
		cmocka_unit_test(test_pending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
