/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What an http probe expects of a body: the first line is the text, the second the regular expression, as they stand
 * in a configuration; the rest is the body, which comes in pieces. Any expression that is taken has to be one that no
 * body makes slow.
 */
#include <ctype.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "in/config_file.h"
#include "lib/memory.h"
#include "probe/http_body.h"

#define HEAD "interfaces: [{name: e}]\nhash_key: \"00112233445566778899aabbccddeeff\"\n"

/* A line of the input, without its end. */
static struct fuzz_input line(struct fuzz_input *input)
{
	const uint8_t *end = input->size ? memchr(input->data, '\n', input->size) : NULL;
	struct fuzz_input found = {input->data, end ? (size_t)(end - input->data) : input->size};
	size_t taken = found.size + (end != NULL);

	input->data += taken;
	input->size -= taken;
	return found;
}

/* Writes `key: "TEXT", ` with every ASCII character escaped that YAML might make something of. */
static size_t put(char *to, const char *key, struct fuzz_input text)
{
	size_t length = 0;

	if (!text.size)
		return 0;
	length += (size_t)sprintf(to, "%s: \"", key);
	for (size_t i = 0; i < text.size; i++) {
		uint8_t byte = text.data[i];

		if (byte >= 0x80 || isalnum(byte))
			to[length++] = (char)byte;
		else
			length += (size_t)sprintf(to + length, "\\x%02x", byte);
	}
	return length + (size_t)sprintf(to + length, "\", ");
}

static struct config *configure(struct fuzz_input expect, struct fuzz_input regex)
{
	char *text = memory_new(4 * (expect.size + regex.size) + 512, 1), *errors = NULL;
	struct config *config = NULL;
	size_t length = (size_t)sprintf(text, "%spools: {p: {probe: {type: http, ", HEAD);

	length += put(text + length, "expect", expect);
	length += put(text + length, "expect_regex", regex);
	length += (size_t)sprintf(text + length, "path: /}, backends: [{name: b, address: 10.0.0.1}]}}\n");
	fuzz_require((config_text_read(text, length, "fuzz.yaml", &config, &errors) == 0) == !errors);
	free(errors);
	free(text);
	return config;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size}, expect = line(&input), regex = line(&input);
	struct config *config = configure(expect, regex);
	const struct config_probe *probe;
	struct http_body body = {0};
	bool enough = false;

	if (!config)
		return 0;
	probe = config->pools[0].probes;
	if (http_body_wanted(probe)) {
		for (size_t piece = 1; input.size && !enough; piece += piece) {
			size_t length = piece < input.size ? piece : input.size;

			enough = http_body_take(&body, probe, (const char *)input.data, length);
			input.data += length;
			input.size -= length;
		}
		http_body_good(&body, probe);
		/* found in pieces as in one */
		if (probe->expect.length && body.length)
			fuzz_require(body.found == (memmem(body.data, body.length, probe->expect.data,
							   probe->expect.length) != NULL));
		http_body_clear(&body);
	}
	config_free(config);
	return 0;
}
