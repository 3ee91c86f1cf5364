/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the sweep's findings make of drains. */
#include "unit/health_lab.h"

/* As one pass of the sweep tells it. */
static void swept(struct lab *lab, const char *backend, bool certain)
{
	struct lab_before before;
	bool changed;

	lab_note(lab, &before);
	changed = health_drain_swept(lab->health, lab_find(lab, backend), certain, lab->now);
	lab_checked(lab, &before, changed);
}

static struct lab *draining(void)
{
	struct lab *lab = lab_new("web: a b");

	lab_play(lab, "a+ b+ drain:a:60000");
	lab_forget(lab);
	return lab;
}

static void a_drain_is_told_to_be_empty_once(void **state)
{
	struct lab *lab = draining();
	const struct health_override *override = &lab_find(lab, "a")->override;
	__u64 changes;

	(void)state;
	assert_false(override->drained);
	lab_play(lab, "+5000");
	changes = health_changes(lab->health);
	swept(lab, "a", false);
	assert_string_equal(lab->told, "drained:a");
	assert_non_null(strstr(lab->texts, "no connection left after 5.0 s"));
	assert_true(health_changes(lab->health) > changes); /* to be saved */
	assert_true(override->drained);
	lab_forget(lab);
	swept(lab, "a", false);
	assert_string_equal(lab->told, "");
	lab_expect(lab, "a:drain:0 b:up:100");
	assert_true(health_serves(lab_find(lab, "a")));
	lab_free(lab);
}

static void a_drain_ends_when_there_is_nothing_left_for_certain(void **state)
{
	struct lab *lab = draining();

	(void)state;
	lab_play(lab, "+5000");
	swept(lab, "a", true);
	assert_string_equal(lab->told, "drained:a maint:a");
	assert_non_null(strstr(lab->texts, "drained for 5.0 s: works"));
	lab_expect(lab, "a:maint:0 b:up:100");
	assert_true(lab_find(lab, "a")->override.drained); /* who waits for it may ask later */
	assert_int_equal(health_next(lab->health), 0);
	lab_play(lab, "ready:a");
	assert_false(lab_find(lab, "a")->override.drained);
	lab_free(lab);
}

/* Who then asks whether all went well is to learn that it did not. */
static void one_that_dies_while_it_drains_is_not_drained(void **state)
{
	struct lab *lab = draining();

	(void)state;
	lab_play(lab, "+1000 a-");
	lab_forget(lab);
	swept(lab, "a", false);
	assert_string_equal(lab->told, "");
	swept(lab, "a", true);
	assert_string_equal(lab->told, "maint:a");
	assert_non_null(strstr(lab->texts, "its probes fail, so its connections were cut: works"));
	assert_false(lab_find(lab, "a")->override.drained);
	lab_free(lab);

	/* stopped after it was drained, as it may be */
	lab = draining();
	swept(lab, "a", false);
	lab_play(lab, "+1000 a-");
	lab_forget(lab);
	swept(lab, "a", true);
	assert_string_equal(lab->told, "maint:a");
	assert_non_null(strstr(lab->texts, "drained for 1.0 s: works"));
	assert_true(lab_find(lab, "a")->override.drained);
	lab_free(lab);
}

static void others_are_left_alone(void **state)
{
	struct lab *lab = draining();

	(void)state;
	lab_play(lab, "maint:a weight:b:0");
	lab_forget(lab);
	swept(lab, "a", true);
	swept(lab, "b", true);
	assert_string_equal(lab->told, "");
	lab_expect(lab, "a:maint:0 b:up:0");
	assert_false(lab_find(lab, "a")->override.drained);
	assert_false(lab_find(lab, "b")->override.drained);
	lab_free(lab);
}

/* A longer time for it is the same drain; one after maint is another one. */
static void another_drain_begins_anew(void **state)
{
	struct lab *lab = draining();

	(void)state;
	swept(lab, "a", false);
	lab_play(lab, "drain:a:90000");
	assert_true(lab_find(lab, "a")->override.drained);
	lab_play(lab, "maint:a drain:a:90000");
	assert_false(lab_find(lab, "a")->override.drained);
	lab_forget(lab);
	swept(lab, "a", false);
	assert_string_equal(lab->told, "drained:a");
	/* at its time limit it ends as before */
	lab_play(lab, "+90000");
	lab_expect(lab, "a:maint:0 b:up:100");
	lab_free(lab);
}

static void it_is_known_after_a_restart(void **state)
{
	struct lab *old = draining(), *lab;
	json_t *overrides, *one;

	(void)state;
	swept(old, "a", false);
	overrides = health_save_overrides(old->health, old->now);
	lab = lab_new("web: a b");
	assert_int_equal(health_restore_overrides(lab->health, overrides, true, lab->now), 0);
	assert_true(lab_find(lab, "a")->override.drained);
	lab_forget(lab);
	swept(lab, "a", false);
	assert_string_equal(lab->told, "");
	lab_free(lab);

	one = json_array_get(json_object_get(overrides, "overrides"), 0);
	json_object_set_new(one, "drained", json_integer(1)); /* damage */
	lab = lab_new("web: a b");
	assert_int_equal(health_restore_overrides(lab->health, overrides, true, lab->now), 1);
	assert_int_equal(lab_find(lab, "a")->override.state, STATE_UP);
	json_decref(overrides);
	lab_free(lab);
	lab_free(old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_drain_is_told_to_be_empty_once),
		cmocka_unit_test(a_drain_ends_when_there_is_nothing_left_for_certain),
		cmocka_unit_test(one_that_dies_while_it_drains_is_not_drained),
		cmocka_unit_test(others_are_left_alone),
		cmocka_unit_test(another_drain_begins_anew),
		cmocka_unit_test(it_is_known_after_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
