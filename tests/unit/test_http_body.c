/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the http probe makes of a body. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/memory.h"
#include "probe/http_body.h"

static void test_text_across_pieces_of_body(void **state)
{
	const struct config_probe probe = {.expect = {"ab\0cab", 6}};
	const char text[] = "xab\0ab\0cabx";
	struct http_body body = {0};
	size_t at = 0;

	(void)state;
	while (!http_body_take(&body, &probe, text + at, 1))
		at++;
	assert_int_equal(at, 9);
	assert_true(http_body_good(&body, &probe));
	http_body_clear(&body);
}

static bool matches(const char *expression, const char *text)
{
	const struct config_probe probe = {.expect_regex = expression};
	struct http_body body = {0};
	bool match;

	http_body_take(&body, &probe, text, strlen(text));
	match = http_body_good(&body, &probe);
	http_body_clear(&body);
	return match;
}

/* As the bare expression would: it is given to the C library in another form. */
static void test_expression_means_what_it_says(void **state)
{
	(void)state;
	assert_true(matches("b", "a\nb\nc"));
	assert_true(matches("^a", "abc"));
	assert_false(matches("^b", "abc"));
	assert_true(matches("c$", "abc"));
	assert_false(matches("b$", "abc"));
	assert_true(matches("^b|c$", "abc"));
	assert_false(matches("^b|b$", "abc"));
	assert_true(matches("^$", ""));
	assert_true(matches("a.c", "xxa\ncxx"));
	assert_true(matches("(b)(c)?$", "ab"));
	assert_true(matches("\xff", "bytes \xff and \xfe"));
}

/* Seconds, if the expression were tried at each byte anew. */
static void test_expression_over_hostile_body(void **state)
{
	const struct config_probe probe = {.expect_regex = "a.*b"};
	struct http_body body = {0};
	char *text = memory_new(HTTP_BODY_MAX, 1);

	(void)state;
	memset(text, 'a', HTTP_BODY_MAX);
	assert_true(http_body_take(&body, &probe, text, HTTP_BODY_MAX));
	assert_int_equal(body.length, HTTP_REGEX_MAX);
	for (int i = 0; i < 100; i++)
		assert_false(http_body_good(&body, &probe));
	http_body_clear(&body);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_across_pieces_of_body),
		cmocka_unit_test(test_expression_means_what_it_says),
		cmocka_unit_test(test_expression_over_hostile_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
