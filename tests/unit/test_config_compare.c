/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Probes compared and copied: no key of theirs is left out. Run from the repository's root. */
#include "unit/config_read.h"

#include <stdlib.h>
#include <string.h>

#include "lib/arena.h"

/* One key of a probe in two values, and how the difference is told. */
static const struct difference {
	const char *type, *before, *after, *key, *old, *new;
} differences[] = {
	{"tcp", "", "via: vip", "via", "auto", "vip"},
	{"tcp", "interval: 9s", "interval: 8s", "interval", "9s", "8s"},
	{"tcp", "timeout: 10ms", "timeout: 20ms", "timeout", "10ms", "20ms"},
	{"tcp", "fast_interval: 1s", "fast_interval: 900ms", "fast_interval", "1s", "900ms"},
	{"tcp", "", "rise: 9", "rise", "2", "9"},
	{"tcp", "", "fall: 9", "fall", "3", "9"},
	{"tcp", "", "port: 80", "port", "the service's", "80"},
	{"tcp", "", "send: a", "send", "none", "\"a\""},
	{"tcp", "send: ab", "send: ac", "send", "\"ab\"", "\"ac\""},
	{"udp", "expect: a", "expect_hex: 00", "expect", "\"a\"", "\"\\x00\""},
	{"udp", "send_hex: 61 00", "send_hex: 61 00 00", "send", "\"a\\x00\"", "\"a\\x00\\x00\""},
	{"http", "", "method: HEAD", "method", "GET", "HEAD"},
	{"http", "", "path: /x", "path", "/", "/x"},
	{"http", "", "host: a.example", "host", "none", "a.example"},
	{"http", "headers: {A: b}", "headers: {A: c}", "headers", "1", "1"},
	{"http", "headers: {A: b}", "headers: {A: b, C: d}", "headers", "1", "2"},
	{"http", "", "expect: [200-204, 404]", "expect", "200-299", "200-204 404"},
	{"http", "expect: [200, 201]", "expect: [201, 200]", "expect", "200 201", "201 200"},
	{"http", "", "body: ok", "body", "none", "\"ok\""},
	{"http", "body_regex: a", "body_regex: b", "body_regex", "a", "b"},
	{"http", "", "version: 2", "version", "1.1", "2"},
	{"https", "", "sni: a.example", "sni", "none", "a.example"},
	{"https", "", "ca: /ca.pem", "ca", "none", "/ca.pem"},
	{"https", "", "verify: false", "verify", "true", "false"},
	{"dns", "name: a.example", "name: b.example", "name", "a.example", "b.example"},
	{"dns", "name: a", "name: a, record: SOA", "record", "A", "SOA"},
	{"dns", "name: a", "name: a, rcode: REFUSED", "rcode", "NOERROR", "REFUSED"},
	{"dns", "name: a", "name: a, transport: tcp", "transport", "udp", "tcp"},
	{"dns", "name: a", "name: a, address: 127.0.0.1", "address", "none", "127.0.0.1"},
	{"exec", "command: [/a]", "command: [/a, b]", "command", "/a", "/a b"},
	{"exec", "command: [/a, b]", "command: [/a, c]", "command", "/a b", "/a c"},
	{"exec", "command: [/a]", "command: [/a], user: b", "user", "nobody", "b"},
};

static void check_told(void *argument, const char *key, const char *before, const char *after)
{
	const struct difference **expected = argument;

	if (!*expected)
		fail_msg("%s differs too: %s, %s", key, before, after);
	assert_string_equal(key, (*expected)->key);
	assert_string_equal(before, (*expected)->old);
	assert_string_equal(after, (*expected)->new);
	*expected = NULL;
}

static struct config *read_probe(const char *type, const char *keys)
{
	char text[256];

	snprintf(text, sizeof(text), "probe: {type: %s, %s}", type, keys);
	return read_pool(text);
}

static void every_key_tells_probes_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(differences) / sizeof(*differences); i++) {
		const struct difference *difference = &differences[i];
		struct config *before = read_probe(difference->type, difference->before),
			      *after = read_probe(difference->type, difference->after),
			      *again = read_probe(difference->type, difference->after);

		if (config_probe_equal(before->pools[0].probes, after->pools[0].probes))
			fail_msg("'%s' makes no difference", difference->after);
		assert_true(config_probe_equal(again->pools[0].probes, after->pools[0].probes));
		config_probe_compare(before->pools[0].probes, after->pools[0].probes, check_told, &difference);
		assert_null(difference);
		config_free(before);
		config_free(after);
		config_free(again);
	}
}

/* What the original's memory held is overwritten, so that a copy that points there shows. */
static void copies_stand_alone(void **state)
{
	struct config *config = read_right(RIGHT "/probe_types.yaml"), *again = read_right(RIGHT "/probe_types.yaml");
	struct arena *arena = arena_new();
	struct config_probe copies[16];
	size_t count = config->pool_count;

	(void)state;
	assert_true(count <= 16);
	for (size_t i = 0; i < count; i++) {
		struct config_probe *probe = config->pools[i].probes;

		config_probe_copy(&copies[i], probe, arena);
		assert_true(config_probe_equal(&copies[i], probe));
		if (probe->send.data)
			memset((char *)probe->send.data, 'x', probe->send.length);
		if (probe->expect.data)
			memset((char *)probe->expect.data, 'x', probe->expect.length);
		if (probe->status)
			probe->status[0].low = 1;
		for (size_t j = 0; j < probe->header_count; j++)
			((char *)probe->headers[j])[0] = 'x';
		if (probe->command)
			((char *)probe->command[0])[0] = 'x';
	}
	config_free(config);
	for (size_t i = 0; i < count; i++)
		assert_true(config_probe_equal(&copies[i], again->pools[i].probes));
	config_free(again);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_tells_probes_apart),
		cmocka_unit_test(copies_stand_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
