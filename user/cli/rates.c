/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/rates.h"

#include <stdlib.h>

#include "lib/memory.h"

static char *identity(const struct subject *subject, const json_t *object)
{
	const char *first = json_string_value(json_object_get(object, subject->identity[0]));
	const char *second =
		subject->identity[1] ? json_string_value(json_object_get(object, subject->identity[1])) : "";

	return memory_format("%s/%s", first ? first : "", second ? second : "");
}

/* Borrowed references to the objects, by identity; a new reference itself. */
static json_t *by_identity(const struct subject *subject, const json_t *objects)
{
	json_t *all = json_object(), *object;
	size_t i;

	json_array_foreach(objects, i, object) {
		char *key = identity(subject, object);

		json_object_set(all, key, object);
		free(key);
	}
	return all;
}

/* The growth of a counter; negative if unknown. */
static double growth(const json_t *now, const json_t *before, const char *key)
{
	const json_t *after = json_object_get(now, key), *first = json_object_get(before, key);

	if (!json_is_integer(after) || !json_is_integer(first))
		return -1;
	return (double)(json_integer_value(after) - json_integer_value(first));
}

void rates_add(const struct subject *subject, json_t *now, const json_t *before, double seconds)
{
	json_t *former = by_identity(subject, before), *object;
	size_t i;

	json_array_foreach(now, i, object) {
		char *key = identity(subject, object);
		const json_t *old = json_object_get(former, key);
		double packets = growth(object, old, "packets"), bytes = growth(object, old, "bytes");
		bool known = packets >= 0 && bytes >= 0 && seconds > 0;

		json_object_set_new(object, KEY_PACKET_RATE, known ? json_real(packets / seconds) : json_null());
		json_object_set_new(object, KEY_BIT_RATE, known ? json_real(8 * bytes / seconds) : json_null());
		free(key);
	}
	json_decref(former);
}
