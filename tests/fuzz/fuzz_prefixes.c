/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Lists of prefixes for the deny list, which are read without a JSON library: they have to be taken for what one says
 * that they are. The first byte is the size of a piece.
 */
#include <jansson.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "in/prefix_list.h"
#include "lib/memory.h"
#include "model/deny.h"

#define MOST 100

/* Whether it is a list of texts that are all prefixes, at most MOST. */
static bool is_good(const json_t *json)
{
	struct prefix prefix;
	const json_t *one;
	size_t i;

	if (!json_is_array(json) || json_array_size(json) > MOST)
		return false;
	json_array_foreach(json, i, one)
		if (!json_is_string(one) || prefix_parse(json_string_value(one), &prefix))
			return false;
	return true;
}

static void check_same(const struct prefix_list *list, const json_t *json)
{
	fuzz_require(is_good(json) && json_array_size(json) == list->count);
	for (size_t i = 0; i < list->count; i++) {
		struct prefix prefix;

		fuzz_require(prefix_parse(json_string_value(json_array_get(json, i)), &prefix) == 0);
		fuzz_require(prefix.length == list->prefixes[i].length &&
			     address_equal(&prefix.address, &list->prefixes[i].address));
	}
}

/* On the list and off it again: what it holds is what was put there. */
static void deny_all(const struct prefix_list *list)
{
	struct deny *deny = deny_new();
	struct denied denied;
	size_t added = 0, walked = 0;
	__u32 at = 0;

	for (size_t i = 0; i < list->count; i++) {
		int was_new = deny_add(deny, &list->prefixes[i], i % 3 ? 1000 + i : DENY_FOREVER);

		fuzz_require(was_new >= 0);
		added += (size_t)was_new;
	}
	fuzz_require(deny_count(deny) == added);
	while (deny_walk(deny, &at, &denied))
		walked++;
	fuzz_require(walked == added);
	deny_expire(deny, 1000 + list->count / 2, added);
	for (size_t i = 0; i < list->count; i++)
		deny_remove(deny, &list->prefixes[i]);
	fuzz_require(deny_count(deny) == 0 && deny_next(deny) == 0);
	deny_free(deny);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	size_t piece = (size_t)fuzz_byte(&input) + 1;
	char *text = memory_new(input.size + 1, 1);
	struct prefix_list list = {.text = text, .length = input.size, .most = MOST};
	json_t *json;

	if (input.size)
		memcpy(text, input.data, input.size);
	json = json_loadb(text, input.size, 0, NULL);
	while (prefix_list_read(&list, piece))
		;
	if (!list.error)
		check_same(&list, json);
	else if (!memchr(text, '\\', input.size)) /* escapes that no prefix needs are refused */
		fuzz_require(!is_good(json));
	if (!list.error)
		deny_all(&list);
	prefix_list_free(&list);
	json_decref(json);
	free(text);
	return 0;
}
