/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The exec probe with real programs. After each test no descriptor may be left open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/process.h"
#include "unit/probe_lab.h"

#define LIMIT 4

static int setup(void **state)
{
	struct lab *lab = lab_setup(state, PROBE_EXEC);

	lab->probe.user = "nobody";
	lab->shared.processes = process_pool_new(lab->base, LIMIT);
	lab_address(lab, "10.0.0.11");
	return 0;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	process_pool_free(lab->shared.processes);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	return lab_teardown(state);
}

static void expect(struct lab *lab, const char *script, enum finding finding, const char *text)
{
	const char *command[] = {"/bin/sh", "-c", script, NULL};

	lab->probe.command = command;
	lab_expect(lab, finding, text);
	lab->probe.command = NULL;
}

/* The text ends with the first line of output. */
static void prints(struct lab *lab, const char *script, const char *line)
{
	const char *command[] = {"/bin/sh", "-c", script, NULL};
	const char *found;

	lab->probe.command = command;
	lab_probe(lab);
	found = strstr(lab->text, " ms: ");
	if (!found || strcmp(found + 5, line) != 0)
		fail_msg("\"%s\" does not end with \"%s\"", lab->text, line);
	lab->probe.command = NULL;
}

static void test_exit_status(void **state)
{
	struct lab *lab = *state;

	expect(lab, "exit 0", FINDING_PASSED, "exec /bin/sh: exit status 0 after ");
	assert_string_equal(lab->text + strlen(lab->text) - 3, " ms");
	expect(lab, "exit 1", FINDING_FAILED, "exec /bin/sh: exit status 1 after ");
	expect(lab, "exit 2", FINDING_FAILED, "exec /bin/sh: exit status 2 after ");
	expect(lab, "kill -SEGV $$", FINDING_FAILED, "exec /bin/sh: killed by signal 11 (Segmentation fault) after ");
}

static void test_first_line_of_output(void **state)
{
	struct lab *lab = *state;

	prints(lab, "echo 'queue is 90% full'; echo more; exit 1", "queue is 90% full");
	prints(lab, "printf 'replica \\033]0;lag\\007 \\377' >&2", "replica  ]0;lag  ?");
	expect(lab, "head -c 100000 /dev/zero | tr '\\0' x; exit 1", FINDING_FAILED,
	       "exec /bin/sh: exit status 1 after ");
}

static void test_environment(void **state)
{
	struct lab *lab = *state;

	lab->job.port = 8080;
	lab->job.weight = 70;
	lab->job.address = parsed_address("192.0.2.10"); /* a VIP is not what it is about */
	prints(lab, "env | grep -v ^PWD | sed 's/^SLUICE_//' | sort | tr '\\n' ' '",
	       "ADDRESS=10.0.0.11 BACKEND=web1 FAMILY=4 PATH=/usr/sbin:/usr/bin:/sbin:/bin POOL=web PORT=8080 "
	       "WEIGHT=70 ");
	lab_address(lab, "2001:db8::b");
	prints(lab, "echo $SLUICE_FAMILY $SLUICE_ADDRESS", "6 2001:db8::b");
}

static void test_runs_as_its_user(void **state)
{
	struct lab *lab = *state;

	prints(lab, "id -un", "nobody");
	lab->probe.user = "root";
	prints(lab, "id -un", "root");
}

/* No shell comes between: arguments arrive as they are. */
static void test_arguments_are_not_interpreted(void **state)
{
	const char *command[] = {"/bin/echo", "$(id)", "a b", ";", "*", NULL};
	struct lab *lab = *state;

	lab->probe.command = command;
	assert_int_equal(lab_probe(lab), FINDING_PASSED);
	assert_non_null(strstr(lab->text, " ms: $(id) a b ; *"));
}

static void test_what_cannot_be_run_is_trouble(void **state)
{
	const char *missing[] = {"/no/such/check", NULL}, *data[] = {"/etc/passwd", NULL},
		   *fine[] = {"/bin/true", NULL};
	struct lab *lab = *state;

	lab->probe.command = missing;
	lab_expect(lab, FINDING_TROUBLE, "exec: cannot run it: /no/such/check: No such file or directory");
	lab->probe.command = data;
	lab_expect(lab, FINDING_TROUBLE, "exec: cannot run it: /etc/passwd: Permission denied");
	lab->probe.command = fine;
	lab->probe.user = "no-such-user";
	lab_expect(lab, FINDING_TROUBLE, "exec: cannot run programs as 'no-such-user': there is no such user");
}

static void test_timeout(void **state)
{
	struct lab *lab = *state;

	lab->probe.timeout_ms = 150;
	expect(lab, "echo waiting for the lock; sleep 1000 & wait", FINDING_FAILED,
	       "exec /bin/sh: killed, not done within 150 ms: waiting for the lock");
	expect(lab, "exec yes", FINDING_FAILED, "exec /bin/sh: killed, not done within 150 ms: y");
}

/* It has ended in time, only nobody looked. */
static void test_held_up_process(void **state)
{
	const char *quick[] = {"/bin/sh", "-c", "exit 0", NULL}, *hung[] = {"/bin/sleep", "1000", NULL};
	struct lab *lab = *state;

	lab->probe.timeout_ms = 200;
	lab->probe.command = quick;
	lab_start(lab);
	while (descriptors_open() < lab->descriptors + 2 && !lab->done)
		event_base_loop(lab->base, EVLOOP_ONCE);
	lab_hold_up(600);
	assert_int_equal(lab_wait(lab), FINDING_PASSED);
	lab->probe.command = hung;
	lab_start(lab);
	event_base_loop(lab->base, EVLOOP_ONCE);
	lab_hold_up(600);
	assert_int_equal(lab_wait(lab), FINDING_TROUBLE);
	assert_non_null(strstr(lab->text, "exec /bin/sleep: this process was held up for "));
}

static void test_cancel(void **state)
{
	const char *command[] = {"/bin/sleep", "1000", NULL};
	struct lab *lab = *state;
	void *runs[3 * LIMIT];
	enum finding finding;
	char text[HEALTH_TEXT];

	lab->probe.command = command;
	for (int i = 0; i < 3 * LIMIT; i++)
		runs[i] = probe_start(&lab->job, &finding, text);
	/* all have begun that may */
	for (int i = 0; i < LIMIT; i++)
		event_base_loop(lab->base, EVLOOP_ONCE);
	for (int i = 0; i < 3 * LIMIT; i++)
		probe_exec.cancel(runs[i]);
	event_base_loop(lab->base, EVLOOP_NONBLOCK);
	assert_false(lab->done);
}

/* None of them times out for having waited, and the last one says that it did. */
static void test_a_hundred_at_once(void **state)
{
	const char *command[] = {"/bin/sleep", "0.03", NULL};
	struct lab *lab = *state;
	char last[HEALTH_TEXT];

	lab->probe.command = command;
	lab->probe.interval_ms = 300;
	lab_expect_crowd(lab, 100, last);
	assert_non_null(strstr(last, ", having waited "));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_exit_status),
		TEST(test_first_line_of_output),
		TEST(test_environment),
		TEST(test_runs_as_its_user),
		TEST(test_arguments_are_not_interpreted),
		TEST(test_what_cannot_be_run_is_trouble),
		TEST(test_timeout),
		TEST(test_held_up_process),
		TEST(test_cancel),
		TEST(test_a_hundred_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
