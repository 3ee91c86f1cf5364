/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Indices and ranges last over restarts, and what is no snapshot of them is refused. */
#include "unit/ids_lab.h"

#include <errno.h>

static json_t *through_text(json_t *saved)
{
	char *text = json_dumps(saved, JSON_COMPACT | JSON_SORT_KEYS);
	json_t *again = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(again);
	free(text);
	json_decref(saved);
	return again;
}

static void assert_same(const struct ids *a, const struct ids *b)
{
	json_t *left = ids_save(a), *right = ids_save(b);

	assert_true(json_equal(left, right));
	json_decref(left);
	json_decref(right);
}

static void test_restart_keeps_assignments(void **unused)
{
	struct reported *reported = calloc(1, sizeof(*reported));
	struct ids *before = ids_new(), *after = ids_new();
	json_t *saved;

	(void)unused;
	assign(before, numbered(0, 20, 50));
	assign(before, numbered(10, 20, 50));
	saved = through_text(ids_save(before));
	assert_int_equal(ids_restore(after, saved), 0);
	json_decref(saved);
	assert_same(before, after);

	assign(after, numbered(10, 20, 50));
	assert_int_equal(report(after, reported), 0);
	assert_same(before, after);
	/* what comes next is what would have come without the restart */
	assign(before, numbered(12, 20, 50));
	assign(after, numbered(12, 20, 50));
	assert_same(before, after);
	assert_int_equal(report(after, reported), 4);
	ids_free(before);
	ids_free(after);
	free(reported);
}

static void test_longest_names_survive_a_restart(void **unused)
{
	struct config *config = sample_config(1, 1);
	struct ids *before = ids_new(), *after = ids_new();
	char pool[CONFIG_NAME_MAX + 1] = {0}, name[CONFIG_NAME_MAX + 1] = {0};
	json_t *saved;

	(void)unused;
	memset(pool, 'p', CONFIG_NAME_MAX);
	memset(name, 'n', CONFIG_NAME_MAX);
	sample_backend(sample_pool(config, pool, 7, 1), name, sample_host(1));
	sample_service(config, name, 0, 0, 0);
	assign(before, config);
	saved = through_text(ids_save(before));
	assert_int_equal(ids_restore(after, saved), 0);
	json_decref(saved);
	assert_int_equal(host_index(after, pool, 1), host_index(before, pool, 1));
	assert_int_equal(ids_service(after, name), ids_service(before, name));
	ids_free(before);
	ids_free(after);
}

/* As after ids_new(), in every respect. */
static void assert_unused(struct ids *ids)
{
	struct reported *reported = calloc(1, sizeof(*reported));
	struct ids *fresh = ids_new();

	assert_same(fresh, ids);
	assign(ids, numbered(0, 3, 3));
	assert_int_equal(report(ids, reported), 6);
	assign(fresh, numbered(0, 3, 3));
	assert_same(fresh, ids);
	ids_free(fresh);
	free(reported);
}

/* Takes the reference. */
static void assert_refused(json_t *saved)
{
	struct ids *ids = ids_new();

	if (ids_restore(ids, saved) != -EINVAL) {
		char *text = json_dumps(saved, JSON_COMPACT | JSON_ENCODE_ANY);

		fail_msg("not refused: %s", text);
	}
	assert_unused(ids);
	json_decref(saved);
	ids_free(ids);
}

static void assert_text_refused(const char *text)
{
	json_error_t error;
	json_t *saved = json_loads(text, JSON_DECODE_ANY, &error);

	if (!saved)
		fail_msg("%s: %s", text, error.text);
	assert_refused(saved);
}

/* What a value could be instead, objects too: `objects` says whether an empty one is right. */
static void replace_by_all_types(const json_t *saved, const char *const path[2], bool objects)
{
	static const char *const others[] = {
		"null", "true", "1.5", "\"1\"", "[]", "-1", "4294967297", "9223372036854775807", "{}"};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]) - objects; i++) {
		json_t *copy = json_deep_copy(saved), *parent = copy;

		if (path[1])
			parent = json_object_get(copy, path[0]);
		assert_int_equal(json_object_set_new(parent, path[1] ? path[1] : path[0],
						     json_loads(others[i], JSON_DECODE_ANY, NULL)),
				 0);
		assert_refused(copy);
	}
}

#define SAVED(services, backends, pools)                                                                               \
	"{\"services\": {" services "}, \"backends\": {" backends "}, \"retiring\": [], \"pools\": {" pools            \
	"}, \"next_service\": 9, \"next_backend\": 9}"

static void test_damaged_snapshots_are_refused(void **unused)
{
	static const char *const keys[] = {"services", "backends", "pools", "next_service", "next_backend"};
	static const char *const inner[][2] = {
		{"services", "s000000"}, {"backends", "pool/10.0.0.1"}, {"pools", "pool"}};
	struct ids *ids = ids_new();
	json_t *saved;

	(void)unused;
	assign(ids, numbered(0, 2, 2));
	saved = ids_save(ids);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		json_t *without = json_deep_copy(saved);

		json_object_del(without, keys[i]);
		assert_refused(without);
		replace_by_all_types(saved, (const char *const[]){keys[i], NULL}, i < 3);
	}
	for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++)
		replace_by_all_types(saved, inner[i], false);
	for (int i = 0; i < 4; i++) {
		static const char *const wrong[] = {"null", "{}", "[0]", "[32768]"};
		json_t *copy = json_deep_copy(saved);

		json_object_set_new(copy, "retiring", json_loads(wrong[i], JSON_DECODE_ANY, NULL));
		assert_refused(copy);
	}
	json_decref(saved);
	ids_free(ids);

	assert_text_refused("[]");
	assert_text_refused("null");
	assert_text_refused("{}");
}

static void test_impossible_snapshots_are_refused(void **unused)
{
	(void)unused;
	assert_text_refused(SAVED("\"a\": 1, \"b\": 1", "", ""));
	assert_text_refused(SAVED("\"a\": 4096", "", ""));
	assert_text_refused(SAVED("", "\"p/a\": 0", ""));
	assert_text_refused(SAVED("", "\"p/a\": 32768", ""));
	assert_text_refused(SAVED("", "\"p/a\": 3, \"p/b\": 3", ""));
	assert_text_refused(SAVED("", "", "\"p\": {\"first\": 0}"));
	assert_text_refused(SAVED("", "", "\"p\": {\"size\": 7}"));
	assert_text_refused(SAVED("", "", "\"p\": {\"first\": \"0\", \"size\": 7}"));
	assert_text_refused(SAVED("", "", "\"p\": {\"first\": 0, \"size\": 0}"));
	assert_text_refused(SAVED("", "", "\"p\": {\"first\": -1, \"size\": 7}"));
	assert_text_refused(SAVED("", "", "\"p\": {\"first\": 0, \"size\": 7}, \"q\": {\"first\": 6, \"size\": 7}"));
	assert_text_refused(SAVED("", "", "\"q\": {\"first\": 0, \"size\": 7}, \"p\": {\"first\": 0, \"size\": 1}"));
	assert_text_refused(SAVED("", "", "\"p\": {\"first\": 4294967290, \"size\": 7}"));
	assert_text_refused(SAVED("", "", "\"p\": {\"first\": 1, \"size\": 67108864}"));
	/* a name too long for any configuration must not be cut to another one */
	assert_text_refused(SAVED("", "",
				  "\"ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp\": "
				  "{\"first\": 0, \"size\": 7}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_restart_keeps_assignments),
		cmocka_unit_test(test_longest_names_survive_a_restart),
		cmocka_unit_test(test_damaged_snapshots_are_refused),
		cmocka_unit_test(test_impossible_snapshots_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
