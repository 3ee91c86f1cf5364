/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a slot, and a service's table, becomes next: each line of the rules in model/transition.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "model/transition.h"

#define WINDOW	   900
#define UDP_WINDOW 60
#define BEGAN	   0x1fffff0U /* the slots' clock goes round during the windows */

enum { NONE, A, B, C, DEAD, GONE, LEAVING, BACKENDS };

static const __u8 standing[BACKENDS] = {
	[A] = STANDS_GOOD,    [B] = STANDS_GOOD,    [C] = STANDS_GOOD,
	[DEAD] = STANDS_DEAD, [GONE] = STANDS_GONE, [LEAVING] = STANDS_LEAVING,
};

static struct transition_now at(__u32 age)
{
	return (struct transition_now){.standing = standing,
				       .windows = {.window = WINDOW, .udp_window = UDP_WINDOW, .two = true},
				       .second = BEGAN + age};
}

static struct slot slot_of(__u16 owner, __u16 previous, __u8 phase)
{
	struct slot slot = {.owner = owner, .previous = previous, .phase = phase};

	if (phase) {
		slot.since[0] = BEGAN & 0xff;
		slot.since[1] = BEGAN >> 8 & 0xff;
		slot.since[2] = BEGAN >> 16 & 0xff;
	}
	return slot;
}

static void check(struct slot slot, __u16 wanted, __u32 age, struct slot expected)
{
	const struct transition_now now = at(age);
	struct slot next = slot_next(slot, wanted, &now);

	assert_int_equal(next.owner, expected.owner);
	assert_int_equal(next.previous, expected.previous);
	assert_int_equal(next.phase, expected.phase);
	assert_memory_equal(next.since, expected.since, sizeof(next.since));
}

static void test_time_ends_windows(void **unused)
{
	static const struct {
		__u8 phase;
		__u32 age;
		__u8 becomes;
	} cases[] = {
		/* a window is never cut short by the rest of a second */
		{PHASE_OPEN, 0, PHASE_OPEN},
		{PHASE_OPEN, UDP_WINDOW, PHASE_OPEN},
		{PHASE_OPEN, UDP_WINDOW + 1, PHASE_TCP},
		{PHASE_OPEN, WINDOW, PHASE_TCP},
		{PHASE_OPEN, WINDOW + 1, PHASE_SETTLED},
		{PHASE_TCP, WINDOW, PHASE_TCP},
		{PHASE_TCP, WINDOW + 1, PHASE_SETTLED},
		{PHASE_OPEN, 100 * WINDOW, PHASE_SETTLED},
		{PHASE_SETTLED, 2 * WINDOW, PHASE_SETTLED},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(slot_of(B, A, cases[i].phase), B, cases[i].age, slot_of(B, A, cases[i].becomes));
	check(slot_of(B, NONE, PHASE_STEADY), B, 7, slot_of(B, NONE, PHASE_STEADY));
}

static void test_a_voluntary_change_opens_a_transition(void **unused)
{
	(void)unused;
	check(slot_of(A, NONE, PHASE_STEADY), B, 0, slot_of(B, A, PHASE_OPEN));
	check(slot_of(LEAVING, NONE, PHASE_STEADY), B, 0, slot_of(B, LEAVING, PHASE_OPEN));
	check(slot_of(LEAVING, NONE, PHASE_STEADY), NONE, 0, slot_of(NONE, LEAVING, PHASE_OPEN));
	check(slot_of(B, A, PHASE_SETTLED), C, 0, slot_of(C, B, PHASE_OPEN));
}

static void test_one_that_is_open_waits(void **unused)
{
	(void)unused;
	check(slot_of(B, A, PHASE_OPEN), C, TRANSITION_BURST, slot_of(B, A, PHASE_OPEN));
	check(slot_of(B, A, PHASE_TCP), C, WINDOW - 1, slot_of(B, A, PHASE_TCP));
	{
		/* and follows as soon as it has settled, with a window of its own */
		const struct transition_now now = at(WINDOW + 1);
		struct slot next = slot_next(slot_of(B, A, PHASE_TCP), C, &now);

		assert_int_equal(next.owner, C);
		assert_int_equal(next.previous, B);
		assert_int_equal(next.phase, PHASE_OPEN);
		assert_int_equal(slot_age(&next, now.second), 0);
	}
}

static void test_one_that_is_open_changes_again(void **unused)
{
	struct transition_now now = at(WINDOW - 1);
	struct slot next;

	(void)unused;
	/* of one burst */
	check(slot_of(B, A, PHASE_OPEN), C, TRANSITION_BURST - 1, slot_of(C, A, PHASE_OPEN));
	/* and without a second hop whenever: previous owner and window stay */
	now.windows.two = false;
	next = slot_next(slot_of(B, A, PHASE_TCP), C, &now);
	assert_int_equal(slot_age(&next, now.second), WINDOW - 1);
	assert_int_equal(next.owner, C);
	assert_int_equal(next.previous, A);
	assert_int_equal(next.phase, PHASE_TCP);
}

static struct slot young(__u16 owner, __u32 age)
{
	struct slot slot = slot_of(owner, NONE, PHASE_TCP);
	__u32 since = BEGAN + age;

	memcpy(slot.since, (__u8[3]){(__u8)since, (__u8)(since >> 8), (__u8)(since >> 16)}, sizeof(slot.since));
	return slot;
}

static void test_a_dead_owner_never_waits(void **unused)
{
	static const __u16 lost[] = {NONE, DEAD, GONE};

	(void)unused;
	for (int i = 0; i < 3; i++) {
		check(slot_of(lost[i], NONE, PHASE_STEADY), B, 5, young(B, 5));
		/* connections of the previous owner, and records, go on */
		check(slot_of(lost[i], A, PHASE_OPEN), B, 5, slot_of(B, A, PHASE_OPEN));
		check(slot_of(lost[i], A, PHASE_OPEN), B, UDP_WINDOW + 1, slot_of(B, A, PHASE_TCP));
		check(slot_of(lost[i], A, PHASE_SETTLED), B, 5, young(B, 5));
		/* its previous owner is the wanted one: who has no record is there already */
		check(slot_of(lost[i], A, PHASE_OPEN), A, 5, slot_of(A, NONE, PHASE_SETTLED));
	}
	check(slot_of(DEAD, NONE, PHASE_STEADY), NONE, 5, slot_of(NONE, NONE, PHASE_STEADY));
	check(slot_of(DEAD, A, PHASE_SETTLED), NONE, 5, slot_of(NONE, A, PHASE_SETTLED));
	check(slot_of(DEAD, A, PHASE_OPEN), NONE, 5, slot_of(NONE, A, PHASE_OPEN));
}

/* Backends come up one after the other: the first one gets everything, and must not keep it. */
static void test_a_young_slot_changes_at_once(void **unused)
{
	struct slot changed = young(B, 3), left = young(NONE, 3);

	(void)unused;
	changed.previous = A;
	left.previous = LEAVING;
	check(young(A, 0), B, 3, changed);
	check(young(LEAVING, 0), NONE, 3, left);
	check(young(DEAD, 0), B, 3, young(B, 0));
	check(young(A, 0), A, TRANSITION_BURST, young(A, 0));
	{
		struct slot settled = young(A, 0);

		settled.phase = PHASE_SETTLED;
		check(young(A, 0), A, TRANSITION_BURST + 1, settled);
	}
}

static void test_a_dead_previous_owner_is_forgotten(void **unused)
{
	static const __u16 lost[] = {DEAD, GONE};
	static const __u8 phases[] = {PHASE_OPEN, PHASE_TCP, PHASE_SETTLED};

	(void)unused;
	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 3; j++)
			check(slot_of(B, lost[i], phases[j]), B, 5, slot_of(B, NONE, PHASE_SETTLED));
	check(slot_of(DEAD, GONE, PHASE_OPEN), B, 5, young(B, 5));
	check(slot_of(B, DEAD, PHASE_OPEN), C, 0, slot_of(C, B, PHASE_OPEN)); /* and so the slot is free to change */
}

static void test_one_who_leaves_does_not_wait_either(void **unused)
{
	(void)unused;
	check(slot_of(LEAVING, A, PHASE_OPEN), C, 5, slot_of(C, A, PHASE_OPEN));
	check(slot_of(LEAVING, A, PHASE_TCP), NONE, 5, slot_of(NONE, A, PHASE_TCP));
	check(slot_of(LEAVING, A, PHASE_OPEN), A, 5, slot_of(A, LEAVING, PHASE_SETTLED));
	/* a previous owner that leaves is what previous owners are for */
	check(slot_of(B, LEAVING, PHASE_OPEN), B, 5, slot_of(B, LEAVING, PHASE_OPEN));
}

static void test_who_comes_back_does_not_wait(void **unused)
{
	(void)unused;
	check(slot_of(B, A, PHASE_OPEN), A, 5, slot_of(A, B, PHASE_SETTLED));
	check(slot_of(B, A, PHASE_OPEN), A, UDP_WINDOW, slot_of(A, B, PHASE_SETTLED));
	/* and away again: who came meanwhile without a record is its previous owner's */
	check(slot_of(A, B, PHASE_SETTLED), B, 0, slot_of(B, A, PHASE_OPEN));
}

static void test_without_a_window_nothing_is_opened(void **unused)
{
	struct transition_now now = at(0);
	struct slot next;

	(void)unused;
	now.windows = (struct windows){0};
	next = slot_next(slot_of(A, NONE, PHASE_STEADY), B, &now);
	assert_int_equal(next.owner, B);
	assert_int_equal(next.phase, PHASE_STEADY);
	/* without one for UDP alone, UDP goes to the new owner at once */
	now.windows.window = WINDOW;
	next = slot_next(slot_of(A, NONE, PHASE_STEADY), B, &now);
	assert_int_equal(next.phase, PHASE_TCP);
	assert_int_equal(next.previous, A);
	/* one that was open when the configuration changed settles at once */
	now.windows.window = 0;
	next = slot_next(slot_of(B, A, PHASE_OPEN), B, &now);
	assert_int_equal(next.phase, PHASE_SETTLED);
}

static void test_rest(void **unused)
{
	struct transition_now now = at(2 * WINDOW - 1);
	struct slot slot = slot_of(B, A, PHASE_SETTLED), open = slot_of(B, A, PHASE_TCP);
	struct service_move move = {.phase = PHASE_SETTLED, .since = BEGAN};

	(void)unused;
	assert_true(slot_may_rest(&slot, &now));
	assert_true(move_may_rest(&move, &now));
	assert_false(slot_may_rest(&open, &now));
	/* with a second hop others may still be told who was before */
	now.windows.hold = 2 * WINDOW;
	assert_false(slot_may_rest(&slot, &now));
	assert_false(move_may_rest(&move, &now));
	now.second++;
	assert_true(slot_may_rest(&slot, &now));
	assert_true(move_may_rest(&move, &now));
}

static const struct table_use blue = {0, 251}, green = {300, 251}, red = {600, 13};

static struct service_move moving(struct table_use now, struct table_use before, __u8 phase)
{
	return (struct service_move){.now = now, .before = before, .phase = phase, .since = phase ? BEGAN : 0};
}

static void check_move(struct service_move move, struct table_use wanted, __u32 age, struct service_move expected)
{
	const struct transition_now now = at(age);
	struct service_move next = move_next(&move, wanted, 0, &now);

	assert_memory_equal(&next, &expected, sizeof(next));
}

static void test_moves_of_a_service(void **unused)
{
	const struct table_use none = {0};
	struct transition_now now = at(0);
	struct service_move move, next;

	(void)unused;
	check_move(moving(none, none, PHASE_STEADY), blue, 0, moving(blue, none, PHASE_STEADY));
	check_move(moving(blue, none, PHASE_STEADY), blue, 0, moving(blue, none, PHASE_STEADY));
	check_move(moving(blue, none, PHASE_STEADY), green, 0, moving(green, blue, PHASE_OPEN));
	check_move(moving(green, blue, PHASE_OPEN), green, UDP_WINDOW + 1, moving(green, blue, PHASE_TCP));
	check_move(moving(green, blue, PHASE_TCP), green, WINDOW + 1, moving(green, blue, PHASE_SETTLED));
	/* back within the window, or on to a third: it does not wait */
	check_move(moving(green, blue, PHASE_OPEN), blue, 5, moving(blue, green, PHASE_SETTLED));
	check_move(moving(green, blue, PHASE_OPEN), red, 5, moving(red, blue, PHASE_OPEN));
	check_move(moving(green, blue, PHASE_SETTLED), red, 0, moving(red, green, PHASE_OPEN));

	/* another agent ended before the service was led there: nobody was recorded, whenever that was */
	check_move(moving(blue, blue, PHASE_OPEN), blue, 5, moving(blue, blue, PHASE_SETTLED));
	move = moving(blue, blue, PHASE_OPEN);
	now = at(5 * WINDOW);
	next = move_next(&move, green, 0, &now);
	move = moving(green, blue, PHASE_OPEN);
	move.since = now.second;
	assert_memory_equal(&next, &move, sizeof(next));
	now = at(0);

	/* another hash of the same table is a move too */
	move = moving(blue, none, PHASE_STEADY);
	next = move_next(&move, blue, 1, &now);
	assert_int_equal(next.phase, PHASE_OPEN);
	assert_int_equal(next.flags, 1);
	assert_int_equal(next.flags_before, 0);
	move = move_next(&next, blue, 0, &now);
	assert_int_equal(move.phase, PHASE_SETTLED);
	assert_int_equal(move.flags_before, 1);

	now.windows = (struct windows){0};
	move = moving(blue, none, PHASE_STEADY);
	next = move_next(&move, green, 0, &now);
	assert_int_equal(next.phase, PHASE_STEADY);
	assert_int_equal(next.before.slot_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time_ends_windows),
		cmocka_unit_test(test_a_voluntary_change_opens_a_transition),
		cmocka_unit_test(test_one_that_is_open_waits),
		cmocka_unit_test(test_one_that_is_open_changes_again),
		cmocka_unit_test(test_a_dead_owner_never_waits),
		cmocka_unit_test(test_a_young_slot_changes_at_once),
		cmocka_unit_test(test_a_dead_previous_owner_is_forgotten),
		cmocka_unit_test(test_one_who_leaves_does_not_wait_either),
		cmocka_unit_test(test_who_comes_back_does_not_wait),
		cmocka_unit_test(test_without_a_window_nothing_is_opened),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_moves_of_a_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
