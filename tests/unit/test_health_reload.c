/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the judgement knows outlives reloads and restarts; what is read back may be anything. See health_lab.h. */
#include "unit/health_lab.h"

struct act {
	const char *spec, *play, *show, *told; /* a new configuration and what to play under it */
};

static void reload(const struct act *acts)
{
	struct lab *lab = lab_new(NULL);

	for (; acts->spec; acts++) {
		lab_configure(lab, acts->spec, false);
		lab_play(lab, acts->play);
		if (acts->show)
			lab_expect(lab, acts->show);
		if (acts->told)
			lab_told(lab, acts->told);
		else
			*lab->told = *lab->texts = '\0';
	}
	lab_free(lab);
}
#define RELOAD(...) reload((const struct act[]){__VA_ARGS__, {0}})

static void test_reload_revives_and_drops_nothing(void **unused)
{
	(void)unused;
	RELOAD({"web rise=2 fall=2: a b c", "a+ b-- c?", "a:up:100 b:down:0 c:down:0", "up:a down:b"},
	       /* another probe: it begins with what is known */
	       {"web rise=2 fall=2 probes=tcp:80: a b c", "", "a:up:100 b:down:0 c:down:0", ""},
	       {"web rise=2 fall=2 probes=tcp:80: a b c", "a- b+ c+", "a:up:100 b:down:0 c:up:100", "up:c"},
	       /* one more of them: the other goes on with its run */
	       {"web rise=2 fall=2 probes=http,tcp:80: a b c", "", "a:up:100 b:down:0 c:up:100", ""},
	       {"web rise=2 fall=2 probes=http,tcp:80: a b c", "a.1- b.1+ b++", "a:down:0 b:up:100 c:up:100",
		"down:a up:b"},
	       /* a new backend delays nobody, one that moved is a new one, one that is gone is gone */
	       {"web rise=2 fall=2 probes=http,tcp:80: a@99 b d", "", "a:down:0 b:up:100 d:down:0", ""},
	       {"web rise=2 fall=2 probes=http,tcp:80: a@99 b d", "a+ a.1+ d+ d.1+", "a:up:100 b:up:100 d:up:100",
		"up:a up:d"});
}

static void test_reload_of_equal_probes(void **unused)
{
	(void)unused;
	RELOAD({"web probes=tcp,tcp: a", "a+ a.1-", "a:down:0", NULL}, {"web probes=tcp,tcp: a", "", "a:down:0", ""},
	       {"web probes=tcp,tcp: a", "a.1+", "a:up:100", NULL});
}

static void test_generation_follows_reloads(void **unused)
{
	static const struct {
		const char *spec;
		bool grows;
	} cases[] = {{"web: a b c", false}, {"web: a b=100 c d", false}, {"web: a b", false},	   {"web: a=5 b", true},
		     {"web: a=5", true},    {"web: a=5@7", true},	 {"web probes=-: b", true}};
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
	RELOAD({"web: a b", "a+ b-", "a:up:100 b:down:0", NULL}, {"web probes=-: a b", "", "a:up:100 b:up:100", "up:b"},
	       {"web fall=2: a b", "a- b--", "a:up:100 b:down:0", "down:b"});
	RELOAD({"web probes=tcp,http: a b", "a+ a.1+ b+ b.1-", "a:up:100 b:down:0", NULL},
	       {"web any probes=tcp,http: a b", "", "a:up:100 b:up:100", "up:b"},
	       {"web probes=tcp,http: a b", "", "a:up:100 b:down:0", "down:b"},
	       {"web probes=tcp: a b", "", "a:up:100 b:up:100", "up:b"});
	/* one of two probes had decided; the other alone says nothing yet */
	RELOAD({"web any probes=tcp,http: a", "a+", "a:up:100", NULL}, {"web probes=tcp,http: a", "", "a:up:100", ""},
	       {"web probes=http: a", "", "a:up:100", ""});
	RELOAD({"web probes=tcp,http: a", "a-", "a:down:0", NULL}, {"web any probes=tcp,http: a", "", "a:down:0", ""});
	RELOAD({"web min=50%: a b", "a+ b+ a- +1 b-", "a:down:0 b:kept:100", NULL},
	       {"web: a b", "", "a:down:0 b:down:0", "down:b empty:web"},
	       {"web min=2: a b", "", "a:kept:100 b:kept:100", "kept:b kept:a degraded:web"},
	       {"web min=2: a", "a+", "a:up:100", "up:a"});
	RELOAD({"web hold=1000/1000/9999: a b", "b+ a+-+-+", "a:down:0 b:up:100", NULL},
	       {"web hold=1000/500/9999: a b", "+499", "a:down:0 b:up:100", ""},
	       {"web hold=1000/500/9999: a b", "+1", "a:up:100 b:up:100", "up:a"},
	       {"web hold=1000/9999/9999: a b", "a-+", "a:down:0 b:up:100", NULL},
	       {"web: a b", "", "a:up:100 b:up:100", "up:a"});
	RELOAD({"web ramp=1000: a b", "a+ b+ a-+", "a:up:10 b:up:100", NULL}, {"web: a b", "", "a:up:100 b:up:100", ""},
	       {"web start=up: a b c", "", "a:up:100 b:up:100 c:up:100", ""});
	/* new backends of a pool that works come up slowly, those of a new pool do not */
	RELOAD({"web ramp=1000: a b", "a+ b+", "a:up:100 b:up:100", NULL},
	       {"web ramp=1000: a b c", "c+ +500", "a:up:100 b:up:100 c:up:60", NULL},
	       {"web ramp=1000: a b c; x ramp=1000: z", "z+", "a:up:100 b:up:100 c:up:60 z:up:100", NULL});
	/* new ones do not degrade a pool before they have been probed, nor bring back what has failed long ago */
	RELOAD({"web min=50%: a b c d", "a+ b+ c+ d+ a-", "a:down:0 b:up:100 c:up:100 d:up:100", NULL},
	       {"web min=50%: a b c d e f g h", "+99999",
		"a:down:0 b:up:100 c:up:100 d:up:100 e:down:0 f:down:0 g:down:0 h:down:0", ""});
}

static void test_reload_and_operators(void **unused)
{
	const char *both = "web: a b c";

	(void)unused;
	RELOAD({both, "a+ b+ c+ maint:a weight:b:5", "a:maint:0 b:up:5 c:up:100", NULL},
	       {"web: a@77 b=50 c=60", "", "a:maint:0 b:up:5 c:up:60", ""},
	       {"web: c=60", "", "c:up:60", "ready:a ready:b"}, {both, "a+ b+", "a:up:100 b:up:100 c:up:100", NULL},
	       {both, "drain:b:500", NULL, NULL}, {"web probes=http: a b c", "+499", "a:up:100 b:drain:0 c:up:100", ""},
	       {"web probes=http: a b c", "+1", "a:up:100 b:maint:0 c:up:100", "maint:b"},
	       {"x: z", "", "z:down:0", "ready:b"});
}

/* Trouble that leaves with its backend is over, and the next one is told again. */
static void test_reload_and_trouble(void **unused)
{
	(void)unused;
	RELOAD({"m: a b c", "a+ b? c? +1000", NULL, "up:a trouble:m"}, {"m: a b c", "+9999", NULL, ""},
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
	RELOAD({"a: b; x: z", "b+ z+", "b:up:100 z:up:100", NULL}, {"a: ; x: z=0", "", "z:up:0", "empty:a empty:x"},
	       {"a: b; x: z", "b+", "b:up:100 z:up:100", NULL});
}

static const char *const spec =
	"m min=50% rise=2 fall=2 hold=1000/8000/60000: a b c d e; n rise=2 start=up: v w=5; o: z";

/* A judgement with something of everything, and what it saves. */
static struct lab *eventful(json_t **saved, json_t **overrides)
{
	struct lab *lab = lab_new(spec);

	lab_play(lab, "a+ b+ c+ d+ e-- v+ w- z+ +10 a-- +10 a++ b-- +10 b++ c-- +10 d-- a-- +500 a++ weight:v:70000");
	lab_play(lab, "weight:v:30 maint:z drain:e:10000");
	*saved = health_save(lab->health, lab->now);
	*overrides = health_save_overrides(lab->health, lab->now);
	return lab;
}

static void *free_docs(json_t *a, json_t *b)
{
	json_decref(a);
	json_decref(b);
	return NULL;
}

static void restart(struct lab *lab, const char *with, bool running, const json_t *saved, const json_t *overrides)
{
	lab_configure(lab, with, running);
	assert_int_equal(health_restore(lab->health, saved, lab->now), 0);
	assert_int_equal(health_restore_overrides(lab->health, overrides, lab->now), 0);
	lab_check(lab);
}

static void test_restart_changes_nothing(void **unused)
{
	char before[2048], after[2048];
	json_t *saved, *overrides, *again, *overrides_again;
	struct lab *old = eventful(&saved, &overrides), *lab;

	(void)unused;
	lab_show(old, before);
	assert_string_equal(before, "a:kept:100 b:up:100 c:down:0 d:down:0 e:drain:0 v:up:30 w:down:0 z:maint:0");
	for (int running = 0; running < 2; running++) {
		lab = lab_new(NULL);
		lab->now = running ? 500 : 1ULL << 40; /* the host may have been started anew */
		restart(lab, spec, running, saved, overrides);
		assert_string_equal(lab_show(lab, after), before);
		lab_told(lab, "");
		again = health_save(lab->health, lab->now);
		overrides_again = health_save_overrides(lab->health, lab->now);
		if (!running) /* else the falls are older than the clock, and only their order is left */
			assert_int_equal(json_equal(saved, again), 1);
		assert_int_equal(json_equal(overrides, overrides_again), 1);
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
		free_docs(again, overrides_again);
		lab_free(lab);
	}
	free_docs(saved, overrides);
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
	restart(lab, four, true, saved, overrides);
	lab_expect(lab, "a:kept:100 b:down:0 c:kept:100 d:down:0");
	lab_play(lab, "a+");
	lab_expect(lab, "a:up:100 b:down:0 c:kept:100 d:down:0");
	free_docs(saved, overrides);
	lab_free(old);
	lab_free(lab);
}

/* What the configuration has got since: it waits for its probes, also while packets run by the old tables. */
static void test_restart_with_another_config(void **unused)
{
	json_t *saved, *overrides;
	struct lab *old = lab_new("web: a b c"), *lab = lab_new(NULL);

	(void)unused;
	lab_play(old, "a+ b+ c- maint:b");
	saved = health_save(old->health, old->now);
	overrides = health_save_overrides(old->health, old->now);
	lab_configure(lab, "web: a@1 c d", true);
	lab_expect(lab, "a:up:100 c:up:100 d:up:100");
	assert_int_equal(health_restore(lab->health, saved, lab->now), 0); /* nothing is damaged */
	assert_int_equal(health_restore_overrides(lab->health, overrides, lab->now), 0);
	lab_check(lab);
	lab_expect(lab, "a:down:0 c:down:0 d:down:0");
	lab_free(lab);
	/* where something cannot be read, nobody is taken out for it */
	lab = lab_new(NULL);
	lab_configure(lab, "web: a c d", true);
	json_array_append_new(json_object_get(json_object_get(json_object_get(saved, "pools"), "web"), "down"),
			      json_integer(5));
	assert_int_equal(health_restore(lab->health, saved, lab->now), 1);
	lab_expect(lab, "a:up:100 c:down:0 d:up:100");
	free_docs(saved, overrides);
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
	restart(lab, "web: a b c", false, saved, overrides);
	lab_expect(lab, "a:down:0 b:maint:0 c:down:0");
	lab_play(lab, "ready:b");
	lab_expect(lab, "a:down:0 b:up:100 c:down:0");
	free_docs(saved, overrides);
	lab_free(lab);
}

/* Every kind of thing that can stand where something else is expected. */
static json_t *garbage(size_t kind)
{
	switch (kind) {
	case 0:
		return json_null();
	case 1:
		return json_integer(-1);
	case 2:
		return json_integer(INT64_MAX);
	case 3:
		return json_integer(0);
	case 4:
		return json_string("a\x01\xc3\xa4 %s %n 10.0.0.97");
	case 5:
		return json_real(1e300);
	case 6:
		return json_true();
	case 7:
		return json_array();
	case 8:
		return json_object();
	case 9:
		return json_pack("[[][{}]i]", 3);
	case 10:
		return json_pack("{s{s[]}}", "m", "up");
	default:
		return NULL;
	}
}

/* Replaces the n-th value of the document by `with`; false if there is none. */
static bool replace(json_t *document, size_t *n, json_t *with)
{
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach(document, key, value) {
		if (!(*n)--)
			return json_object_set(document, key, with) == 0;
		if (replace(value, n, with))
			return true;
	}
	json_array_foreach(document, i, value) {
		if (!(*n)--)
			return json_array_set(document, i, with) == 0;
		if (replace(value, n, with))
			return true;
	}
	return false;
}

/* Whatever it is: nothing breaks, what must hold holds, and the judgement goes on. */
static void digest(const json_t *saved, const json_t *overrides)
{
	struct lab *lab = lab_new(NULL);
	char text[2048];

	lab_configure(lab, spec, json_array_size(saved) % 2);
	health_restore(lab->health, saved, lab->now);
	lab_check(lab);
	health_restore_overrides(lab->health, overrides, lab->now);
	lab_check(lab);
	lab_show(lab, text);
	lab_play(lab, "+5000 a+ b- c+ d- e+ v- w+ z+ ready:e ready:v ready:z a+ c+ b- d- v- +100000 w+");
	free_docs(health_save(lab->health, lab->now), health_save_overrides(lab->health, lab->now));
	lab_free(lab);
}

static void test_restore_of_garbage(void **unused)
{
	json_t *docs[2], *with;
	struct lab *old = eventful(&docs[0], &docs[1]);
	size_t replaced = 0;

	(void)unused;
	for (size_t kind = 0; (with = garbage(kind)); kind++) {
		digest(with, with);
		for (size_t doc = 0; doc < 2; doc++)
			for (size_t n = 0;; n++) {
				json_t *copy = json_deep_copy(docs[doc]);
				size_t left = n;
				bool found = replace(copy, &left, with);

				if (found)
					digest(doc ? docs[0] : copy, doc ? copy : docs[1]);
				json_decref(copy);
				if (!found)
					break;
				replaced++;
			}
		json_decref(with);
	}
	digest(NULL, NULL);
	assert_true(replaced > 500);
	free_docs(docs[0], docs[1]);
	lab_free(old);
}

/* Cut off anywhere, and every byte changed in several ways, as far as it is JSON then. */
static void test_restore_of_changed_bytes(void **unused)
{
	static const char others[] = "09-\"{}[],:x";
	json_t *docs[2];
	struct lab *old = eventful(&docs[0], &docs[1]);
	size_t parsed = 0;

	(void)unused;
	for (size_t doc = 0; doc < 2; doc++) {
		char *text = json_dumps(docs[doc], JSON_COMPACT);

		for (size_t i = 0; text[i]; i++)
			for (size_t j = 0; j < sizeof(others); j++) {
				char byte = text[i];
				json_t *changed;

				text[i] = others[j]; /* the last one is NUL */
				changed = json_loads(text, JSON_DISABLE_EOF_CHECK, NULL);
				text[i] = byte;
				if (!changed)
					continue;
				parsed++;
				digest(doc ? docs[0] : changed, doc ? changed : docs[1]);
				json_decref(changed);
			}
		free(text);
	}
	assert_true(parsed > 1000);
	free_docs(docs[0], docs[1]);
	lab_free(old);
}

static void test_skipped_parts_are_counted(void **unused)
{
	static const struct {
		const char *text;
		size_t skipped;
	} cases[] = {
		{"{}", 1},
		{"[]", 1},
		{"{\"pools\": []}", 1},
		{"{\"pools\": {}}", 0},
		{"{\"pools\": {\"web\": 1}}", 1},
		{"{\"pools\": {\"x\": {\"up\": {\"a\": \"10.0.0.97\"}}}}", 0},
		{"{\"pools\": {\"web\": {\"up\": {\"a\": \"10.0.0.97\", \"q\": \"10.0.0.1\", \"b\": 5}}}}", 1},
		{"{\"pools\": {\"web\": {\"up\": {\"a\": \"10.0.0.97\"}, \"falls\": {\"a\": 1000000}}}}", 1},
		{"{\"pools\": {\"web\": {\"down\": [1, {}, {\"name\": \"a\"}, {\"name\": \"a\", \"address\": "
		 "\"::\"}]}}}",
		 3},
		{"{\"pools\": {\"web\": {\"down\": [{\"name\": \"a\", \"address\": \"10.0.0.97\", \"falls\": -1, "
		 "\"held_ms\": 1.5, "
		 "\"fell_ms\": true, \"text\": 5, \"passing\": 1, \"since\": 9223372036854775807}]}}}",
		 6},
		{"{\"overrides\": {}}", 1},
		{"{\"overrides\": []}", 0},
		{"{\"overrides\": [5, null, {}, {\"pool\": \"web\"}]}", 4},
		{"{\"overrides\": [{\"pool\": \"web\", \"backend\": \"q\", \"state\": \"maint\"}]}", 0},
		{"{\"overrides\": [{\"pool\": \"web\", \"backend\": \"a\", \"state\": \"down\"}]}", 1},
		{"{\"overrides\": [{\"pool\": \"web\", \"backend\": \"a\", \"state\": \"up\"}]}", 1},
		{"{\"overrides\": [{\"pool\": \"web\", \"backend\": \"a\", \"state\": \"up\", \"weight\": 65536}]}", 1},
		{"{\"overrides\": [{\"pool\": \"web\", \"backend\": \"a\", \"state\": \"maint\", \"uid\": -1}]}", 1},
		{"{\"overrides\": [{\"pool\": \"web\", \"backend\": \"a\", \"state\": \"maint\", \"reason\": []}]}", 1},
		{"{\"overrides\": [{\"pool\": \"web\", \"backend\": \"a\", \"state\": \"maint\"}]}", 0},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct lab *lab = lab_new("web: a b");
		json_t *saved = json_loads(cases[i].text, 0, NULL);
		bool overrides = strstr(cases[i].text, "overrides");
		size_t skipped = overrides ? health_restore_overrides(lab->health, saved, lab->now)
					   : health_restore(lab->health, saved, lab->now);

		if (skipped != cases[i].skipped)
			fail_msg("%zu skipped of %s", skipped, cases[i].text);
		json_decref(saved);
		lab_check(lab);
		lab_free(lab);
	}
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
		cmocka_unit_test(test_restart_changes_nothing),
		cmocka_unit_test(test_restart_keeps_the_order),
		cmocka_unit_test(test_restart_with_another_config),
		cmocka_unit_test(test_restore_touches_only_what_is_new),
		cmocka_unit_test(test_restore_of_garbage),
		cmocka_unit_test(test_restore_of_changed_bytes),
		cmocka_unit_test(test_skipped_parts_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
