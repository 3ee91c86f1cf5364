/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Addresses and prefixes from text that must be right. Include it after cmocka.h. */
#ifndef SLUICE_TEST_PARSED_H
#define SLUICE_TEST_PARSED_H

#include "lib/address.h"

static inline struct address parsed_address(const char *text)
{
	struct address parsed;

	assert_int_equal(address_parse(text, &parsed), 0);
	return parsed;
}

static inline struct prefix parsed_prefix(const char *text)
{
	struct prefix parsed;

	assert_int_equal(prefix_parse(text, &parsed), 0);
	return parsed;
}

#endif
