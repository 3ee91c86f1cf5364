/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The file of events that an earlier run left, and going on with it. */
#include <event2/event.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "out/events.h"

static size_t check_all(const struct events *events, __u64 since)
{
	static const char *const keys[] = {"time", "event", "severity", "text"};
	json_t *array = events_json(events, since, 0), *event;
	json_int_t last = 0;
	size_t i, count = json_array_size(array);

	json_array_foreach(array, i, event) {
		json_int_t id = json_integer_value(json_object_get(event, "id"));

		fuzz_require(id > last && (__u64)id > since);
		last = id;
		for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			fuzz_require(json_is_string(json_object_get(event, keys[k])));
	}
	fuzz_require((__u64)last <= events_last(events));
	json_decref(array);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct event_fact fact = {
		.kind = EVENT_config_applied, .text = (const char[]){'a', (char)0xff, '\n', 0}, .uid = EVENT_NOBODY};
	struct event_base *base = event_base_new();
	const char *folder = fuzz_file("events.jsonl", data, size);
	size_t lost, found, again;
	struct events *events = events_open(base, folder, &lost);

	found = check_all(events, 0);
	if (!size)
		fuzz_require(found == 0 && lost == 0);
	check_all(events, events_last(events) / 2);
	events_add(events, &fact);
	fuzz_require(check_all(events, 0) == (found < EVENTS_KEPT ? found + 1 : found));
	events_close(events);

	/* what was left out is gone from the file, and all else is in it */
	events = events_open(base, folder, &lost);
	again = check_all(events, 0);
	fuzz_require(lost == 0 && again == (found < EVENTS_KEPT ? found + 1 : found));
	events_close(events);
	event_base_free(base);
	return 0;
}
