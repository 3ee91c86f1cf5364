/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Reading the configuration file. tests/unit/config/ holds wrong files, each of
 * which starts with what is to be said of it, in order and without its path:
 *
 *     # expect: LINE:COLUMN: MESSAGE
 *
 * tests/unit/config_right/ holds right ones. Run from the repository's root.
 */
#include "unit/config_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "unit/temp_folder.h"

#define WRONG "tests/unit/config"

/* What the file is expected to give: the "# expect: " lines that it starts with. To be freed. */
static char *expected_errors(const char *path)
{
	static const char mark[] = "# expect: ";
	FILE *file = fopen(path, "r"), *out;
	char *text = NULL, *line = NULL;
	size_t size, room = 0;

	assert_non_null(file);
	out = open_memstream(&text, &size);
	assert_non_null(out);
	while (getline(&line, &room, file) > 0 && strncmp(line, mark, strlen(mark)) == 0)
		fputs(line + strlen(mark), out);
	fclose(out);
	fclose(file);
	free(line);
	return text;
}

/* "LINE:COLUMN: MESSAGE" of every error; asserts what stands around them. To be freed. */
static char *found_errors(const char *path, char *errors)
{
	char *text = NULL, *rest = errors, *line;
	size_t size, length = strlen(path), count = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	while ((line = strsep(&rest, "\n")) && strncmp(line, path, length) == 0) {
		char *message = strstr(line + length, ": error: ");

		assert_non_null(message);
		fprintf(out, "%.*s: %s\n", (int)(message - line - length - 1), line + length + 1,
			message + strlen(": error: "));
		assert_non_null(strsep(&rest, "\n"));
		line = strsep(&rest, "\n");
		assert_non_null(line);
		assert_string_equal(line + strspn(line, " \t"), "^");
		count++;
	}

	char last[32];

	snprintf(last, sizeof(last), "%zu error%s", count, count == 1 ? "" : "s");
	assert_string_equal(line, last);
	assert_string_equal(rest, "");
	fclose(out);
	return text;
}

static unsigned int for_each_file(const char *folder, void (*run)(const char *path))
{
	DIR *dir = opendir(folder);
	unsigned int count = 0;

	if (!dir)
		fail_msg("%s is missing: run this from the repository's root", folder);
	for (struct dirent *entry; (entry = readdir(dir));) {
		char path[512];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		run(path);
		count++;
	}
	closedir(dir);
	return count;
}

static void run_wrong_file(const char *path)
{
	struct config *config;
	char *errors, *expected = expected_errors(path), *found;
	int rc = config_file_read(path, &config, &errors);

	if (!rc)
		fail_msg("%s is accepted", path);
	assert_int_equal(rc, -EINVAL);
	assert_null(config);
	found = found_errors(path, errors);
	if (strcmp(found, expected) != 0)
		fail_msg("%s: expected\n%sbut found\n%s", path, expected, found);
	free(found);
	free(expected);
	free(errors);
}

static void wrong_files_give_their_errors(void **state)
{
	(void)state;
	assert_true(for_each_file(WRONG, run_wrong_file) >= 350);
}

static void run_right_file(const char *path)
{
	config_free(read_right(path));
}

static void right_files_are_accepted(void **state)
{
	(void)state;
	run_right_file(EXAMPLE);
	assert_true(for_each_file(RIGHT, run_right_file) >= 11);
}

static void check_address(const struct address *address, const char *expected)
{
	char text[ADDRESS_TEXT];

	assert_string_equal(address_format(address, text), expected);
}

static void check_prefix(const struct prefix *prefix, const char *expected)
{
	char text[ADDRESS_TEXT];

	assert_string_equal(prefix_format(prefix, text), expected);
}

static void check_port(const struct config_port *port, unsigned int number, int protocol)
{
	assert_int_equal(port->port, number);
	assert_int_equal(port->protocol, protocol);
}

static void the_design_gives_its_struct(void **state)
{
	static const __u8 key[] = {0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78,
				   0x87, 0x96, 0xa5, 0xb4, 0xc3, 0xd2, 0xe1, 0xf0};
	struct config *config = read_right(RIGHT "/design.yaml");
	const struct config_pool *pool = config->pools;
	const struct config_service *service = config->services;

	(void)state;
	assert_string_equal(config->file, RIGHT "/design.yaml");
	assert_memory_equal(config->hash_key, key, sizeof(key));
	assert_int_equal(config->interface_count, 1);
	assert_string_equal(config->interfaces[0].name, "eth0");
	assert_int_equal(config->interfaces[0].mode, MODE_AUTO);
	assert_int_equal(config->interfaces[0].attach, ATTACH_EXCLUSIVE);

	assert_int_equal(config->pool_count, 1);
	assert_string_equal(pool->name, "web");
	assert_int_equal(pool->line, 7);
	assert_int_equal(pool->forward, FORWARD_GUE);
	assert_int_equal(pool->gue_port, 6080);
	assert_int_equal(pool->table_size, 65537);
	assert_int_equal(pool->backend_count, 2);
	assert_string_equal(pool->backends[0].name, "web1");
	assert_int_equal(pool->backends[0].weight, 100);
	check_address(&pool->backends[0].address, "10.0.0.11");
	assert_string_equal(pool->backends[1].name, "web2");
	assert_int_equal(pool->backends[1].weight, CONFIG_DEFAULT_WEIGHT);
	check_address(&pool->backends[1].address, "10.0.0.12");

	assert_int_equal(pool->probe_count, 1);
	assert_int_equal(pool->probes[0].type, PROBE_HTTP);
	assert_int_equal(pool->probes[0].interval_ms, 2000);
	assert_int_equal(pool->probes[0].fast_interval_ms, 1000);
	assert_int_equal(pool->probes[0].timeout_ms, 1000);
	assert_int_equal(pool->probes[0].rise, 2);
	assert_int_equal(pool->probes[0].fall, 3);
	assert_int_equal(pool->probes[0].port, 8080);
	assert_string_equal(pool->probes[0].path, "/healthz");
	assert_int_equal(pool->probes[0].status_count, 1);
	assert_int_equal(pool->probes[0].status[0].low, 200);
	assert_int_equal(pool->probes[0].status[0].high, 299);
	assert_int_equal(pool->fallback, CONFIG_NONE);
	assert_null(config->notify.command);

	assert_int_equal(config->service_count, 1);
	assert_string_equal(service->name, "www");
	assert_int_equal(service->address_count, 2);
	check_prefix(&service->addresses[0], "192.0.2.10");
	check_prefix(&service->addresses[1], "2001:db8::10");
	assert_int_equal(service->port_count, 3);
	check_port(&service->ports[0], 80, IPPROTO_TCP);
	check_port(&service->ports[1], 443, IPPROTO_TCP);
	check_port(&service->ports[2], 443, IPPROTO_UDP);
	assert_int_equal(service->hash, HASH_FLOW);
	assert_int_equal(service->pool, 0);
	config_free(config);
}

static void lists_are_sorted_and_searchable(void **state)
{
	static const char text[] = HEAD "services:\n"
					"  z: {address: 198.51.100.0/24, ports: any/udp, pool: b, hash: source}\n"
					"  y: {address: [2001:db8::/32], ports: [53/udp], pool: c.1}\n"
					"pools:\n"
					"  c.1: {backends: [{name: x-2, address: 10.0.0.2, weight: 0},"
					" {name: X_1, address: 2001:db8::1}]}\n"
					"  b: {forward: l2, table_size: 251}\n"
					"  a:\n";
	struct config *config;

	(void)state;
	assert_null(read_bytes(text, strlen(text), &config));
	assert_int_equal(config->pool_count, 3);
	assert_string_equal(config->pools[0].name, "a");
	assert_string_equal(config->pools[1].name, "b");
	assert_string_equal(config->pools[2].name, "c.1");
	assert_int_equal(config->pools[0].forward, FORWARD_IPIP);
	assert_int_equal(config->pools[0].table_size, CONFIG_DEFAULT_TABLE_SIZE);
	assert_int_equal(config->pools[0].backend_count, 0);
	assert_int_equal(config->pools[0].probe_count, 0);
	assert_ptr_equal(config_pool_find(config, "c.1"), &config->pools[2]);
	assert_null(config_pool_find(config, "c"));

	const struct config_backend *backend = config_backend_find(&config->pools[2], "x-2");

	assert_ptr_equal(backend, &config->pools[2].backends[1]);
	assert_int_equal(backend->weight, 0);
	assert_null(config_backend_find(&config->pools[0], "x-2"));

	const struct config_service *service = config_service_find(config, "z");

	assert_ptr_equal(service, &config->services[1]);
	assert_int_equal(service->pool, 1);
	assert_int_equal(service->hash, HASH_SOURCE);
	check_prefix(&service->addresses[0], "198.51.100.0/24");
	check_port(&service->ports[0], 0, IPPROTO_UDP);
	assert_int_equal(config->services[0].pool, 2);
	assert_null(config_service_find(config, ""));
	config_free(config);
}

static void errors_show_line_and_caret(void **state)
{
	static const char text[] = HEAD "pools:\n"
					"  web:\t{table_size: 4, b\xc3\xa4r: 1}\n"
					"services: 5\n";
	struct scratch_file file = scratch_file(text, strlen(text));
	struct config *config;
	char *errors, expected[1024];

	(void)state;
	assert_int_equal(config_file_read(file.path, &config, &errors), -EINVAL);
	snprintf(expected, sizeof(expected),
		 "%1$s:4:21: error: table_size 4 is not a prime: the nearest prime is 3\n"
		 "  web:\t{table_size: 4, b\xc3\xa4r: 1}\n"
		 "      \t             ^\n"
		 "%1$s:4:24: error: unknown key 'b\xc3\xa4r': a pool can have forward, gue_port, second_hop, "
		 "outer, quic, table_size, transition, probe, any, start, min_healthy, ramp, hold_down, fallback and "
		 "backends\n"
		 "  web:\t{table_size: 4, b\xc3\xa4r: 1}\n"
		 "      \t                ^\n"
		 "%1$s:5:11: error: expected a map of services, by name, found '5'\n"
		 "services: 5\n"
		 "          ^\n"
		 "3 errors\n",
		 file.path);
	assert_string_equal(errors, expected);
	free(errors);
	close(file.fd);
}

static void the_hash_key_is_never_shown(void **state)
{
	static const char *const texts[] = {
		"interfaces: [{name: eth0}]\nhash_key: \"5ec2e75ec2e75ec2 e7\"\n",
		"{hash_key: 5ec2e75ec2e75ec2e75ec2e75ec2e7, interfaces: [{name: eth0}]}\n",
		"interfaces: [{name: eth0}]\nhashkey: \"5ec2e75ec2e75ec2e75ec2e75ec2e75e\"\n",
		"interfaces: [{name: eth0}]\nhash_key: \"5ec2e75ec2e75ec2e75ec2e75ec2e75e\n",
		"interfaces: [{name: eth0}]\n hash_key: \"5ec2e75ec2e75ec2e75ec2e75ec2e75e\"\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct config *config;
		char *errors = read_bytes(texts[i], strlen(texts[i]), &config);

		assert_non_null(errors);
		if (strstr(errors, "5ec2e75e"))
			fail_msg("shown:\n%s", errors);
		free(errors);
	}
}

static void check_file_error(const char *path, int rc, const char *message)
{
	struct config *config;
	char *errors, expected[512];

	assert_int_equal(config_file_read(path, &config, &errors), rc);
	assert_null(config);
	snprintf(expected, sizeof(expected), "%s: error: %s\n1 error\n", path, message);
	assert_string_equal(errors, expected);
	free(errors);
}

static void unreadable_files_are_named(void **state)
{
	struct scratch_file empty = scratch_file("", 0), large = scratch_file("", 0);
	char folder[TEMP_FOLDER_SIZE], fifo[64];

	(void)state;
	check_file_error("/nonexistent/sluice.yaml", -ENOENT,
			 "the configuration cannot be opened: No such file or directory");
	check_file_error(EXAMPLE "/x", -ENOTDIR, "the configuration cannot be opened: Not a directory");
	check_file_error("tests", -EISDIR, "this is a directory: name the configuration file in it");
	check_file_error(empty.path, -EINVAL, "the file is empty: 'interfaces' and 'hash_key' are needed at least");
	assert_int_equal(ftruncate(large.fd, (64 << 20) + 1), 0);
	check_file_error(large.path, -EFBIG, "the file is larger than 64 MiB");

	/* nobody writes to it: it must not be waited for */
	assert_int_equal(temp_folder_make(folder, 0700), 0);
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	check_file_error(fifo, -EINVAL, "the file is empty: 'interfaces' and 'hash_key' are needed at least");
	assert_int_equal(temp_folder_remove(folder), 0);
	close(empty.fd);
	close(large.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_files_give_their_errors), cmocka_unit_test(right_files_are_accepted),
		cmocka_unit_test(the_design_gives_its_struct),	 cmocka_unit_test(lists_are_sorted_and_searchable),
		cmocka_unit_test(errors_show_line_and_caret),	 cmocka_unit_test(the_hash_key_is_never_shown),
		cmocka_unit_test(unreadable_files_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
