/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * sluice check: validates a file by itself, as the agent would, and has a running one say which
 * connections it would break. Nothing depends on whether one runs.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/upload.h"
#include "in/config_file.h"
#include "model/config_advice.h"

#define AGENT_SECONDS 1
#define MAX_WARNINGS  10 /* printed: a file of another balancer has no end of them */

static void print_count(const char *before, size_t count, const char *noun)
{
	printf("%s%zu %s%s", before, count, noun, count == 1 ? "" : "s");
}

static void print_right(const char *path, const struct config *config)
{
	size_t backends = 0;

	for (size_t i = 0; i < config->pool_count; i++)
		backends += config->pools[i].backend_count;
	printf("%s: ok: ", path);
	print_count("", config->service_count, "service");
	print_count(", ", config->pool_count, "pool");
	print_count(", ", backends, "backend");
	print_count(", ", config->interface_count, "interface");
	putchar('\n');
}

static json_t *warnings_of(const json_t *reply)
{
	json_t *warnings = json_array();
	const json_t *change;
	size_t i;

	json_array_foreach(json_object_get(reply, "changes"), i, change)
		if (*cli_text(change, "warning"))
			json_array_append_new(warnings, json_sprintf("%s: %s", cli_text(change, "what"),
								     cli_text(change, "warning")));
	return warnings;
}

/* What the agent warns of; empty if none answers. Only a file on disk can be read a second time. */
static json_t *ask_warnings(const struct cli *cli, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	json_t *reply = NULL, *warnings;
	char *error = NULL;
	struct stat found;

	if (fd >= 0 && fstat(fd, &found) == 0 && S_ISREG(found.st_mode))
		upload_fd(cli, "/v1/diff", fd, path, "", AGENT_SECONDS, &reply, &error);
	if (fd >= 0)
		close(fd);
	warnings = warnings_of(reply);
	json_decref(reply);
	free(error);
	return warnings;
}

/* That of the file itself first. */
static json_t *find_warnings(const struct cli *cli, const char *path, const struct config *config)
{
	json_t *warnings = config_advice(config), *asked = ask_warnings(cli, path);

	json_array_extend(warnings, asked);
	json_decref(asked);
	return warnings;
}

static void print_warnings(const char *path, const json_t *warnings)
{
	const json_t *warning;
	size_t i;

	json_array_foreach(warnings, i, warning) {
		if (i == MAX_WARNINGS) {
			printf("    and %zu more: sluice diff %s\n", json_array_size(warnings) - i, path);
			break;
		}
		printf("    %swarning: %s%s\n", cli_colour("yellow"), json_string_value(warning), cli_colour(NULL));
	}
}

enum exit_code do_check(const struct cli *cli)
{
	const char *path = cli->argument_count ? cli->arguments[0] : DEFAULT_CONFIG;
	struct config *config = NULL;
	char *errors = NULL;
	int error = config_file_read(path, &config, &errors);
	json_t *warnings = error ? json_array() : find_warnings(cli, path, config);

	if (cli->json) {
		json_t *json = json_pack("{s:b, s:s?, s:O}", "ok", !error, "errors", errors, "warnings", warnings);

		cli_print_json(json);
		json_decref(json);
	} else if (error) {
		fputs(errors, stderr);
	} else {
		print_right(path, config);
		print_warnings(path, warnings);
	}
	json_decref(warnings);
	if (!error)
		config_free(config);
	free(errors);
	return error ? EXIT_FAILED : EXIT_DONE;
}
