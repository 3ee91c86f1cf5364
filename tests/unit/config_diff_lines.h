/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What two configurations differ in, as text. For tests with cmocka. */
#ifndef SLUICE_TEST_CONFIG_DIFF_LINES_H
#define SLUICE_TEST_CONFIG_DIFF_LINES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "model/config_diff.h"

/* The changes, one a line: "change what: detail"; and a warning below its change. */
static inline void expect_knowing(const struct health *health, const struct config *from, const struct config *to,
				  const char *lines)
{
	json_t *changes = config_diff(from, to, health), *change;
	char text[8192] = "";
	size_t i;

	json_array_foreach(changes, i, change) {
		const char *warning = json_string_value(json_object_get(change, "warning"));

		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s %s: %s\n",
			 json_string_value(json_object_get(change, "change")),
			 json_string_value(json_object_get(change, "what")),
			 json_string_value(json_object_get(change, "detail")));
		if (warning)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "    warning: %s\n", warning);
	}
	json_decref(changes);
	assert_string_equal(text, lines);
}

#endif
