/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The configuration, and going from one to another as a reload does: an input is one text, or two with a line "%%"
 * between them. What is valid is compared, gets its indices and is planned.
 */
#include <string.h>

#include "fuzz/fuzz.h"
#include "in/config_file.h"
#include "model/config_diff.h"
#include "model/plan.h"

#define NAME	     "fuzz.yaml"
#define LONGEST_LINE 512     /* bytes of a line that are copied */
#define SLOTS_MAX    200000U /* of all pools of one that is planned: more take long */

/* The errors are for people: each is told with its place, and the last line counts them. */
static void check_errors(const char *errors)
{
	size_t length = strlen(errors);

	fuzz_require(strncmp(errors, NAME ":", strlen(NAME ":")) == 0);
	fuzz_require(length && errors[length - 1] == '\n');
}

/* NULL if it is refused. */
static struct config *read_text(struct fuzz_input *input)
{
	struct config *config = NULL;
	char *errors = NULL;
	size_t length;
	char *text = fuzz_part(input, &length);
	int err = config_text_read(text, length, NAME, &config, &errors);

	fuzz_require((err == 0) == (errors == NULL));
	fuzz_require((err == 0) == (config != NULL));
	if (errors)
		check_errors(errors);
	free(errors);
	free(text);
	return config;
}

static void check_change(const json_t *change)
{
	static const char *const keys[] = {"change", "what", "detail"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		fuzz_require(json_is_string(json_object_get(change, keys[i])));
}

static void compare(const struct config *from, const struct config *to, const struct health *health)
{
	json_t *changes = config_diff(from, to, health), *change;
	char *text;
	size_t i;

	fuzz_require(json_is_array(changes));
	json_array_foreach(changes, i, change)
		check_change(change);
	text = json_dumps(changes, 0);
	fuzz_require(text);
	free(text);
	json_decref(changes);
}

static void compare_same(const struct config *config, const struct health *health)
{
	json_t *changes = config_diff(config, config, health);

	fuzz_require(json_array_size(changes) == 0);
	json_decref(changes);
}

static bool is_small(const struct config *config)
{
	__u64 slots = 0;

	for (size_t i = 0; i < config->pool_count; i++)
		slots += config->pools[i].table_size;
	return slots <= SLOTS_MAX;
}

static void ignore_event(void *argument, const struct event_fact *fact)
{
	(void)argument;
	fuzz_require(fact->text[0]);
}

static time_t stopped_clock(time_t *out)
{
	if (out)
		*out = 1700000000;
	return 1700000000;
}

/* What the agent does with a configuration, but for the kernel. */
static void run(struct state *state, struct plan *plan, struct config *config, bool running, __u64 now)
{
	state->config = config;
	fuzz_require(ids_assign(state->ids, config) == 0);
	health_configure(state->health, config, running, now);
	plan_make(plan, state, PLAN_ALL);
	fuzz_require(plan->table_count == config->pool_count);
}

/* The line that a random number chooses: its start, and in *length its bytes with the end. */
static size_t find_line(const uint8_t *data, size_t size, unsigned int random, size_t *length)
{
	size_t start = random % size, end;

	while (start && data[start - 1] != '\n')
		start--;
	for (end = start; end < size && data[end] != '\n';)
		end++;
	*length = end + (end < size) - start;
	return start;
}

/* Of the line, what stands behind its first ": "; all of it where there is none. */
static size_t find_value(const uint8_t *data, size_t start, size_t *length)
{
	const uint8_t *colon = memmem(data + start, *length, ": ", 2);
	size_t skipped = colon ? (size_t)(colon - (data + start)) + 2 : 0;

	*length -= skipped;
	return start + skipped;
}

/* Puts `copy` in place of `cut` bytes, if there is room. Returns the new size. */
static size_t splice(uint8_t *data, size_t size, size_t most, size_t at, size_t cut, const struct fuzz_input *copy)
{
	if (size - cut + copy->size > most)
		return size;
	memmove(data + at + copy->size, data + at + cut, size - at - cut);
	memcpy(data + at, copy->data, copy->size);
	return size - cut + copy->size;
}

/*
 * A line goes, is copied to elsewhere or in place of another, or has another's value: of such changes more is valid
 * YAML than of changed bytes, which are the other half.
 */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed)
{
	unsigned int random = seed * 2654435761U;
	uint8_t line[LONGEST_LINE];
	struct fuzz_input copy = {line, 0};
	size_t from, to, cut;

	if (!size || (random >> 31) || !LLVMFuzzerMutate)
		return LLVMFuzzerMutate ? LLVMFuzzerMutate(data, size, most) : size;
	from = find_line(data, size, random >> 3, &copy.size);
	to = find_line(data, size, seed, &cut);
	switch (random >> 28 & 3) {
	case 0: /* goes */
		copy.size = 0;
		break;
	case 1: /* its value */
		from = find_value(data, from, &copy.size);
		to = find_value(data, to, &cut);
		break;
	case 2: /* before the other */
		cut = 0;
		break;
	}
	copy.size = copy.size < sizeof(line) ? copy.size : sizeof(line);
	memcpy(line, data + from, copy.size);
	return splice(data, size, most, to, cut, &copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct config *first = read_text(&input), *second = input.size && first ? read_text(&input) : NULL;
	struct state state;
	struct plan *plan;

	if (!first)
		return 0;
	compare(NULL, first, NULL);
	compare_same(first, NULL);
	if (second)
		compare(first, second, NULL);
	if (is_small(first) && (!second || is_small(second))) {
		state = (struct state){.ids = ids_new(), .health = health_new(ignore_event, NULL, stopped_clock)};
		plan = plan_new();
		run(&state, plan, first, false, 1000);
		if (second) {
			compare(first, second, state.health);
			run(&state, plan, second, false, 2000);
		}
		plan_free(plan);
		ids_free(state.ids);
		health_free(state.health);
	}
	config_free(first);
	if (second)
		config_free(second);
	return 0;
}
