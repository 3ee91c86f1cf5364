/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "lib/address.h"
#include "unit/parsed.h"

static void reads_addresses(void **state)
{
	struct address four = parsed_address("192.0.2.10"), six = parsed_address("2001:db8::10");

	(void)state;
	assert_int_equal(four.family, AF_INET);
	assert_int_equal(four.word[0], htonl(0xc000020a));
	assert_int_equal(four.word[1] | four.word[2] | four.word[3], 0);
	assert_int_equal(address_bits(&four), 32);
	assert_int_equal(six.family, AF_INET6);
	assert_int_equal(six.word[0], htonl(0x20010db8));
	assert_int_equal(six.word[1] | six.word[2], 0);
	assert_int_equal(six.word[3], htonl(0x10));
	assert_int_equal(address_bits(&six), 128);
}

static void refuses_what_is_no_address(void **state)
{
	static const char *const wrong[] = {
		"",	"192.0.2",	"192.0.2.256",	"192.0.2.10 ", " 192.0.2.10", "2001:db8:::1",
		"g::1", "192.0.2.0/24", "fe80::1%eth0", "localhost",   "0xc0.0.2.1",  "[::1]"};
	struct address parsed = {.family = 99};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_int_equal(address_parse(wrong[i], &parsed), -EINVAL);
		/* what was there stays */
		assert_int_equal(parsed.family, 99);
	}
}

static void writes_addresses(void **state)
{
	static const char *const texts[] = {"0.0.0.0", "192.0.2.10",   "255.255.255.255",
					    "::",      "2001:db8::10", "2001:db8:1111:2222:3333:4444:5555:6666"};
	char text[ADDRESS_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct address parsed = parsed_address(texts[i]);

		assert_ptr_equal(address_format(&parsed, text), text);
		assert_string_equal(text, texts[i]);
	}
	struct address upper = parsed_address("2001:DB8:0:0:0:0:0:A");

	assert_string_equal(address_format(&upper, text), "2001:db8::a");
	assert_string_equal(address_format(&(struct address){0}, text), "none");
}

static void compares_addresses(void **state)
{
	struct address zero4 = parsed_address("0.0.0.0"), zero6 = parsed_address("::"), one = parsed_address("10.0.0.1"),
		       same = parsed_address("10.0.0.1"), mapped = parsed_address("::ffff:10.0.0.1");

	(void)state;
	assert_true(address_equal(&one, &same));
	assert_false(address_equal(&zero4, &zero6));
	assert_false(address_equal(&one, &zero4));
	/* an IPv4-mapped address is an IPv6 address */
	assert_false(address_equal(&one, &mapped));
}

static void reads_prefixes(void **state)
{
	static const struct {
		const char *text;
		__u32 length;
		const char *written;
	} right[] = {
		{"0.0.0.0/0", 0, "0.0.0.0/0"},
		{"192.0.2.0/24", 24, "192.0.2.0/24"},
		{"192.0.2.128/25", 25, "192.0.2.128/25"},
		{"192.0.2.10", 32, "192.0.2.10"},
		{"192.0.2.10/32", 32, "192.0.2.10"},
		{"::/0", 0, "::/0"},
		{"2001:db8::/32", 32, "2001:db8::/32"},
		{"2001:db8:8000::/33", 33, "2001:db8:8000::/33"},
		{"2001:db8::/64", 64, "2001:db8::/64"},
		{"2001:db8::2/127", 127, "2001:db8::2/127"},
		{"2001:db8::1", 128, "2001:db8::1"},
		{"2001:db8:1111:2222:3333:4444:5555:6664/126", 126, "2001:db8:1111:2222:3333:4444:5555:6664/126"},
	};
	char text[ADDRESS_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++) {
		struct prefix parsed = parsed_prefix(right[i].text);

		assert_int_equal(parsed.length, right[i].length);
		assert_string_equal(prefix_format(&parsed, text), right[i].written);
	}
}

static void refuses_what_is_no_prefix(void **state)
{
	static const char *const wrong[] = {
		"", "/", "/24", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/+24", "192.0.2.0/ 24",
		"192.0.2.0/24 ", "192.0.2.0/2a", "192.0.2.0/24/24", "192.0.2/24", "2001:db8::/129",
		"192.0.2.0/18446744073709551640", "192.0.2.0/0x18",
		/* longer than any address */
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/8"};
	static const char *const host_bits[] = {"192.0.2.1/24",	      "0.0.0.1/0", "192.0.2.1/31", "2001:db8::1/32",
						"2001:db8:8000::/32", "::1/127",   "1::/0"};
	struct prefix parsed = {.length = 99};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(prefix_parse(wrong[i], &parsed), -EINVAL);
	for (size_t i = 0; i < sizeof(host_bits) / sizeof(*host_bits); i++)
		assert_int_equal(prefix_parse(host_bits[i], &parsed), -ERANGE);
	assert_int_equal(parsed.length, 99);
}

static void contains(void **state)
{
	static const struct {
		const char *prefix, *address;
		bool inside;
	} cases[] = {
		{"0.0.0.0/0", "203.0.113.9", true},
		{"0.0.0.0/0", "::", false},
		{"::/0", "2001:db8::1", true},
		{"::/0", "0.0.0.0", false},
		{"192.0.2.0/24", "192.0.2.0", true},
		{"192.0.2.0/24", "192.0.2.255", true},
		{"192.0.2.0/24", "192.0.3.0", false},
		{"192.0.2.128/25", "192.0.2.127", false},
		{"192.0.2.10", "192.0.2.10", true},
		{"192.0.2.10", "192.0.2.11", false},
		{"2001:db8::/33", "2001:db8:7fff:ffff::", true},
		{"2001:db8::/33", "2001:db8:8000::", false},
		{"2001:db8::/64", "2001:db8::ffff:ffff:ffff:ffff", true},
		{"2001:db8::/64", "2001:db8:0:1::", false},
		{"2001:db8::2/127", "2001:db8::3", true},
		{"2001:db8::2/127", "2001:db8::4", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct prefix where = parsed_prefix(cases[i].prefix);
		struct address what = parsed_address(cases[i].address);

		assert_int_equal(prefix_contains(&where, &what), cases[i].inside);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_addresses),  cmocka_unit_test(refuses_what_is_no_address),
		cmocka_unit_test(writes_addresses), cmocka_unit_test(compares_addresses),
		cmocka_unit_test(reads_prefixes),   cmocka_unit_test(refuses_what_is_no_prefix),
		cmocka_unit_test(contains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
