/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Features of interfaces, against what ethtool sets. Only root can make an interface to try. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <unistd.h>

#include "lib/ethtool.h"
#include "unit/shell.h"

static void tags_that_are_stripped(void **unused)
{
	(void)unused;
	if (geteuid() != 0) {
		print_message("SKIP: needs root, to make a network namespace\n");
		skip();
	}
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	shell_run("ip link add v0 type veth peer name v1");
	shell_run("ethtool -K v0 rxvlan on rx-vlan-stag-hw-parse on >/dev/null");
	assert_int_equal(ethtool_strips("v0"), ETHTOOL_STRIPS_CTAG | ETHTOOL_STRIPS_STAG);
	shell_run("ethtool -K v0 rxvlan off >/dev/null");
	assert_int_equal(ethtool_strips("v0"), ETHTOOL_STRIPS_STAG);
	shell_run("ethtool -K v0 rx-vlan-stag-hw-parse off >/dev/null");
	assert_int_equal(ethtool_strips("v0"), 0);
	/* its peer has features of its own */
	assert_int_equal(ethtool_strips("v1"), ETHTOOL_STRIPS_CTAG | ETHTOOL_STRIPS_STAG);
}

static void interfaces_that_do_not_tell(void **unused)
{
	(void)unused;
	assert_int_equal(ethtool_strips("no-such-thing"), 0);
	assert_int_equal(ethtool_strips("a-name-that-no-interface-can-have"), 0);
	assert_int_equal(ethtool_strips("lo"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_that_are_stripped),
		cmocka_unit_test(interfaces_that_do_not_tell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
