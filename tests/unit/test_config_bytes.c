/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Files that nobody writes by hand: odd bytes, bombs, configurations at their
 * limits, cut and mutated ones. ROUNDS=N and SEED=N choose the mutations.
 */
#include "unit/config_read.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "abi.h"

/* The bytes, and the error expected of them after "PATH:"; NULL: they are right. */
static void check_bytes(const char *bytes, size_t size, const char *expected)
{
	struct config *config;
	char *errors = read_bytes(bytes, size, &config);

	if (!expected) {
		if (errors)
			fail_msg("refused:\n%s", errors);
		config_free(config);
		return;
	}
	assert_non_null(errors);
	if (!strstr(errors, expected))
		fail_msg("expected %s, found\n%s", expected, errors);
	free(errors);
}

#define CHECK_BYTES(bytes, expected) check_bytes(bytes, sizeof(bytes) - 1, expected)

static void odd_bytes_are_refused(void **state)
{
	(void)state;
	CHECK_BYTES(HEAD "pools: {a\0b: 5}\n", ":3:10: error: control character 0x00\n");
	CHECK_BYTES("\0", ":1:1: error: control character 0x00\n");
	CHECK_BYTES(HEAD "# \x1b[31mred\n", ":3:3: error: control character 0x1b\n# ?[31mred\n  ^\n");
	CHECK_BYTES(HEAD "# \xc2\x9b", ":3:3: error: control character 0x9b\n# ?\n  ^\n");
	CHECK_BYTES(HEAD "pools: \xff\n", ":3:8: error: the file is not UTF-8: byte 0xff\npools: ?\n       ^\n");
	CHECK_BYTES(HEAD "# \xc3\xa4 \xc3", ":3:5: error: the file is not UTF-8: byte 0xc3\n");
	CHECK_BYTES(HEAD "# \xc0\xaf overlong\n", ":3:3: error: the file is not UTF-8: byte 0xc0\n");
	CHECK_BYTES(HEAD "# \xed\xa0\x80 surrogate\n", ":3:3: error: the file is not UTF-8: byte 0xed\n");
	CHECK_BYTES("\xff\xfei\0n\0t\0", ":1:1: error: the file is not UTF-8: byte 0xff\n");
	CHECK_BYTES("a: b\rc: d\r", ":1:5: error: control character 0x0d\n");
	CHECK_BYTES("interfaces: [{name: eth0}]\r\nhash_key: 5\r\n", ":2:11: error: hash_key must be 32 hex digits");

	/* Windows' line ends and byte order mark are fine, and a last line without an end */
	CHECK_BYTES("\xef\xbb\xbfinterfaces: [{name: eth0}]\r\nhash_key: \"0f1e2d3c4b5a69788796a5b4c3d2e1f0\"\r\n",
		    NULL);
	CHECK_BYTES("interfaces: [{name: eth0}]\nhash_key: 0f1e2d3c4b5a69788796a5b4c3d2e1f0", NULL);
}

/* `part` many times over between two texts. */
static void check_repeated(const char *before, const char *part, size_t times, const char *after, const char *expected)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	fputs(before, out);
	for (size_t i = 0; i < times; i++)
		fputs(part, out);
	fputs(after, out);
	fclose(out);
	check_bytes(text, size, expected);
	free(text);
}

static void bombs_are_refused(void **state)
{
	(void)state;
	check_repeated("", "[", 10000, "", "error: lists and maps nested more than 16 deep\n");
	check_repeated("", "{", 10000, "", "error: ");
	check_repeated("", "- ", 100000, "", "error: lists and maps nested more than 16 deep\n");
	check_repeated("", "? ", 100000, "", ":1:1: error: YAML's complex keys (? key) are not supported");
	check_repeated("", "[", 1000000, "", "error: more than 500000 commas and opening brackets in the file\n");
	check_repeated("%YAML 1.", "1", 10000000, "\n---\na: b\n", "error: YAML directives");
	check_repeated(HEAD "pools: \"", "\n", 2000000, " \"\n", ":3:8: error: a text over several lines");
	check_repeated(HEAD "pools: !<", "x", 10000000, "> {}\n", "error: YAML tags");
	check_repeated(HEAD "pools:\n  \"", "x", 10000000, "\": {}\n", ":4:3: error: a name of 10000000 characters");
	check_repeated(HEAD "# ", "x", 10000000, "\n", NULL);
}

/* A configuration of so many of everything, with every VIP's, backend's and pool's address its own. */
struct size {
	unsigned int services, pools, backends;		 /* backends: in all */
	unsigned int vips4, vips6, prefixes4, prefixes6; /* in all, on the first services */
	unsigned int table_size;
};

static void put_vips(FILE *out, const char *format, unsigned int from, unsigned int count)
{
	for (unsigned int i = from; i < from + count; i++) {
		fprintf(out, format, i >> 8, i & 255);
		fputs(", ", out);
	}
}

static char *make_config(const struct size *size, size_t *length)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, length);

	assert_non_null(out);
	fputs(HEAD "pools:\n", out);
	for (unsigned int p = 0, b = 0; p < size->pools; p++) {
		fprintf(out, "  pool%u:\n    table_size: %u\n    backends:\n", p, size->table_size);
		for (; b < (__u64)size->backends * (p + 1) / size->pools; b++)
			fprintf(out, "      - {name: web%u, address: 10.%u.%u.%u}\n", b, b >> 16, b >> 8 & 255,
				b & 255);
	}
	fputs("services:\n", out);
	for (unsigned int s = 0; s < size->services; s++) {
		fprintf(out, "  service%u:\n    ports: 443/tcp\n    pool: pool%u\n    address: [", s, s % size->pools);
		if (s == 0) {
			put_vips(out, "192.168.%u.%u", 0, size->vips4 > 65536 ? 65536 : size->vips4);
			put_vips(out, "192.169.%u.%u", 0, size->vips4 > 65536 ? size->vips4 - 65536 : 0);
			put_vips(out, "'2001:db8:%x::%x'", 0, size->vips6);
			put_vips(out, "100.%u.%u.0/24", 0, size->prefixes4);
			put_vips(out, "'2001:db9:%x:%x::/64'", 0, size->prefixes6);
		} else {
			put_vips(out, "172.16.%u.%u", s, 1);
		}
		fputs("]\n", out);
	}
	fclose(out);
	return text;
}

static void check_size(struct size size, const char *expected)
{
	size_t length;

	if (!size.table_size)
		size.table_size = 53;
	size.services = size.services ? size.services : 1;
	size.pools = size.pools ? size.pools : 1;
	if (size.services == 1 && !size.vips4 && !size.vips6 && !size.prefixes4 && !size.prefixes6)
		size.vips4 = 1;

	char *text = make_config(&size, &length);

	check_bytes(text, length, expected);
	free(text);
}

static void limits_hold(void **state)
{
	(void)state;
	check_size((struct size){.services = 4096, .pools = 1024, .backends = 32767, .vips4 = 1}, NULL);
	check_size((struct size){.services = 4097, .vips4 = 1}, "  service4096:\n  ^\n1 error\n");
	check_size((struct size){.services = 4097, .vips4 = 1}, "error: more than 4096 services\n");
	check_size((struct size){.pools = 1025}, "error: more than 1024 pools\n");
	check_size((struct size){.pools = 1024, .backends = 32768}, "error: more than 32767 backends in all pools\n");
	check_size((struct size){.pools = SLUICE_MAX_SLOTS / 16777213, .table_size = 16777213}, NULL);
	check_size((struct size){.pools = SLUICE_MAX_SLOTS / 16777213 + 1, .table_size = 16777213},
		   "slots in the tables of all pools\n");
	check_size((struct size){.vips4 = 65536, .vips6 = 65536, .prefixes4 = 16384, .prefixes6 = 16384}, NULL);
	check_size((struct size){.vips4 = 65537},
		   "error: more than 65536 entries of IPv4 VIP, port and protocol in all services\n");
	check_size((struct size){.vips6 = 65537},
		   "error: more than 65536 entries of IPv6 VIP, port and protocol in all services\n");
	check_size((struct size){.prefixes4 = 16385},
		   "error: more than 16384 entries of IPv4 prefix, port and protocol in all services\n");
	check_size((struct size){.prefixes6 = 16385},
		   "error: more than 16384 entries of IPv6 prefix, port and protocol in all services\n");
}

static void many_errors_are_bounded(void **state)
{
	(void)state;
	check_repeated("{", "x: 1\n,", 20000, "}", "errors, of which 10000 are shown\n");
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text);

	return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

/* Whatever the bytes: a configuration, or errors that end with their number. */
static void check_any(const char *bytes, size_t size)
{
	struct config *config;
	char *errors = read_bytes(bytes, size, &config);

	if (errors)
		assert_true(ends_with(errors, " error\n") || ends_with(errors, " errors\n"));
	free(errors);
	config_free(config);
}

static char *file_bytes(const char *path, size_t *size)
{
	FILE *file = fopen(path, "r");
	char *bytes = calloc(1, 65536);

	assert_non_null(file);
	assert_non_null(bytes);
	*size = fread(bytes, 1, 65536, file);
	fclose(file);
	assert_true(*size > 0 && *size < 65536);
	return bytes;
}

static void every_truncation_is_survived(void **state)
{
	size_t size;
	char *bytes = file_bytes(EXAMPLE, &size);

	(void)state;
	for (size_t i = 0; i < size; i++)
		check_any(bytes, i);
	free(bytes);
}

static size_t mutate(char *bytes, size_t size)
{
	static const char nasty[] = "[]{}:,-?&*!|>'\"%@`#\\ \t\n\r\x00\xff\xc2\x85~0";
	size_t at = (size_t)rand() % size, count = (size_t)rand() % 32, from = (size_t)rand() % size;

	switch (rand() % 4) {
	case 0:
		bytes[at] = (char)rand();
		break;
	case 1:
		bytes[at] = nasty[(size_t)rand() % (sizeof(nasty) - 1)];
		break;
	case 2: /* take some out */
		count = count < size - at ? count : size - at - 1;
		memmove(bytes + at, bytes + at + count, size - at - count);
		return size - count;
	default: /* copy some over others */
		count = count < size - at ? count : size - at;
		count = count < size - from ? count : size - from;
		memmove(bytes + at, bytes + from, count);
	}
	return size;
}

static void mutations_are_survived(void **state)
{
	const char *chosen = getenv("SEED"), *rounds = getenv("ROUNDS");
	unsigned int seed =
		chosen ? (unsigned int)strtoul(chosen, NULL, 0) : (unsigned int)time(NULL) ^ (unsigned int)getpid();
	size_t original_size;
	char *original = file_bytes(EXAMPLE, &original_size), *bytes = malloc(original_size);

	(void)state;
	print_message("SEED=%u repeats these mutations\n", seed);
	srand(seed);
	assert_non_null(bytes);
	for (long left = rounds ? strtol(rounds, NULL, 0) : 3000; left > 0; left--) {
		size_t size = original_size;

		memcpy(bytes, original, size);
		for (int i = rand() % 8; i >= 0; i--)
			size = mutate(bytes, size);
		check_any(bytes, size);
	}
	free(bytes);
	free(original);
}

/* The YAML library would print its own errors to standard error. */
static int watch_stderr(void **state)
{
	int *fds = calloc(2, sizeof(*fds));

	fds[0] = dup(STDERR_FILENO);
	fds[1] = memfd_create("stderr", MFD_CLOEXEC);
	*state = fds;
	return fds[0] < 0 || fds[1] < 0 || dup2(fds[1], STDERR_FILENO) < 0;
}

static int nothing_went_to_stderr(void **state)
{
	int *fds = *state;
	off_t written = lseek(fds[1], 0, SEEK_END);

	dup2(fds[0], STDERR_FILENO);
	if (written > 0)
		print_error("%ld bytes were written to standard error\n", (long)written);
	close(fds[0]);
	close(fds[1]);
	free(fds);
	return written != 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(odd_bytes_are_refused),
		cmocka_unit_test(bombs_are_refused),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(many_errors_are_bounded),
		cmocka_unit_test(every_truncation_is_survived),
		cmocka_unit_test_setup_teardown(mutations_are_survived, watch_stderr, nothing_went_to_stderr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
