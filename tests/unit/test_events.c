/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Events keep their order and numbers over restarts, whatever has become of their file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/memory.h"
#include "out/events.h"

#define DEADLINE 60 /* seconds after which a test has hung */

struct fixture {
	struct event_base *base;
	struct events *events;
	size_t lost;
	char folder[32], file[64];
	int log; /* standard error as it was */
	FILE *logged;
};

/* The log goes into a file, which tests read and nobody has to. */
static int setup(void **state)
{
	struct fixture *fixture = memory_new(1, sizeof(*fixture));

	fixture->base = event_base_new();
	strcpy(fixture->folder, "/tmp/sluice-test-XXXXXX");
	if (!mkdtemp(fixture->folder))
		return -1;
	snprintf(fixture->file, sizeof(fixture->file), "%s/events.jsonl", fixture->folder);
	fixture->log = dup(2);
	fixture->logged = tmpfile();
	dup2(fileno(fixture->logged), 2);
	*state = fixture;
	return 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
	(void)info;
	(void)type;
	(void)walk;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	int err;

	events_close(fixture->events);
	err = nftw(fixture->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	event_base_free(fixture->base);
	dup2(fixture->log, 2);
	close(fixture->log);
	fclose(fixture->logged);
	free(fixture);
	return err;
}

static void start(struct fixture *fixture)
{
	fixture->events = events_open(fixture->base, fixture->folder, &fixture->lost);
	assert_non_null(fixture->events);
}

static void stop(struct fixture *fixture)
{
	events_close(fixture->events);
	fixture->events = NULL;
}

/* How often the log has the text. */
static int logged(const struct fixture *fixture, const char *text)
{
	char line[4096];
	int count = 0;

	fflush(stderr);
	rewind(fixture->logged);
	while (fgets(line, sizeof(line), fixture->logged))
		count += strstr(line, text) != NULL;
	fseek(fixture->logged, 0, SEEK_END); /* where standard error goes on: they share the place */
	return count;
}

static void add(struct fixture *fixture, int number)
{
	char text[64];

	snprintf(text, sizeof(text), "event number %d", number);
	events_add(fixture->events, &(struct event_fact){.kind = EVENT_backend_down,
							 .pool = "web",
							 .backend = "web1",
							 .text = text,
							 .uid = EVENT_NOBODY});
}

/* The text of the event at the place, its number in *id. */
static const char *at(const json_t *events, size_t place, json_int_t *id)
{
	const char *text = NULL;

	assert_int_equal(json_unpack(json_array_get(events, place), "{sI ss}", "id", id, "text", &text), 0);
	return text;
}

/* All that are known are numbered [first, first + count), and tell these numbers. */
static void expect_numbers(const struct fixture *fixture, int first, size_t count)
{
	json_t *events = events_json(fixture->events, 0, 0);
	char expected[64];
	json_int_t id;

	assert_int_equal(json_array_size(events), count);
	for (size_t i = 0; i < count; i++) {
		snprintf(expected, sizeof(expected), "event number %d", first + (int)i);
		assert_string_equal(at(events, i, &id), expected);
		assert_int_equal(id, first + (int)i);
	}
	json_decref(events);
}

static long file_size(const struct fixture *fixture)
{
	struct stat info;

	return stat(fixture->file, &info) ? -1 : (long)info.st_size;
}

static char *read_file(const struct fixture *fixture, size_t *length)
{
	FILE *file = fopen(fixture->file, "r");
	char *text;

	assert_non_null(file);
	*length = (size_t)file_size(fixture);
	text = memory_new(*length + 1, 1);
	assert_int_equal(fread(text, 1, *length, file), *length);
	fclose(file);
	return text;
}

static void write_file(const struct fixture *fixture, const char *text, size_t length)
{
	FILE *file = fopen(fixture->file, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static size_t count_lines(const struct fixture *fixture)
{
	size_t length, lines = 0;
	char *text = read_file(fixture, &length);

	for (size_t i = 0; i < length; i++)
		lines += text[i] == '\n';
	free(text);
	return lines;
}

/* Runs the loop until it is so. */
#define AWAIT(fixture, condition)                                                                                      \
	for (time_t deadline = time(NULL) + DEADLINE; !(condition);) {                                                 \
		event_base_loop((fixture)->base, EVLOOP_ONCE);                                                         \
		assert_true(time(NULL) < deadline);                                                                    \
	}

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

static void a_burst_neither_blocks_nor_grows(void **state)
{
	struct fixture *fixture = *state;

	start(fixture);
	for (int i = 1; i <= 5 * EVENTS_KEPT; i++)
		add(fixture, i);
	expect_numbers(fixture, 4 * EVENTS_KEPT + 1, EVENTS_KEPT);
	AWAIT(fixture, file_size(fixture) > 0);
	assert_int_equal(count_lines(fixture), EVENTS_KEPT);
	AWAIT(fixture, logged(fixture, "more events: sluice show events") == 1);
	assert_int_equal(logged(fixture, "backend_down web/web1"), 100);
	assert_int_equal(logged(fixture, "and 49900 more events"), 1);
	/* and then each is logged again */
	add(fixture, 5 * EVENTS_KEPT + 1);
	assert_int_equal(logged(fixture, "event number 50001"), 1);
	stop(fixture);
	start(fixture);
	assert_int_equal(fixture->lost, 0);
	expect_numbers(fixture, 4 * EVENTS_KEPT + 2, EVENTS_KEPT);
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

#define EVENTS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EVENTS_TEST(events_tell_what_happened),
		EVENTS_TEST(odd_texts_do_no_harm),
		EVENTS_TEST(readers_choose),
		EVENTS_TEST(listeners_hear_each_once),
		EVENTS_TEST(a_listener_may_add),
		EVENTS_TEST(numbers_go_on_after_a_restart),
		EVENTS_TEST(events_are_written_soon),
		EVENTS_TEST(a_file_that_was_removed_comes_back_whole),
		EVENTS_TEST(a_file_cut_anywhere_keeps_what_is_whole),
		EVENTS_TEST(bad_lines_are_left_out_and_counted),
		EVENTS_TEST(nuls_and_endless_lines_are_left_out),
		EVENTS_TEST(an_enormous_file_holds_nobody_up),
		EVENTS_TEST(garbage_hurts_nobody),
		EVENTS_TEST(what_cannot_be_a_file_is_said_once),
		EVENTS_TEST(a_burst_neither_blocks_nor_grows),
		EVENTS_TEST(the_file_is_rewritten_when_it_has_grown),
		EVENTS_TEST(a_full_disk_costs_nothing_but_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
