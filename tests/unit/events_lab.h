/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Events with a folder of their own; what they log goes into a file. */
#ifndef SLUICE_TEST_EVENTS_LAB_H
#define SLUICE_TEST_EVENTS_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/memory.h"
#include "out/events.h"
#include "unit/temp_folder.h"

#define DEADLINE 60 /* seconds after which a test has hung */

struct fixture {
	struct event_base *base;
	struct events *events;
	size_t lost;
	char folder[TEMP_FOLDER_SIZE], file[64];
	int log; /* standard error as it was */
	FILE *logged;
};

/* The log goes into a file, which tests read and nobody has to. */
static inline int setup(void **state)
{
	struct fixture *fixture = memory_new(1, sizeof(*fixture));

	fixture->base = event_base_new();
	if (temp_folder_make(fixture->folder, 0700))
		return -1;
	snprintf(fixture->file, sizeof(fixture->file), "%s/events.jsonl", fixture->folder);
	fixture->log = dup(2);
	fixture->logged = tmpfile();
	dup2(fileno(fixture->logged), 2);
	*state = fixture;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *fixture = *state;
	int err;

	events_close(fixture->events);
	err = temp_folder_remove(fixture->folder);
	event_base_free(fixture->base);
	dup2(fixture->log, 2);
	close(fixture->log);
	fclose(fixture->logged);
	free(fixture);
	return err;
}

static inline void start(struct fixture *fixture)
{
	fixture->events = events_open(fixture->base, fixture->folder, &fixture->lost);
	assert_non_null(fixture->events);
}

static inline void stop(struct fixture *fixture)
{
	events_close(fixture->events);
	fixture->events = NULL;
}

/* How often the log has the text. */
static inline int logged(const struct fixture *fixture, const char *text)
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

static inline void add(struct fixture *fixture, int number)
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
static inline void expect_numbers(const struct fixture *fixture, int first, size_t count)
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

static inline long file_size(const struct fixture *fixture)
{
	struct stat info;

	return stat(fixture->file, &info) ? -1 : (long)info.st_size;
}

static inline char *read_file(const struct fixture *fixture, size_t *length)
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

static inline void write_file(const struct fixture *fixture, const char *text, size_t length)
{
	FILE *file = fopen(fixture->file, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static inline size_t count_lines(const struct fixture *fixture)
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

#define EVENTS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
