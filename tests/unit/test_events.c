/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Events keep their order and numbers over restarts, and readers and listeners get what they ask for. */
#include "unit/events_lab.h"

#include "lib/clock.h"

static void events_tell_what_happened(void **state)
{
	struct fixture *fixture = *state;
	const char *time_text, *event, *severity, *pool, *backend, *text;
	int year, month, day, hour, minute, second, milliseconds;
	json_int_t id, uid;
	json_t *events;
	char zone;

	start(fixture);
	assert_int_equal(fixture->lost, 0);
	events_add(fixture->events, &(struct event_fact){.kind = EVENT_backend_maint,
							 .pool = "web",
							 .backend = "web1",
							 .text = "new disks",
							 .uid = 1000});
	events_add(fixture->events,
		   &(struct event_fact){
			   .kind = EVENT_pool_empty, .pool = "web", .backend = "", .text = NULL, .uid = EVENT_NOBODY});
	events = events_json(fixture->events, 0, 0);
	assert_int_equal(json_unpack(json_array_get(events, 0), "{sI ss ss ss ss ss sI ss !}", "id", &id, "time",
				     &time_text, "event", &event, "severity", &severity, "pool", &pool, "backend",
				     &backend, "uid", &uid, "text", &text),
			 0);
	assert_int_equal(id, 1);
	assert_int_equal(sscanf(time_text, "%d-%d-%dT%d:%d:%d.%3d%c", &year, &month, &day, &hour, &minute, &second,
				&milliseconds, &zone),
			 8);
	assert_int_equal(strlen(time_text), strlen("2026-01-01T00:00:00.000Z"));
	assert_int_equal(zone, 'Z');
	assert_string_equal(event, "backend_maint");
	assert_string_equal(severity, "info");
	assert_string_equal(pool, "web");
	assert_string_equal(backend, "web1");
	assert_int_equal(uid, 1000);
	assert_string_equal(text, "new disks");
	assert_true(json_is_null(json_object_get(json_array_get(events, 1), "backend")));
	assert_true(json_is_null(json_object_get(json_array_get(events, 1), "uid")));
	assert_string_equal(json_string_value(json_object_get(json_array_get(events, 1), "severity")), "error");
	assert_string_equal(json_string_value(json_object_get(json_array_get(events, 1), "text")), "");
	json_decref(events);
	assert_int_equal(logged(fixture, "backend_maint web/web1: new disks (uid 1000)"), 1);
	assert_int_equal(logged(fixture, "error: pool_empty web: "), 1);
	assert_int_equal(events_count(fixture->events, EVENT_pool_empty), 1);
	assert_int_equal(events_count(fixture->events, EVENT_backend_up), 0);
}

/* What a server sends back gets into texts: nothing in it may break a line of the log or the file. */
static void odd_texts_do_no_harm(void **state)
{
	static const char *const texts[][2] = {
		{"a\nb\r\tc\x1b[31md\x7f", "a b  c [31md "},
		{"\xff\xfe caf\xc3\xa9 \xc3", "?? caf\xc3\xa9 ?"},
		{"\xed\xa0\x80 \xc0\xaf \xc2\x9b", "??? ??  "},
		{"\"quoted\" \\ {\"id\":7}", "\"quoted\" \\ {\"id\":7}"},
	};
	struct fixture *fixture = *state;
	const size_t count = sizeof(texts) / sizeof(texts[0]);
	char longer[1000];
	json_int_t id;
	json_t *events;

	start(fixture);
	for (size_t i = 0; i < count; i++)
		events_add(fixture->events, &(struct event_fact){.text = texts[i][0], .uid = EVENT_NOBODY});
	/* cut, but not within a character */
	longer[0] = 'x';
	for (size_t i = 1; i + 1 < sizeof(longer); i += 2)
		memcpy(longer + i, "\xc3\xa9", 2);
	longer[sizeof(longer) - 1] = '\0';
	events_add(fixture->events, &(struct event_fact){.text = longer, .uid = EVENT_NOBODY});
	stop(fixture);
	start(fixture);
	assert_int_equal(fixture->lost, 0);
	events = events_json(fixture->events, 0, 0);
	assert_int_equal(json_array_size(events), count + 1);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(at(events, i, &id), texts[i][1]);
	assert_int_equal(strlen(at(events, count, &id)), EVENT_TEXT - 1);
	json_decref(events);
}

static void readers_choose(void **state)
{
	struct fixture *fixture = *state;
	json_t *events;
	json_int_t id;

	start(fixture);
	events = events_json(fixture->events, 0, 0);
	assert_int_equal(json_array_size(events), 0);
	json_decref(events);
	for (int i = 1; i <= 20; i++)
		add(fixture, i);
	events = events_json(fixture->events, 15, 0);
	assert_int_equal(json_array_size(events), 5);
	assert_string_equal(at(events, 0, &id), "event number 16");
	json_decref(events);
	events = events_json(fixture->events, 0, 3);
	assert_int_equal(json_array_size(events), 3);
	assert_string_equal(at(events, 0, &id), "event number 18");
	assert_string_equal(at(events, 2, &id), "event number 20");
	json_decref(events);
	events = events_json(fixture->events, 18, 3);
	assert_int_equal(json_array_size(events), 2);
	json_decref(events);
	events = events_json(fixture->events, 99, 0);
	assert_int_equal(json_array_size(events), 0);
	json_decref(events);
}

static void count_one(void *argument, enum event_kind kind, const json_t *event)
{
	json_int_t *last = argument, id = 0;

	assert_int_equal(kind, EVENT_backend_down);
	assert_int_equal(json_unpack((json_t *)event, "{sI}", "id", &id), 0);
	assert_int_equal(id, ++*last);
}

static void listeners_hear_each_once(void **state)
{
	struct fixture *fixture = *state;
	json_int_t last = 0;

	start(fixture);
	events_listen(fixture->events, count_one, &last);
	for (int i = 1; i <= 5; i++)
		add(fixture, i);
	assert_int_equal(last, 5);
	events_listen(fixture->events, NULL, NULL);
	add(fixture, 6);
	assert_int_equal(last, 5);
}

static void answer_back(void *argument, enum event_kind kind, const json_t *event)
{
	struct fixture *fixture = argument;

	(void)event;
	if (kind == EVENT_backend_down)
		events_add(fixture->events, &(struct event_fact){.kind = EVENT_hook_trouble, .uid = EVENT_NOBODY});
}

static void a_listener_may_add(void **state)
{
	struct fixture *fixture = *state;
	json_t *events;
	json_int_t id;

	start(fixture);
	events_listen(fixture->events, answer_back, fixture);
	add(fixture, 1);
	add(fixture, 3);
	events = events_json(fixture->events, 0, 0);
	assert_int_equal(json_array_size(events), 4);
	assert_string_equal(at(events, 2, &id), "event number 3");
	assert_int_equal(id, 3);
	json_decref(events);
}

static void numbers_go_on_after_a_restart(void **state)
{
	struct fixture *fixture = *state;

	for (int run = 0; run < 5; run++) {
		start(fixture);
		assert_int_equal(fixture->lost, 0);
		expect_numbers(fixture, 1, (size_t)(run * 3));
		for (int i = 1; i <= 3; i++)
			add(fixture, run * 3 + i);
		stop(fixture);
		assert_int_equal(count_lines(fixture), run * 3 + 3);
	}
	assert_int_equal(access(fixture->file, R_OK), 0);
}

/* How many the log says that it does not have, in *lines lines. */
static int left_out(const struct fixture *fixture, int *lines)
{
	char line[4096], *found;
	int count = 0;

	*lines = 0;
	rewind(fixture->logged);
	while (fgets(line, sizeof(line), fixture->logged)) {
		found = strstr(line, "and ");
		if (!found || !strstr(found, " more events: sluice show events"))
			continue;
		count += atoi(found + strlen("and "));
		++*lines;
	}
	fseek(fixture->logged, 0, SEEK_END);
	return count;
}

static void a_burst_neither_blocks_nor_grows(void **state)
{
	struct fixture *fixture = *state;
	const __u64 begun = clock_ms();
	int seconds, lines;
	__u64 ended;

	start(fixture);
	for (int i = 1; i <= 5 * EVENTS_KEPT; i++)
		add(fixture, i);
	ended = clock_ms();
	seconds = (int)(ended - begun) / 1000 + 1; /* of the log: more than one on a busy host */
	expect_numbers(fixture, 4 * EVENTS_KEPT + 1, EVENTS_KEPT);
	AWAIT(fixture, file_size(fixture) > 0);
	assert_int_equal(count_lines(fixture), EVENTS_KEPT);
	AWAIT(fixture, logged(fixture, "backend_down web/web1") + left_out(fixture, &lines) == 5 * EVENTS_KEPT);
	assert_in_range(logged(fixture, "backend_down web/web1"), 100, 100 * seconds);
	assert_in_range(lines, 1, seconds);
	/* and each is logged again when that second is over, by the exact clock: the loop's is a coarse one */
	AWAIT(fixture, clock_ms() >= ended + 1000);
	add(fixture, 5 * EVENTS_KEPT + 1);
	assert_int_equal(logged(fixture, "event number 50001"), 1);
	stop(fixture);
	start(fixture);
	assert_int_equal(fixture->lost, 0);
	expect_numbers(fixture, 4 * EVENTS_KEPT + 2, EVENTS_KEPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EVENTS_TEST(events_tell_what_happened),
		EVENTS_TEST(odd_texts_do_no_harm),
		EVENTS_TEST(readers_choose),
		EVENTS_TEST(listeners_hear_each_once),
		EVENTS_TEST(a_listener_may_add),
		EVENTS_TEST(numbers_go_on_after_a_restart),
		EVENTS_TEST(a_burst_neither_blocks_nor_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
