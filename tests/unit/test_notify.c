/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Hooks: a shell script that notes what it was told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/notify.h"
#include "lib/memory.h"
#include "unit/patience.h"
#include "unit/temp_folder.h"

struct fixture {
	struct event_base *base;
	struct event *patience;
	struct notify *notify;
	struct config_notify config;
	const char *command[6];
	char folder[TEMP_FOLDER_SIZE], notes[96];
	size_t troubles;
	char trouble[512];
	json_int_t id; /* of the last event */
	__u64 told;
};

static void trouble(void *argument, const char *text)
{
	struct fixture *fixture = argument;

	fixture->troubles++;
	snprintf(fixture->trouble, sizeof(fixture->trouble), "%s", text);
}

static void told(void *argument, __u64 id)
{
	struct fixture *fixture = argument;

	assert_true(id > fixture->told);
	fixture->told = id;
}

static int setup(void **state)
{
	struct fixture *fixture = memory_new(1, sizeof(*fixture));

	fixture->base = event_base_new();
	fixture->patience = patience_new(fixture->base);
	fixture->notify = notify_new(fixture->base, trouble, told, fixture);
	if (temp_folder_make(fixture->folder, 0777))
		return -1;
	snprintf(fixture->notes, sizeof(fixture->notes), "%s/notes", fixture->folder);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	int err;

	notify_free(fixture->notify);
	event_free(fixture->patience);
	event_base_free(fixture->base);
	err = temp_folder_remove(fixture->folder);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	free(fixture);
	return err;
}

/* The script gets the folder as $1. */
static void configure(struct fixture *fixture, const char *script, __u32 rate)
{
	const char *command[] = {"/bin/sh", "-c", script, "sh", fixture->folder, NULL};

	memcpy(fixture->command, command, sizeof(command));
	fixture->config = (struct config_notify){
		.command = fixture->command, .user = "nobody", .timeout_ms = 20000, .rate = rate};
	notify_configure(fixture->notify, &fixture->config);
	/* a copy was taken */
	memset(fixture->command, 0, sizeof(command));
}

static void happen(struct fixture *fixture, const char *text)
{
	json_t *event = json_pack("{s:I, s:s, s:s, s:s, s:s, s:n, s:n, s:s}", "id", ++fixture->id, "time",
				  "2025-01-02T03:04:05.678Z", "event", "backend_down", "severity", "warning", "pool",
				  "web", "backend", "uid", "text", text);

	notify_event(fixture->notify, event);
	json_decref(event);
}

#define AWAIT(fixture, condition)                                                                                      \
	while (!(condition))                                                                                           \
		event_base_loop((fixture)->base, EVLOOP_ONCE);

/* The notes, once the last line of them is `last`. */
static char *await_notes(struct fixture *fixture, const char *last)
{
	static char notes[65536];
	size_t length, ending = strlen(last);

	for (;;) {
		FILE *file = fopen(fixture->notes, "re");

		length = file ? fread(notes, 1, sizeof(notes) - 1, file) : 0;
		notes[length] = '\0';
		if (file)
			fclose(file);
		if (length > ending && notes[length - 1] == '\n' &&
		    memcmp(notes + length - 1 - ending, last, ending) == 0)
			return notes;
		event_base_loop(fixture->base, EVLOOP_ONCE);
	}
}

static void test_tells_by_environment(void **state)
{
	struct fixture *fixture = *state;

	configure(fixture,
		  "echo $SLUICE_ID $SLUICE_TIME $SLUICE_EVENT $SLUICE_SEVERITY $SLUICE_POOL \"<$SLUICE_BACKEND>\" "
		  "\"$SLUICE_TEXT\" $SLUICE_SUPPRESSED >>$1/notes",
		  60);
	happen(fixture, "connect 10.0.0.11:80: \"refused\"; $(id)");
	await_notes(fixture, "1 2025-01-02T03:04:05.678Z backend_down warning web <> "
			     "connect 10.0.0.11:80: \"refused\"; $(id) 0");
	assert_int_equal(fixture->troubles, 0);
}

static void test_tells_by_input(void **state)
{
	struct fixture *fixture = *state;
	json_t *told;

	configure(fixture, "cat >>$1/notes", 60);
	happen(fixture, "line one\nline two");
	told = json_loads(await_notes(fixture, "}"), 0, NULL);
	assert_string_equal(json_string_value(json_object_get(told, "text")), "line one\nline two");
	assert_int_equal(json_integer_value(json_object_get(told, "id")), 1);
	assert_true(json_is_null(json_object_get(told, "backend")));
	assert_int_equal(json_integer_value(json_object_get(told, "suppressed")), 0);
	json_decref(told);
	/* one line it is */
	assert_null(strchr(strchr(await_notes(fixture, "}"), '\n') + 1, '\n'));
}

static void test_one_at_a_time_and_in_order(void **state)
{
	struct fixture *fixture = *state;

	configure(fixture, "echo begin $SLUICE_ID >>$1/notes; sleep 0.02; echo end $SLUICE_ID >>$1/notes", 400);
	for (int i = 0; i < 5; i++)
		happen(fixture, "text");
	assert_string_equal(await_notes(fixture, "end 5"), "begin 1\nend 1\nbegin 2\nend 2\nbegin 3\nend 3\n"
							   "begin 4\nend 4\nbegin 5\nend 5\n");
}

/* Ten thousand at once: the first ones up to the burst, then the last one, which tells how many there were between. */
static void test_storm(void **state)
{
	struct fixture *fixture = *state;

	configure(fixture, "echo $SLUICE_ID $SLUICE_SUPPRESSED >>$1/notes", 60);
	for (int i = 0; i < 10000; i++)
		happen(fixture, "text");
	await_notes(fixture, "10000 9984");
	AWAIT(fixture, fixture->told == 10000);
	assert_non_null(strstr(await_notes(fixture, "10000 9984"), "\n14 0\n15 0\n10000 9984\n"));
	assert_int_equal(fixture->troubles, 1);
	assert_non_null(strstr(fixture->trouble, "9984 events were left out: more than 60 a minute"));
}

static void test_quiet_again_after_a_storm(void **state)
{
	struct fixture *fixture = *state;

	configure(fixture, "echo $SLUICE_ID $SLUICE_SUPPRESSED >>$1/notes", 600);
	for (int i = 0; i < 200; i++)
		happen(fixture, "text");
	await_notes(fixture, "200 49");
	happen(fixture, "text");
	await_notes(fixture, "201 0");
}

static void await_trouble(struct fixture *fixture, const char *text)
{
	while (!fixture->troubles)
		event_base_loop(fixture->base, EVLOOP_ONCE);
	if (!strstr(fixture->trouble, text))
		fail_msg("\"%s\" instead of \"%s\"", fixture->trouble, text);
}

static void test_failure_is_told_once(void **state)
{
	struct fixture *fixture = *state;

	configure(fixture, "echo $SLUICE_ID >>$1/notes; echo no mail server; exit 4", 400);
	happen(fixture, "text");
	await_trouble(fixture, "notify: the program ended with exit status 4: no mail server");
	for (int i = 0; i < 4; i++)
		happen(fixture, "text");
	await_notes(fixture, "5");
	assert_int_equal(fixture->troubles, 1);
}

static void test_program_that_hangs(void **state)
{
	struct fixture *fixture = *state;

	configure(fixture, "sleep 1000 & wait", 400);
	fixture->config.timeout_ms = 100;
	fixture->config.command = (const char *[]){"/bin/sleep", "1000", NULL};
	notify_configure(fixture->notify, &fixture->config);
	happen(fixture, "text");
	await_trouble(fixture, "notify: the program was killed, not done within ");
}

static void test_program_that_is_missing(void **state)
{
	struct fixture *fixture = *state;

	fixture->config = (struct config_notify){
		.command = (const char *[]){"/no/such/hook", NULL}, .user = "nobody", .timeout_ms = 1000, .rate = 60};
	notify_configure(fixture->notify, &fixture->config);
	happen(fixture, "text");
	await_trouble(fixture, "notify: cannot run it: /no/such/hook: No such file or directory");
}

/* What is said of one program does not keep it quiet about the next. */
static void test_another_program_fails_otherwise(void **state)
{
	struct fixture *fixture = *state;

	configure(fixture, "exit 4", 400);
	happen(fixture, "text");
	await_trouble(fixture, "exit status 4");
	happen(fixture, "text");
	AWAIT(fixture, fixture->told == 2);
	assert_int_equal(fixture->troubles, 1);
	configure(fixture, "exit 5", 400);
	assert_int_equal(fixture->troubles, 2); /* what was not said yet of the former one */
	assert_non_null(strstr(fixture->trouble, "exit status 4"));
	happen(fixture, "text");
	AWAIT(fixture, fixture->troubles == 3);
	assert_non_null(strstr(fixture->trouble, "exit status 5"));
}

static void expect_warning(const char *program, const char *user, const char *text)
{
	char *warning =
		notify_warning(&(struct config_notify){.command = (const char *[]){program, NULL}, .user = user});

	if (!text)
		assert_null(warning);
	else
		assert_string_equal(warning, text);
	free(warning);
}

static void test_what_cannot_be_run_is_known_before(void **state)
{
	(void)state;
	assert_null(notify_warning(&(struct config_notify){0}));
	expect_warning("/bin/sh", "nobody", NULL);
	expect_warning("/no/such/hook", "nobody", "notify: /no/such/hook cannot be run: No such file or directory");
	expect_warning("/etc/passwd", "nobody", "notify: /etc/passwd cannot be run: Permission denied");
	expect_warning("/etc", "nobody", "notify: /etc cannot be run: Permission denied");
	expect_warning("/bin/sh", "nobody-at-all",
		       "notify: the program cannot be run as 'nobody-at-all': no such user in /etc/passwd");
}

/* A run that this process's end cuts short was not told. */
static void test_told_is_what_was_done(void **state)
{
	struct fixture *fixture = *state;

	configure(fixture, "[ $SLUICE_ID != 3 ] || { echo $SLUICE_ID >>$1/notes; echo; sleep 1000; }", 400);
	for (int i = 0; i < 4; i++)
		happen(fixture, "text");
	await_notes(fixture, "3");
	assert_int_equal(fixture->told, 2);
}

static void test_without_a_program_nobody_is_told(void **state)
{
	struct fixture *fixture = *state;

	happen(fixture, "text");
	configure(fixture, "echo $SLUICE_ID >>$1/notes", 60);
	happen(fixture, "text");
	notify_configure(fixture->notify, &(struct config_notify){0});
	happen(fixture, "text");
	configure(fixture, "echo $SLUICE_ID >>$1/notes", 60);
	happen(fixture, "text");
	assert_null(strchr(await_notes(fixture, "4"), '3'));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tells_by_environment),
		TEST(test_tells_by_input),
		TEST(test_one_at_a_time_and_in_order),
		TEST(test_storm),
		TEST(test_quiet_again_after_a_storm),
		TEST(test_failure_is_told_once),
		TEST(test_program_that_hangs),
		TEST(test_program_that_is_missing),
		TEST(test_another_program_fails_otherwise),
		TEST(test_what_cannot_be_run_is_known_before),
		TEST(test_told_is_what_was_done),
		TEST(test_without_a_program_nobody_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
