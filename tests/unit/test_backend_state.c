/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The state file of sluice-backend: what does not fit is refused, as `down` would act upon something else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/state.h"
#include "unit/temp_folder.h"

struct fixture {
	char folder[TEMP_FOLDER_SIZE], path[TEMP_FOLDER_SIZE + 16];
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	assert_int_equal(temp_folder_make(fixture->folder, 0700), 0);
	snprintf(fixture->path, sizeof(fixture->path), "%s/state.json", fixture->folder);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	int err = temp_folder_remove(fixture->folder);

	free(fixture);
	return err;
}

/* What loading says of a file with these parts. */
static int load(const struct fixture *fixture, const char *interfaces, const char *sysctls, const char *rest)
{
	FILE *file = fopen(fixture->path, "w");
	struct state state;
	struct stat namespace;
	int err;

	assert_non_null(file);
	assert_int_equal(stat("/proc/self/ns/net", &namespace), 0);
	fprintf(file,
		"{\"version\": 1, \"netns\": %llu, \"vips\": [], \"from\": [], \"interfaces\": [%s], \"sysctls\": "
		"[%s], %s}",
		(unsigned long long)namespace.st_ino, interfaces, sysctls, rest);
	assert_int_equal(fclose(file), 0);
	err = state_load(&state, fixture->path);
	state_free(&state);
	return err;
}

#define LINK(name, index) "{\"name\": \"" name "\", \"ifindex\": " index ", \"clsact_added\": true}"
#define SYSCTL(interface, setting)                                                                                     \
	"{\"interface\": \"" interface "\", \"setting\": \"" setting "\", \"before\": 1, \"set\": 0}"
#define REST(port, mtu) "\"gue_port\": " port ", \"mss\": -1, \"mtu\": " mtu

static void test_what_does_not_fit_is_refused(void **state)
{
	const struct fixture *fixture = *state;

	assert_int_equal(load(fixture, LINK("eth0", "3"), SYSCTL("all", "rp_filter"), REST("6080", "1500")), 0);
	assert_int_equal(load(fixture, LINK("123456789012345", "3"), "", REST("65535", "4294967295")), 0);
	assert_int_equal(load(fixture, LINK("1234567890123456", "3"), "", REST("6080", "0")), -EINVAL);
	assert_int_equal(load(fixture, LINK("12345678901234\xc3\xa9", "3"), "", REST("6080", "0")), -EINVAL);
	assert_int_equal(load(fixture, LINK("eth0", "-1"), "", REST("6080", "0")), -EINVAL);
	assert_int_equal(load(fixture, LINK("eth0", "4294967299"), "", REST("6080", "0")), -EINVAL);
	assert_int_equal(load(fixture, "", SYSCTL("1234567890123456", "rp_filter"), REST("6080", "0")), -EINVAL);
	assert_int_equal(load(fixture, "", SYSCTL("all", "a_name_of_thirty-two_characters_"), REST("6080", "0")),
			 -EINVAL);
	assert_int_equal(load(fixture, "", "", REST("65536", "0")), -EINVAL);
	assert_int_equal(load(fixture, "", "", REST("-1", "0")), -EINVAL);
	assert_int_equal(load(fixture, "", "", REST("6080", "4294967296")), -EINVAL);
}

static void test_what_is_saved_is_loaded(void **state)
{
	const struct fixture *fixture = *state;
	struct state saved = {.gue_port = 6080, .mss = -1, .mtu = 1500}, loaded;
	struct prefix prefix;

	assert_int_equal(prefix_parse("192.0.2.1", &prefix), 0);
	state_add_vip(&saved, &prefix)->added = true;
	prefixes_add(&saved.from, &prefix);
	state_add_link(&saved, "eth0", 3)->clsact_added = true;
	state_add_sysctl(&saved, "all", "rp_filter")->before = 1;
	assert_int_equal(state_save(&saved, fixture->path), 0);
	assert_int_equal(state_load(&loaded, fixture->path), 0);
	assert_int_equal(loaded.vip_count, 1);
	assert_true(loaded.vips[0].added && prefix_equal(&loaded.vips[0].prefix, &prefix));
	assert_true(prefixes_have(&loaded.from, &prefix));
	assert_memory_equal(loaded.links, saved.links, sizeof(saved.links));
	assert_memory_equal(loaded.sysctls, saved.sysctls, sizeof(saved.sysctls));
	assert_int_equal(loaded.gue_port, 6080);
	assert_int_equal(loaded.mss, -1);
	assert_int_equal(loaded.mtu, 1500);
	state_free(&saved);
	state_free(&loaded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_does_not_fit_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_saved_is_loaded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
