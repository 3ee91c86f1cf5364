/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What is read back after a restart may be anything. See health_acts.h. */
#include "unit/health_acts.h"

/* A clock that cannot be is damage; everything else that was read counts. */
static void test_damaged_clock(void **unused)
{
	static const json_int_t clocks[] = {-1, 1000001, INT64_MAX};
	const char *one = "web hold=1000/8000/60000: a b c";
	struct lab *old = lab_new(one);
	json_t *saved, *overrides;

	(void)unused;
	lab_play(old, "a+ b+ c+ a-+-+ drain:b:5000");
	saved = health_save(old->health, old->now);
	overrides = health_save_overrides(old->health, old->now);
	for (size_t i = 0; i < sizeof(clocks) / sizeof(*clocks); i++) {
		json_t *override = json_array_get(json_object_get(overrides, "overrides"), 0);
		struct lab *lab = lab_new(one);

		json_object_set_new(saved, "clock_ms", json_integer(clocks[i]));
		json_object_set_new(override, "clock_ms", json_integer(clocks[i]));
		json_object_set_new(override, "lasted_ms", json_integer(-1));
		assert_int_equal(health_restore_overrides(lab->health, overrides, true, lab->now), 2);
		assert_int_equal(health_restore(lab->health, saved, true, lab->now), 1);
		lab_expect(lab, "a:down:0 b:drain:0 c:up:100");
		assert_int_equal(lab_find(lab, "a")->held_until, lab->now + 1000);
		assert_int_equal(lab_find(lab, "b")->override.until, lab->now + 5000);
		lab_free(lab);
	}
	lab_free_docs(saved, overrides);
	lab_free(old);
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

	lab_configure(lab, lab_spec, json_array_size(saved) % 2);
	health_restore_overrides(lab->health, overrides, true, lab->now);
	lab_check(lab);
	health_restore(lab->health, saved, true, lab->now);
	lab_check(lab);
	lab_show(lab, text);
	lab_play(lab, "+5000 a+ b- c+ d- e+ v- w+ z+ ready:e ready:v ready:z a+ c+ b- d- v- +100000 w+");
	lab_free_docs(health_save(lab->health, lab->now), health_save_overrides(lab->health, lab->now));
	lab_free(lab);
}

static void test_restore_of_garbage(void **unused)
{
	json_t *docs[2], *with;
	struct lab *old = lab_eventful(&docs[0], &docs[1]);
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
	lab_free_docs(docs[0], docs[1]);
	lab_free(old);
}

/* Cut off anywhere, and every byte changed in several ways, as far as it is JSON then. */
static void test_restore_of_changed_bytes(void **unused)
{
	static const char others[] = "09-\"{}[],:x";
	json_t *docs[2];
	struct lab *old = lab_eventful(&docs[0], &docs[1]);
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
	lab_free_docs(docs[0], docs[1]);
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
		{"{\"pools\": {\"web\": {\"up\": {\"a\": \"10.0.0.97 1720000000\"}, \"calm_ms\": {}}}}", 0},
		{"{\"pools\": {\"web\": {\"up\": {\"a\": \"10.0.0.97 \", \"b\": \"10.0.0.98 999999999999\"}, "
		 "\"calm_ms\": [], \"ramp_ms\": {\"a\": -1}}}}",
		 4},
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
		size_t skipped = overrides ? health_restore_overrides(lab->health, saved, true, lab->now)
					   : health_restore(lab->health, saved, true, lab->now);

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
		cmocka_unit_test(test_damaged_clock),
		cmocka_unit_test(test_restore_of_garbage),
		cmocka_unit_test(test_restore_of_changed_bytes),
		cmocka_unit_test(test_skipped_parts_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
