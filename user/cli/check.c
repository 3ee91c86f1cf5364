/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* sluice check: validates a file by itself, as the agent would. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "in/config_file.h"

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

enum exit_code do_check(const struct cli *cli)
{
	const char *path = cli->argument_count ? cli->arguments[0] : DEFAULT_CONFIG;
	struct config *config = NULL;
	char *errors = NULL;
	int error = config_file_read(path, &config, &errors);

	if (cli->json) {
		json_t *json = json_pack("{s:b, s:s?}", "ok", !error, "errors", errors);

		cli_print_json(json);
		json_decref(json);
	} else if (error) {
		fputs(errors, stderr);
	} else {
		print_right(path, config);
	}
	if (!error)
		config_free(config);
	free(errors);
	return error ? EXIT_FAILED : EXIT_DONE;
}
