/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Users of the host that runs the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/account.h"

static bool belongs(const struct account *account, gid_t gid)
{
	for (int i = 0; i < account->group_count; i++)
		if (account->groups[i] == gid)
			return true;
	return false;
}

static void test_every_user(void **state)
{
	FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *user;
	struct account account;
	char name[ACCOUNT_NAME];

	(void)state;
	assert_non_null(file);
	while ((user = fgetpwent(file))) {
		struct passwd expected = {.pw_uid = user->pw_uid, .pw_gid = user->pw_gid};

		/* fgetpwent(3) has one place for what it returns */
		snprintf(name, sizeof(name), "%s", user->pw_name);
		assert_int_equal(account_find(&account, name), 0);
		assert_int_equal(account.uid, expected.pw_uid);
		assert_int_equal(account.gid, expected.pw_gid);
		assert_true(belongs(&account, expected.pw_gid));
		account_clear(&account);
		assert_true(account_name(expected.pw_uid, name));
		assert_true(*name);
	}
	fclose(file);
	assert_true(account_name(0, name));
	assert_string_equal(name, "root");
}

static void test_every_membership(void **state)
{
	FILE *file = fopen("/etc/group", "re");
	const struct group *group;
	struct account account;

	(void)state;
	assert_non_null(file);
	while ((group = fgetgrent(file))) {
		char members[8][ACCOUNT_NAME];
		gid_t gid = group->gr_gid;
		int count;

		for (count = 0; count < 8 && group->gr_mem[count]; count++)
			snprintf(members[count], sizeof(members[count]), "%s", group->gr_mem[count]);
		for (int i = 0; i < count; i++) {
			if (account_find(&account, members[i]))
				continue; /* named, but not there */
			assert_true(belongs(&account, gid));
			account_clear(&account);
		}
	}
	fclose(file);
}

static void test_nobody_there(void **state)
{
	struct account account;
	char name[ACCOUNT_NAME] = "before";

	(void)state;
	assert_int_equal(account_find(&account, "no-such-user"), -ENOENT);
	assert_null(account.groups);
	assert_int_equal(account_find(&account, ""), -ENOENT);
	assert_false(account_name(0x7fffff00, name));
	assert_string_equal(name, "");
}

/* Is the agent's trouble, and says nothing of the user. */
static void test_no_descriptors(void **state)
{
	struct rlimit before, none;
	struct account account;
	char name[ACCOUNT_NAME];
	int err;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &before);
	none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	err = account_find(&account, "root");
	assert_false(account_name(0, name));
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(err, -EMFILE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_user),
		cmocka_unit_test(test_every_membership),
		cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_no_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
