/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a configuration says of probes and of how they are judged. Run from the repository's root. */
#include "unit/config_read.h"

#include <stdlib.h>
#include <string.h>

static const struct config_probe *probe_of(const struct config *config, const char *pool)
{
	const struct config_pool *found = config_pool_find(config, pool);

	assert_non_null(found);
	assert_int_equal(found->probe_count, 1);
	return &found->probes[0];
}

static void check_bytes(const struct config_bytes *bytes, const char *expected, size_t length)
{
	assert_int_equal(bytes->length, length);
	assert_memory_equal(bytes->data, expected, length + 1); /* with the NUL after it */
}

static void check_status(const struct config_probe *probe, size_t i, unsigned int low, unsigned int high)
{
	assert_true(i < probe->status_count);
	assert_int_equal(probe->status[i].low, low);
	assert_int_equal(probe->status[i].high, high);
}

static void tcp_and_udp_have_payloads(void **state)
{
	struct config *config = read_right(RIGHT "/probe_types.yaml");
	const struct config_probe *tcp = probe_of(config, "a_tcp"), *udp = probe_of(config, "b_udp");

	(void)state;
	assert_int_equal(tcp->type, PROBE_TCP);
	assert_int_equal(tcp->via, VIA_VIP);
	assert_int_equal(tcp->port, 25);
	assert_int_equal(tcp->fast_interval_ms, 200);
	check_bytes(&tcp->send, "QUIT\r\n", 6);
	check_bytes(&tcp->expect, "220", 3);

	assert_int_equal(udp->type, PROBE_UDP);
	assert_int_equal(udp->via, VIA_AUTO);
	check_bytes(&udp->send, "\xe3\0\x04\xfa", 4);
	check_bytes(&udp->expect, "$", 1);
	config_free(config);
}

static void http_has_all_its_keys(void **state)
{
	struct config *config = read_right(RIGHT "/probe_types.yaml");
	const struct config_probe *http = probe_of(config, "c_http"), *https = probe_of(config, "d_https");

	(void)state;
	assert_int_equal(http->type, PROBE_HTTP);
	assert_int_equal(http->http_version, 2);
	assert_string_equal(http->method, "OPTIONS");
	assert_string_equal(http->path, "/healthz?full=1");
	assert_string_equal(http->host, "www.example.com:8080");
	assert_int_equal(http->header_count, 2);
	assert_string_equal(http->headers[0], "Accept: text/plain");
	assert_string_equal(http->headers[1], "X-Probe: yes: sluice");
	assert_int_equal(http->status_count, 2);
	check_status(http, 0, 200, 299);
	check_status(http, 1, 304, 304);
	check_bytes(&http->expect, "all\tis well", 11);
	assert_null(http->expect_regex);

	assert_int_equal(https->type, PROBE_HTTPS);
	assert_int_equal(https->port, 8443);
	assert_int_equal(https->http_version, 1);
	assert_string_equal(https->method, "GET");
	assert_string_equal(https->path, "/");
	assert_null(https->host);
	check_status(https, 0, 200, 299);
	assert_string_equal(https->expect_regex, "^(ok|fine)[[:space:]]+[0-9]{1,3}$");
	assert_null(https->expect.data);
	assert_string_equal(https->sni, "www.example.com");
	assert_string_equal(https->ca, "/etc/sluice/ca.pem");
	assert_true(https->insecure);
	config_free(config);
}

static void dns_ping_and_exec_have_theirs(void **state)
{
	struct config *config = read_right(RIGHT "/probe_types.yaml");
	const struct config_probe *dns = probe_of(config, "e_dns"), *missing = probe_of(config, "f_dns"),
				  *ping = probe_of(config, "g_ping"), *exec = probe_of(config, "h_exec");
	char text[ADDRESS_TEXT];

	(void)state;
	assert_int_equal(dns->type, PROBE_DNS);
	assert_string_equal(dns->name, "_sip._tcp.example.com");
	assert_int_equal(dns->record, 28);
	assert_int_equal(dns->rcode, 0);
	assert_true(dns->tcp);
	assert_int_equal(dns->port, 0);
	assert_string_equal(address_format(&dns->expect_address, text), "2001:db8::1");
	assert_int_equal(missing->record, 1);
	assert_int_equal(missing->rcode, 3);
	assert_false(missing->tcp);
	assert_int_equal(missing->expect_address.family, 0);

	assert_int_equal(ping->type, PROBE_PING);
	assert_int_equal(exec->type, PROBE_EXEC);
	assert_string_equal(exec->command[0], "/usr/local/bin/check");
	assert_null(exec->command[1]);
	assert_string_equal(exec->user, "monitor");
	config_free(config);
}

static void notify_has_its_keys(void **state)
{
	struct config *config = read_right(RIGHT "/probe_types.yaml"), *defaults;
	char text[] = HEAD "notify: {command: [/bin/true]}\n";

	(void)state;
	assert_string_equal(config->notify.command[0], "/usr/local/bin/tell");
	assert_string_equal(config->notify.command[1], "ops@example.com");
	assert_null(config->notify.command[2]);
	assert_string_equal(config->notify.user, "sluice");
	assert_int_equal(config->notify.timeout_ms, 5000);
	assert_int_equal(config->notify.rate, 6);
	config_free(config);

	assert_null(read_bytes(text, strlen(text), &defaults));
	assert_string_equal(defaults->notify.user, "nobody");
	assert_int_equal(defaults->notify.timeout_ms, 10000);
	assert_int_equal(defaults->notify.rate, 60);
	config_free(defaults);
}

static void probes_inherit_from_the_defaults(void **state)
{
	struct config *config = read_right(RIGHT "/probes.yaml");
	const struct config_probe *inherited = probe_of(config, "a_inherits"), *tcp = probe_of(config, "b_is_tcp"),
				  *own = probe_of(config, "c_overrides");

	(void)state;
	assert_int_equal(inherited->type, PROBE_HTTP);
	assert_int_equal(inherited->interval_ms, 60000);
	assert_int_equal(inherited->timeout_ms, 10);
	assert_int_equal(inherited->fast_interval_ms, 500);
	assert_int_equal(inherited->rise, 1);
	assert_int_equal(inherited->fall, 100);
	assert_string_equal(inherited->path, "/alive?x=1");
	assert_int_equal(inherited->status_count, 1);
	check_status(inherited, 0, 204, 204);

	/* what only http has does not come along */
	assert_int_equal(tcp->type, PROBE_TCP);
	assert_int_equal(tcp->port, 8080);
	assert_null(tcp->path);
	assert_null(tcp->expect.data);
	assert_int_equal(tcp->status_count, 0);

	assert_int_equal(own->type, PROBE_HTTP);
	assert_int_equal(own->interval_ms, 3600000);
	assert_int_equal(own->timeout_ms, 3600000);
	assert_int_equal(own->port, 65535);
	assert_string_equal(own->path, "/");
	assert_int_equal(own->status_count, 2);
	check_status(own, 0, 100, 599);
	config_free(config);
}

static void lists_keep_their_order(void **state)
{
	struct config *config = read_right(RIGHT "/probes.yaml");
	const struct config_pool *none = config_pool_find(config, "d_is_none"),
				 *several = config_pool_find(config, "e_several");

	(void)state;
	assert_int_equal(none->probe_count, 0);
	assert_ptr_equal(&config->pools[none->fallback], several);
	assert_int_equal(several->probe_count, 3);
	assert_int_equal(several->probes[0].type, PROBE_PING);
	assert_int_equal(several->probes[0].via, VIA_ADDRESS);
	assert_int_equal(several->probes[0].port, 0);
	assert_int_equal(several->probes[1].type, PROBE_HTTP);
	assert_int_equal(several->probes[1].port, 81);
	assert_string_equal(several->probes[1].path, "/alive?x=1");
	assert_int_equal(several->probes[2].type, PROBE_EXEC);
	assert_string_equal(several->probes[2].command[1], "");
	assert_string_equal(several->probes[2].command[2], "-v");
	assert_null(several->probes[2].command[3]);
	assert_string_equal(several->probes[2].user, "nobody");
	config_free(config);
}

static void the_judgement_inherits_too(void **state)
{
	struct config *config = read_right(RIGHT "/probes.yaml");
	const struct config_judgement *inherited = &config->pools[0].judgement, *mixed = &config->pools[1].judgement,
				      *own = &config->pools[2].judgement;

	(void)state;
	assert_true(inherited->any);
	assert_int_equal(inherited->start, START_UP);
	assert_int_equal(inherited->min_healthy, 50);
	assert_true(inherited->min_healthy_percent);
	assert_int_equal(inherited->ramp_ms, 30000);
	assert_int_equal(inherited->hold_first_ms, 1000);
	assert_int_equal(inherited->hold_max_ms, 120000);
	assert_int_equal(inherited->hold_decay_ms, 600000);

	assert_int_equal(mixed->hold_first_ms, 1000);
	assert_int_equal(mixed->hold_max_ms, 180000);
	assert_int_equal(mixed->hold_decay_ms, 60000);

	assert_false(own->any);
	assert_int_equal(own->start, START_DOWN);
	assert_int_equal(own->min_healthy, 2);
	assert_false(own->min_healthy_percent);
	assert_int_equal(own->ramp_ms, 0);
	assert_int_equal(own->hold_first_ms, 0);
	assert_int_equal(config->pools[3].judgement.min_healthy, 0);
	config_free(config);
}

static void each_type_takes_its_defaults(void **state)
{
	struct config *config = read_right(RIGHT "/defaults_without_type.yaml");
	const struct config_probe *tcp = probe_of(config, "b_tcp"), *http = probe_of(config, "c_http"),
				  *https = probe_of(config, "d_https");

	(void)state;
	assert_int_equal(config_pool_find(config, "a_unprobed")->probe_count, 0);
	check_bytes(&tcp->send, "\0", 1);
	assert_null(tcp->expect.data); /* the defaults' is a status */
	assert_null(tcp->name);

	/* the pool's own spelling goes before the defaults' other one */
	assert_string_equal(http->expect_regex, "f.ne");
	assert_null(http->expect.data);
	check_status(http, 0, 200, 200);
	assert_null(http->send.data);
	assert_null(http->ca);
	check_bytes(&https->expect, "fine", 4);
	assert_string_equal(https->ca, "/etc/sluice/ca.pem");

	assert_string_equal(probe_of(config, "e_dns")->name, "www.example.com");
	assert_string_equal(probe_of(config, "f_exec")->command[0], "/usr/local/bin/check");
	assert_null(probe_of(config, "g_ping")->command);
	assert_int_equal(probe_of(config, "g_ping")->fast_interval_ms, 100);
	assert_int_equal(config_pool_find(config, "h_list")->probe_count, 0);
	assert_null(config->notify.command);
	config_free(config);
}

static void check_times(const char *keys, unsigned int interval, unsigned int timeout, unsigned int fast)
{
	char text[256];
	struct config *config;
	const struct config_probe *probe;

	snprintf(text, sizeof(text), "probe: {type: tcp%s}", keys);
	config = read_pool(text);
	probe = probe_of(config, "web");
	assert_int_equal(probe->interval_ms, interval);
	assert_int_equal(probe->timeout_ms, timeout);
	assert_int_equal(probe->fast_interval_ms, fast);
	config_free(config);
}

static void default_times_fit_together(void **state)
{
	(void)state;
	check_times("", 2000, 1000, 1000);
	check_times(", interval: 500ms", 500, 500, 500);
	check_times(", interval: 200ms, timeout: 100ms", 200, 100, 200);
	check_times(", interval: 10s, timeout: 100ms", 10000, 100, 500);
	check_times(", timeout: 5s", 5000, 5000, 5000);
	check_times(", fast_interval: 3s", 3000, 1000, 3000);
	check_times(", interval: 1m", 60000, 1000, 1000);
}

static void check_hold(const char *keys, unsigned int first, unsigned int max, unsigned int decay)
{
	struct config *config = read_pool(keys);
	const struct config_judgement *judgement = &config->pools[0].judgement;

	assert_int_equal(judgement->hold_first_ms, first);
	assert_int_equal(judgement->hold_max_ms, max);
	assert_int_equal(judgement->hold_decay_ms, decay);
	config_free(config);
}

static void default_hold_downs_fit_together(void **state)
{
	(void)state;
	check_hold("", 10000, 300000, 600000);
	check_hold("hold_down: ", 10000, 300000, 600000);
	check_hold("hold_down: off", 0, 0, 0);
	check_hold("hold_down: {first: 10m}", 600000, 600000, 600000);
	check_hold("hold_down: {max: 5s}", 5000, 5000, 600000);
	check_hold("hold_down: {decay: 20ms}", 10000, 300000, 20);
}

/* A probe with `count` times `part` between two texts, and the error that is expected; NULL: none. */
static void check_long(const char *before, const char *part, size_t count, const char *after, const char *expected)
{
	struct config *config;
	char *text = NULL, *errors;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	fprintf(out, "%spools: {web: {probe: {%s", HEAD, before);
	for (size_t i = 0; i < count; i++)
		fputs(part, out);
	fprintf(out, "%s}}}\n", after);
	fclose(out);
	errors = read_bytes(text, size, &config);
	if (!expected && errors)
		fail_msg("refused:\n%s", errors);
	if (expected && (!errors || !strstr(errors, expected)))
		fail_msg("expected '%s', found %s", expected, errors ? errors : "nothing");
	config_free(config);
	free(errors);
	free(text);
}

static void long_values_are_bounded(void **state)
{
	(void)state;
	check_long("type: tcp, send: ", "x", 4096, "", NULL);
	check_long("type: tcp, send: ", "x", 4097, "", "a text to send of 4097 bytes: at most 4096 are allowed");
	check_long("type: tcp, send_hex: '", "00 ", 4096, "'", NULL);
	check_long("type: tcp, send_hex: '", "00", 4097, "'", "4097 bytes: 1 to 4096 are allowed");
	check_long("type: tcp, send_hex: '", "00", 40960, "'", "at most 12288 are allowed");
	check_long("type: http, path: /", "x", 1022, "", NULL);
	check_long("type: http, path: /", "x", 1023, "", "a path of 1024 characters: at most 1023 are allowed");
	check_long("type: http, headers: {X-A: ", "x", 1019, "}", NULL);
	check_long("type: http, headers: {X-A: ", "x", 1020, "}", "a header of 1025 bytes: at most 1024 are allowed");
	check_long("type: exec, command: [/", "x", 4095, "]", "an argument of 4096 bytes: at most 4095 are allowed");
	check_long("type: https, ca: /", "x", 4095, "", "is no absolute path of a file");
	check_long("type: dns, name: a", ".a", 126, "", NULL);
	check_long("type: dns, name: a", ".a", 127, "", "is no DNS name");
}

static void hosts_are_names_or_addresses(void **state)
{
	static const char *const hosts[] = {
		"www.example.com", "www.example.com:8080", "10.0.0.1",		"10.0.0.1:80",
		"2001:db8::1",	   "[2001:db8::1]",	   "[2001:db8::1]:443", "a_b"};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
		struct config *config;

		snprintf(text, sizeof(text), "probe: {type: http, host: '%s'}", hosts[i]);
		config = read_pool(text);
		assert_string_equal(probe_of(config, "web")->host, hosts[i]);
		config_free(config);
	}
}

/* The C library writes repetitions out: what it would not survive never reaches it. */
static void large_regular_expressions_are_refused(void **state)
{
	static const char *const large[] = {
		"(((a{99}){99}){99}){99}",
		"((a*)*){999}",
		"(a|b){0,999}",
		"a{301}",
		"a{99999999999999999999}",
		"((((((((((a{2}){2}){2}){2}){2}){2}){2}){2}){2}){2})",
		"[]]{999}{999}",
		"[[:alpha:]]{200}{2}",
	};
	static const char *const fine[] = {
		"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
		"(ab?c){50}",
		"\\{999\\}\\{999\\}{9}",
		"[({]{99}",
		"a{300}",
		"status: (ok|degraded)",
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(large) / sizeof(*large); i++) {
		snprintf(text, sizeof(text), "type: http, body_regex: '%s'", large[i]);
		check_long(text, "", 0, "", "bad regular expression: its repetitions are too many");
	}
	for (size_t i = 0; i < sizeof(fine) / sizeof(*fine); i++) {
		snprintf(text, sizeof(text), "type: http, body_regex: '%s'", fine[i]);
		check_long(text, "", 0, "", NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_and_udp_have_payloads),
		cmocka_unit_test(http_has_all_its_keys),
		cmocka_unit_test(dns_ping_and_exec_have_theirs),
		cmocka_unit_test(notify_has_its_keys),
		cmocka_unit_test(probes_inherit_from_the_defaults),
		cmocka_unit_test(lists_keep_their_order),
		cmocka_unit_test(the_judgement_inherits_too),
		cmocka_unit_test(each_type_takes_its_defaults),
		cmocka_unit_test(default_times_fit_together),
		cmocka_unit_test(default_hold_downs_fit_together),
		cmocka_unit_test(long_values_are_bounded),
		cmocka_unit_test(hosts_are_names_or_addresses),
		cmocka_unit_test(large_regular_expressions_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
