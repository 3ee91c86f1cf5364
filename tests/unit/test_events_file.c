/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The file of events, and that they go on whatever has become of it. */
#include "unit/events_lab.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

/* Not at once, but without more being done, and in one go. */
static void events_are_written_soon(void **state)
{
	struct fixture *fixture = *state;

	start(fixture);
	for (int i = 1; i <= 100; i++)
		add(fixture, i);
	assert_int_equal(file_size(fixture), -1);
	AWAIT(fixture, file_size(fixture) > 0);
	assert_int_equal(count_lines(fixture), 100);
	add(fixture, 101);
	AWAIT(fixture, count_lines(fixture) > 100);
	assert_int_equal(count_lines(fixture), 101);
}

static void a_file_that_was_removed_comes_back_whole(void **state)
{
	struct fixture *fixture = *state;

	start(fixture);
	for (int i = 1; i <= 3; i++)
		add(fixture, i);
	AWAIT(fixture, file_size(fixture) > 0);
	unlink(fixture->file);
	add(fixture, 4);
	AWAIT(fixture, file_size(fixture) > 0);
	assert_int_equal(count_lines(fixture), 4);
}

/* The same file, cut at every byte: what was whole before the cut is there, and new events are kept too. */
static void a_file_cut_anywhere_keeps_what_is_whole(void **state)
{
	struct fixture *fixture = *state;
	size_t length;
	char *text;

	start(fixture);
	for (int i = 1; i <= 3; i++)
		add(fixture, i);
	stop(fixture);
	text = read_file(fixture, &length);
	for (size_t cut = 0; cut <= length; cut++) {
		size_t whole = 0, rest;

		for (size_t i = 0; i < cut; i++)
			whole += text[i] == '\n';
		rest = cut && text[cut - 1] != '\n';
		if (text[cut] == '\n') { /* only the end of the line is missing */
			whole++;
			rest = 0;
		}
		write_file(fixture, text, cut);
		start(fixture);
		assert_int_equal(fixture->lost, rest);
		expect_numbers(fixture, 1, whole);
		add(fixture, (int)whole + 1);
		stop(fixture);
		start(fixture);
		assert_int_equal(fixture->lost, 0);
		expect_numbers(fixture, 1, whole + 1);
		stop(fixture);
	}
	free(text);
}

#define LINE(id, text)                                                                                                 \
	"{\"id\":" id ",\"time\":\"2026-01-01T00:00:00.000Z\",\"event\":\"backend_up\",\"severity\":\"info\","         \
	"\"pool\":null,\"backend\":null,\"uid\":null,\"text\":\"" text "\"}\n"

static void bad_lines_are_left_out_and_counted(void **state)
{
	static const char *const bad[] = {
		"\n",
		"null\n",
		"[]\n",
		"{}\n",
		"{\"id\":2}\n",
		"\xff\xfe\n",
		LINE("\"2\"", "id is no number"),
		LINE("2.5", "nor whole"),
		LINE("0", "not positive"),
		LINE("-5", "negative"),
		LINE("1", "twice"),
		LINE("9007199254740993", "too large for readers"),
		LINE("99999999999999999999", "too large for anything"),
		LINE("2", "not \xc3 UTF-8"),
		"{\"id\":2,\"id\":2,\"time\":\"\",\"event\":\"\",\"severity\":\"\",\"pool\":null,\"backend\":null,"
		"\"uid\":null,\"text\":\"\"}\n",
		"{\"id\":2,\"time\":\"\",\"event\":\"\",\"severity\":\"\",\"pool\":7,\"backend\":null,\"uid\":null,"
		"\"text\":\"\"}\n",
		"{\"id\":2,\"time\":\"\",\"event\":\"\",\"severity\":\"\",\"pool\":null,\"backend\":null,\"uid\":null}"
		"\n",
	};
	struct fixture *fixture = *state;
	char *text = memory_format("%s", LINE("1", "event number 1"));
	const size_t count = sizeof(bad) / sizeof(bad[0]);

	for (size_t i = 0; i < count; i++) {
		char *more = memory_format("%s%s", text, bad[i]);

		free(text);
		text = more;
	}
	char *more = memory_format("%s%s", text, LINE("2", "event number 2"));

	write_file(fixture, more, strlen(more));
	start(fixture);
	assert_int_equal(fixture->lost, count);
	expect_numbers(fixture, 1, 2);
	add(fixture, 3);
	stop(fixture);
	assert_int_equal(count_lines(fixture), 3);
	free(more);
	free(text);
}

static void nuls_and_endless_lines_are_left_out(void **state)
{
	static const char good[] = LINE("1", "event number 1");
	const size_t endless = 3 << 20;
	struct fixture *fixture = *state;
	char *text = memory_new(endless, 1);

	/* as some file systems leave after a power cut */
	memcpy(text, good, strlen(good));
	write_file(fixture, text, 4096);
	start(fixture);
	assert_int_equal(fixture->lost, 1);
	expect_numbers(fixture, 1, 1);
	stop(fixture);

	memset(text + strlen(good), '[', endless - strlen(good));
	write_file(fixture, text, endless);
	start(fixture);
	assert_int_equal(fixture->lost, 1);
	expect_numbers(fixture, 1, 1);
	stop(fixture);

	text[endless - 1] = '\n';
	memset(text, 'x', strlen(good));
	write_file(fixture, text, endless);
	start(fixture);
	assert_int_equal(fixture->lost, 1);
	expect_numbers(fixture, 1, 0);
	free(text);
}

/* A file of a size that nobody needs, of which the end is read. */
static void an_enormous_file_holds_nobody_up(void **state)
{
	static const char good[] = "\n" LINE("7", "event number 7");
	struct fixture *fixture = *state;
	int fd = open(fixture->file, O_WRONLY | O_CREAT, 0644);
	json_t *events;
	json_int_t id;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1LL << 32), 0);
	assert_true(lseek(fd, 0, SEEK_END) > 0);
	assert_int_equal(write(fd, good, strlen(good)), strlen(good));
	close(fd);
	start(fixture);
	assert_true(fixture->lost > 0);
	events = events_json(fixture->events, 0, 0);
	assert_int_equal(json_array_size(events), 1);
	assert_string_equal(at(events, 0, &id), "event number 7");
	json_decref(events);
	stop(fixture);
	assert_true(file_size(fixture) < 4096);
}

/* Random bytes in a good file: no crash, and what follows can be read again. */
static void garbage_hurts_nobody(void **state)
{
	struct fixture *fixture = *state;
	__u64 seed = 42;
	size_t length;
	char *text;

	start(fixture);
	for (int i = 1; i <= 20; i++)
		add(fixture, i);
	stop(fixture);
	text = read_file(fixture, &length);
	for (int round = 0; round < 300; round++) {
		char *bytes = memory_new(length, 1);
		json_t *events;
		size_t known;

		memcpy(bytes, text, length);
		for (int i = 0; i <= round % 10; i++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			bytes[(seed >> 33) % length] = (char)(seed >> 20);
		}
		write_file(fixture, bytes, length);
		free(bytes);
		start(fixture);
		events = events_json(fixture->events, 0, 0);
		known = json_array_size(events);
		json_decref(events);
		assert_true(known <= 20);
		add(fixture, 21);
		stop(fixture);
		start(fixture);
		assert_int_equal(fixture->lost, 0);
		events = events_json(fixture->events, 0, 0);
		assert_int_equal(json_array_size(events), known + 1);
		json_decref(events);
		stop(fixture);
	}
	free(text);
}

/* Whatever has the file's place: said once, and events go on in memory. */
static void what_cannot_be_a_file_is_said_once(void **state)
{
	struct fixture *fixture = *state;
	char below[80];

	assert_int_equal(mkdir(fixture->file, 0755), 0);
	snprintf(below, sizeof(below), "%s/full", fixture->file);
	assert_int_equal(mkdir(below, 0755), 0);
	start(fixture);
	assert_int_equal(fixture->lost, 0);
	assert_int_equal(logged(fixture, "cannot read"), 1);
	for (int i = 1; i <= 3; i++)
		add(fixture, i);
	AWAIT(fixture, logged(fixture, "cannot write") == 1);
	expect_numbers(fixture, 1, 3);
	add(fixture, 4);
	stop(fixture);
	assert_int_equal(logged(fixture, "cannot write"), 1);
	rmdir(below);
	rmdir(fixture->file);

	/* nobody reads from it, ever */
	assert_int_equal(mkfifo(fixture->file, 0644), 0);
	start(fixture);
	add(fixture, 1);
	stop(fixture);
	assert_int_equal(count_lines(fixture), 1); /* a file has taken its place */
}

/* The file grows to twice what is kept, and starts anew with what is kept. */
static void the_file_is_rewritten_when_it_has_grown(void **state)
{
	struct fixture *fixture = *state;
	int number = 0;
	size_t lines, most = 0;

	start(fixture);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < EVENTS_KEPT / 2; i++)
			add(fixture, ++number);
		stop(fixture);
		lines = count_lines(fixture);
		most = lines > most ? lines : most;
		start(fixture);
		assert_int_equal(fixture->lost, 0);
		expect_numbers(fixture, number < EVENTS_KEPT ? 1 : number - EVENTS_KEPT + 1,
			       (size_t)(number < EVENTS_KEPT ? number : EVENTS_KEPT));
	}
	assert_int_equal(most, 2 * EVENTS_KEPT);
	assert_int_equal(lines, EVENTS_KEPT);
}

/* In a mount namespace of its own, on a disk of 64 KiB. Its end is that of the child. */
static int on_a_full_disk(struct fixture *fixture)
{
	char filler[80];
	static char bytes[4096];
	size_t lines;
	int fd;

	if (unshare(CLONE_NEWNS) || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("sluice-test", fixture->folder, "tmpfs", 0, "size=64k"))
		return 77;
	start(fixture);
	for (int i = 1; i <= 10; i++)
		add(fixture, i);
	AWAIT(fixture, file_size(fixture) > 0);
	snprintf(filler, sizeof(filler), "%s/filler", fixture->folder);
	fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	while (write(fd, bytes, sizeof(bytes)) > 0)
		;
	for (int i = 11; i <= 50; i++)
		add(fixture, i);
	AWAIT(fixture, logged(fixture, "cannot write") == 1);
	lines = count_lines(fixture);
	assert_true(lines >= 10 && lines < 50); /* what was there is there */
	expect_numbers(fixture, 1, 50);
	for (int i = 51; i <= 60; i++)
		add(fixture, i);
	assert_int_equal(unlink(filler), 0);
	close(fd);
	stop(fixture); /* the last try: there is room again */
	assert_int_equal(logged(fixture, "cannot write"), 1);
	start(fixture);
	assert_int_equal(fixture->lost, 0);
	expect_numbers(fixture, 1, 60);

	/* read-only is no better than full */
	assert_int_equal(mount("", fixture->folder, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	add(fixture, 61);
	AWAIT(fixture, logged(fixture, "cannot write") == 2);
	stop(fixture);
	start(fixture);
	assert_int_equal(fixture->lost, 0);
	expect_numbers(fixture, 1, 60);
	return 0;
}

/* The last test: an assertion that fails in the child makes it fail its own run of the tests, and so its exit code. */
static void a_full_disk_costs_nothing_but_the_file(void **state)
{
	struct fixture *fixture = *state;
	int status;
	pid_t child;

	if (geteuid() != 0)
		skip();
	fflush(stdout);
	child = fork();
	if (!child) {
		event_reinit(fixture->base);
		status = on_a_full_disk(fixture);
		fflush(stdout);
		_exit(status);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EVENTS_TEST(events_are_written_soon),
		EVENTS_TEST(a_file_that_was_removed_comes_back_whole),
		EVENTS_TEST(a_file_cut_anywhere_keeps_what_is_whole),
		EVENTS_TEST(bad_lines_are_left_out_and_counted),
		EVENTS_TEST(nuls_and_endless_lines_are_left_out),
		EVENTS_TEST(an_enormous_file_holds_nobody_up),
		EVENTS_TEST(garbage_hurts_nobody),
		EVENTS_TEST(what_cannot_be_a_file_is_said_once),
		EVENTS_TEST(the_file_is_rewritten_when_it_has_grown),
		EVENTS_TEST(a_full_disk_costs_nothing_but_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
