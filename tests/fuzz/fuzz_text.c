/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Addresses, prefixes and durations as they are typed, and texts of others that are made fit to be shown. */
#include <string.h>

#include "cli/duration.h"
#include "fuzz/fuzz.h"
#include "lib/address.h"
#include "lib/memory.h"
#include "lib/suggest.h"
#include "lib/text.h"

#define WEEK_MS (7LL * 24 * 3600 * 1000)

static void read_address(const char *text)
{
	struct address address, again;
	char shown[ADDRESS_TEXT];

	if (address_parse(text, &address))
		return;
	address_format(&address, shown);
	fuzz_require(address_parse(shown, &again) == 0 && address_equal(&address, &again));
}

static void read_prefix(const char *text)
{
	struct prefix prefix, again;
	char shown[ADDRESS_TEXT];

	if (prefix_parse(text, &prefix))
		return;
	fuzz_require(prefix.length <= address_bits(&prefix.address));
	fuzz_require(prefix_contains(&prefix, &prefix.address));
	prefix_format(&prefix, shown);
	fuzz_require(prefix_parse(shown, &again) == 0 && again.length == prefix.length &&
		     address_equal(&prefix.address, &again.address));
}

/* Into a room of every size, and what comes out has nothing left to be cleaned. */
static void clean(const char *text, size_t length, uint8_t room)
{
	char *to = memory_new((size_t)room + 1, 1), *again = memory_new((size_t)room + 1, 1);
	size_t kept = text_clean(to, (size_t)room + 1, text, length);

	fuzz_require(kept <= room && to[kept] == '\0' && strlen(to) == kept);
	fuzz_require(text_clean(again, (size_t)room + 1, to, kept) == kept && strcmp(to, again) == 0);
	free(to);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct suggestion suggestion = {0};
	uint8_t room = fuzz_byte(&input);
	long long milliseconds;
	size_t length;
	char *text = fuzz_part(&input, &length);

	read_address(text);
	read_prefix(text);
	if (duration_parse(text, WEEK_MS, &milliseconds))
		fuzz_require(milliseconds >= 1000 && milliseconds <= WEEK_MS);
	suggest_consider(&suggestion, text, "min_healthy");
	clean(text, length, room);
	free(text);
	return 0;
}
